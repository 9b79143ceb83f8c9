"""Answers found by playing on; see `reference`."""

from simulators.agentworld.reference.game import Game
from simulators.agentworld.reference.look import (
  Answer,
  apart_by,
  element_word,
  moved,
  number,
  thing_at,
)
from simulators.agentworld.vocabulary import BOX

# --- One move -----------------------------------------------------------------


def bump(game: Game, action: int, *_: int) -> Answer:
  return moved(game, action)


def if_held(game: Game, tool: int, action: int, *_: int) -> Answer:
  agent, _lying, opened, boxes = game.place()
  more = game.put((agent, game.holding(tool), opened, boxes))
  return more.move(more.place(), action)[0] != agent


def nears(game: Game, action: int, index: int, *_: int) -> Answer:
  there, after = thing_at(game, index), game.step(action).agent
  return apart_by(after, there) < apart_by(game.agent, there)


def next_distance(game: Game, action: int, index: int, *_: int) -> Answer:
  return number(apart_by(game.step(action).agent, thing_at(game, index)))


def takes(game: Game, action: int, *_: int) -> Answer:
  return game.step(action).lying != game.lying


def pushes(game: Game, action: int, *_: int) -> Answer:
  return game.step(action).boxes != game.boxes


def deadly(game: Game, action: int, *_: int) -> Answer:
  return game.step(action).failed


def _obstacle(game: Game, action: int) -> str:
  """What stops an action that does not move the agent."""
  cell = game.beside(action)
  if game.is_wall(cell):
    return "wall"
  for e, (there, _) in enumerate(game.elements):
    if there == cell and e not in game.opened:
      return element_word(game, e)
  return BOX if cell in game.boxes else ""


def why_barred(game: Game, action: int, *_: int) -> Answer:
  return "" if moved(game, action) else _obstacle(game, action)


def lacking(game: Game, action: int, *_: int) -> Answer:
  cell = game.beside(action)
  for e, (there, kind) in enumerate(game.elements):
    fits = [t for t, opened in game.opens if opened == kind]
    if there == cell and e not in game.opened and len(fits) == 1:
      return "" if moved(game, action) else game.tool_words[fits[0]]
  return ""


# --- Plans --------------------------------------------------------------------


def plan(game: Game, index: int, *moves: int) -> Answer:
  there = thing_at(game, index)  # although a plan may carry it on
  for action in moves:
    if action >= 0:
      game = game.step(action)
  return game.agent == there


def stopped(game: Game, *moves: int) -> Answer:
  for action in moves:
    if action >= 0:
      if not moved(game, action):
        return _obstacle(game, action)
      game = game.step(action)
  return "nothing"

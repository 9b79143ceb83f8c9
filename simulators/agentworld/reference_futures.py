"""Answers found by playing on or by searching, for `reference_answers`.

Each takes the game and the question's arguments and gives a word or a bool, or
"" where the moment has no single answer.
"""

import math

from simulators.agentworld.moments import BOX
from simulators.agentworld.reference_sights import (
  apart_by,
  element_word,
  moved,
  number,
  thing_at,
  thing_word,
)
from simulators.agentworld.types import ACTIONS

# --- One move -----------------------------------------------------------------


def bump(game, action, *_):
  return moved(game, action)


def if_held(game, tool, action, *_):
  agent, held, opened, boxes = game.place()
  more = game.put((agent, held | {tool}, opened, boxes))
  return more.move(more.place(), action)[0] != agent


def nears(game, action, index, *_):
  there, after = thing_at(game, index), game.step(action).agent
  return apart_by(after, there) < apart_by(game.agent, there)


def next_distance(game, action, index, *_):
  return number(apart_by(game.step(action).agent, thing_at(game, index)))


def takes(game, action, *_):
  return game.step(action).held != game.held


def pushes(game, action, *_):
  return game.step(action).boxes != game.boxes


def deadly(game, action, *_):
  return game.step(action).failed


def stop(game, action) -> str:
  """What stands in the way of an action that does not move one."""
  cell = game.beside(action)
  if game.is_wall(cell):
    return "wall"
  for e, (there, _) in enumerate(game.elements):
    if there == cell and e not in game.opened:
      return element_word(game, e)
  return BOX if cell in game.boxes else ""


def why_barred(game, action, *_):
  return "" if moved(game, action) else stop(game, action)


def lacking(game, action, *_):
  cell = game.beside(action)
  for e, (there, kind) in enumerate(game.elements):
    fits = [t for t, opened in game.opens if opened == kind]
    if there == cell and e not in game.opened and len(fits) == 1:
      return "" if moved(game, action) else game.tool_words[fits[0]]
  return ""


# --- Plans --------------------------------------------------------------------


def plan(game, index, *moves):
  for action in moves:
    if action >= 0:
      game = game.step(action)
  return game.agent == thing_at(game, index)


def stopped(game, *moves):
  for action in moves:
    if action >= 0:
      if not moved(game, action):
        return stop(game, action)
      game = game.step(action)
  return "nothing"


def good_start(game, first, second, *_):
  there = game.step(first).step(second)
  left = math.inf if there.failed else game.distance(there.place())
  return left == min(game.costs()) - 2


def optimal_next(game, *_):
  best = game.optimal()
  return ACTIONS[best[0]] if len(best) == 1 else ""


def better(game, first, second, *_):
  costs = game.costs()
  if costs[first] == costs[second]:
    return ""
  return ACTIONS[first if costs[first] < costs[second] else second]


def progress(game, action, *_):
  return action in game.optimal()


def steps(game, *_):
  return number(min(game.costs()))


# --- Tools that help ----------------------------------------------------------


def helps(game, tool, *_):
  agent, held, opened, boxes = game.place()
  eased = game.distance((agent, held | {tool}, opened, boxes))
  return eased < game.distance(game.place())


def first_tool(game, *_):
  agent, held, opened, boxes = game.place()
  passed = {
    e for e, (_, kind) in enumerate(game.elements) if game.openable(kind, held)
  }
  within = game.walkable(opened | passed)
  lying = set(range(len(game.tools))) - held
  if game.goal in within:
    ready = game.task in ("reach", "open")
    ready |= game.task == "bring" and game.thing in held
    mine = ready and not any(helps(game, t) for t in lying)
    return "nothing" if mine else ""
  near = []
  for t in lying:
    there = game.tools[t][0]
    after = (there, held | {t}, opened, boxes)
    steps = apart_by(agent, there) + game.distance(after)
    near += [t] * (there in within and steps <= game.distance(game.place()))
  return thing_word(game, 1 + near[0]) if len(near) == 1 else ""

"""Answers found by searching the whole level; see `reference`."""

import math

from simulators.agentworld.reference.game import Game
from simulators.agentworld.reference.look import (
  Answer,
  apart_by,
  number,
  thing_word,
)
from simulators.agentworld.vocabulary import ACTIONS


def optimal_next(game: Game, *_: int) -> Answer:
  best = game.optimal()
  return ACTIONS[best[0]] if len(best) == 1 else ""


def steps(game: Game, *_: int) -> Answer:
  return number(min(game.costs()))


def better(game: Game, first: int, second: int, *_: int) -> Answer:
  costs = game.costs()
  if costs[first] == costs[second]:
    return ""
  return ACTIONS[first if costs[first] < costs[second] else second]


def progress(game: Game, action: int, *_: int) -> Answer:
  return action in game.optimal()


def good_start(game: Game, first: int, second: int, *_: int) -> Answer:
  there = game.step(first).step(second)
  left = math.inf if there.failed else game.distance(there.place())
  return left == min(game.costs()) - 2


def helps(game: Game, tool: int, *_: int) -> Answer:
  agent, _lying, opened, boxes = game.place()
  eased = game.distance((agent, game.holding(tool), opened, boxes))
  return eased < game.distance(game.place())


def first_tool(game: Game, *_: int) -> Answer:
  (agent, lying, opened, boxes), held = game.place(), game.held
  passed = {
    e for e, (_, kind) in enumerate(game.elements) if game.openable(kind, held)
  }
  within = game.walkable(opened | passed)
  on_floor = set(range(len(game.tools))) - held
  if game.goal in within:
    ready = game.task in ("reach", "open")
    ready |= game.task == "bring" and game.thing in held
    mine = ready and not any(helps(game, t) for t in on_floor)
    return "nothing" if mine else ""
  near = []
  for t in on_floor:
    there = lying[t]
    assert there is not None  # it lies somewhere
    after = (there, game.holding(t), opened, boxes)
    steps = apart_by(agent, there) + game.distance(after)
    near += [t] * (there in within and steps <= game.distance(game.place()))
  return thing_word(game, 1 + near[0]) if len(near) == 1 else ""

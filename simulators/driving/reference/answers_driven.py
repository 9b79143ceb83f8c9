"""Answers that need driving on or planning: one function for each kind.

The functions are like those of `answers_seen`.
"""

from simulators.driving.reference.game import Game
from simulators.driving.reference.motion import Car, EgoCar
from simulators.driving.reference.scene import ROUTE, Driver
from simulators.driving.reference.sight import Sight
from simulators.driving.types import ACTIONS, KEEP, STOP


def _kept(game: Game, action: int, times: int) -> Game:
  """The game after an action and so many times `keep`."""
  return game.drive(action, *[KEEP] * times)


def speed_after(game: Game, sight: Sight, action: int, *_: int) -> str:
  by = _kept(game, action, 1).ego.v - game.ego.v
  if abs(by) < 0.2:
    return "same"
  return "faster" if by > 0 else "slower"


def harm(game: Game, sight: Sight, action: int, *_: int) -> bool:
  return _kept(game, action, 3).failed


def saves(game: Game, sight: Sight, *_: int) -> bool:
  return not _kept(game, STOP, 3).failed


def plan(game: Game, sight: Sight, *actions: int) -> bool:
  return not game.drive(*actions).failed


def cause(game: Game, sight: Sight, *actions: int) -> str:
  faults = game.drive(*actions, *[KEEP] * 4).faults
  return next(iter(faults)) if len(faults) == 1 else "none"


def over(game: Game, sight: Sight, *_: int) -> bool:
  way = _kept(game, KEEP, 2).ego.s - game.ego.s
  return way > sight.line_ahead()


def brake(game: Game, sight: Sight, *_: int) -> bool:
  way = game.drive(*[STOP] * 6).ego.s - game.ego.s
  return way <= sight.line_ahead()


def _later(game: Game, who: Driver) -> tuple[EgoCar, Car]:
  """The ego and the car of a driver after three seconds of `keep`."""
  later = _kept(game, KEEP, 2)
  return later.ego, next(c for c in later.cars if c.who is who)


def nearer(game: Game, sight: Sight, *_: int) -> bool:
  car = sight.lead.car
  ego, then = _later(game, car.who)
  return then.s - ego.s < car.s - game.ego.s


def slows(game: Game, sight: Sight, *_: int) -> bool:
  car = sight.lead.car
  return _later(game, car.who)[1].v < car.v - 1.0


def change(game: Game, sight: Sight, *_: int) -> bool:
  described = [c for s in (-1, 0, 1) for c in sight.on_lane(s)]
  car = min(described, key=lambda c: (abs(c.gap), c.car.who.slot)).car
  return _later(game, car.who)[1].lane != car.lane


def better(game: Game, sight: Sight, one: int, two: int, *_: int) -> str:
  costs = game.costs()
  return ACTIONS[one if costs[one] < costs[two] else two]


def best(game: Game, sight: Sight, *_: int) -> str:
  costs = game.costs()
  return ACTIONS[costs.index(min(costs))]


def hit(game: Game, sight: Sight, *actions: int) -> str:
  """Where the car is seen now that a recorded drive ends in."""
  end = game.drive(*actions, *[KEEP] * 4)
  it = next(c for c in sight.cars if c.car.who.slot == end.struck)
  if it.car.who.road != ROUTE:
    return "other"
  return {0: "ahead", 1: "left", -1: "right"}[it.side]

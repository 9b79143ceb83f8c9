"""Answers that are read off what the ego sees: one function for each kind.

Each takes the game, what the ego sees in it, and the question's arguments. It
returns a word, or a bool for yes and no. A border case has an answer here as
well; the sampler does not ask about those.
"""

import math

from simulators.driving.reference.game import Game
from simulators.driving.reference.motion import STEP, idm
from simulators.driving.reference.scene import GREEN, ONCOMING, RED
from simulators.driving.reference.sight import Sight, look
from simulators.driving.types import ACTIONS

LIGHTS = ("none", "green", "amber", "red")


def _side(code: int) -> int:
  """Lanes to the left: 1 for a left side, -1 for a right one."""
  return 1 if code == 1 else -1


def light(game: Game, sight: Sight, *_: int) -> str:
  return LIGHTS[sight.light]


def lane(game: Game, sight: Sight, side: int, *_: int) -> bool:
  return 0 <= sight.lane + _side(side) < game.scene.lanes


def people(game: Game, sight: Sight, *_: int) -> bool:
  return sight.people


def beside(game: Game, sight: Sight, side: int, *_: int) -> bool:
  return sight.place(_side(side), 1).gap < 20.0


# (lanes to the left, ahead 1 or behind -1), by the number in the question.
_PLACES = [(side, way) for way in (1, -1) for side in (0, 1, -1)]


def nearer_car(game: Game, sight: Sight, one: int, two: int, *_: int) -> bool:
  first, second = (sight.place(*_PLACES[i]) for i in (one, two))
  return abs(first.gap) < abs(second.gap)


def faster_car(game: Game, sight: Sight, one: int, two: int, *_: int) -> bool:
  first, second = (sight.place(*_PLACES[i]) for i in (one, two))
  return first.speed > second.speed


def pace(game: Game, sight: Sight, *_: int) -> str:
  return "faster" if sight.lead.speed > game.ego.v else "slower"


def reach(game: Game, sight: Sight, *_: int) -> bool:
  lead = sight.lead
  return lead.speed * 5.0 + lead.gap < game.ego.v * 5.0


def eased(game: Game, sight: Sight, *_: int) -> bool:
  lead = sight.lead
  return lead.speed * 10.0 + lead.gap < (game.ego.v - STEP) * 10.0


def gap(game: Game, sight: Sight, *_: int) -> bool:
  first = min(sight.others(), key=lambda c: c.gap)
  return first.gap < 2.0 * max(first.speed, 0.5)


def room(game: Game, sight: Sight, side: int, *_: int) -> bool:
  for c in sight.on_lane(_side(side)):
    rear = game.ego.v if c.gap >= 1.0 else c.speed  # who drives behind
    if abs(c.gap) < max(rear, 2.0):
      return False
  return True


def limit(game: Game, sight: Sight, *_: int) -> bool:
  return game.ego.target + STEP > game.scene.limit


def rule(game: Game, sight: Sight, *_: int) -> str:
  return "stop" if sight.light == RED or sight.people else "go"


def way(game: Game, sight: Sight, *_: int) -> str:
  if any(c.car.who.road == ONCOMING for c in sight.others()):
    return "other"  # one who turns left lets them go first
  return "you" if sight.light == GREEN else "other"


def cut_in(game: Game, sight: Sight, side: int, *_: int) -> bool:
  behind = [c for c in sight.on_lane(_side(side)) if c.gap <= -1.0]
  it = max(behind, key=lambda c: c.gap)
  wish = it.car.who.wished(float(game.time))
  space = max(-it.gap, 0.1)
  a = idm(game.scene, it.car.who, wish, it.speed, space, game.ego.v)
  return a < -2.0


def halt(game: Game, sight: Sight, *_: int) -> bool:
  return game.ego.v**2 < 2.0 * 2.0 * max(sight.line_ahead(), 1.0)


def safe(game: Game, sight: Sight, *_: int) -> str:
  lines = (sight.line, sight.walk, sight.lane_end)
  way = next(line for line in lines if line is not None)
  for word, speed in (("ten", 10.0), ("six", 6.0)):
    if speed * speed <= 2.0 * 2.0 * way:
      return word
  return "three"


def distance(game: Game, sight: Sight, *_: int) -> bool:
  """Both brake at 4 m/s2 until they stand, the ego a second later."""
  lead, mine = sight.lead, game.ego.v
  ahead = lead.gap + lead.speed**2 / 8.0
  return mine + mine**2 / 8.0 >= ahead


def in_time(game: Game, sight: Sight, *_: int) -> bool:
  return sight.goal < sight.left * max(game.ego.v, 0.5)


def switch(game: Game, sight: Sight, *_: int) -> bool:
  """Whether the countdown ends before the ego is at the line."""
  if sight.countdown is None or sight.line is None:
    raise ValueError("no countdown can be read: ask only where one can")
  return sight.line >= sight.countdown * max(game.ego.v, 0.5)


def _second_ago(game: Game) -> Game:
  """The game a second before.

  Raises:
    ValueError: this is the first moment of its episode.
  """
  if game.before is None:
    raise ValueError("no second has passed: ask only after a first decision")
  return game.before


def did(game: Game, sight: Sight, *_: int) -> str:
  """The one decision that changed the previous aims to the current ones."""
  before = _second_ago(game)
  aims = (game.ego.lane, game.ego.target)
  led = [a for a in before.legal() if math.dist(before.aims(a), aims) < 0.01]
  return ACTIONS[led[0]] if len(led) == 1 else "none"


def came(game: Game, sight: Sight, *_: int) -> bool:
  now = sight.lead
  seen = look(_second_ago(game)).cars
  was = next(c for c in seen if c.car.who.slot == now.car.who.slot)
  return now.gap < was.gap

"""The answers to all kinds of question, as words, for `reference`.

Each takes the game, what is seen in it and the question's arguments. A border
case has an answer here as everywhere; the sampler keeps clear of it.
"""

import math

from simulators.driving import moments, questions, reference_sight
from simulators.driving.reference_motion import STEP, idm
from simulators.driving.reference_scene import GREEN, ONCOMING, RED, ROUTE
from simulators.driving.types import ACTIONS, KEEP, STOP

LIGHTS = ("none", "green", "amber", "red")


def answer(game, kind: int | str, args) -> int:
  """See `reference.answer`."""
  if not isinstance(kind, str):
    kind = questions.KINDS[int(kind)]
  args = [int(x) for x in args]
  word = _WORDS[kind](game, reference_sight.look(game), *args)
  if isinstance(word, bool):
    word = "yes" if word else "no"
  return moments.ANSWERS.index(word)


def _side(code: int) -> int:
  return 1 if code == 1 else -1


# --- Read off the moment ------------------------------------------------------


def _light(game, sight, *_):
  return LIGHTS[sight.light]


def _lane(game, sight, side, *_):
  return 0 <= sight.lane + _side(side) < game.scene.lanes


def _people(game, sight, *_):
  return sight.people


def _beside(game, sight, side, *_):
  return any(abs(c.gap) < 10.0 for c in sight.on_lane(_side(side)))


def _pace(game, sight, *_):
  return "faster" if sight.lead.speed > game.ego.v else "slower"


def _reach(game, sight, *_):
  lead = sight.lead
  return lead.speed * 5.0 + lead.gap < game.ego.v * 5.0


def _eased(game, sight, *_):
  lead = sight.lead
  return lead.speed * 10.0 + lead.gap < (game.ego.v - STEP) * 10.0


def _gap(game, sight, *_):
  return any(c.gap < 4.0 * max(c.speed, 0.5) for c in sight.others())


def _room(game, sight, side, *_):
  for c in sight.on_lane(_side(side)):
    rear = game.ego.v if c.gap >= 1.0 else c.speed  # who drives behind
    if abs(c.gap) < max(rear, 2.0):
      return False
  return True


def _limit(game, sight, *_):
  return game.ego.target + STEP > game.scene.limit


def _rule(game, sight, *_):
  return "stop" if sight.light == RED or sight.people else "go"


def _way(game, sight, *_):
  if any(c.car.who.road == ONCOMING for c in sight.others()):
    return "other"  # one who turns left lets them go first
  return "you" if sight.light == GREEN else "other"


def _cut_in(game, sight, side, *_):
  behind = [c for c in sight.on_lane(_side(side)) if c.gap < 1.0]
  it = max(behind, key=lambda c: c.gap)
  wish = it.car.who.wished(float(game.time))
  space = max(-it.gap, 0.1)
  a = idm(game.scene, it.car.who, wish, it.speed, space, game.ego.v)
  return a < -2.0


def _halt(game, sight, *_):
  return game.ego.v**2 < 2.0 * 4.0 * max(sight.line_ahead(), 1.0)


def _safe(game, sight, *_):
  lines = (sight.line, sight.walk, sight.lane_end)
  way = next(line for line in lines if line is not None)
  for word, speed in (("ten", 10.0), ("six", 6.0)):
    if speed * speed <= 2.0 * 2.0 * way:
      return word
  return "three"


def _distance(game, sight, *_):
  """Both brake at 4 m/s2 until they stand, the ego a second later."""
  lead, mine = sight.lead, game.ego.v
  ahead = lead.gap + lead.speed**2 / 8.0
  return mine + mine**2 / 8.0 >= ahead


def _in_time(game, sight, *_):
  return sight.goal < sight.left * max(game.ego.v, 0.5)


# --- Found by driving on ------------------------------------------------------


def _kept(game, action, times):
  return game.drive(action, *[KEEP] * times)


def _speed_after(game, sight, action, *_):
  by = _kept(game, action, 1).ego.v - game.ego.v
  if abs(by) < 0.2:
    return "same"
  return "faster" if by > 0 else "slower"


def _harm(game, sight, action, *_):
  return _kept(game, action, 3).failed


def _saves(game, sight, *_):
  return not _kept(game, STOP, 3).failed


def _plan(game, sight, *actions):
  return not game.drive(*actions).failed


def _cause(game, sight, *actions):
  faults = game.drive(*actions, *[KEEP] * 4).faults
  return next(iter(faults)) if len(faults) == 1 else "none"


def _over(game, sight, *_):
  way = _kept(game, KEEP, 2).ego.s - game.ego.s
  return way > sight.line_ahead()


def _brake(game, sight, *_):
  way = game.drive(*[STOP] * 6).ego.s - game.ego.s
  return way <= sight.line_ahead()


def _later(game, who):
  """(the ego, the car of a driver) after three seconds of `keep`."""
  later = _kept(game, KEEP, 2)
  return later.ego, next(c for c in later.cars if c.who is who)


def _nearer(game, sight, *_):
  car = sight.lead.car
  ego, then = _later(game, car.who)
  return then.s - ego.s < car.s - game.ego.s


def _slows(game, sight, *_):
  car = sight.lead.car
  return _later(game, car.who)[1].v < car.v - 1.0


def _change(game, sight, *_):
  told = [c for s in (-1, 0, 1) for c in sight.on_lane(s)]
  car = min(told, key=lambda c: (abs(c.gap), c.car.who.index)).car
  return _later(game, car.who)[1].lane != car.lane


# --- What is best -------------------------------------------------------------


def _better(game, sight, one, two, *_):
  costs = game.costs()
  return ACTIONS[one if costs[one] < costs[two] else two]


def _best(game, sight, *_):
  costs = game.costs()
  return ACTIONS[costs.index(min(costs))]


# --- A second ago -------------------------------------------------------------


def _did(game, sight, *_):
  """The one decision that led from the aims before to those of now."""
  before = game.before
  aims = (game.ego.lane, game.ego.target)
  led = [a for a in before.legal() if math.dist(before.aims(a), aims) < 0.01]
  return ACTIONS[led[0]] if len(led) == 1 else "none"


def _came(game, sight, *_):
  now = sight.lead
  seen = reference_sight.look(game.before).cars
  was = next(c for c in seen if c.car.who.index == now.car.who.index)
  return now.gap < was.gap


def _hit(game, sight, *actions):
  """Where the car is seen now that a recorded drive ends in."""
  end = game.drive(*actions, *[KEEP] * 4)
  it = next(c for c in sight.cars if c.car.who.index == end.struck)
  if it.car.who.road != ROUTE:
    return "other"
  return {0: "ahead", 1: "left", -1: "right"}[it.side]


_WORDS = {
  "light": _light,
  "lane": _lane,
  "people": _people,
  "beside": _beside,
  "pace": _pace,
  "reach": _reach,
  "eased": _eased,
  "gap": _gap,
  "room": _room,
  "limit": _limit,
  "rule": _rule,
  "way": _way,
  "cut_in": _cut_in,
  "halt": _halt,
  "safe": _safe,
  "distance": _distance,
  "in_time": _in_time,
  "speed_after": _speed_after,
  "harm": _harm,
  "saves": _saves,
  "plan": _plan,
  "cause": _cause,
  "over": _over,
  "brake": _brake,
  "nearer": _nearer,
  "slows": _slows,
  "change": _change,
  "better": _better,
  "best": _best,
  "did": _did,
  "came": _came,
  "hit": _hit,
}

"""What a moment's description has to say, by the reference's rules."""

from typing import Any

from simulators.driving.reference.game import Game
from simulators.driving.reference.scene import LONG, ONCOMING, ROUTE
from simulators.driving.reference.sight import Seen, Sight, look
from simulators.driving.text.words import DISTANCES, LIGHTS, SPEEDS, TIMES
from simulators.driving.types import ACTIONS, Config

_SLACK = 0.01  # m, m/s: the two paths round differently
_STILL = 0.5  # m/s; a slower car is standing
_BESIDE = 1.0  # m; a smaller gap to a car in the next lane


def describes(
  game: Game, actions: tuple[int, ...], said: dict[str, Any], config: Config
) -> bool:
  """Whether a description of the moment after some actions is right.

  Checks all that is said but the task, turns, brake lights, and where people
  are; and that the car ahead is mentioned.

  Args:
    game: the moment before the actions.
    actions: their indices, at least one.
    said: what the description says, as `Driving.parse_description` reads it.
    config: of the world.
  """
  for action in actions:
    game = game.step(action)
  compact, seen = config.rendering == "compact", look(game)
  ego, scene = game.ego, game.scene

  def is_so(name: str, value: float | None, scale: tuple[int, ...]) -> bool:
    if value is None or name not in said:
      return value is None and name not in said
    return _near(said[name], value, scale if compact else ())

  lanes = said.get("lanes", scene.lanes) == scene.lanes
  facts = (
    lanes and said.get("lane", seen.lane + 1) == seen.lane + 1,
    said.get("going") == (
      None if scene.lanes == 1 else _side(seen.aims)
    ),
    said.get("last") == ACTIONS[actions[-1]],
    said.get("light") == (LIGHTS[seen.light] if seen.light else None),
    bool(said["people"]) <= (seen.walk is not None),
    ("ahead" in said["cars"]) == ("ahead" in slots(seen)),
    is_so("goal", seen.goal, ()),
    is_so("left", seen.left, ()),
    is_so("speed", ego.v, SPEEDS),
    is_so("aim", ego.target, SPEEDS),
    is_so("limit", scene.limit, SPEEDS),
    is_so("line", seen.line if seen.light else None, DISTANCES),
    is_so("countdown", seen.countdown, TIMES),
    is_so("walk", seen.walk, DISTANCES),
    is_so("end", seen.lane_end, DISTANCES),
  )  # fmt: skip
  return all(facts) and all(
    _car_is_so(car, slots(seen).get(slot, []), ego.v, compact)
    for slot, car in said["cars"].items()
  )


def _near(said: float, value: float, scale: tuple[int, ...]) -> bool:
  """Whether a number is what is said: rounded, or the nearest of a scale."""
  least = min((abs(x - value) for x in scale), default=0.5)
  return abs(said - max(value, 0.0)) <= least + _SLACK


def _side(lanes: int) -> str | None:
  return "left" if lanes > 0 else "right" if lanes < 0 else None


def slots(seen: Sight) -> dict[str, list[Seen]]:
  """Slot -> the cars there, the nearest first."""
  out: dict[str, list[Seen]] = {}
  for car in sorted(seen.cars, key=lambda car: abs(car.gap)):
    road, gap = car.car.who.road, car.gap
    if road != ROUTE:
      slot = "oncoming" if road == ONCOMING else "crossing"
    elif abs(car.side) > 1:
      continue
    elif car.side and abs(gap) < _BESIDE:
      slot = f"{_side(car.side)} beside"
    else:
      where = "ahead" if gap >= 0 else "behind"
      slot = f"{_side(car.side)} {where}" if car.side else where
    out.setdefault(slot, []).append(car)
  return out


def gap_to(car: Seen) -> float:
  """m to a car as texts count them, ahead or behind."""
  return abs(car.gap) if car.car.who.road == ROUTE else max(car.gap, 0.0)


def _car_is_so(
  said: dict[str, Any], cars: list[Seen], speed: float, compact: bool
) -> bool:
  """Whether what is said of a slot's nearest car is so."""
  if not cars:
    return False
  car = cars[0]
  distances = DISTANCES if compact else ()
  kind = "truck" if car.car.who.size > LONG else "car"
  beside = car.side != 0 and abs(car.gap) < _BESIDE
  if kind != said["kind"] or not (
    beside or _near(said["gap"], gap_to(car), distances)
  ):
    return False
  if "speed" in said:  # on another road
    return _near(said["speed"], car.speed, SPEEDS if compact else ())
  if said["standing"] or car.speed < _STILL - _SLACK:
    return said["standing"] and car.speed < _STILL + _SLACK
  by = car.speed - speed
  if compact:
    if abs(said["by"]) < 2:
      return abs(by) < 1.0 + _SLACK
    return by * said["by"] > 0 and _near(
      abs(said["by"]), max(abs(by), 2.0), SPEEDS
    )
  return abs(by - said["by"]) <= 0.5 + _SLACK

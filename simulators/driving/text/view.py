"""What a driver perceives in one moment, as plain values for the renderings."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from simulators.driving.text.words import LIGHTS, OTHER_ROADS, SLOTS
from simulators.driving.types import ACTIONS, FAMILIES, Array, Obs

BESIDE = 1.0  # m; a car in the next lane with a smaller gap is beside the ego
STILL = 0.5  # m/s; a slower car is standing
# Cars of a slot that a description mentions: two oncoming ones make a gap.
_COUNT = {"oncoming": 2}


@dataclasses.dataclass(frozen=True)
class Neighbour:
  """A car or truck that is seen.

  Attributes:
    kind: "car" or "truck".
    gap: m, not negative.
    speed: m/s.
    by: m/s, its speed minus the ego's.
    brakes: its brake lights are on.
  """

  kind: str
  gap: float
  speed: float
  by: float
  brakes: bool


@dataclasses.dataclass(frozen=True)
class Person:
  """A person on the crosswalk, or waiting at it.

  Attributes:
    side: "left" or "right" of the ego's path.
    gap: m to that path.
    going: "left", "right", or "" while waiting.
  """

  side: str
  gap: float
  going: str


@dataclasses.dataclass(frozen=True)
class View:
  """One moment; None or "" for what is not there.

  Attributes:
    family: the kind of scene, which is the task.
    goal, left: m and s to the goal.
    speed, aim, limit: m/s.
    lane: from the right, 0 is the first.
    lanes: of the road.
    going: "left" or "right", to which a lane change goes on.
    last: the action of the last second.
    turn, bend: "left" or "right", and m to where that turn begins.
    light, line, countdown: colour, m to the stop line, s until it changes.
    walk: m to the crosswalk.
    end: m to the end of the rightmost lane.
    people: at the crosswalk.
    cars: slot -> the nearest car there; two if they are oncoming.
  """

  family: str
  goal: float
  left: float
  speed: float
  aim: float
  limit: float
  lane: int
  lanes: int
  going: str
  last: str
  turn: str
  bend: float
  light: str
  line: float
  countdown: float | None
  walk: float | None
  end: float | None
  people: tuple[Person, ...]
  cars: Mapping[str, tuple[Neighbour, ...]]


def views(obs: Obs) -> list[View]:
  """The rows of a batch of observations with numpy leaves [B, ...]."""
  return [_view(obs, i) for i in range(len(obs.speed))]


def _view(obs: Obs, i: int) -> View:
  def there(value: Array) -> float | None:
    return float(value[i]) if value[i] >= 0 else None

  lanes = int(obs.lanes[i])
  return View(
    family=FAMILIES[int(obs.family[i])],
    goal=float(obs.goal[i]),
    left=float(obs.left[i]),
    speed=float(obs.speed[i]),
    aim=float(obs.target[i]),
    limit=float(obs.limit[i]),
    lane=min(max(int(obs.lane[i]), 0), lanes - 1),
    lanes=lanes,
    going=_side(obs.aims[i]),
    last=ACTIONS[int(obs.last[i])] if obs.last[i] >= 0 else "",
    turn=_side(obs.turn[i]),
    bend=float(obs.bend[i]),
    light=LIGHTS[int(obs.light[i])] if obs.light[i] else "",
    line=float(obs.line[i]),
    countdown=there(obs.countdown),
    walk=there(obs.walk),
    end=there(obs.lane_end),
    people=tuple(
      Person(
        side="left" if obs.walker_gap[i, j] > 0 else "right",
        gap=abs(float(obs.walker_gap[i, j])),
        going=_side(obs.walker_goes[i, j]),
      )
      for j in np.flatnonzero(obs.walker_seen[i]).tolist()
    ),
    cars=_cars(obs, i),
  )


def _side(value: Array) -> str:
  return "left" if value > 0 else "right" if value < 0 else ""


def slot_of(road: int, side: int, gap: float) -> str:
  """The slot of a car, one of SLOTS; "" where it is two lanes away."""
  if road:
    return OTHER_ROADS[road - 1]
  if abs(side) > 1:
    return ""
  where = "ahead" if gap >= 0 else "behind"
  if not side:
    return where
  lane = "left" if side > 0 else "right"
  return f"{lane} {'beside' if abs(gap) < BESIDE else where}"


def _cars(obs: Obs, i: int) -> dict[str, tuple[Neighbour, ...]]:
  found: dict[str, list[Neighbour]] = {slot: [] for slot in SLOTS}
  for j in np.flatnonzero(obs.car_seen[i]).tolist():
    gap, road = float(obs.car_gap[i, j]), int(obs.car_road[i, j])
    slot = slot_of(road, int(obs.car_side[i, j]), gap)
    if slot:
      found[slot].append(
        Neighbour(
          kind="truck" if obs.truck[i, j] else "car",
          gap=max(gap, 0.0) if road else abs(gap),
          speed=float(obs.car_speed[i, j]),
          by=float(obs.car_speed[i, j] - obs.speed[i]),
          brakes=bool(obs.car_brakes[i, j]),
        )
      )
  return {
    slot: tuple(sorted(cars, key=lambda car: car.gap)[: _COUNT.get(slot, 1)])
    for slot, cars in found.items()
    if cars
  }

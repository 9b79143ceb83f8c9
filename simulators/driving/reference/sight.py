"""What the ego sees, derived again from the hidden state."""

import math
from typing import NamedTuple

from simulators.driving.reference.drive import Drive
from simulators.driving.reference.motion import Car
from simulators.driving.reference.scene import NONE, ROUTE, Scene
from simulators.driving.types import LENGTH

AHEAD, BEHIND = 80.0, 30.0  # m, range ahead and behind
READ = 60.0  # m, from where a countdown is read


class Seen(NamedTuple):
  """A car or truck that is seen, with the noise of gap and speed."""

  car: Car
  gap: float  # m, ahead positive; on another road: to where the paths meet
  side: int  # lanes to the left of the ego's lane
  speed: float  # m/s


class Sight(NamedTuple):
  """What the ego sees in one moment; None for no such thing."""

  lane: int
  aims: int  # lanes to the left that a change in progress goes
  light: int
  countdown: int | None  # s until the light changes, where it can be read
  line: float | None  # m, to the stop line
  walk: float | None  # m, to the crosswalk
  lane_end: float | None  # m, to the end of lane 0
  goal: float  # m, left to go
  left: float  # s, left
  people: bool  # someone is seen on the crosswalk
  cars: tuple[Seen, ...]

  @property
  def lead(self) -> Seen:
    """The nearest car ahead in the ego's lane.

    Raises:
      ValueError: there is none.
    """
    cars = [c for c in self.on_lane(0) if c.gap >= 0.0]
    if not cars:
      raise ValueError(
        "no car is seen ahead in the lane: ask only where one is"
      )
    return min(cars, key=lambda c: c.gap)

  def on_lane(self, side: int) -> list[Seen]:
    """The cars on the route, so many lanes to the left."""
    route = [c for c in self.cars if c.car.who.road == ROUTE]
    return [c for c in route if c.side == side]

  def place(self, side: int, way: int) -> Seen:
    """The nearest car ahead (way 1) or behind (-1), so many lanes to the left.

    Raises:
      ValueError: there is none.
    """
    least = 1.0 if side else 0.0
    cars = [c for c in self.on_lane(side) if c.gap * way >= least]
    if way < 0:
      cars = [c for c in cars if c.gap < 0.0]
    if not cars:
      raise ValueError(f"no car is in place {side, way}: ask only where one is")
    return min(cars, key=lambda c: abs(c.gap))

  def others(self) -> list[Seen]:
    """The cars on other roads that have not reached the meeting place yet."""
    return [c for c in self.cars if c.car.who.road != ROUTE and c.gap > 0.0]

  def line_ahead(self) -> float:
    """m to the stop line, else to the crosswalk.

    Raises:
      ValueError: there is neither.
    """
    line = self.walk if self.line is None else self.line
    if line is None:
      raise ValueError("no line or crosswalk is ahead: ask only where one is")
    return line


def look(game: Drive) -> Sight:
  """What the ego sees at the present moment of a drive."""
  scene, ego, now = game.scene, game.ego, float(game.time)
  width = scene.rule["lane_width"]
  nose, lane = ego.s + 0.5 * LENGTH, round(ego.d / width)

  def ahead(s: float) -> float | None:
    return s - nose if 0.0 < s - nose < 1e5 else None

  line, walk = ahead(scene.stop[ROUTE]), ahead(scene.walk)
  walk = None if 2 in scene.missing else walk
  light = scene.light(ROUTE, now)
  places = (len(game.chance) - len(scene.walkers)) // 3
  made_out = [c >= scene.rule["dropout"] for c in game.chance[2 * places :]]
  return Sight(
    lane=lane,
    aims=ego.lane - lane,
    light=NONE if line is None else light,
    countdown=_countdown(scene, now) if light != NONE and line is not None
    and line < READ else None,
    line=line,
    walk=walk,
    lane_end=None if scene.ramp is None else ahead(scene.ramp[1]),
    goal=max(scene.goal - ego.s, 0.0),
    left=float(scene.time - game.time),
    people=walk is not None and walk < AHEAD and any(
      walker.on and seen
      for walker, seen in zip(
        scene.people(now), made_out[places:], strict=True
      )
    ),
    cars=tuple(
      _seen(game, car, lane, places)
      for car in game.cars
      if made_out[car.who.slot] and _near(game, car)
    ),
  )  # fmt: skip


def _countdown(scene: Scene, now: float) -> int:
  """Whole seconds until the light differs, by trying one after another."""
  shown = scene.light(ROUTE, now)
  return next(t for t in range(1, 61) if scene.light(ROUTE, now + t) != shown)


def _gap(game: Drive, car: Car) -> float:
  """m from bumper to bumper, or to where the paths meet."""
  if car.who.road != ROUTE:
    there, _ = game.scene.meeting(car.who.road)
    return there - car.s - 0.5 * car.who.size
  away = car.s - game.ego.s
  free = max(abs(away) - 0.5 * (car.who.size + LENGTH), 0.0)
  return math.copysign(free, away)


def _near(game: Drive, car: Car) -> bool:
  """Whether a car is in the ego's range."""
  if car.who.road == ROUTE:
    return -BEHIND < _gap(game, car) < AHEAD
  _, mine = game.scene.meeting(car.who.road)
  return -LENGTH < _gap(game, car) < AHEAD and game.ego.s < mine + 4.0


def _seen(game: Drive, car: Car, lane: int, places: int) -> Seen:
  """A car with noise: uniform, up to sqrt(3) standard deviations."""
  scene, i = game.scene, car.who.slot
  wrong = [
    1.0 + scene.rule["noise"] * (game.chance[at] - 0.5) * math.sqrt(12.0)
    for at in (i, places + i)
  ]
  side = round(car.d / scene.rule["lane_width"]) - lane
  return Seen(car, _gap(game, car) * wrong[0], side, car.v * wrong[1])

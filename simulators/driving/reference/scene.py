"""A scene and its rules in plain numbers: roads, drivers, lights, people.

All numbers are Python floats: lengths in m, times in s, angles in rad.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from simulators.driving import types
from simulators.driving.types import FAR, LENGTH

NONE, GREEN, AMBER, RED = range(4)
ROUTE, ONCOMING, CROSSING = range(3)
LONG = 7.0  # m; a longer car is a truck
BEFORE = 100.0  # m, length of the crossing road before the route


def _two(values: types.Array) -> tuple[float, float]:
  first, second = map(float, values)
  return first, second


def _three(values: types.Array) -> tuple[float, float, float]:
  first, second, third = map(float, values)
  return first, second, third


class Place(NamedTuple):
  """A place on a road, or in the plane as (x, y, heading)."""

  s: float  # m
  d: float  # m
  heading: float  # rad


class Driver(NamedTuple):
  """A car's or a truck's fixed properties, its IDM numbers included."""

  slot: int  # the place in the level; -1 for the ego
  road: int
  size: float  # m
  wish: float  # m/s
  braking: tuple[float, float, float]  # from s, until s, desired m/s then
  accel: float  # m/s2
  headway: float  # s
  still: float  # m, gap at standstill
  root: float  # m/s2, 2 sqrt(accel * comfortable braking)

  def wished(self, time: float) -> float:
    """m/s that the driver aims at, at `time` s."""
    start, until, slow = self.braking
    return slow if start <= time < until else self.wish


class Walker(NamedTuple):
  """A pedestrian at one time."""

  d: float  # m, across the road
  on: bool  # on the road or within a metre of it


@dataclasses.dataclass(frozen=True)
class Scene:
  """One level under one set of rules.

  Attributes:
    rule: field of `Params` -> number.
    missing: codes of missing kinds: cars, trucks, pedestrians, signals.
    route: (length in m, curvature in 1/m) of the route's segments.
    lanes, limit, goal, time: as in `Level`.
    ramp: s from which lane 0 may be left, s where it ends; None without ramp.
    oncoming: s of the route where the oncoming road starts; None without it.
    cross: x of the crossing road, and the side it comes from.
    stop: s of the stop line on each road.
    signal: green time, cycle and offset in s.
    walk: s of the crosswalk.
    walkers: (start, speed, side) of each pedestrian; None for a missing one.
    drivers: of all cars and trucks on the roads.
    me: the ego as an IDM driver.
  """

  rule: dict[str, float]
  missing: frozenset[int]
  route: tuple[tuple[float, float], ...]
  lanes: int
  limit: float
  goal: float
  time: int
  ramp: tuple[float, float] | None
  oncoming: float | None
  cross: tuple[float, float]
  stop: tuple[float, ...]
  signal: tuple[float, float, float]
  walk: float
  walkers: tuple[tuple[float, float, float] | None, ...]
  drivers: tuple[Driver, ...]
  me: Driver

  @classmethod
  def read(cls, level: types.Level, params: types.Params) -> "Scene":
    """The scene of a `Level` without batch axes and its `Params`."""
    rule = {
      name: float(getattr(params, name))
      for name in params.__dataclass_fields__
      if name != "present"
    }
    missing = frozenset(np.flatnonzero(~np.asarray(params.present)).tolist())

    def driver(
      slot: int,
      road: int,
      size: float,
      wish: float,
      mind: float,
      braking: tuple[float, float, float],
    ) -> Driver:
      a = rule["accel"] * (1.0 + 0.3 * mind) * (0.6 if size > LONG else 1.0)
      return Driver(
        slot, road, size, wish, braking,
        accel=a,
        headway=rule["headway"] * (1.0 - 0.4 * mind),
        still=rule["gap"] * (1.0 - 0.3 * mind),
        root=2.0 * math.sqrt(a * rule["brake"]),
      )  # fmt: skip

    drivers = []
    for i in np.flatnonzero(level.there).tolist():
      if (1 if level.size[i] > LONG else 0) not in missing:
        mind = float(level.driver[i]) + rule["temper"]
        wish = float(level.wish[i]) * (1.0 + 0.15 * rule["temper"])
        mind = min(max(mind, -1.0), 1.0)
        drivers.append(
          driver(
            i,
            int(level.road[i]),
            float(level.size[i]),
            wish,
            mind,
            _three(level.braking[i]),
          )
        )
    ramp, shift = _two(level.ramp), float(level.oncoming)
    return cls(
      rule=rule,
      missing=missing,
      route=tuple(zip(map(float, level.length), map(float, level.bend),
                      strict=True)),
      lanes=int(level.lanes),
      limit=float(level.limit),
      goal=float(level.goal),
      time=int(level.time),
      ramp=ramp if ramp[1] < FAR else None,
      oncoming=shift if shift < FAR else None,
      cross=_two(level.cross),
      stop=tuple(map(float, level.stop)),
      signal=_three(level.signal),
      walk=float(level.walk),
      walkers=tuple(
        _three(w[:3]) if w[3] > 0 else None for w in level.walker
      ),
      drivers=tuple(drivers),
      me=driver(-1, ROUTE, LENGTH, float(level.limit), 0.0, (FAR, FAR, FAR)),
    )  # fmt: skip

  # --- Roads ------------------------------------------------------------------

  def curvature(self, s: float) -> float:
    """1/m: curvature of the route at s."""
    for length, bend in self.route[:-1]:
      if s < length:
        return bend
      s -= length
    return self.route[-1][1]

  def direction(self, s: float) -> float:
    """rad: heading of the route at s; it starts eastward."""
    turned = 0.0
    for length, bend in self.route[:-1]:
      turned += bend * min(max(s, 0.0), length)
      s -= length
    return turned + self.route[-1][1] * max(s, 0.0)

  def plane(self, place: Place) -> Place:
    """(x, y, heading) of a place on the route, which starts at 0 eastward."""
    x = y = turned = 0.0
    s = place.s
    for i, (length, bend) in enumerate(self.route):
      run = min(s, length) if i < len(self.route) - 1 else s
      if bend:  # round the centre of the arc
        x += (math.sin(turned + bend * run) - math.sin(turned)) / bend
        y -= (math.cos(turned + bend * run) - math.cos(turned)) / bend
      else:
        x += run * math.cos(turned)
        y += run * math.sin(turned)
      turned += bend * run
      s -= run
      if s <= 0.0:
        break
    x -= place.d * math.sin(turned)
    y += place.d * math.cos(turned)
    return Place(x, y, turned + place.heading)

  def project(self, road: int, place: Place) -> Place:
    """A place of the route in the frame of a road."""
    if road == ROUTE:
      return place
    if road == ONCOMING:
      begins, along = (self._begin(), self.edge_left(0.5)), math.pi
    else:
      x, side = self.cross
      begins, along = (x, -side * BEFORE), side * math.pi / 2
    x, y, heading = self.plane(place)
    x, y = x - begins[0], y - begins[1]
    cos, sin = math.cos(along), math.sin(along)
    return Place(x * cos + y * sin, y * cos - x * sin, heading - along)

  def meeting(self, road: int) -> tuple[float, float]:
    """s on that road and s on the route where the paths meet."""
    begin, bend = self.route[0][0], self.route[1][1]
    if road == CROSSING:
      return BEFORE, self.cross[0]
    radius = 1.0 / max(bend, 1e-3)
    return self._begin() - begin - 0.7 * radius, begin + 0.8 * radius

  def _begin(self) -> float:
    """s of the route where the oncoming road starts; FAR without it."""
    return FAR if self.oncoming is None else self.oncoming

  def edge_left(self, beyond: float = 0.0) -> float:
    """d of the left edge of the leftmost lane, plus `beyond` lanes."""
    return (self.lanes - 0.5 + beyond) * self.rule["lane_width"]

  def edge_right(self, s: float) -> float:
    """d of the right edge; it moves a lane to the left where a ramp ends."""
    ended = self.ramp is not None and s > self.ramp[1]
    return (0.5 if ended else -0.5) * self.rule["lane_width"]

  # --- Lights and people ------------------------------------------------------

  def light(self, road: int, time: float) -> int:
    """The light of a road; route and oncoming road share one signal."""
    if 3 in self.missing or self.stop[ROUTE] >= FAR:
      return RED if road == CROSSING else NONE
    green, cycle, offset = self.signal
    phase = (time + offset) % cycle
    opens, closes = (0.0, green)
    if road == CROSSING:
      opens, closes = green + 5.0, cycle - 5.0
    if phase < opens:
      return RED
    return GREEN if phase < closes else AMBER if phase < closes + 3.0 else RED

  def people(self, time: float) -> tuple[Walker, ...]:
    """The pedestrians at `time` s, in the order of the level."""
    right = -0.5 * self.rule["lane_width"] - 2.0
    left = self.edge_left() + 2.0
    out = []
    for walker in self.walkers:
      if walker is None or 2 in self.missing or self.walk >= FAR:
        out.append(Walker(FAR, False))
        continue
      start, speed, side = walker
      way = speed * max(time - start, 0.0)
      d = right + way if side > 0 else left - way
      out.append(Walker(d, right + 1.0 < d < left - 1.0))
    return tuple(out)

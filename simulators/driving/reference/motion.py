"""How the traffic moves, car by car; the ego is in `controller`.

IDM (Treiber, Hennecke, Helbing 2000) and MOBIL (Kesting, Treiber, Helbing
2007).
"""

import math
from typing import NamedTuple

from simulators.driving.reference.scene import (
  GREEN,
  NONE,
  ROUTE,
  Driver,
  Place,
  Scene,
)
from simulators.driving.types import FAR, LENGTH, WIDTH

G = 9.81  # m/s2
STEP = 4.0  # m/s, by which `faster` and `slower` change the aim
REACH = WIDTH + 0.2  # m sideways within which a car is followed


class EgoCar(NamedTuple):
  """The ego car, as in `types.Ego`."""

  s: float  # m
  d: float  # m
  heading: float  # rad
  v: float  # m/s
  a: float  # m/s2
  yaw: float  # rad/s
  lane: int  # aimed at
  target: float  # m/s, aimed at


class Car(NamedTuple):
  """A car or truck on the roads."""

  who: Driver
  s: float  # m
  d: float  # m
  v: float  # m/s
  lane: int  # aimed at
  meant: tuple[float, ...] = ()  # m/s2, wanted in the last steps, newest first


def clip(x: float, low: float, high: float) -> float:
  """x, kept between two bounds."""
  return low if x < low else high if x > high else x


# --- Following ----------------------------------------------------------------


def idm(
  scene: Scene, who: Driver, wish: float, v: float, gap: float, lead: float
) -> float:
  """m/s2 of a driver at v m/s, `gap` m behind one at `lead` m/s."""
  rule = scene.rule
  bound = min(rule["limit"], G * rule["friction"])
  if wish < 0.1:
    return -bound
  desired = v * who.headway + v * (v - lead) / who.root
  if desired < 0.0:
    desired *= 1.0 - rule["clamped"]
  desired += who.still
  free = who.accel * (1.0 - (v / wish) ** rule["exponent"])
  a = max(free, -rule["brake"]) - who.accel * (desired / max(gap, 0.1)) ** 2
  return clip(a, -bound, bound)


def halt_line(
  scene: Scene, road: int, nose: float, v: float, time: float
) -> float:
  """m to the line where a driver must stop now; FAR without one."""
  way = FAR
  line = scene.stop[road] - nose
  if scene.light(road, time) not in (NONE, GREEN) and v * v < 12.0 * line:
    way = line
  line = scene.walk - 3.0 - nose
  if road == ROUTE and line > 0.0 and any(w.on for w in scene.people(time)):
    way = min(way, line)
  return way


class Box(NamedTuple):
  """The ego as drivers of one road see it."""

  place: Place
  v: float  # m/s, along the road
  long: float  # m, half of its extent along the road
  wide: float  # m, half of its extent across the road


def box(scene: Scene, ego: EgoCar, road: int) -> Box:
  """The ego's box on a road."""
  place = scene.project(road, Place(ego.s, ego.d, ego.heading))
  cos, sin = math.cos(place.heading), math.sin(place.heading)
  length, width = 0.5 * LENGTH, 0.5 * WIDTH
  return Box(
    place,
    max(ego.v * cos, 0.0),
    length * abs(cos) + width * abs(sin),
    length * abs(sin) + width * abs(cos),
  )


def accelerations(
  scene: Scene, cars: tuple[Car, ...], ego: EgoCar, time: float
) -> list[float]:
  """m/s2: the acceleration that each driver wants."""
  width = scene.rule["lane_width"]
  boxes = {road: box(scene, ego, road) for road in {c.who.road for c in cars}}
  out = []
  for me in cars:
    road, half, aim = me.who.road, 0.5 * me.who.size, me.lane * width
    gap, lead = FAR, 0.0
    for other in cars:
      if other.who.road != road or other.s <= me.s:
        continue
      sideways = min(abs(other.d - me.d), abs(other.d - aim))
      if sideways < REACH or abs(other.lane * width - aim) < 0.5:
        space = other.s - me.s - half - 0.5 * other.who.size
        if space < gap or (space == gap and other.v > lead):
          gap, lead = space, other.v
    it = boxes[road]
    sideways = min(abs(it.place.d - me.d), abs(it.place.d - aim))
    space = it.place.s - me.s - half - it.long
    beside = sideways < 0.5 * WIDTH + 0.2 + it.wide
    if beside and it.place.s > me.s and space < gap:
      gap, lead = space, it.v
    if gap < FAR:
      gap += scene.rule["centred"] * me.who.size
    wish = me.who.wished(time)
    line = halt_line(scene, road, me.s + half, me.v, time)
    out.append(
      min(
        idm(scene, me.who, wish, me.v, gap, lead),
        idm(scene, me.who, wish, me.v, line, 0.0),
      )
    )
  return out


def move_car(scene: Scene, car: Car, wanted: float, dt: float) -> Car:
  """One physics step: along by the old speed, sideways at most 1.2 m/s.

  The driver applies the acceleration that was wanted `reaction` s ago.
  """
  meant = (wanted, *car.meant)
  steps = min(scene.rule["reaction"] / dt, len(car.meant))
  newer, part = math.floor(steps), steps % 1.0
  a = (1.0 - part) * meant[newer] + part * meant[math.ceil(steps)]
  sideways = car.lane * scene.rule["lane_width"] - car.d
  return car._replace(
    s=car.s + car.v * dt,
    d=car.d + clip(sideways, -1.2 * dt, 1.2 * dt),
    v=max(car.v + a * dt, 0.0),
    meant=meant[: len(car.meant)],
  )


# --- Changing lanes -----------------------------------------------------------


def change_lanes(
  scene: Scene, cars: tuple[Car, ...], ego: EgoCar, time: int
) -> tuple[Car, ...]:
  """The cars with the lanes that they aim at from `time` s on, by MOBIL."""
  rule, side = scene.rule, 1 if time % 2 == 0 else -1
  mine = Car(scene.me, ego.s, ego.d, ego.v, ego.lane)
  route = [car for car in cars if car.who.road == ROUTE] + [mine]

  def a(me: Car, lead: Car | None) -> float:  # m/s2 of one behind another
    wish = ego.target if me is mine else me.who.wished(float(time))
    if lead is None:
      return idm(scene, me.who, wish, me.v, FAR, me.v)
    sizes = 0.5 * (me.who.size + lead.who.size) * (1.0 - rule["centred"])
    return idm(scene, me.who, wish, me.v, lead.s - me.s - sizes, lead.v)

  def gains(me: Car, aim: int) -> bool:  # whether a change is worth it
    lead, back = _neighbours(route, me, me.lane)
    to, follower = _neighbours(route, me, aim)
    gain = a(me, to) - a(me, lead)
    if follower is not None:
      imposed = a(follower, me)
      if imposed < -rule["safe_brake"]:
        return False
      gain += rule["politeness"] * (imposed - a(follower, to))
    if back is not None:
      gain += rule["politeness"] * (a(back, lead) - a(back, me))
    return gain - side * rule["right_bias"] > rule["threshold"]

  lowest = 0 if scene.ramp is None else 1
  out = []
  for car in cars:
    aim = car.lane + side
    settled = abs(car.lane * rule["lane_width"] - car.d) < 0.3
    able = car.who.road == ROUTE and settled
    able = able and lowest <= aim < scene.lanes
    able = able and car.v > 1.0 and car.who.wish > 0.1
    out.append(car._replace(lane=aim) if able and gains(car, aim) else car)
  return tuple(out)


def _neighbours(
  cars: list[Car], me: Car, lane: int
) -> tuple[Car | None, Car | None]:
  """(leader, follower) that a car has, or would have, in a lane."""
  there = [car for car in cars if car.lane == lane and car is not me]
  lead = [car for car in there if car.s > me.s]
  back = [car for car in there if car.s <= me.s]
  return (
    min(lead, key=lambda car: car.s, default=None),
    max(back, key=lambda car: car.s, default=None),
  )

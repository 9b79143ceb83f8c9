"""The faults of one physics step: boxes that touch, and lines passed."""

import math
from collections.abc import Sequence

from simulators.driving.reference.motion import Car, EgoCar
from simulators.driving.reference.scene import (
  ONCOMING,
  RED,
  ROUTE,
  Place,
  Scene,
)
from simulators.driving.types import FAR, LENGTH, WIDTH

FAULTS = ("car", "people", "light", "road")
Corners = list[tuple[float, float]]
Cars = Sequence[Car]


def faults_of(
  scene: Scene,
  before: EgoCar,
  ego: EgoCar,
  cars: Cars,
  now: float,
  wrong: float,
) -> frozenset[str]:
  """The faults at the end of one physics step.

  Args:
    scene: what does not change.
    before, ego: the ego before and after the step.
    cars: the other cars after the step.
    now: s, the time after the step.
    wrong: m, driven in the oncoming lane so far.
  """
  out = set()
  if any(_overlap(scene, ego, car) for car in cars):
    out.add("car")
  nose, was = ego.s + 0.5 * LENGTH, before.s + 0.5 * LENGTH
  people = [abs(w.d - ego.d) for w in scene.people(now) if w.on]
  run_down = abs(scene.walk - ego.s) < 0.5 * LENGTH + 0.3
  if any(run_down and d < 0.5 * WIDTH + 0.3 for d in people) and not out:
    out.add("people")
  if was < scene.walk - 1.5 <= nose and any(d < 3.5 for d in people):
    out.add("people")
  if _forces(scene, was, nose, cars):
    out.add("car")
  if was < scene.stop[ROUTE] <= nose and scene.light(ROUTE, now) == RED:
    out.add("light")
  wheel = 0.5 * WIDTH - 0.25  # may leave the lanes by a quarter of a metre
  right, left = scene.edge_right(ego.s), scene.edge_left()
  beside = ego.d - wheel < right
  beside = beside or (ego.d + wheel > left and scene.oncoming is None)
  if beside or wrong > 3.5:
    out.add("road")
  return frozenset(out)


def first_struck(scene: Scene, ego: EgoCar, cars: Cars) -> int:
  """Slot of the first car that the ego overlaps; -1 without any."""
  hit = (car.who.slot for car in cars if _overlap(scene, ego, car))
  return min(hit, default=-1)


def _forces(scene: Scene, was: float, nose: float, cars: Cars) -> bool:
  """Whether the nose turns across an oncoming car that is due within 3 s."""
  if scene.oncoming is None:
    return False
  length, bend = scene.route[0][0], scene.route[1][1]
  if not was < length + 0.5 / max(bend, 1e-3) <= nose:
    return False
  meet, _ = scene.meeting(ONCOMING)
  return any(
    car.who.road == ONCOMING
    and car.s - 0.5 * car.who.size < meet
    and meet - car.s - 0.5 * car.who.size < 3.0 * car.v
    for car in cars
  )


def time_to_collision(ego: EgoCar, cars: Cars) -> float:
  """s to the collision with a car ahead in the lane, if below 3; else FAR."""
  least = FAR
  for car in cars:
    space = car.s - ego.s - 0.5 * (car.who.size + LENGTH)
    in_lane = car.who.road == ROUTE and abs(car.d - ego.d) < WIDTH
    if in_lane and space > 0.0 and ego.v > car.v:
      least = min(least, space / max(ego.v - car.v, 1e-3))
  return least if least < 3.0 else FAR


def _rectangle(place: Place, length: float) -> Corners:
  """The corners of a car, in order."""
  cos, sin = math.cos(place.heading), math.sin(place.heading)
  out = []
  for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
    x, y = 0.5 * length * x, 0.5 * WIDTH * y
    out.append((place.s + x * cos - y * sin, place.d + x * sin + y * cos))
  return out


def _overlap(scene: Scene, ego: EgoCar, car: Car) -> bool:
  """Whether the boxes of the ego and a car overlap, in the car's road frame."""
  place = scene.project(car.who.road, Place(ego.s, ego.d, ego.heading))
  if abs(place.s - car.s) > LENGTH + car.who.size:
    return False
  other = _rectangle(Place(car.s, car.d, 0.0), car.who.size)
  return _touch(_rectangle(place, LENGTH), other)


def _touch(one: Corners, two: Corners) -> bool:
  """Whether two rectangles overlap: no side of one separates them."""
  for shape in (one, two):
    for k in (0, 1):
      x, y = (shape[k + 1][i] - shape[k][i] for i in (0, 1))
      spans = [[px * x + py * y for px, py in s] for s in (one, two)]
      if max(spans[0]) <= min(spans[1]) or max(spans[1]) <= min(spans[0]):
        return False
  return True

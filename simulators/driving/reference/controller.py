"""How the ego moves: a kinematic bicycle under a low-level controller.

The bicycle is Rajamani, "Vehicle Dynamics and Control", 2.2, in the road's
Frenet frame. The equations of the controller are in docs/driving.md.
"""

import math

from simulators.driving.reference.motion import Car, EgoCar, G, clip
from simulators.driving.reference.scene import ROUTE, Scene
from simulators.driving.types import FAR, LENGTH, WIDTH

AXLES = 3.0  # m between the axles


def bend_speed(scene: Scene, s: float, v: float) -> tuple[float, float]:
  """m/s that the bends ahead allow, and how that changes in m/s2 at v m/s."""
  fastest, slope, begin = FAR, 0.0, 0.0
  for length, bend in scene.route:
    way = max(begin - 3.0 - s, 0.0)  # v2 = v0^2 + 2 * 1.5 m/s2 * way
    cap = math.sqrt(2.5 / max(abs(bend), 1e-6) + 3.0 * way)
    if s <= begin + length and cap < fastest:
      fastest = cap
      slope = -1.5 * v / max(cap, 1.0) if way > 0.0 else 0.0
    begin += length
  return fastest, slope


def needs_emergency(
  scene: Scene, ego: EgoCar, cars: tuple[Car, ...], time: float
) -> bool:
  """Whether `stop` at 4 m/s2 would end in a car or among people."""
  if ego.target > 0.0 or ego.v <= 1.0:
    return False
  tasks = []  # (m/s to lose, m to do it in)
  for car in cars:
    ahead = car.who.road == ROUTE and car.s > ego.s
    if ahead and abs(car.d - ego.d) < WIDTH:
      free = car.s - ego.s - 0.5 * (car.who.size + LENGTH)
      tasks.append((max(ego.v - car.v, 0.0), free))
  way = scene.walk - 1.5 - ego.s - 0.5 * LENGTH
  if way > 0.0 and any(w.on for w in scene.people(time)):
    tasks.append((ego.v, way))
  return any(v * v / 8.0 > max(free - 1.0, 0.1) for v, free in tasks)


def _speed_up(scene: Scene, ego: EgoCar, emergency: bool, dt: float) -> float:
  """m/s2: the acceleration of the next physics step."""
  rule = scene.rule
  cap, slope = bend_speed(scene, ego.s, ego.v)
  wanted = min(ego.target, cap) - ego.v
  if cap < ego.target and ego.v > cap - 1.0:
    wanted += slope
  wanted = clip(wanted, -3.0 if ego.target > 0.0 else -4.0, 2.0)
  jerk = 4.0
  if emergency:
    wanted, jerk = -7.5, 25.0
  change = (wanted - ego.a) / (rule["lag"] + dt)  # engine and brakes lag
  a = ego.a + dt * clip(change, -jerk, jerk)
  grip = G * rule["friction"]
  return max(clip(a, -grip, grip), -ego.v / dt)


def _lane_curvature(scene: Scene, s: float, d: float, v: float) -> float:
  """1/m: curvature of the lane at d, over half a second around s."""
  half = max(0.25 * v, 0.5)
  bend = (scene.direction(s + half) - scene.direction(s - half)) / (2.0 * half)
  return bend / max(1.0 - bend * d, 0.1)


def _turn_rate(scene: Scene, ego: EgoCar, dt: float) -> float:
  """rad/s: the yaw rate of the next physics step."""
  v, rear = max(ego.v, 1.0), ego.s - 0.5 * AXLES
  course = math.sin(
    ego.heading + scene.direction(ego.s) - scene.direction(rear)
  )
  lane = ego.lane * scene.rule["lane_width"]
  away = lane - (ego.d - 0.5 * AXLES * course)
  # What the curvature of the path has beyond that of the lane.
  was = ego.v - ego.a * dt
  extra = 0.0
  if was > 0.5:
    at = rear - 0.5 * was * dt
    extra = ego.yaw / was - _lane_curvature(scene, at, ego.d, was)
  # Three integrators along the way, each stage bounded.
  p = min(1.2 / v, 0.25)
  steepest = min(0.3, 1.5 / v)
  slope = clip(p / 3.0 * away, -steepest, steepest)
  most = min(0.15, 2.0 / v**2)
  wanted = clip(p * (slope - course), -most, most)
  extra += 3.0 * p * (wanted - extra) * ego.v * dt
  at = rear + 0.5 * ego.v * dt
  yaw = ego.v * (_lane_curvature(scene, at, ego.d, ego.v) + extra)
  step = min(1.8, 6.5 / v) * dt
  yaw = clip(yaw, ego.yaw - step, ego.yaw + step)
  for bound in (G * scene.rule["friction"] / v, 0.19 * ego.v):
    yaw = clip(yaw, -bound, bound)
  return yaw


def move_ego(scene: Scene, ego: EgoCar, emergency: bool, dt: float) -> EgoCar:
  """One physics step towards the lane and the speed that the ego aims at."""
  a = _speed_up(scene, ego, emergency, dt)
  yaw = _turn_rate(scene, ego, dt)
  # yaw = v sin(slip) / (half the wheelbase): the bicycle, solved for its slip.
  sin = clip(0.5 * AXLES * yaw / max(ego.v, 0.1), -0.3, 0.3)
  yaw, course = ego.v * sin / (0.5 * AXLES), ego.heading + math.asin(sin)
  bend = scene.curvature(ego.s)
  along = ego.v * math.cos(course) / max(1.0 - bend * ego.d, 0.1)
  return ego._replace(
    s=ego.s + along * dt,
    d=ego.d + ego.v * math.sin(course) * dt,
    heading=ego.heading + (yaw - bend * along) * dt,
    v=ego.v + a * dt,
    a=a,
    yaw=yaw,
  )

"""The ego car: a kinematic bicycle under a low-level controller.

The bicycle is Rajamani, "Vehicle Dynamics and Control", 2.2, with its reference
point in the middle of the wheelbase. A decision sets the two aims of the
controller:

    keep    changes none             faster, slower   speed by 4 m/s
    stop    speed 0                  go               speed to the limit
    left, right                      lane by one

The controller brakes at up to 3 m/s2 (4 for `stop`) and accelerates at up to 2.
Before a bend it slows down so that lateral acceleration stays below 2.5 m/s2.
Jerk and yaw acceleration stay within nuPlan's limits of comfort (see `score`),
except in an emergency: `stop` where braking at 4 m/s2 ends in the car ahead or
among people who cross. It steers the rear axle to the middle of its lane by a
chain of three integrators with equal poles. Otherwise it ignores other actors,
lights and crosswalks: the decisions must take care of those.
"""

import jax.numpy as jnp

from simulators.driving.game import roads, traffic
from simulators.driving.types import (
  FAR,
  FASTER,
  GO,
  LEFT,
  LENGTH,
  RIGHT,
  SLOWER,
  STOP,
  WIDTH,
  Array,
  Cars,
  Ego,
  Level,
  Params,
)

WHEELBASE = 3.0  # m
SPEED_STEP = 4.0  # m/s, by which `faster` and `slower` change the aim
# Speed.
ACCEL, BRAKE, HALT = 2.0, 3.0, 4.0  # m/s2, bounds; HALT is that of `stop`
JERK = 4.0  # m/s3
RELAX = 1.0  # s, in which a small difference in speed shrinks by e
EMERGENCY, EMERGENCY_JERK = 7.5, 25.0  # m/s2, m/s3
MARGIN = 1.0  # m, left free by an emergency stop
SIDEWAYS = 2.5  # m/s2, in bends
EASE, BEFORE = 1.5, 3.0  # m/s2, m: braking for a bend, and where it ends
# Steering.
POLE, SLOW_POLE = 1.2, 0.25  # 1/s, 1/m: of three integrators; the lower one
DRIFT, SLOPE = 1.5, 0.3  # m/s, 1: sideways speed, and as a share of the speed
SWERVE, BENT = 2.0, 0.15  # m/s2, 1/m: bounds relative to the road
YAW_ACCEL, SIDEWAYS_JERK = 1.8, 6.5  # rad/s2, m/s3
TIGHTEST = 0.19  # 1/m, curvature at full lock


def bicycle(
  s: Array, d: Array, heading: Array, v: Array, steer: Array, bend: Array,
  dt: float, wheelbase: float = WHEELBASE,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
  """One step of the kinematic bicycle on a road of curvature `bend`.

  Args:
    s, d, heading: f32[] m, m, rad, of the middle of the wheelbase.
    v: m/s.
    steer: rad, front wheels.
    bend: 1/m.
    dt: s.
    wheelbase: m.

  Returns:
    (s, d, heading) after dt, and the yaw rate in rad/s.
  """
  slip = jnp.arctan(0.5 * jnp.tan(steer))
  yaw = 2.0 * v / wheelbase * jnp.sin(slip)
  along = v * jnp.cos(heading + slip) / jnp.maximum(1.0 - bend * d, 0.1)
  return (
    s + along * dt,
    d + v * jnp.sin(heading + slip) * dt,
    heading + (yaw - bend * along) * dt,
    yaw,
  )


def decide(
  level: Level, ego: Ego, action: Array, legal: Array
) -> tuple[Array, Array]:
  """The lane i32[] and speed f32[] m/s that an action aims at.

  An illegal action keeps both.
  """
  action = jnp.where(legal[action], action, 0)
  side = (action == LEFT).astype(jnp.int32)
  lane = ego.lane + side - (action == RIGHT).astype(jnp.int32)
  top = level.limit + SPEED_STEP
  target = ego.target + SPEED_STEP * (
    (action == FASTER).astype(jnp.float32)
    - (action == SLOWER).astype(jnp.float32)
  )
  target = jnp.where(action == STOP, 0.0, target)
  target = jnp.where(action == GO, level.limit, target)
  return lane, jnp.clip(target, 0.0, top)


def _bend_speed(level: Level, s: Array, v: Array) -> tuple[Array, Array]:
  """m/s that the bends ahead allow, and its change in m/s2 at speed v."""
  start = jnp.cumsum(level.length) - level.length
  curve = jnp.maximum(jnp.abs(level.bend), 1e-6)
  away = jnp.maximum(start - s - BEFORE, 0.0)
  caps = jnp.sqrt(SIDEWAYS / curve + 2.0 * EASE * away)
  caps = jnp.where(s > start + level.length, FAR, caps)
  i = jnp.argmin(caps)
  slope = jnp.where(away[i] > 0.0, -EASE * v / jnp.maximum(caps[i], 1.0), 0.0)
  return caps[i], slope


def _accelerate(
  level: Level, params: Params, ego: Ego, target: Array, urgent: Array,
  dt: float,
) -> Array:  # fmt: skip
  """m/s2: the longitudinal acceleration of the next physics step."""
  grip = traffic.GRAVITY * params.friction
  cap, slope = _bend_speed(level, ego.s, ego.v)
  slows = cap < target
  wanted = (jnp.minimum(target, cap) - ego.v) / RELAX
  wanted += jnp.where(slows & (ego.v > cap - 1.0), slope, 0.0)
  hard = jnp.where(target <= 0.0, HALT, BRAKE)
  wanted = jnp.clip(wanted, -hard, ACCEL)
  wanted = jnp.where(urgent, -EMERGENCY, wanted)
  jerk = jnp.where(urgent, EMERGENCY_JERK, JERK)
  change = (wanted - ego.a) * dt / (params.lag + dt)
  a = ego.a + jnp.clip(change, -jerk * dt, jerk * dt)
  a = jnp.clip(a, -grip, grip)
  return jnp.maximum(a, -ego.v / dt)  # never drive backwards


def _lane_bend(level: Level, s: Array, d: Array, v: Array) -> Array:
  """1/m: curvature of the lane at d, a quarter of a second before and after."""
  reach = jnp.maximum(0.25 * v, 0.5)
  turned = roads.heading(level, s + reach) - roads.heading(level, s - reach)
  bend = turned / (2.0 * reach)
  return bend / jnp.maximum(1.0 - bend * d, 0.1)


def _steer(
  level: Level, params: Params, ego: Ego, lane: Array, dt: float
) -> Array:
  """rad/s: the yaw rate of the next physics step."""
  grip = traffic.GRAVITY * params.friction
  v = jnp.maximum(ego.v, 1.0)
  # Offset from the lane, course and curvature of the rear axle.
  rear = 0.5 * WHEELBASE
  course = ego.heading + roads.heading(level, ego.s)
  course -= roads.heading(level, ego.s - rear)
  away = lane.astype(jnp.float32) * params.lane_width - ego.d
  away += rear * jnp.sin(course)
  was = ego.v - ego.a * dt  # at which the yaw rate was set
  bend = _lane_bend(level, ego.s - rear - 0.5 * was * dt, ego.d, was)
  bent = jnp.where(was > 0.5, ego.yaw / jnp.maximum(was, 0.5) - bend, 0.0)
  # A chain of three integrators with three equal poles, each bounded.
  pole = jnp.minimum(POLE / v, SLOW_POLE)
  slope = jnp.clip(pole / 3.0 * away, -SLOPE, SLOPE)
  slope = jnp.clip(slope, -DRIFT / v, DRIFT / v)
  most = jnp.minimum(SWERVE / (v * v), BENT)
  wanted = jnp.clip(pole * (slope - jnp.sin(course)), -most, most)
  bent += 3.0 * pole * (wanted - bent) * ego.v * dt
  bend = _lane_bend(level, ego.s - rear + 0.5 * ego.v * dt, ego.d, ego.v)
  turn = ego.v * (bend + bent)
  most = jnp.minimum(YAW_ACCEL, SIDEWAYS_JERK / v) * dt
  turn = jnp.clip(turn, ego.yaw - most, ego.yaw + most)
  turn = jnp.clip(turn, -grip / v, grip / v)
  return jnp.clip(turn, -TIGHTEST * ego.v, TIGHTEST * ego.v)


def urgent(
  level: Level, params: Params, ego: Ego, target: Array, cars: Cars, now: Array
) -> Array:
  """bool[]: `stop` needs the emergency brake.

  It does if braking at HALT ends in the car ahead or among people who cross.
  """
  space = cars.s - ego.s - 0.5 * (level.size + LENGTH)
  ahead = traffic.there(level, params) & (level.road == 0) & (cars.s > ego.s)
  ahead &= jnp.abs(cars.d - ego.d) < WIDTH
  closing = jnp.maximum(ego.v - cars.v, 0.0)
  hits = closing * closing > 2.0 * HALT * jnp.maximum(space - MARGIN, 0.1)
  people = roads.walkers(level, params, now)
  way = level.walk - 1.5 - roads.nose(ego.s)
  crosses = jnp.any(people.on) & (way > 0.0)
  crosses &= ego.v * ego.v > 2.0 * HALT * jnp.maximum(way - MARGIN, 0.1)
  moving = (target <= 0.0) & (ego.v > 1.0)
  return moving & (jnp.any(ahead & hits) | crosses)


def drive(
  level: Level, params: Params, ego: Ego, lane: Array, target: Array,
  urgent: Array, dt: float,
) -> Ego:  # fmt: skip
  """One physics step of the controller and the car.

  Args:
    level, params: one scene and its rules.
    ego: before the step.
    lane, target: i32[], f32[] m/s, aimed at.
    urgent: bool[], whether `stop` is an emergency.
    dt: s.
  """
  a = _accelerate(level, params, ego, target, urgent, dt)
  turn = _steer(level, params, ego, lane, dt)
  slip = 0.5 * WHEELBASE * turn / jnp.maximum(ego.v, 0.1)
  slip = jnp.arcsin(jnp.clip(slip, -0.3, 0.3))
  steer = jnp.arctan(2.0 * jnp.tan(slip))
  bend = roads.bend(level, ego.s)
  s, d, heading, yaw = bicycle(
    ego.s, ego.d, ego.heading, ego.v, steer, bend, dt
  )
  return Ego(s, d, heading, ego.v + a * dt, a, yaw, lane, target)

"""The ego car: a kinematic bicycle under a low-level controller.

The bicycle is Rajamani, "Vehicle Dynamics and Control", 2.2, with its reference
point in the middle of the wheelbase. A decision sets the two aims of the
controller:

    keep    changes none             faster, slower   speed by 4 m/s
    stop    speed 0                  go               speed to the limit
    left, right                      lane by one

The controller brakes at up to 3 m/s2 (4 for `stop`) and accelerates at up to 2.
Before a bend it slows down so that lateral acceleration stays below 2.5 m/s2.
It steers towards the middle of its lane at up to 1.5 m/s sideways. It ignores
other actors, lights and crosswalks: the decisions must take care of those.
"""

import jax.numpy as jnp

from simulators.driving.game import roads, traffic
from simulators.driving.types import (
  FAR,
  FASTER,
  GO,
  LEFT,
  RIGHT,
  SLOWER,
  STOP,
  Array,
  Ego,
  Level,
  Params,
)

WHEELBASE = 3.0  # m
SPEED_STEP = 4.0  # m/s, by which `faster` and `slower` change the aim


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


def _bend_speed(level: Level, s: Array) -> Array:
  """m/s at which the ego can still slow down for the bends ahead."""
  start = jnp.cumsum(level.length) - level.length
  curve = jnp.maximum(jnp.abs(level.bend), 1e-6)
  away = jnp.maximum(start - s - 2.0, 0.0)
  cap = jnp.sqrt(2.5 / curve + 2.0 * 2.0 * away)
  return jnp.min(jnp.where(s > start + level.length, FAR, cap))


def drive(
  level: Level, params: Params, ego: Ego, lane: Array, target: Array, dt: float
) -> Ego:
  """One physics step of the controller and the car."""
  bend = roads.bend(level, ego.s)
  grip = traffic.GRAVITY * params.friction
  # Speed.
  goal = jnp.minimum(target, _bend_speed(level, ego.s))
  hard = jnp.where(target <= 0.0, 4.0, 3.0)
  wanted = jnp.clip((goal - ego.v) / 0.5, -hard, 2.0)
  a = ego.a + (wanted - ego.a) * dt / (params.lag + dt)
  a = jnp.clip(a, -grip, grip)
  a = jnp.maximum(a, -ego.v / dt)  # never drive backwards
  # Steering: by the course that leads to the middle of the lane.
  v = jnp.maximum(ego.v, 1.0)
  slip = jnp.arcsin(jnp.clip(0.5 * WHEELBASE * ego.yaw / v, -0.5, 0.5))
  sideways = lane.astype(jnp.float32) * params.lane_width - ego.d
  sideways = jnp.clip(0.8 * sideways, -1.5, 1.5)
  course = jnp.arcsin(jnp.clip(sideways / jnp.maximum(v, 3.0), -0.5, 0.5))
  turn = v * bend / jnp.maximum(1.0 - bend * ego.d, 0.1)
  turn += 2.5 * (course - ego.heading - slip)
  turn = jnp.clip(turn, -grip / v, grip / v)
  slip = jnp.arcsin(jnp.clip(0.5 * WHEELBASE * turn / v, -0.3, 0.3))
  steer = jnp.arctan(2.0 * jnp.tan(slip))
  s, d, heading, yaw = bicycle(
    ego.s, ego.d, ego.heading, ego.v, steer, bend, dt
  )
  return Ego(s, d, heading, ego.v + a * dt, a, yaw, lane, target)

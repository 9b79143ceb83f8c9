"""How Urban Driving moves: reset, and a decision of one second.

The ego is a kinematic bicycle (Rajamani, "Vehicle Dynamics and Control", 2.2;
reference in the middle) under a low-level controller that is part of the
world. A decision sets its two aims:

    keep    none is changed            faster, slower   speed by 4 m/s
    stop    speed 0                    go               speed to the limit
    left, right                        lane by one

The controller brakes at up to 3 m/s2 (4 for `stop`), accelerates at up to 2,
slows down for a bend so that it takes no more than 2.5 m/s2 sideways, and
steers at the middle of its lane at up to 1.5 m/s sideways. It knows of no
other actor, no light and no crosswalk: those are the decisions' affair.
"""

import jax
import jax.numpy as jnp

from simulators.base import State
from simulators.driving import metrics, mobil, roads, sensors, traffic
from simulators.driving.types import (
  FAR,
  FASTER,
  GO,
  LEFT,
  LENGTH,
  PEDESTRIANS,
  RIGHT,
  SLOWER,
  STOP,
  Array,
  Cars,
  Config,
  Ego,
  EnvState,
  Level,
  Params,
  Past,
)

WHEELBASE = 3.0  # m
SPEED_STEP = 4.0  # m/s of faster and slower


# --- The ego ----------------------------------------------------------------


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
  forth = v * jnp.cos(heading + slip) / jnp.maximum(1.0 - bend * d, 0.1)
  return (
    s + forth * dt,
    d + v * jnp.sin(heading + slip) * dt,
    heading + (yaw - bend * forth) * dt,
    yaw,
  )


def decide(
  level: Level, ego: Ego, action: Array, legal: Array
) -> tuple[Array, Array]:
  """(lane, target) that an action aims at; an illegal one keeps them."""
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
  """m/s at which one can still slow down for the bends to come."""
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
  a = jnp.maximum(a, -ego.v / dt)  # standing is not driving backwards
  # Steering, by the course that leads to the lane's middle.
  v = jnp.maximum(ego.v, 1.0)
  slip = jnp.arcsin(jnp.clip(0.5 * WHEELBASE * ego.yaw / v, -0.5, 0.5))
  aside = lane.astype(jnp.float32) * params.lane_width - ego.d
  aside = jnp.clip(0.8 * aside, -1.5, 1.5)
  course = jnp.arcsin(jnp.clip(aside / jnp.maximum(v, 3.0), -0.5, 0.5))
  turn = v * bend / jnp.maximum(1.0 - bend * ego.d, 0.1)
  turn += 2.5 * (course - ego.heading - slip)
  turn = jnp.clip(turn, -grip / v, grip / v)
  slip = jnp.arcsin(jnp.clip(0.5 * WHEELBASE * turn / v, -0.3, 0.3))
  steer = jnp.arctan(2.0 * jnp.tan(slip))
  s, d, heading, yaw = bicycle(
    ego.s, ego.d, ego.heading, ego.v, steer, bend, dt
  )
  return Ego(s, d, heading, ego.v + a * dt, a, yaw, lane, target)


# --- One decision -----------------------------------------------------------


def legal_actions(env: EnvState) -> Array:
  """bool[A]: all but a lane change to where no lane is."""
  level, ego = env.level, env.ego
  free = ego.s > level.ramp[0]  # beside a ramp's lane only once past its wall
  top = ego.target < level.limit + SPEED_STEP - 0.1
  ramp = level.ramp[1] < FAR
  rightmost = jnp.where(ramp & (ego.s > level.ramp[1] - LENGTH), 1, 0)
  always = jnp.ones((), bool)
  return jnp.stack(
    [
      always,
      top,
      ego.target > 0.1,
      (ego.lane + 1 < level.lanes) & (free | ~ramp | (ego.lane > 0)),
      (ego.lane - 1 >= rightmost) & (free | ~ramp | (ego.lane > 1)),
      always,
      always,
    ]
  )


def advance(
  env: EnvState, action: Array, params: Params, config: Config
) -> EnvState:
  """One decision: a second of physics; the key is left alone.

  Args:
    env: the hidden state; vmap for more.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: substeps.
  """
  level, dt = env.level, config.dt
  old = env.ego.lane, env.ego.target
  new = decide(level, env.ego, action, legal_actions(env))
  cars = env.cars.replace(
    lane=mobil.change_lanes(level, params, env.cars, env.ego, env.time)
  )
  start = env.time.astype(jnp.float32)

  def substep(carry, step):
    ego, cars, meant, meters, ended = carry
    i, since = step
    now = start + since
    seen = traffic.shadow(level, params, ego)
    a = traffic.accelerate(level, params, cars, seen, now)
    meant = meant.at[config.memory + i].set(a)
    a = traffic.react(params, meant, config.memory + i, config)
    late = since < params.delay - 1e-3
    lane, target = (
      jnp.where(late, o, n) for o, n in zip(old, new, strict=True)
    )
    moved = drive(level, params, ego, lane, target, dt)
    cars = traffic.advance(params, cars, a, dt)
    read = metrics.update(meters, level, params, ego, moved, cars, now + dt, dt)
    meters = jax.tree.map(lambda a, b: jnp.where(ended, a, b), meters, read)
    ended |= metrics.failed(meters) | (moved.s >= level.goal)
    return (moved, cars, meant, meters, ended), None

  count = jnp.arange(config.substeps)
  since = count.astype(jnp.float32) * dt
  meant = jnp.pad(env.meant, ((0, config.substeps), (0, 0)))
  carry = (env.ego, cars, meant, env.meters, env.ended)
  (ego, cars, meant, meters, ended), _ = jax.lax.scan(
    substep, carry, (count, since)
  )
  ego = ego.replace(lane=new[0], target=new[1])
  return env.replace(
    ego=ego,
    cars=cars,
    meant=meant[config.substeps :],
    meters=meters,
    ended=ended,
    time=env.time + 1,
  )


# --- The contract -----------------------------------------------------------


def _state(
  env: EnvState, chance: Array, params: Params, config: Config
) -> State:
  env = env.replace(chance=chance)
  failed = metrics.failed(env.meters)
  success = (env.ego.s >= env.level.goal) & ~failed
  late = env.time >= jnp.minimum(env.level.time, config.horizon)
  success = success & (env.time <= env.level.time)
  return State(
    env_state=env,
    obs=sensors.observe(env, chance, params),
    reward=success.astype(jnp.float32),
    terminated=success | failed,
    truncated=~success & ~failed & late,
    metrics=metrics.values(env, success),
  )


def reset(key: Array, params: Params, level: Level, config: Config) -> State:
  """The first state of an episode on `level`."""
  key, draw = jax.random.split(key)
  level = jax.tree.map(jnp.asarray, level)
  zero, count = jnp.zeros(()), level.at.shape[0]
  lane = level.lane.astype(jnp.float32)
  lanes = level.at_lane.astype(jnp.float32)
  env = EnvState(
    key=key,
    level=level,
    ego=Ego(
      s=level.start[0],
      d=lane * params.lane_width,
      heading=zero,
      v=level.start[1],
      a=zero,
      yaw=zero,
      lane=level.lane,
      target=level.start[1],
    ),
    cars=Cars(
      s=level.at,
      d=lanes * params.lane_width,
      v=level.speed,
      a=jnp.zeros(count),
      lane=level.at_lane,
    ),
    meant=jnp.zeros((config.memory, count)),  # all drove on as they did
    meters=metrics.zeros(),
    time=jnp.zeros((), jnp.int32),
    chance=jnp.zeros(3 * count + PEDESTRIANS),
    ended=jnp.zeros((), bool),
    past=None,
  )
  chance = jax.random.uniform(draw, (3 * count + PEDESTRIANS,))
  nothing = jnp.full((), -1, jnp.int32)
  env = env.replace(past=Past(nothing, env.ego, env.cars, chance))
  return _state(env, chance, params, config)


def step(state: State, action: Array, params: Params, config: Config) -> State:
  """One decision; what comes after the end is the caller's affair.

  Args:
    state: the state acted in.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: sizes and horizon.
  """
  key, draw = jax.random.split(state.env_state.key)
  action = jnp.asarray(action, jnp.int32)
  old, seen = state.env_state, state.obs
  env = advance(old, action, params, config).replace(
    key=key, past=Past(action, old.ego, old.cars, old.chance)
  )
  count = env.cars.s.shape[0]
  chance = jax.random.uniform(draw, (3 * count + PEDESTRIANS,))
  state = _state(env, chance, params, config)
  was = dict(was_seen=seen.car_seen, was_gap=seen.car_gap)
  return state.replace(obs=state.obs.replace(**was))


def legal(state: State, params: Params) -> Array:
  """bool[A]: all but a lane change to where no lane is."""
  del params
  return legal_actions(state.env_state)

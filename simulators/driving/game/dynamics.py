"""How Urban Driving moves: `reset`, and `step` by a decision of one second."""

import dataclasses

import jax
import jax.numpy as jnp

from simulators.base import State
from simulators.driving.game import metrics, mobil, sensors, traffic, vehicle
from simulators.driving.types import (
  FAR,
  LENGTH,
  PEDESTRIANS,
  Array,
  Cars,
  Config,
  Ego,
  EnvState,
  Level,
  Params,
  Past,
)

# --- One decision -----------------------------------------------------------


def legal_actions(env: EnvState) -> Array:
  """bool[A]: the actions that have an effect, or aim at an existing lane."""
  level, ego = env.level, env.ego
  free = ego.s > level.ramp[0]  # past the wall beside a ramp's lane
  top = ego.target < level.limit + vehicle.SPEED_STEP - 0.1
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
  """One decision: a second of physics; does not touch the key.

  Args:
    env: the hidden state; vmap for more.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: substeps.
  """
  level, dt = env.level, config.dt
  old = env.ego.lane, env.ego.target
  new = vehicle.decide(level, env.ego, action, legal_actions(env))
  lanes = mobil.change_lanes(level, params, env.cars, env.ego, env.time)
  cars = dataclasses.replace(env.cars, lane=lanes)
  start = env.time.astype(jnp.float32)

  def substep(carry: tuple, step: tuple[Array, Array]) -> tuple[tuple, None]:
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
    hard = vehicle.urgent(level, params, ego, target, cars, now)
    moved = vehicle.drive(level, params, ego, lane, target, hard, dt)
    cars = traffic.advance(params, cars, a, dt)
    read = metrics.update(
      meters, level, params, ego, moved, cars, hard, now + dt, dt
    )
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
  ego = dataclasses.replace(ego, lane=new[0], target=new[1])
  return dataclasses.replace(
    env,
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
  """The contract's view of a hidden state."""
  env = dataclasses.replace(env, chance=chance)
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
  ego = Ego(
    s=level.start[0],
    d=lane * params.lane_width,
    heading=zero,
    v=level.start[1],
    a=zero,
    yaw=zero,
    lane=level.lane,
    target=level.start[1],
  )
  cars = Cars(
    s=level.at,
    d=lanes * params.lane_width,
    v=level.speed,
    a=jnp.zeros(count),
    lane=level.at_lane,
  )
  chance = jax.random.uniform(draw, (3 * count + PEDESTRIANS,))
  env = EnvState(
    key=key,
    level=level,
    ego=ego,
    cars=cars,
    meant=jnp.zeros((config.memory, count)),  # nobody braked before the start
    meters=metrics.zeros(),
    time=jnp.zeros((), jnp.int32),
    chance=chance,
    ended=jnp.zeros((), bool),
    past=Past(jnp.full((), -1, jnp.int32), ego, cars, chance),
  )
  return _state(env, chance, params, config)


def step(state: State, action: Array, params: Params, config: Config) -> State:
  """One decision; the caller must ignore states after the end.

  Args:
    state: the state before the decision.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: sizes and horizon.
  """
  key, draw = jax.random.split(state.env_state.key)
  action = jnp.asarray(action, jnp.int32)
  old, seen = state.env_state, state.obs
  env = dataclasses.replace(
    advance(old, action, params, config),
    key=key,
    past=Past(action, old.ego, old.cars, old.chance),
  )
  count = env.cars.s.shape[0]
  chance = jax.random.uniform(draw, (3 * count + PEDESTRIANS,))
  state = _state(env, chance, params, config)
  obs = dataclasses.replace(
    state.obs, was_seen=seen.car_seen, was_gap=seen.car_gap
  )
  return dataclasses.replace(state, obs=obs)


def legal(state: State, params: Params) -> Array:
  """bool[A]: the legal actions; see `legal_actions`."""
  del params
  return legal_actions(state.env_state)

"""The planner: rolls out candidates and scores what they lose, in seconds.

A candidate is a first action followed by a manner of driving on (`MANNERS`): by
IDM in the present lane or after a change to the left or the right, now or
later, at a share of the limit for some seconds, or after a halt. All candidates
play on under vmap with the world's own Params, so that traffic reacts to them.
A candidate without a fault costs what it loses of the closed-loop score:

    cost = seconds to the goal, as played or at the limit from where it ended,
           and to regain the limit
           + T / 5 * (5 * too late + 5 * too close + 4 * too fast + 2 * rough)
           + 0.3 for each second lost in the first three, against delay
           + 0.5 for each lane change, + 0.5 for an aim above the limit

with the weights of `score`, of which that of progress is worth the T seconds
allowed. Too close, too fast and rough are the score's terms from now on; above
the limit by 0.5 m/s for a second is as bad as too fast all the time. A fault
that ends the episode is a gate and costs 200 - survived seconds.

Costs are rounded to a quarter of a second, so that equally good candidates tie.
An action costs what its best candidate costs; an illegal one costs 300. Lower
is better, and the cost is finite. `regret` scores a whole plan in the same way.
"""

import dataclasses

import jax
import jax.numpy as jnp

from simulators.driving.game import (
  dynamics,
  metrics,
  roads,
  score,
  traffic,
  vehicle,
)
from simulators.driving.types import (
  ACTIONS,
  FAR,
  FASTER,
  GO,
  KEEP,
  LEFT,
  LENGTH,
  RIGHT,
  SLOWER,
  STOP,
  WIDTH,
  Array,
  Config,
  EnvState,
  Params,
)

DEPTH = 14  # decisions in a candidate
FAULT, ILLEGAL = 200.0, 300.0  # s, costs of a fault now and an illegal action
# Manners of driving on: a lane change (-1 right, 1 left), the decision in which
# it happens, the decision up to which the ego stops, and the one up to which it
# drives no faster than a share of the limit.
MANNERS = (
  (0, 0, 0, 0, 1.0),
  (1, 1, 0, 0, 1.0),
  (-1, 1, 0, 0, 1.0),
  (1, 3, 0, 0, 1.0),
  (1, 3, 0, 3, 0.5),
  (0, 0, 0, 3, 0.35),
  (0, 0, 0, 6, 0.35),
  (0, 0, 0, 4, 0.6),
  (0, 0, 2, 0, 1.0),
  (0, 0, 4, 0, 1.0),
  (0, 0, 6, 0, 1.0),
)


def follow(env: EnvState, params: Params, share: Array | float = 1.0) -> Array:
  """i32[]: the action nearest to what IDM would do in the ego's lane.

  It drives at a `share` of the limit at most.
  """
  level, ego, cars = env.level, env.ego, env.cars
  here = traffic.there(level, params) & (level.road == 0)
  space = cars.s - ego.s - 0.5 * (level.size + LENGTH)
  aim = ego.lane.astype(jnp.float32) * params.lane_width
  beside = (jnp.abs(cars.d - aim) < WIDTH + 0.2) | (
    jnp.abs(cars.d - ego.d) < WIDTH
  )
  gap = jnp.where(here & beside & (cars.s > ego.s), space, FAR)
  lead = cars.v[jnp.argmin(gap)]
  gap = jnp.min(gap)
  now, nose = env.time.astype(jnp.float32), roads.nose(ego.s)
  line = traffic.barrier(
    level, params, jnp.zeros((), jnp.int32), nose, ego.v, now
  )
  # The end of a ramp is a wall for an ego that stays in its lane.
  wall = jnp.where(ego.lane == 0, level.ramp[1] - nose, FAR)
  line = jnp.minimum(line, wall)
  zero = jnp.zeros(())
  wish = level.limit * share
  who = traffic.Drivers(wish, zero, zero)
  a = jnp.minimum(
    traffic.idm(ego.v, gap, lead, who, params),
    traffic.idm(ego.v, line, zero, who, params),
  )
  wanted = jnp.clip(ego.v + 1.5 * a, 0.0, wish)
  targets = jnp.stack(
    [
      ego.target,
      ego.target + vehicle.SPEED_STEP,
      jnp.maximum(ego.target - vehicle.SPEED_STEP, 0.0),
      zero,
      level.limit,
    ]
  )
  choices = jnp.array([KEEP, FASTER, SLOWER, STOP, GO])
  return choices[jnp.argmin(jnp.abs(targets - wanted))]


def _go_on(env: EnvState, manner: Array, t: Array, params: Params) -> Array:
  """i32[]: the action of a manner in decision t of a candidate."""
  side, when, held, until = jnp.asarray([m[:4] for m in MANNERS])[manner]
  pace = jnp.asarray([m[4] for m in MANNERS])[manner]
  slow = jnp.where(t <= until, pace, 1.0)
  action = follow(env, params, slow)
  action = jnp.where(t <= held, STOP, action)
  turn = (side != 0) & (t == when)
  action = jnp.where(turn, jnp.where(side > 0, LEFT, RIGHT), action)
  return action.astype(jnp.int32)


def _seconds(
  start: EnvState,
  end: EnvState,
  way: Array,
  fast: Array,
  changes: Array,
  config: Config,
) -> Array:
  """f32[] s: the cost of a candidate that is played from `start` to `end`.

  Args:
    start, end: the hidden states; the meters of `end` began at `start`.
    way: f32[DEPTH] m, s of the ego before each decision.
    fast: bool[], an aim was above the limit.
    changes: i32[], lane changes.
    config: horizon.
  """
  level, meters = start.level, end.meters
  took = (end.time - start.time).astype(jnp.float32)
  left = jnp.maximum(level.goal - end.ego.s, 0.0)
  lack = jnp.maximum(level.limit - end.ego.v, 0.0)
  over = (end.ego.s - level.goal) / jnp.maximum(end.ego.v, 1.0)
  rest = left / level.limit - jnp.clip(over, 0.0, 1.0)
  rest += 0.25 * lack * lack / level.limit  # to regain the speed
  total = took + rest
  allowed = jnp.minimum(level.time, config.horizon).astype(jnp.float32)
  late = start.time.astype(jnp.float32) + total > allowed
  measured = {name: getattr(meters, name) for name in ("ttc", *score.COMFORT)}
  excess = jnp.minimum(meters.speeding / (score.OVERSPEED * allowed), 1.0)
  too_long = meters.over_limit > score.LIMITS["over_limit"][1] - 0.05
  lost = {
    "progress": late,
    "ttc": ~score.good(measured, "ttc"),
    "speed": jnp.where(too_long, 1.0, excess),
    "comfort": ~score.comfortable(measured),
  }
  points = sum(
    score.WEIGHTS[name] * lost[name].astype(jnp.float32) for name in lost
  )
  idle = jnp.maximum(3.0 - (way[3] - way[0]) / level.limit, 0.0)
  cost = total + points * allowed / score.WEIGHTS["progress"] + 0.3 * idle
  cost += jnp.where(fast, 0.5, 0.0) + 0.5 * changes.astype(jnp.float32)
  return jnp.where(metrics.failed(meters), FAULT - took, cost)


def _plan_cost(
  env: EnvState, plan: Array, manner: Array, params: Params, config: Config
) -> Array:
  """f32[] s: the cost of a plan i32[L] (-1 pads) and a manner after it."""
  length = jnp.sum(plan >= 0)

  def take(env: EnvState, t: Array) -> tuple[EnvState, tuple[Array, ...]]:
    planned = plan[jnp.minimum(t, len(plan) - 1)]
    later = _go_on(env, manner, t - length + 1, params)
    action = jnp.where(t < length, planned, later)
    new = dynamics.advance(env, action, params, config)
    new = jax.tree.map(lambda a, b: jnp.where(env.ended, a, b), env, new)
    barred = (t < length) & ~env.ended & ~dynamics.legal_actions(env)[planned]
    fast = new.ego.target > env.level.limit + 0.1
    changed = new.ego.lane != env.ego.lane
    return new, (env.ego.s, barred, fast, changed)

  start = dataclasses.replace(env, meters=metrics.restarted(env.meters))
  decisions = jnp.arange(max(DEPTH, len(plan)))
  end, (way, barred, fast, changed) = jax.lax.scan(take, start, decisions)
  cost = _seconds(start, end, way, jnp.any(fast), jnp.sum(changed), config)
  return jnp.where(jnp.any(barred), ILLEGAL, cost)


def plan_cost(
  env: EnvState, plan: Array, params: Params, config: Config
) -> Array:
  """f32[] s: the cost of a plan i32[L] followed by the best manner."""
  each = jax.vmap(_plan_cost, (None, None, 0, None, None))
  costs = each(env, plan, jnp.arange(len(MANNERS)), params, config)
  return jnp.round(4.0 * jnp.min(costs)) / 4.0


def costs(env: EnvState, params: Params, config: Config) -> Array:
  """f32[A] s: the cost of each action; see the module."""
  plans = jnp.arange(len(ACTIONS))[:, None]
  return jax.vmap(plan_cost, (None, 0, None, None))(env, plans, params, config)


def regret(
  env: EnvState, actions: Array, params: Params, config: Config
) -> Array:
  """f32[] s: the cost of a plan minus that of the best first action.

  The best manner follows the plan. Actions after the goal cost nothing. The
  planner searches few candidates, so a plan that beats them has a negative
  regret.

  Args:
    env: where the plan starts; vmap for more.
    actions: i32[L], the plan, at least one action; -1 pads.
    params: the rules that the plan is judged by.
    config: sizes and counts.
  """
  best = jnp.min(costs(env, params, config))
  return plan_cost(env, actions, params, config) - best

"""How other cars drive along their lane: IDM, stop lines, delayed reactions.

IDM: Treiber, Hennecke, Helbing 2000, "Congested traffic states in empirical
observations and microscopic simulations", eqs. (3)-(5):

    dv/dt = a [1 - (v / v0)^delta - (s* / s)^2]
    s* = s0 + max(0, v T + v dv / (2 sqrt(a b)))

All cars are evaluated at once. The leader is the nearest of the cars ahead in
the lane. Lane changes are in `mobil`.

`Params` covers highway-env's IDM as well (`clamped=0, centred=1`). One thing is
our own: the free-road term brakes no harder than `brake`.
"""

import dataclasses

import flax.struct
import jax.numpy as jnp

from simulators.driving.game import roads
from simulators.driving.types import (
  FAR,
  LENGTH,
  WIDTH,
  Array,
  Cars,
  Config,
  Ego,
  Level,
  Params,
)

BODY = 0.5 * WIDTH
CLEARANCE = 0.2  # m beside a car that still belong to its path
SIDEWAYS = 1.2  # m/s, sideways speed in a lane change
MUST_STOP = 6.0  # m/s2; a driver who must brake harder drives on at a light
GRAVITY = 9.81  # m/s2


@flax.struct.dataclass
class Drivers:
  """Drivers and their cars; leaves f32[...] of one shape."""

  wish: Array  # m/s, desired speed
  mind: Array  # no unit, -1 timid .. 1 aggressive
  weak: Array  # no unit, 0 for a car, 1 for a truck: less acceleration


@flax.struct.dataclass
class Shadow:
  """The ego as drivers on the three roads see it; leaves f32[3]."""

  s: Array  # m
  d: Array  # m
  v: Array  # m/s, along the road
  cos: Array  # cosine of its heading relative to the road
  sin: Array  # sine of the same
  long: Array  # m, half of its extent along the road
  wide: Array  # m, half of its extent across the road


def shadow(level: Level, params: Params, ego: Ego) -> Shadow:
  """The ego's place, speed and extent in the frames of the roads."""
  s, d, heading = roads.frames(level, params, ego.s, ego.d, ego.heading)
  along, across = jnp.cos(heading), jnp.sin(heading)
  return Shadow(
    s=s,
    d=d,
    v=jnp.maximum(ego.v * along, 0.0),
    cos=along,
    sin=across,
    long=0.5 * LENGTH * jnp.abs(along) + BODY * jnp.abs(across),
    wide=0.5 * LENGTH * jnp.abs(across) + BODY * jnp.abs(along),
  )


def there(level: Level, params: Params) -> Array:
  """bool[N]: the cars and trucks that are on the roads."""
  truck = level.size > 7.0
  return level.there & jnp.where(truck, params.present[1], params.present[0])


def drivers(level: Level, params: Params, time: Array) -> Drivers:
  """The drivers of a level's cars at `time` s."""
  start, until, slow = jnp.moveaxis(level.braking, -1, 0)
  braking = (time >= start) & (time < until)
  wish = level.wish * (1.0 + 0.15 * params.temper)
  return Drivers(
    wish=jnp.where(braking, slow, wish),
    mind=jnp.clip(level.driver + params.temper, -1.0, 1.0),
    weak=(level.size > 7.0).astype(jnp.float32),
  )


def idm(
  v: Array, gap: Array, lead: Array, who: Drivers, params: Params
) -> Array:
  """m/s2: acceleration by IDM.

  Args:
    v: f32[...] m/s, own speed.
    gap: m to the leader; FAR if there is none.
    lead: m/s, the leader's speed.
    who: the drivers; an aggressive one accepts less time and distance.
    params: the rules.
  """
  a = params.accel * (1.0 + 0.3 * who.mind) * (1.0 - 0.4 * who.weak)
  headway = params.headway * (1.0 - 0.4 * who.mind)
  still = params.gap * (1.0 - 0.3 * who.mind)
  approach = v * (v - lead) / (2.0 * jnp.sqrt(a * params.brake))
  dynamic = v * headway + approach
  dynamic = jnp.where(dynamic < 0.0, dynamic * (1.0 - params.clamped), dynamic)
  ratio = v / jnp.maximum(who.wish, 0.1)
  free = a * (1.0 - jnp.power(ratio, params.exponent))
  free = jnp.maximum(free, -params.brake)
  close = (still + dynamic) / jnp.maximum(gap, 0.1)
  bound = jnp.minimum(params.limit, GRAVITY * params.friction)
  # A driver whose desired speed is 0 stands.
  full = jnp.where(who.wish < 0.1, -bound, free - a * close * close)
  return jnp.clip(full, -bound, bound)


def pick(values: Array, road: Array) -> Array:
  """values[road], f32[3] by i32[N]; a selection is faster than a gather."""
  return jnp.where(
    road == 0, values[0], jnp.where(road == 1, values[1], values[2])
  )


def leaders(
  level: Level, params: Params, cars: Cars, ego: Shadow, here: Array
) -> tuple[Array, Array]:
  """Gap in m and speed in m/s of the leader of each car, f32[N] each.

  The leader is the nearest car ahead that overlaps sideways, now or after the
  lane change in progress. The ego counts as well. Without one the gap is FAR.
  """
  road, half = level.road, 0.5 * level.size
  ahead = cars.s[None, :] - cars.s[:, None]
  space = ahead - half[None, :] - half[:, None]
  aim = cars.lane.astype(jnp.float32) * params.lane_width
  reach = 2.0 * BODY + CLEARANCE
  beside = jnp.abs(cars.d[None, :] - cars.d[:, None]) < reach
  beside |= jnp.abs(cars.d[None, :] - aim[:, None]) < reach
  beside |= jnp.abs(aim[None, :] - aim[:, None]) < 0.5
  follows = beside & (ahead > 0.0) & (road[None, :] == road[:, None])
  follows &= here[None, :]
  gap = jnp.where(follows, space, FAR)
  nearest = jnp.min(gap, axis=1)
  lead = jnp.max(jnp.where(gap == nearest[:, None], cars.v, 0.0), axis=1)
  # The ego, in the frame of the car's road.
  forward = pick(ego.s, road) - cars.s
  reach = BODY + CLEARANCE + pick(ego.wide, road)
  where = pick(ego.d, road)
  beside = (jnp.abs(where - cars.d) < reach) | (jnp.abs(where - aim) < reach)
  gap = forward - half - pick(ego.long, road)
  gap = jnp.where(beside & (forward > 0.0), gap, FAR)
  lead = jnp.where(gap < nearest, pick(ego.v, road), lead)
  gap = jnp.minimum(gap, nearest)
  return gap + params.centred * jnp.where(gap < FAR, level.size, 0.0), lead


def barrier(
  level: Level, params: Params, road: Array, nose: Array, v: Array, time: Array
) -> Array:
  """m to the line where a driver must stop now; FAR without one.

  Args:
    level, params: one scene and its rules.
    road: i32[...], road of each car.
    nose: f32[...] m, s of the front bumper.
    v: f32[...] m/s.
    time: f32[] s.
  """
  mine, theirs = roads.light(level, params, time)
  closed = jnp.where(road == 2, theirs, mine) >= 2
  gap = pick(level.stop, road) - nose
  can = v * v < 2.0 * MUST_STOP * gap
  line = jnp.where(closed & (gap > 0.0) & can, gap, FAR)
  walking = roads.walkers(level, params, time).on
  gap = level.walk - 3.0 - nose
  closed = jnp.any(walking) & (road == 0) & (gap > 0.0)
  return jnp.minimum(line, jnp.where(closed, gap, FAR))


def accelerate(
  level: Level, params: Params, cars: Cars, ego: Shadow, time: Array
) -> Array:
  """f32[N] m/s2: the acceleration that each driver wants at `time` s."""
  who = drivers(level, params, time)
  here = there(level, params)
  gap, lead = leaders(level, params, cars, ego, here)
  nose = cars.s + 0.5 * level.size
  line = barrier(level, params, level.road, nose, cars.v, time)
  still = jnp.zeros_like(lead)
  return jnp.minimum(
    idm(cars.v, gap, lead, who, params), idm(cars.v, line, still, who, params)
  )


def react(params: Params, meant: Array, now: Array, config: Config) -> Array:
  """Delayed reactions: a(t) = f(situation at t - reaction).

  Treiber, Kesting, Helbing 2006, "Delays, inaccuracies and anticipation in
  microscopic traffic models", on finite reaction times. Wanted accelerations
  are interpolated between physics steps. Lane changes have no delay.

  Args:
    params: the rules; a delay beyond the memory is cut to it.
    meant: f32[M, N] m/s2, wanted accelerations, a row for each physics step.
    now: i32[], the row of this step, at least `config.memory`.
    config: dt and memory.

  Returns:
    f32[N] m/s2.
  """
  late = jnp.clip(params.reaction / config.dt, 0.0, config.memory)
  steps = jnp.floor(late)
  newer = now - steps.astype(jnp.int32)
  older = now - jnp.ceil(late).astype(jnp.int32)
  return meant[newer] + (late - steps) * (meant[older] - meant[newer])


def advance(params: Params, cars: Cars, a: Array, dt: float) -> Cars:
  """One physics step: moves by the old speeds, then changes the speeds."""
  sideways = cars.lane.astype(jnp.float32) * params.lane_width - cars.d
  return dataclasses.replace(
    cars,
    s=cars.s + cars.v * dt,
    d=cars.d + jnp.clip(sideways, -SIDEWAYS * dt, SIDEWAYS * dt),
    v=jnp.maximum(cars.v + a * dt, 0.0),
    a=a,
  )

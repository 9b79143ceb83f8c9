"""What the ego sees: its range, its noise and its dropout."""

import jax
import jax.numpy as jnp

from simulators.driving.game import metrics, roads, traffic
from simulators.driving.types import (
  FAR,
  LENGTH,
  EnvState,
  Obs,
  Params,
)

Array = jax.Array

SIGHT, REAR = 80.0, 30.0  # m, range ahead and behind
READABLE = 60.0  # m to the stop line, from where a light's countdown is read
BRAKE_LIGHTS = -1.0  # m/s2; below it the brake lights of a car are on


def observe(env: EnvState, chance: Array, params: Params) -> Obs:
  """The observation of one hidden state.

  Args:
    env: the hidden state.
    chance: f32[3 * N + P] in 0..1: for each car the deviations of gap and speed
      and the dropout, for each pedestrian the dropout.
    params: the rules.
  """
  level, ego, cars = env.level, env.ego, env.cars
  count, now = cars.s.shape[0], env.time.astype(jnp.float32)
  width = params.lane_width
  half = 0.5 * (level.size + LENGTH)
  ahead = cars.s - ego.s
  along = jnp.sign(ahead) * jnp.maximum(jnp.abs(ahead) - half, 0.0)
  meet, mine = metrics.meetings(level)
  away = traffic.pick(meet, level.road) - cars.s - 0.5 * level.size
  route = level.road == 0
  gap = jnp.where(route, along, away)
  near = (gap < SIGHT) & (gap > jnp.where(route, -REAR, -LENGTH))
  near &= route | (ego.s < traffic.pick(mine, level.road) + 4.0)
  # Uniform over +-sqrt(3) standard deviations.
  wobble = (chance[: 2 * count] - 0.5).reshape(2, count) * 12.0**0.5
  wobble = 1.0 + params.noise * wobble
  seen = traffic.there(level, params) & near
  seen &= chance[2 * count : 3 * count] >= params.dropout
  lane = jnp.round(ego.d / width).astype(jnp.int32)
  side = jnp.round(cars.d / width).astype(jnp.int32) - lane
  mine_light, _ = roads.light(level, params, now)
  nose = roads.nose(ego.s)
  line = level.stop[0] - nose
  line = jnp.where((level.stop[0] < FAR) & (line > 0.0), line, -1.0)
  crossing = level.walk - nose
  crossing = jnp.where(
    (level.walk < FAR) & (crossing > 0.0) & params.present[2], crossing, -1.0
  )
  people = roads.walkers(level, params, now)
  met = (people.on | people.waits) & (crossing > 0.0) & (crossing < SIGHT)
  met &= chance[3 * count :] >= params.dropout
  goes = jnp.where(met & people.on, jnp.sign(people.going), 0.0)
  ends = level.ramp[1] - nose
  bend = level.bend[1]
  begins = level.length[0]
  turns = (jnp.abs(bend) > 0.03) & (ego.s < begins + level.length[1])
  return Obs(
    family=level.family,
    goal=jnp.maximum(level.goal - ego.s, 0.0),
    left=(level.time - env.time).astype(jnp.float32),
    speed=ego.v,
    target=ego.target,
    limit=level.limit,
    lane=lane,
    aims=ego.lane - lane,
    lanes=level.lanes,
    turn=jnp.where(turns, jnp.sign(bend), 0.0).astype(jnp.int32),
    bend=jnp.where(turns, jnp.maximum(begins - nose, 0.0), -1.0),
    light=jnp.where(line > 0.0, mine_light, 0),
    countdown=jnp.where(
      (line > 0.0) & (line < READABLE) & (mine_light > 0),
      roads.countdown(level, now),
      -1.0,
    ),
    line=line,
    walk=crossing,
    lane_end=jnp.where((level.ramp[1] < FAR) & (ends > 0.0), ends, -1.0),
    car_seen=seen,
    car_road=level.road,
    car_gap=jnp.where(seen, gap * wobble[0], 0.0),
    car_side=jnp.where(seen & route, side, 0),
    car_speed=jnp.where(seen, cars.v * wobble[1], 0.0),
    car_brakes=seen & (cars.a < BRAKE_LIGHTS),
    truck=level.size > 7.0,
    walker_seen=met,
    walker_gap=jnp.where(met, people.d - ego.d, 0.0),
    walker_goes=goes.astype(jnp.int32),
    last=env.past.action,
    was_target=env.past.ego.target,
    was_lane=env.past.ego.lane,
    was_seen=seen,  # right at the start; `dynamics.step` sets the old values
    was_gap=jnp.where(seen, gap * wobble[0], 0.0),
  )

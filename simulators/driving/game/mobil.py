"""Lane changes of all cars at once, by MOBIL.

Kesting, Treiber, Helbing 2007, "General lane-changing model MOBIL for
car-following models". One thing is our own: cars change lanes to the left in
even seconds and to the right in odd ones, so that no two cars enter the same
gap from both sides.
"""

import jax.numpy as jnp

from simulators.driving.game import traffic
from simulators.driving.types import (
  FAR,
  LENGTH,
  Array,
  Cars,
  Ego,
  Level,
  Params,
)


def incentive(
  own: Array, new: Array, follower: Array, behind: Array, params: Params
) -> tuple[Array, Array]:
  """MOBIL's two criteria.

  Args:
    own, new: f32[...] m/s2, own acceleration in the old and the new lane.
    follower: f32[2, ...] m/s2, of the new follower: before, after.
    behind: f32[2, ...] m/s2, of the old follower: before, after.
    params: the rules.

  Returns:
    gain: f32[...] m/s2, own gain plus politeness times that of the others.
    safe: bool[...], the new follower brakes no harder than `safe_brake`.
  """
  others = follower[1] - follower[0] + behind[1] - behind[0]
  gain = new - own + params.politeness * others
  return gain, follower[1] >= -params.safe_brake


def _nearest(distance: Array, mask: Array) -> tuple[Array, Array]:
  """Index of the least distance in each row under the mask; whether any."""
  distance = jnp.where(mask, distance, FAR)
  return jnp.argmin(distance, axis=1), jnp.any(mask, axis=1)


def change_lanes(
  level: Level, params: Params, cars: Cars, ego: Ego, time: Array
) -> Array:
  """i32[N]: the lanes that cars of the route aim at from `time` i32[] s on."""
  count = cars.s.shape[0]
  side = jnp.where(time % 2 == 0, 1, -1)
  seconds = time.astype(jnp.float32)
  who = traffic.drivers(level, params, seconds)

  def join(own: Array, mine: Array | float | bool) -> Array:  # ego comes last
    return jnp.append(own, mine)

  s, v = join(cars.s, ego.s), join(cars.v, ego.v)
  lane = join(cars.lane, ego.lane)
  size = join(level.size, LENGTH)
  here = join(traffic.there(level, params) & (level.road == 0), True)
  who = traffic.Drivers(
    join(who.wish, ego.target), join(who.mind, 0.0), join(who.weak, 0.0)
  )
  aim = cars.lane + side
  ahead = s[None, :] - cars.s[:, None]
  other = here[None, :] & (jnp.arange(count + 1) != jnp.arange(count)[:, None])

  def around(of: Array) -> tuple:  # leader and follower in lanes `of` i32[N]
    inside = other & (lane[None, :] == of[:, None])
    return _nearest(ahead, inside & (ahead > 0)), _nearest(
      -ahead, inside & (ahead <= 0)
    )

  def follow(i: Array, j: Array, found: Array) -> Array:  # m/s2, i behind j
    gap = s[j] - s[i] - 0.5 * (1.0 - params.centred) * (size[i] + size[j])
    person = traffic.Drivers(who.wish[i], who.mind[i], who.weak[i])
    gap = jnp.where(found, gap, FAR)
    return traffic.idm(v[i], gap, v[j], person, params)

  (lead, led), (back, backed) = around(cars.lane)
  (to, ahead_there), (next_, behind_there) = around(aim)
  me, always = jnp.arange(count), jnp.ones(count, bool)
  none = jnp.zeros(count)
  gain, safe = incentive(
    follow(me, lead, led),
    follow(me, to, ahead_there),
    jnp.where(
      behind_there,
      jnp.stack([follow(next_, to, ahead_there), follow(next_, me, always)]),
      none,
    ),
    jnp.where(
      backed,
      jnp.stack([follow(back, me, always), follow(back, lead, led)]),
      none,
    ),
    params,
  )
  lowest = jnp.where(level.ramp[1] < FAR, 1, 0)
  able = (aim >= lowest) & (aim < level.lanes) & (level.wish > 0.1)
  able &= here[:-1] & (cars.v > 1.0)
  settled = cars.lane.astype(jnp.float32) * params.lane_width - cars.d
  able &= jnp.abs(settled) < 0.3
  gain = gain - side.astype(jnp.float32) * params.right_bias
  return jnp.where(able & safe & (gain > params.threshold), aim, cars.lane)

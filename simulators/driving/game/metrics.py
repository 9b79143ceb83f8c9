"""What an episode is measured by: one table, (value, valid, limit).

| metric | unit | definition |
|---|---|---|
| collision | 0/1 | the ego's box overlaps another's, or a pedestrian (Waymax) |
| at_fault | 0/1 | a collision not with one who drove into the ego's rear, |
| | | or while the ego stood (nuPlan's at-fault classes) |
| off_road | 0/1 | a side of the ego leaves the lanes (Waymax) |
| wrong_way | m | way driven with the middle in the oncoming lane (Waymax) |
| red_light | 0/1 | the nose passes the stop line at red (nuPlan) |
| no_yield | 0/1 | the nose enters a crosswalk, a pedestrian within 3.5 m |
| forced | 0/1 | the nose turns into the oncoming lane, a car due within 3 s |
| stop_line | m | from nose to line at a halt at red or amber |
| ttc | s | least gap / closing speed, leader in reach; 3 s and on: none |
| accel, brake | m/s2 | greatest, least longitudinal acceleration |
| lateral | m/s2 | greatest v * yaw rate |
| yaw, yaw_accel | rad/s, rad/s2 | greatest magnitude |
| jerk | m/s3 | greatest longitudinal magnitude |
| speeding | m | time integral of the speed above the limit |
| progress | 0..1 | way made of the way to the goal |
| success | 0/1 | goal passed in time with none of the 0/1 faults |

Limits of comfort and time to collision: nuPlan (Karnchanachari et al. 2024,
"Towards learning-based planning: the nuPlan benchmark", and its metrics
description); of the wrong way: Waymax (Gulino et al. 2023).
"""

import jax.numpy as jnp

from simulators.driving.game import roads, traffic
from simulators.driving.types import (
  FAR,
  LENGTH,
  WIDTH,
  Array,
  Cars,
  Ego,
  EnvState,
  Level,
  Meters,
  Params,
)

# metric -> (least, greatest) that counts as good
LIMITS = {
  "collision": (0.0, 0.0),
  "at_fault": (0.0, 0.0),
  "off_road": (0.0, 0.0),
  "wrong_way": (0.0, 3.5),
  "red_light": (0.0, 0.0),
  "no_yield": (0.0, 0.0),
  "forced": (0.0, 0.0),
  "stop_line": (0.0, 8.0),
  "ttc": (0.95, FAR),
  "accel": (-4.05, 2.40),
  "brake": (-4.05, 2.40),
  "lateral": (0.0, 4.89),
  "yaw": (0.0, 0.95),
  "yaw_accel": (0.0, 1.93),
  "jerk": (0.0, 4.13),
  "speeding": (0.0, 4.0),
  "progress": (1.0, 1.0),
  "success": (1.0, 1.0),
}
HORIZON = 3.0  # s of time to collision that are looked at
NEAR = 3.5  # m to a pedestrian that must be let pass
DUE = 3.0  # s in which an oncoming car comes that must be let pass


def zeros() -> Meters:
  """The meters at the start of an episode."""
  zero = jnp.zeros(())
  far = jnp.full((), FAR)
  return Meters(
    collision=zero, at_fault=zero, struck=zero - 1.0, off_road=zero,
    red_light=zero, no_yield=zero, forced=zero, wrong_way=zero, ttc=far,
    brake=zero, accel=zero, lateral=zero, yaw=zero, yaw_accel=zero, jerk=zero,
    speeding=zero, halted=far,
  )  # fmt: skip


def meetings(level: Level) -> tuple[Array, Array]:
  """Where the paths meet, f32[3] each: s on each road, s on the route.

  The oncoming lane is met in a left bend, 45 degrees into it.
  """
  radius = 1.0 / jnp.maximum(level.bend[1], 1e-3)
  into = level.length[0] + 0.7 * radius
  far = jnp.full((), FAR)
  return (
    jnp.stack([far, level.oncoming - into, jnp.full((), roads.APPROACH)]),
    jnp.stack([far, level.length[0] + 0.8 * radius, level.cross[0]]),
  )


def due(level: Level, cars: Cars, here: Array) -> Array:
  """bool[]: an oncoming car is where paths meet, or comes within DUE s."""
  meet, _ = meetings(level)
  way, half = meet[1] - cars.s, 0.5 * level.size
  comes = (way > -half) & (way - half < DUE * cars.v)
  return jnp.any(here & (level.road == 1) & comes)


def overlaps(
  level: Level, seen: traffic.Shadow, cars: Cars, here: Array
) -> Array:
  """bool[N]: cars whose box overlaps the ego's (separating axes)."""
  s, d, cos, sin = (
    traffic.pick(x, level.road) for x in (seen.s, seen.d, seen.cos, seen.sin)
  )
  wide, long = (traffic.pick(x, level.road) for x in (seen.wide, seen.long))
  forth, aside = cars.s - s, cars.d - d
  half, body = 0.5 * level.size, 0.5 * WIDTH
  cos_, sin_ = jnp.abs(cos), jnp.abs(sin)
  hit = (jnp.abs(forth) < half + long) & (jnp.abs(aside) < body + wide)
  hit &= jnp.abs(forth * cos + aside * sin) < (
    0.5 * LENGTH + half * cos_ + body * sin_
  )
  hit &= jnp.abs(aside * cos - forth * sin) < (body + half * sin_ + body * cos_)
  return hit & here


def update(
  meters: Meters, level: Level, params: Params, old: Ego, ego: Ego, cars: Cars,
  now: Array, dt: float,
) -> Meters:  # fmt: skip
  """The meters after one physics step from `old` to `ego`, at `now` s."""
  here = traffic.there(level, params)
  seen = traffic.shadow(level, params, ego)
  hit = overlaps(level, seen, cars, here)
  # Driven into from behind, or while standing: not the ego's fault.
  rear = (level.road == 0) & (cars.s < ego.s)
  in_lane = jnp.abs(ego.d - ego.lane.astype(jnp.float32) * params.lane_width)
  blameless = (rear & (in_lane < 0.5)) | (ego.v < 0.1)
  people = roads.walkers(level, params, now)
  nose, before = roads.nose(ego.s), roads.nose(old.s)
  beside = jnp.abs(people.d - ego.d)
  run_down = people.on & (beside < 0.5 * WIDTH + 0.3)
  run_down &= jnp.abs(level.walk - ego.s) < 0.5 * LENGTH + 0.3
  enters = (before < level.walk - 1.5) & (nose >= level.walk - 1.5)
  no_yield = enters & jnp.any(people.on & (beside < NEAR))
  into = level.length[0] + 0.5 / jnp.maximum(level.bend[1], 1e-3)
  turns = (level.oncoming < FAR) & (before < into) & (nose >= into)
  mine, _ = roads.light(level, params, now)
  passes = (before < level.stop[0]) & (nose >= level.stop[0])
  right, left = roads.edges(level, params, ego.s)
  body = 0.5 * WIDTH - roads.SHOULDER
  beyond = ego.d - left
  opposed = level.oncoming < FAR
  off = (ego.d - body < right) | ((beyond + body > 0.0) & ~opposed)
  astray = opposed & (beyond > 0.0) & (ego.s < level.length[0])
  wrong = meters.wrong_way + jnp.where(astray, ego.v * dt, 0.0)
  # Time to collision with what is ahead in the lane.
  space = cars.s - ego.s - 0.5 * (level.size + LENGTH)
  leads = here & (level.road == 0) & (space > 0.0)
  leads &= jnp.abs(cars.d - ego.d) < WIDTH
  closing = ego.v - cars.v
  ttc = space / jnp.maximum(closing, 1e-3)
  ttc = jnp.min(jnp.where(leads & (closing > 0.0), ttc, FAR))
  halt = (ego.v < 0.2) & (mine >= 2) & (nose <= level.stop[0])
  gap = jnp.where(halt, level.stop[0] - nose, FAR)

  def flag(meter, happened):
    return jnp.maximum(meter, happened.astype(jnp.float32))

  return Meters(
    collision=flag(meters.collision, jnp.any(hit) | jnp.any(run_down)),
    at_fault=flag(
      meters.at_fault, jnp.any(hit & ~blameless) | jnp.any(run_down)
    ),
    struck=jnp.where(
      (meters.struck < 0.0) & jnp.any(hit),
      jnp.argmax(hit).astype(jnp.float32),
      meters.struck,
    ),
    off_road=flag(meters.off_road, off | (wrong > LIMITS["wrong_way"][1])),
    red_light=flag(meters.red_light, passes & (mine == 3)),
    no_yield=flag(meters.no_yield, no_yield),
    forced=flag(meters.forced, turns & due(level, cars, here)),
    wrong_way=wrong,
    ttc=jnp.minimum(meters.ttc, jnp.where(ttc < HORIZON, ttc, FAR)),
    brake=jnp.minimum(meters.brake, ego.a),
    accel=jnp.maximum(meters.accel, ego.a),
    lateral=jnp.maximum(meters.lateral, jnp.abs(ego.v * ego.yaw)),
    yaw=jnp.maximum(meters.yaw, jnp.abs(ego.yaw)),
    yaw_accel=jnp.maximum(meters.yaw_accel, jnp.abs(ego.yaw - old.yaw) / dt),
    jerk=jnp.maximum(meters.jerk, jnp.abs(ego.a - old.a) / dt),
    speeding=meters.speeding + jnp.maximum(ego.v - level.limit, 0.0) * dt,
    halted=jnp.minimum(meters.halted, gap),
  )


def failed(meters: Meters) -> Array:
  """bool[]: a fault that ends the episode."""
  rules = meters.red_light + meters.no_yield + meters.forced
  return meters.collision + meters.off_road + rules > 0.0


def values(env: EnvState, success: Array) -> dict[str, Array]:
  """name -> f32[], for `State.metrics`."""
  meters, level = env.meters, env.level
  way = (env.ego.s - level.start[0]) / (level.goal - level.start[0])
  names = [name for name in LIMITS if hasattr(meters, name)]
  return {name: getattr(meters, name) for name in names} | {
    "stop_line": meters.halted,
    "progress": jnp.clip(way, 0.0, 1.0),
    "success": success.astype(jnp.float32),
  }


def table(metrics: dict[str, Array]) -> dict[str, tuple[Array, Array, Array]]:
  """name -> (value, valid, good), from `State.metrics`.

  A metric that nothing was measured of (no time to collision, no halt at a
  light) is not valid; it is good by default.
  """
  out = {}
  for name, (least, greatest) in LIMITS.items():
    value = metrics[name]
    valid = value < FAR
    good = (value >= least - 1e-6) & (value <= greatest + 1e-6)
    out[name] = (value, valid, good | ~valid)
  return out

"""The measures of an episode, each with its value, validity and limit.

| metric | unit | definition |
|---|---|---|
| collision | 0/1 | the ego's box overlaps another's, or a pedestrian (Waymax) |
| at_fault | 0/1 | a collision, but not into the ego's rear, |
| | | and not while the ego stands (nuPlan's at-fault classes) |
| off_road | 0/1 | a side of the ego leaves the lanes (Waymax) |
| wrong_way | m | distance driven in the oncoming lane (Waymax) |
| red_light | 0/1 | the nose passes the stop line at red (nuPlan) |
| no_yield | 0/1 | the nose enters a crosswalk, a pedestrian within 3.5 m |
| forced | 0/1 | the nose turns into the path of a car due within 3 s |
| stop_line | m | least distance from nose to line, stopped at red or amber |
| ttc | s | least gap / closing speed in the lane; not counted from 3 s |
| accel, brake | m/s2 | greatest, least longitudinal acceleration |
| lateral | m/s2 | greatest v * yaw rate |
| yaw, yaw_accel | rad/s, rad/s2 | greatest magnitude |
| jerk | m/s3 | greatest longitudinal magnitude |
| jerk_total | m/s3 | greatest magnitude of the vector of both directions |
| speeding | m | time integral of the speed above the limit |
| over_limit | s | longest time more than 0.5 m/s above the limit |
| emergency | 0/1 | `stop` used the emergency brake, see `vehicle.urgent` |
| lasted | s | duration of the episode |
| progress | 0..1 | share of the way to the goal |
| success | 0/1 | goal passed in time with none of the 0/1 faults |
| closed_loop_score | 0..1 | see `score` |

Limits of comfort and time to collision: nuPlan (Karnchanachari et al. 2024,
"Towards learning-based planning: the nuPlan benchmark", arXiv 2403.04133, and
docs/metrics_description.md of github.com/motional/nuplan-devkit). Limit of the
wrong way: Waymax (Gulino et al. 2023). The limits are in `score`.
"""

import dataclasses

import jax.numpy as jnp

from simulators.driving.game import roads, traffic
from simulators.driving.game.score import (
  GATES,
  LIMITS,
  closed_loop_score,
  good,
)
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

HORIZON = 3.0  # s; a longer time to collision does not count
NEAR = 3.5  # m; the ego must give way to a pedestrian so near
DUE = 3.0  # s; the ego must give way to an oncoming car due so soon


def zeros() -> Meters:
  """The meters at the start of an episode."""
  zero = jnp.zeros(())
  far = jnp.full((), FAR)
  return Meters(
    collision=zero, at_fault=zero, struck=zero - 1.0, off_road=zero,
    red_light=zero, no_yield=zero, forced=zero, wrong_way=zero, ttc=far,
    brake=zero, accel=zero, lateral=zero, yaw=zero, yaw_accel=zero, jerk=zero,
    jerk_total=zero, speeding=zero, over=zero, over_limit=zero, emergency=zero,
    lasted=zero, halted=far,
  )  # fmt: skip


def restarted(meters: Meters) -> Meters:
  """The meters as at a start, but for faults and the wrong way so far."""
  fresh = zeros()
  names = ("collision", "struck", "wrong_way", "over", *GATES)
  kept = {name: getattr(meters, name) for name in names}
  return dataclasses.replace(fresh, **kept)


def meetings(level: Level) -> tuple[Array, Array]:
  """Where the paths meet, f32[3] m each: s on each road, s on the route.

  The route meets the oncoming lane 45 degrees into a left bend.
  """
  radius = 1.0 / jnp.maximum(level.bend[1], 1e-3)
  into = level.length[0] + 0.7 * radius
  far = jnp.full((), FAR)
  return (
    jnp.stack([far, level.oncoming - into, jnp.full((), roads.APPROACH)]),
    jnp.stack([far, level.length[0] + 0.8 * radius, level.cross[0]]),
  )


def due(level: Level, cars: Cars, here: Array) -> Array:
  """bool[]: an oncoming car is where the paths meet, or due within DUE s."""
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
  forward, sideways = cars.s - s, cars.d - d
  half, body = 0.5 * level.size, 0.5 * WIDTH
  cos_, sin_ = jnp.abs(cos), jnp.abs(sin)
  hit = (jnp.abs(forward) < half + long) & (jnp.abs(sideways) < body + wide)
  hit &= jnp.abs(forward * cos + sideways * sin) < (
    0.5 * LENGTH + half * cos_ + body * sin_
  )
  hit &= jnp.abs(sideways * cos - forward * sin) < (
    body + half * sin_ + body * cos_
  )
  return hit & here


def update(
  meters: Meters, level: Level, params: Params, old: Ego, ego: Ego, cars: Cars,
  hard: Array, now: Array, dt: float,
) -> Meters:  # fmt: skip
  """The meters after one physics step from `old` to `ego`, at `now` s.

  `hard` bool[] says whether the step was one of an emergency stop.
  """
  here = traffic.there(level, params)
  seen = traffic.shadow(level, params, ego)
  hit = overlaps(level, seen, cars, here)
  # Not the ego's fault: hit from behind, or hit while standing.
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
  # Time to collision with the cars ahead in the lane.
  space = cars.s - ego.s - 0.5 * (level.size + LENGTH)
  leads = here & (level.road == 0) & (space > 0.0)
  leads &= jnp.abs(cars.d - ego.d) < WIDTH
  closing = ego.v - cars.v
  ttc = space / jnp.maximum(closing, 1e-3)
  ttc = jnp.min(jnp.where(leads & (closing > 0.0), ttc, FAR))
  halt = (ego.v < 0.2) & (mine >= 2) & (nose <= level.stop[0])
  gap = jnp.where(halt, level.stop[0] - nose, FAR)
  jerk = jnp.abs(ego.a - old.a) / dt
  sideways = (ego.v * ego.yaw - old.v * old.yaw) / dt
  fast = ego.v > level.limit + 0.5
  over = jnp.where(fast, meters.over + dt, 0.0)

  def flag(meter: Array, happened: Array) -> Array:
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
    jerk=jnp.maximum(meters.jerk, jerk),
    jerk_total=jnp.maximum(meters.jerk_total, jnp.hypot(jerk, sideways)),
    speeding=meters.speeding + jnp.maximum(ego.v - level.limit, 0.0) * dt,
    over=over,
    over_limit=jnp.maximum(meters.over_limit, over),
    emergency=flag(meters.emergency, hard),
    lasted=meters.lasted + dt,
    halted=jnp.minimum(meters.halted, gap),
  )


def failed(meters: Meters) -> Array:
  """bool[]: a fault has ended the episode."""
  rules = meters.red_light + meters.no_yield + meters.forced
  return meters.collision + meters.off_road + rules > 0.0


def values(env: EnvState, success: Array) -> dict[str, Array]:
  """Name -> f32[], for `State.metrics`."""
  meters, level = env.meters, env.level
  way = (env.ego.s - level.start[0]) / (level.goal - level.start[0])
  names = [name for name in LIMITS if hasattr(meters, name)]
  out = {name: getattr(meters, name) for name in names} | {
    "stop_line": meters.halted,
    "lasted": meters.lasted,
    "progress": jnp.clip(way, 0.0, 1.0),
    "success": success.astype(jnp.float32),
  }
  return out | {"closed_loop_score": closed_loop_score(out)}


def table(metrics: dict[str, Array]) -> dict[str, tuple[Array, Array, Array]]:
  """Name -> (value, valid, good), from `State.metrics`.

  A metric is not valid where nothing was measured, such as no halt at a light.
  It then counts as good.
  """
  out = {}
  for name in LIMITS:
    value = metrics[name]
    valid = value < FAR
    out[name] = (value, valid, good(metrics, name) | ~valid)
  return out

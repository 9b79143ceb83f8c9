"""Truths that can be read off one moment, by the rules and by arithmetic."""

import jax
import jax.numpy as jnp

from simulators.driving import dynamics, traffic
from simulators.driving.moments import ACT, CODES, MARGIN, Moment, below, yes
from simulators.driving.text import DISTANCES
from simulators.driving.types import (
  ACTIONS,
  FAR,
  FASTER,
  GO,
  LEFT,
  RIGHT,
  SLOWER,
  STOP,
  Array,
  Config,
)

BRAKE = 4.0  # m/s2, hard braking by the rules told
GENTLE = 2.0  # m/s2
SAFE = (("six", 9.0), ("ten", 25.0))  # m/s that need so many m, braking gently
REACTION = 1.0  # s
ACTS = range(len(ACTIONS))


def light(moment: Moment, args: Array, config: Config):
  del args, config
  light = moment.obs.light
  return CODES["green"] + jnp.maximum(light, 1) - 1, light > 0


def lane(moment: Moment, args: Array, config: Config):
  """Is there a lane to the left (args 1) or right (0)?"""
  del config
  obs = moment.obs
  there = jnp.where(args[0] == 1, obs.lane + 1 < obs.lanes, obs.lane > 0)
  return yes(there), obs.aims == 0


def people(moment: Moment, args: Array, config: Config):
  """Is someone on the crosswalk?"""
  del args, config
  return yes(jnp.any(moment.obs.walker_goes != 0)), moment.obs.walk > 0


def limit(moment: Moment, args: Array, config: Config):
  """Does `faster` aim above the limit?"""
  del args, config
  obs = moment.obs
  over = obs.target + dynamics.SPEED_STEP - obs.limit
  return yes(over > 0), jnp.abs(over) > 0.9


def in_time(moment: Moment, args: Array, config: Config):
  """At the present speed, is the goal reached in time?"""
  del args, config
  obs = moment.obs
  takes = obs.goal / jnp.maximum(obs.speed, 0.5)
  asked = (obs.goal < 110.0) & (obs.left > 1.0)
  return below(takes, obs.left, asked)


# --- The car ahead ------------------------------------------------------------


def pace(moment: Moment, args: Array, config: Config):
  """Is the car ahead faster or slower?"""
  del args, config
  by = moment.obs.car_speed[moment.lead] - moment.obs.speed
  code = jnp.where(by > 0, CODES["faster"], CODES["slower"])
  return code, moment.led & (jnp.abs(by) > 1.2)


def reach(moment: Moment, args: Array, config: Config):
  """At these speeds, is the car ahead reached within five seconds?"""
  del args, config
  obs, j = moment.obs, moment.lead
  closing = obs.speed - obs.car_speed[j]
  within = obs.car_gap[j] / jnp.maximum(closing, 0.1)
  return below(within, jnp.full((), 5.0), moment.led & (closing > 1.2))


def eased(moment: Moment, args: Array, config: Config):
  """Four m/s slower, would one reach the car ahead within ten seconds?"""
  del args, config
  obs, j = moment.obs, moment.lead
  closing = obs.speed - obs.car_speed[j]
  spare = closing - dynamics.SPEED_STEP - obs.car_gap[j] / 10.0
  asked = moment.led & (obs.speed > 4.0) & (closing > 1.2)
  return yes(spare > 0), asked & (jnp.abs(spare) > 1.0)


def distance(moment: Moment, args: Array, config: Config):
  """The car ahead brakes at 4 m/s2, one a second later: does one hit it?

  The safe longitudinal distance of Shalev-Shwartz, Shammah, Shashua 2017, "On
  a formal model of safe and scalable self-driving cars", without speeding up
  in the second of reaction.
  """
  del args, config
  obs, j = moment.obs, moment.lead
  mine, theirs = obs.speed**2, obs.car_speed[j] ** 2
  need = obs.speed * REACTION + 0.5 * (mine - theirs) / BRAKE
  short, clear = below(need, obs.car_gap[j], moment.led & (obs.speed > 2.0))
  return yes(short != CODES["yes"]), clear


# --- Lines --------------------------------------------------------------------


def ahead(moment: Moment) -> Array:
  """f32[] m to the stop line, else to the crosswalk; -1 if there is none."""
  obs = moment.obs
  return jnp.where(obs.line > 0, obs.line, obs.walk)


def halt(moment: Moment, args: Array, config: Config):
  """Braking at four m/s2, does one stand before the line or crosswalk?"""
  del args, config
  line, speed = ahead(moment), moment.obs.speed
  need = 0.5 * speed**2 / BRAKE
  return below(need, jnp.maximum(line, 1.0), (line > 1.0) & (speed > 2.0))


def safe(moment: Moment, args: Array, config: Config):
  """The greatest of three, six and ten m/s that gentle braking can end."""
  del args, config
  line, end = ahead(moment), moment.obs.lane_end
  line = jnp.where(line > 0, line, end)
  code, asked = jnp.full((), CODES["three"]), line > 2.5
  for word, need in SAFE:
    code = jnp.where(line >= need, CODES[word], code)
    asked &= jnp.abs(line - need) > 0.2 * need + 0.5
  return code, asked


def rule(moment: Moment, args: Array, config: Config):
  """Do light and crosswalk demand a stop, or may one go?"""
  del args, config
  obs = moment.obs
  stop = (obs.light == 3) | jnp.any(obs.walker_goes != 0)
  asked = ((obs.light > 0) | (obs.walk > 0)) & (obs.light != 2)
  return jnp.where(stop, CODES["stop"], CODES["go"]), asked


# --- Other lanes and roads ----------------------------------------------------


def _beside(moment: Moment, side: Array) -> tuple[Array, Array]:
  """(bool[N] cars seen in the lane at `side`, bool whether it exists)."""
  obs = moment.obs
  there = (obs.lane + side >= 0) & (obs.lane + side < obs.lanes)
  return obs.car_seen & (obs.car_road == 0) & (obs.car_side == side), there


def beside(moment: Moment, args: Array, config: Config):
  """Is a car within ten metres in the lane to the left or right?"""
  del config
  cars, there = _beside(moment, jnp.where(args[0] == 1, 1, -1))
  nearest = jnp.min(jnp.where(cars, jnp.abs(moment.obs.car_gap), FAR))
  return below(nearest, jnp.full((), 10.0), there)


def cut_in(moment: Moment, args: Array, config: Config):
  """Would a change of lane make the one behind there brake hard (2 m/s2)?"""
  del config
  obs, level = moment.obs, moment.env.level
  cars, there = _beside(moment, jnp.where(args[0] == 1, 1, -1))
  behind = cars & (obs.car_gap < 1.0)
  j = jnp.argmin(jnp.where(behind, -obs.car_gap, FAR))
  who = jax.tree.map(
    lambda x: x[j],
    traffic.drivers(level, moment.params, moment.env.time.astype(jnp.float32)),
  )
  space = jnp.maximum(-obs.car_gap[j], 0.1)
  a = traffic.idm(obs.car_speed[j], space, obs.speed, who, moment.params)
  asked = jnp.any(behind) & (jnp.abs(a + 2.0) > 0.8) & there
  return yes(a < -2.0), asked


def room(moment: Moment, args: Array, config: Config):
  """Is there a second of room, for both, before and behind in that lane?

  Before one: as many metres as one drives in a second; behind: as many as the
  car there drives.
  """
  del config
  obs = moment.obs
  cars, there = _beside(moment, jnp.where(args[0] == 1, 1, -1))
  speed = jnp.where(obs.car_gap >= 1.0, obs.speed, obs.car_speed)
  need = REACTION * jnp.maximum(speed, 2.0)
  share = jnp.min(jnp.where(cars, jnp.abs(obs.car_gap) / need, FAR))
  asked = there & jnp.any(cars) & (obs.aims == 0)
  return yes(share >= 1.0), asked & (jnp.abs(share - 1.0) > MARGIN)


def gap(moment: Moment, args: Array, config: Config):
  """Is a car on the other road at the meeting place within four seconds?"""
  del args, config
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  takes = obs.car_gap / jnp.maximum(obs.car_speed, 0.5)
  soonest = jnp.min(jnp.where(other, takes, FAR))
  return below(soonest, jnp.full((), 4.0), jnp.any(other))


def way(moment: Moment, args: Array, config: Config):
  """Who goes first where the roads meet: one who turns left, or at red, not."""
  del args, config
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  oncoming = jnp.any(other & (obs.car_road == 1))
  signalled = (obs.light == 1) | (obs.light == 3)
  yields = oncoming | (obs.light == 3)
  code = jnp.where(yields, CODES["other"], CODES["you"])
  return code, jnp.any(other) & (oncoming | signalled)


# --- A second ago -------------------------------------------------------------


def did(moment: Moment, args: Array, config: Config):
  """What was decided a second ago, by what was aimed at before and since?

  Asked where no other decision would have changed the aims alike, and where
  that decision had its effect.
  """
  del args, config
  obs = moment.obs
  change = {LEFT: 1, RIGHT: -1}
  lanes = obs.was_lane + jnp.array([change.get(a, 0) for a in ACTS])
  step = {FASTER: dynamics.SPEED_STEP, SLOWER: -dynamics.SPEED_STEP}
  targets = obs.was_target + jnp.array([step.get(a, 0.0) for a in ACTS])
  targets = targets.at[STOP].set(0.0).at[GO].set(obs.limit)
  targets = jnp.clip(targets, 0.0, obs.limit + dynamics.SPEED_STEP)
  alike = (lanes == obs.lane + obs.aims) & (lanes >= 0) & (lanes < obs.lanes)
  alike &= jnp.abs(targets - obs.target) < 1.5  # as words tell them apart
  asked = (obs.last >= 0) & alike[obs.last] & (jnp.sum(alike) == 1)
  return ACT + jnp.maximum(obs.last, 0), asked


def came(moment: Moment, args: Array, config: Config):
  """Has the car ahead come nearer in the last second?"""
  del args, config
  obs, j = moment.obs, moment.lead
  was, gap = obs.was_gap[j], obs.car_gap[j]
  steps = jnp.asarray(DISTANCES, jnp.float32)
  far, near = (jnp.argmin(jnp.abs(steps - x)) for x in (was, gap))
  asked = moment.led & (obs.last >= 0) & obs.was_seen[j] & (was >= 1.0)
  return yes(gap < was), asked & (far != near) & (jnp.abs(gap - was) > 0.5)

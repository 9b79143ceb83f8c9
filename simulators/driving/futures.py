"""Truths that are found by driving on in the world, or by its oracle."""

import jax
import jax.numpy as jnp

from simulators.driving import dynamics, metrics, sights
from simulators.driving.moments import ACT, CODES, Future, Moment, play, yes
from simulators.driving.types import FAR, KEEP, STOP, Array, Config

HALTING = 6  # s in which one comes to stand
SOON = 3  # s ahead that most questions look
PAST = 1.5  # m to a line that decide whether one is past it
FAULTS = ("car", "people", "light", "road")  # what may end an episode


def _end(moment: Moment, plan: Array, config: Config) -> Future:
  """What has become of the moment after a plan i32[T]."""
  return jax.tree.map(
    lambda x: x[-1], play(moment.env, moment.params, plan, config)
  )


# --- What an action does ------------------------------------------------------


def speed_after(moment: Moment, args: Array, config: Config):
  """After two seconds of an action, is one faster or slower than now?"""
  del config
  end = moment.after(args[0], 2)
  by = end.ego.v - moment.obs.speed
  code = jnp.where(by > 0, CODES["faster"], CODES["slower"])
  clear = (jnp.abs(by) > 1.0) | (jnp.abs(by) < 0.2)
  same = jnp.abs(by) < 0.2
  return jnp.where(same, CODES["same"], code), clear & ~end.ended


def harm(moment: Moment, args: Array, config: Config):
  """An action, then keep for three seconds: does an accident happen?"""
  del config
  legal = dynamics.legal_actions(moment.env)[args[0]]
  return yes(metrics.failed(moment.after(args[0], 4).meters)), legal


def saves(moment: Moment, args: Array, config: Config):
  """An action, then keep, ends badly: would `stop` have saved one?"""
  del config
  failed = metrics.failed(moment.after(args[0], 4).meters)
  asked = dynamics.legal_actions(moment.env)[args[0]] & (args[0] != STOP)
  return yes(~metrics.failed(moment.after(STOP, 4).meters)), asked & failed


def plan(moment: Moment, args: Array, config: Config):
  """Three actions: is all still well after them?"""
  end = _end(moment, args, config)
  return yes(~metrics.failed(end.meters)), jnp.ones((), bool)


def cause(moment: Moment, args: Array, config: Config):
  """Three actions, then keep for four seconds: what ends the drive?"""
  held = jnp.full(4, KEEP, args.dtype)
  meters = _end(moment, jnp.concatenate([args, held]), config).meters
  struck = meters.struck >= 0
  forced = meters.forced > 0
  run_down = (meters.collision > 0) & ~struck
  happened = jnp.stack([
    struck | forced,
    (meters.no_yield > 0) | run_down,
    meters.red_light > 0,
    meters.off_road > 0,
  ])  # fmt: skip
  codes = jnp.array([CODES[word] for word in FAULTS])
  return codes[jnp.argmax(happened)], jnp.sum(happened) == 1


def hit(moment: Moment, args: Array, config: Config):
  """Three actions, then keep, and a car is hit: which, as it is seen now?"""
  held = jnp.full(4, KEEP, args.dtype)
  meters = _end(moment, jnp.concatenate([args, held]), config).meters
  obs, j = moment.obs, jnp.maximum(meters.struck, 0.0).astype(jnp.int32)
  side = obs.car_side[j]
  words = ("other", "left", "right", "ahead")
  where = jnp.stack(
    [obs.car_road[j] > 0, side == 1, side == -1, side == 0]
  )  # the first that holds
  codes = jnp.array([CODES[word] for word in words])
  told = where[0] | (jnp.abs(side) < 2)
  told &= where[0] | (side != 0) | (obs.car_gap[j] >= 1.0)
  asked = (meters.struck >= 0) & obs.car_seen[j] & told
  return codes[jnp.argmax(where)], asked


def _past(moment: Moment, end: Future) -> tuple[Array, Array]:
  """Whether the nose is past the line or crosswalk seen ahead, and clearly."""
  line = sights.ahead(moment)
  beyond = end.ego.s - moment.env.ego.s - line
  asked = (line > 1.0) & (jnp.abs(beyond) > PAST)
  return beyond > 0, asked & ((beyond > 0) | ~end.ended)


def over(moment: Moment, args: Array, config: Config):
  """Going on, is one past the line or crosswalk in three seconds?"""
  del args, config
  past, asked = _past(moment, moment.after(KEEP, SOON))
  return yes(past), asked & (sights.ahead(moment) < 60.0)


def brake(moment: Moment, args: Array, config: Config):
  """Stopping now, does one stand before the line or crosswalk?"""
  del args, config
  end = moment.after(STOP, HALTING)  # `keep` keeps stopping
  past, asked = _past(moment, end)
  asked &= (moment.obs.speed > 3.0) & (past | (end.ego.v < 0.3))
  return yes(~past), asked & (sights.ahead(moment) < 40.0)


# --- What others do -----------------------------------------------------------


def nearer(moment: Moment, args: Array, config: Config):
  """Going on, is the car ahead nearer in three seconds?"""
  del args, config
  j, env, later = moment.lead, moment.env, moment.after(KEEP, SOON)
  by = (later.cars.s[j] - later.ego.s) - (env.cars.s[j] - env.ego.s)
  return yes(by < 0), moment.led & (jnp.abs(by) > 2.5) & ~later.ended


def slows(moment: Moment, args: Array, config: Config):
  """Is the car ahead slower in three seconds than now?"""
  del args, config
  j, later = moment.lead, moment.after(KEEP, SOON)
  by = later.cars.v[j] - moment.env.cars.v[j]
  clear = (by < -1.5) | (by > -0.4)
  return yes(by < -1.0), moment.led & clear & ~later.ended


def nearest(moment: Moment) -> tuple[Array, Array]:
  """(i32, bool): the nearest car told of that drives the ego's way."""
  obs = moment.obs
  told = obs.car_seen & (obs.car_road == 0) & (jnp.abs(obs.car_side) < 2)
  gap = jnp.where(told, jnp.abs(obs.car_gap), FAR)
  return jnp.argmin(gap), jnp.any(told)


def change(moment: Moment, args: Array, config: Config):
  """Does the nearest car head for another lane within three seconds?"""
  del args, config
  j, there = nearest(moment)
  env, later = moment.env, moment.after(KEEP, SOON)
  asked = there & (moment.obs.lanes > 1) & ~later.ended
  asked &= env.cars.v[j] > 0.5
  return yes(later.cars.lane[j] != env.cars.lane[j]), asked


# --- What is best -------------------------------------------------------------


def better(moment: Moment, args: Array, config: Config):
  """Which of two actions is better?"""
  del config
  one, two = moment.cost[args[0]], moment.cost[args[1]]
  legal = dynamics.legal_actions(moment.env)
  asked = legal[args[0]] & legal[args[1]] & (jnp.abs(one - two) >= 1.0)
  return ACT + jnp.where(one < two, args[0], args[1]), asked


def best(moment: Moment, args: Array, config: Config):
  """The one best action."""
  del args, config
  least = jnp.min(moment.cost)
  alone = jnp.sum(moment.cost <= least + 0.3) == 1
  return ACT + jnp.argmin(moment.cost), alone

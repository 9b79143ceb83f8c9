"""Cause of failure: what ends the drive, and what would have avoided it?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game import dynamics, metrics
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  choose,
  each_action,
  name_actions,
  random_plans,
  yes,
  yes_or_no,
)
from simulators.driving.types import KEEP, STOP, Array, Meters


def _saves(moment: Moment, args: Array) -> Truth:
  """An action, then `keep`, ends badly: would `stop` have avoided it?"""
  failed = metrics.failed(moment.after(args[0], 4).meters)
  asked = dynamics.legal_actions(moment.env)[args[0]] & (args[0] != STOP)
  return yes(~metrics.failed(moment.after(STOP, 4).meters)), asked & failed


SAVES = Kind(
  name="saves",
  number=22,
  category="cause of failure",
  templates=(
    "you {a}, then keep, and it ends badly. would stop have saved you?",
    "harm follows {a} and keep. does stop instead of {a} avoid it?",
    "instead of {a}, which ends in harm, does stop keep you safe?",
  ),
  arguments=each_action,
  choices=yes_or_no,
  truth=_saves,
  gaps=name_actions,
  share={
    "keep yes": 0.9,
    "faster yes": 0.6,
    "slower yes": 0.95,
    "left yes": 0.42,
    "right yes": 0.18,
    "go yes": 0.48,
  },
)


def _end(moment: Moment, args: Array) -> Meters:
  """The meters after a plan and four seconds of `keep`."""
  held = jnp.full(4, KEEP, args.dtype)
  return moment.play(jnp.concatenate([args, held])).meters


def _cause(moment: Moment, args: Array) -> Truth:
  """Three actions, then `keep` for four seconds: what ends the drive?"""
  meters = _end(moment, args)
  struck = meters.struck >= 0
  forced = meters.forced > 0
  run_down = (meters.collision > 0) & ~struck
  happened = jnp.stack([
    struck | forced,
    (meters.no_yield > 0) | run_down,
    meters.red_light > 0,
    meters.off_road > 0,
  ])  # fmt: skip
  codes = jnp.array([CODES[word] for word in _FAULTS.split()])
  return codes[jnp.argmax(happened)], jnp.sum(happened) == 1


_FAULTS = "car people light road"  # in the order of `happened`
CAUSE = Kind(
  name="cause",
  number=23,
  category="cause of failure",
  templates=(
    "you go {plan}, then keep. what ends the drive?",
    "{plan}, then keep: what goes wrong first?",
    "after {plan} and keep the drive fails. why?",
  ),
  arguments=random_plans,
  choices=choose(_FAULTS),
  truth=_cause,
  gaps=name_actions,
  share={"car": 0.35},
)


def _hit(moment: Moment, args: Array) -> Truth:
  """Three actions, then `keep`, and a car is hit: where is that car now?"""
  meters = _end(moment, args)
  obs, j = moment.obs, jnp.maximum(meters.struck, 0.0).astype(jnp.int32)
  side = obs.car_side[j]
  words = ("other", "left", "right", "ahead")
  where = jnp.stack(
    [obs.car_road[j] > 0, side == 1, side == -1, side == 0]
  )  # the first that holds
  codes = jnp.array([CODES[word] for word in words])
  described = where[0] | (jnp.abs(side) < 2)
  described &= where[0] | (side != 0) | (obs.car_gap[j] >= 1.0)
  asked = (meters.struck >= 0) & obs.car_seen[j] & described
  return codes[jnp.argmax(where)], asked


HIT = Kind(
  name="hit",
  number=31,
  category="cause of failure",
  templates=(
    "a record: {plan}, then keep, then a crash. where is that car now?",
    "{plan}, then keep: a car was hit. where do you see it now?",
    "the record ends in a crash after {plan} and keep. with which car?",
  ),
  arguments=random_plans,
  choices=choose("ahead left right other"),
  truth=_hit,
  gaps=name_actions,
  share={"ahead": 0.35},
)

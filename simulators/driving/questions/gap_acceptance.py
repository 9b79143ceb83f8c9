"""Gap acceptance: is there time before, or room beside, another car?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  MARGIN,
  Truth,
  below,
  each_side,
  name_side,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.questions.perception import beside
from simulators.driving.types import FAR, Array

REACTION = 1.0  # s of room that a driver needs


def _gap(moment: Moment, _: Array) -> Truth:
  """Does a car on another road reach the meeting place within four seconds?"""
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  takes = obs.car_gap / jnp.maximum(obs.car_speed, 0.5)
  soonest = jnp.min(jnp.where(other, takes, FAR))
  return below(soonest, jnp.full((), 4.0), jnp.any(other))


GAP = Kind(
  name="gap",
  number=6,
  category="gap acceptance",
  templates=(
    "does a car of the other road come within four seconds?",
    "is the gap on the other road below four seconds?",
    "will the other road's next car be here in four seconds?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_gap,
  gaps=no_gaps,
)


def _room(moment: Moment, args: Array) -> Truth:
  """Do both gaps in the lane on that side last a second?

  The gap ahead must be the way that the ego drives in a second, the gap behind
  the way that the car there drives in a second.
  """
  obs = moment.obs
  cars, there = beside(moment, args)
  speed = jnp.where(obs.car_gap >= 1.0, obs.speed, obs.car_speed)
  need = REACTION * jnp.maximum(speed, 2.0)
  share = jnp.min(jnp.where(cars, jnp.abs(obs.car_gap) / need, FAR))
  asked = there & jnp.any(cars) & (obs.aims == 0)
  return yes(share >= 1.0), asked & (jnp.abs(share - 1.0) > MARGIN)


ROOM = Kind(
  name="room",
  number=20,
  category="gap acceptance",
  templates=(
    "is there a second of room on your {s}?",
    "is the gap on your {s} a second before and behind?",
    "on your {s}, do both gaps last a second?",
  ),
  arguments=each_side,
  choices=yes_or_no,
  truth=_room,
  gaps=name_side,
)

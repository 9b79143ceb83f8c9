"""Gap acceptance: is there time before, or room beside, another car?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  MARGIN,
  Truth,
  each_side,
  name_side,
  no_gaps,
  nothing,
  slots_of_other_roads,
  slots_of_side,
  yes,
  yes_or_no,
)
from simulators.driving.questions.perception import beside
from simulators.driving.types import FAR, Array

REACTION = 1.0  # s of room that a driver needs


def _gap(moment: Moment, _: Array) -> Truth:
  """Does the next car of another road reach the meeting place in 2 seconds?"""
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  j = jnp.argmin(jnp.where(other, obs.car_gap, FAR))
  takes = obs.car_gap[j] / jnp.maximum(obs.car_speed[j], 0.5)
  asked = jnp.any(other) & (obs.car_speed[j] > 1.0)
  return yes(takes < 2.0), asked & (jnp.abs(takes - 2.0) > 0.6)


GAP = Kind(
  name="gap",
  number=6,
  category="gap acceptance",
  templates=(
    "does the next car of the other road come within two seconds?",
    "is the next car of the other road less than two seconds away?",
    "will the other road's next car be here in two seconds?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_gap,
  gaps=no_gaps,
  share={"yes": 0.5},
  needs=slots_of_other_roads,
)


def _room(moment: Moment, args: Array) -> Truth:
  """Do both gaps in the lane on that side last a second?

  The gap ahead must be the way that the ego drives in a second, the gap behind
  the way that the car there drives in a second. Not asked where a car is right
  beside the ego.
  """
  obs = moment.obs
  cars, there = beside(moment, args)
  speed = jnp.where(obs.car_gap >= 1.0, obs.speed, obs.car_speed)
  need = REACTION * jnp.maximum(speed, 2.0)
  share = jnp.min(jnp.where(cars, jnp.abs(obs.car_gap) / need, FAR))
  closed = jnp.any(cars & (jnp.abs(obs.car_gap) < 1.0))
  asked = there & jnp.any(cars) & (obs.aims == 0) & ~closed
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
  share={"yes": 0.5},
  needs=slots_of_side,
)

"""Time to collision: is the car ahead reached at these speeds?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game import vehicle
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  Truth,
  below,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.types import Array

STILL = 0.5  # m/s; nothing is asked about a standing car, which the text names


def _reach(moment: Moment, _: Array) -> Truth:
  """At these speeds, does the ego reach the car ahead within five seconds?"""
  obs, j = moment.obs, moment.lead
  closing = obs.speed - obs.car_speed[j]
  within = obs.car_gap[j] / jnp.maximum(closing, 0.1)
  asked = moment.led & (closing > 1.2) & (obs.car_speed[j] > STILL)
  return below(within, jnp.full((), 5.0), asked)


REACH = Kind(
  name="reach",
  number=5,
  category="time to collision",
  templates=(
    "at these speeds, do you hit the car ahead within five seconds?",
    "is the time to collision below five seconds?",
    "do you reach the car ahead in five seconds?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_reach,
  gaps=no_gaps,
  share={"no": 0.6},
)


def _eased(moment: Moment, _: Array) -> Truth:
  """4 m/s slower, would the ego reach the car ahead within ten seconds?"""
  obs, j = moment.obs, moment.lead
  closing = obs.speed - obs.car_speed[j]
  spare = closing - vehicle.SPEED_STEP - obs.car_gap[j] / 10.0
  asked = moment.led & (obs.speed > 4.0) & (closing > 1.2)
  asked &= obs.car_speed[j] > STILL
  return yes(spare > 0), asked & (jnp.abs(spare) > 1.0)


EASED = Kind(
  name="eased",
  number=16,
  category="time to collision",
  templates=(
    "four slower, do you still reach the car ahead in ten seconds?",
    "slower by four, is the time to collision below ten seconds?",
    "at four m/s less, do you hit the car ahead within ten seconds?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_eased,
  gaps=no_gaps,
  share={"no": 0.12},
)

"""Next state and prediction: the ego and others in two or three seconds."""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  choose,
  each_action,
  name_actions,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.types import FAR, KEEP, Array

SOON = 3  # s ahead


def _speed_after(moment: Moment, args: Array) -> Truth:
  """Two seconds after an action, is the ego faster or slower than now?"""
  end = moment.after(args[0], 2)
  by = end.ego.v - moment.obs.speed
  code = jnp.where(by > 0, CODES["faster"], CODES["slower"])
  clear = (jnp.abs(by) > 1.0) | (jnp.abs(by) < 0.2)
  same = jnp.abs(by) < 0.2
  return jnp.where(same, CODES["same"], code), clear & ~end.ended


SPEED_AFTER = Kind(
  name="speed_after",
  number=11,
  category="next state",
  templates=(
    "you {a}. are you faster or slower in two seconds?",
    "after {a} and two seconds, faster, slower or same?",
    "how is your speed two seconds after {a}?",
  ),
  arguments=each_action,
  choices=choose("faster slower same"),
  truth=_speed_after,
  gaps=name_actions,
  share={
    "stop slower": 0.04,
    "go faster": 0.05,
    "faster faster": 0.06,
    "slower slower": 0.075,
    "slower faster": 0.6,
    "keep faster": 0.7,
    "left faster": 0.65,
  },
)


def _nearer(moment: Moment, _: Array) -> Truth:
  """After three seconds of `keep`, is the car ahead nearer?"""
  j, env, later = moment.lead, moment.env, moment.after(KEEP, SOON)
  by = (later.cars.s[j] - later.ego.s) - (env.cars.s[j] - env.ego.s)
  return yes(by < 0), moment.led & (jnp.abs(by) > 2.5) & ~later.ended


NEARER = Kind(
  name="nearer",
  number=26,
  category="next state",
  templates=(
    "you keep for three seconds. is the car ahead nearer then?",
    "does the gap to the car ahead shrink in three seconds of keep?",
    "three times keep: do you close in on the car ahead?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_nearer,
  gaps=no_gaps,
)


def _slows(moment: Moment, _: Array) -> Truth:
  """Is the car ahead slower in three seconds than now?"""
  j, later = moment.lead, moment.after(KEEP, SOON)
  by = later.cars.v[j] - moment.env.cars.v[j]
  clear = (by < -1.5) | (by > -0.4)
  return yes(by < -1.0), moment.led & clear & ~later.ended


SLOWS = Kind(
  name="slows",
  number=27,
  category="prediction",
  templates=(
    "will the car ahead be slower in three seconds?",
    "does the car ahead brake within three seconds?",
    "is the car ahead about to slow down?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_slows,
  gaps=no_gaps,
  share={"no": 0.25},
)


def _nearest(moment: Moment) -> tuple[Array, Array]:
  """i32: the nearest car described on the ego's road; bool: there is one."""
  obs = moment.obs
  described = obs.car_seen & (obs.car_road == 0) & (jnp.abs(obs.car_side) < 2)
  gap = jnp.where(described, jnp.abs(obs.car_gap), FAR)
  return jnp.argmin(gap), jnp.any(described)


def _change(moment: Moment, _: Array) -> Truth:
  """Does the nearest car start a lane change within three seconds?"""
  j, there = _nearest(moment)
  env, later = moment.env, moment.after(KEEP, SOON)
  asked = there & (moment.obs.lanes > 1) & ~later.ended
  asked &= env.cars.v[j] > 0.5
  return yes(later.cars.lane[j] != env.cars.lane[j]), asked


CHANGE = Kind(
  name="change",
  number=28,
  category="prediction",
  templates=(
    "will the nearest car change lanes within three seconds?",
    "does the nearest car leave its lane in three seconds?",
    "is the nearest car about to change lanes?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_change,
  gaps=no_gaps,
  share={"no": 0.12},
)

"""Perception and spatial relations: what is seen, and where."""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  below,
  choose,
  each_side,
  name_side,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.types import FAR, Array


def beside(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Cars seen in the lane on a side, bool[N], and whether there is a lane."""
  obs, side = moment.obs, jnp.where(args[0] == 1, 1, -1)
  there = (obs.lane + side >= 0) & (obs.lane + side < obs.lanes)
  return obs.car_seen & (obs.car_road == 0) & (obs.car_side == side), there


def _light(moment: Moment, _: Array) -> Truth:
  light = moment.obs.light
  return CODES["green"] + jnp.maximum(light, 1) - 1, light > 0


LIGHT = Kind(
  name="light",
  number=0,
  category="perception",
  templates=("what is the light?", "the light is?", "name the light."),
  arguments=nothing,
  choices=choose("green amber red"),
  truth=_light,
  gaps=no_gaps,
  share={"red": 0.3},
  looked_up=True,
)


def _lane(moment: Moment, args: Array) -> Truth:
  """Is there a lane on that side?"""
  obs = moment.obs
  there = jnp.where(args[0] == 1, obs.lane + 1 < obs.lanes, obs.lane > 0)
  return yes(there), obs.aims == 0


LANE = Kind(
  name="lane",
  number=1,
  category="perception",
  templates=(
    "is there a lane on your {s}?",
    "can you change {s}?",
    "does a lane lie {s} of yours?",
  ),
  arguments=each_side,
  choices=yes_or_no,
  truth=_lane,
  gaps=name_side,
  share={"no": 0.3},
  looked_up=True,
)


def _people(moment: Moment, _: Array) -> Truth:
  """Is someone on the crosswalk?"""
  return yes(jnp.any(moment.obs.walker_goes != 0)), moment.obs.walk > 0


PEOPLE = Kind(
  name="people",
  number=2,
  category="perception",
  templates=(
    "is someone on the crosswalk?",
    "does anyone cross?",
    "are people crossing?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_people,
  gaps=no_gaps,
  share={"no": 0.5},
  looked_up=True,
)


def _beside(moment: Moment, args: Array) -> Truth:
  """Is a car within ten metres in the lane on that side?"""
  cars, there = beside(moment, args)
  nearest = jnp.min(jnp.where(cars, jnp.abs(moment.obs.car_gap), FAR))
  return below(nearest, jnp.full((), 10.0), there)


BESIDE = Kind(
  name="beside",
  number=3,
  category="spatial relation",
  templates=(
    "is a car within ten metres on your {s}?",
    "on your {s}, is a car nearer than ten?",
    "is the {s} lane taken within ten metres?",
  ),
  arguments=each_side,
  choices=yes_or_no,
  truth=_beside,
  gaps=name_side,
  looked_up=True,
)


def _pace(moment: Moment, _: Array) -> Truth:
  """Is the car ahead faster or slower than the ego?"""
  by = moment.obs.car_speed[moment.lead] - moment.obs.speed
  code = jnp.where(by > 0, CODES["faster"], CODES["slower"])
  return code, moment.led & (jnp.abs(by) > 1.2)


PACE = Kind(
  name="pace",
  number=4,
  category="spatial relation",
  templates=(
    "is the car ahead faster or slower?",
    "faster or slower: the car ahead?",
    "how does the car ahead go, faster or slower?",
  ),
  arguments=nothing,
  choices=choose("faster slower"),
  truth=_pace,
  gaps=no_gaps,
  share={"slower": 0.6},
  looked_up=True,
)

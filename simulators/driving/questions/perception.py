"""Perception and spatial relations: what is seen, and where."""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  APART,
  APART_LEAST,
  CODES,
  Truth,
  below,
  choose,
  each_side,
  each_two_places,
  name_places,
  name_side,
  no_gaps,
  nothing,
  occupant,
  slots_of_places,
  slots_of_side,
  yes,
  yes_or_no,
)
from simulators.driving.types import Array

WITHIN = 20.0  # m


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
  share={"no": 0.3},
  looked_up=True,
)


def _beside(moment: Moment, args: Array) -> Truth:
  """Is the car ahead in the lane on that side within twenty metres?"""
  j, asked = occupant(moment.obs, jnp.where(args[0] == 1, 1, 2))
  return below(moment.obs.car_gap[j], jnp.full((), WITHIN), asked)


BESIDE = Kind(
  name="beside",
  number=3,
  category="spatial relation",
  templates=(
    "is the car ahead on your {s} within twenty metres?",
    "on your {s}, is the car ahead nearer than twenty metres?",
    "in the {s} lane, does a car drive less than twenty metres ahead?",
  ),
  arguments=each_side,
  choices=yes_or_no,
  truth=_beside,
  gaps=name_side,
  needs=slots_of_side,
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


def _nearer_car(moment: Moment, args: Array) -> Truth:
  """Of two cars, both ahead or both behind: is the first one nearer?"""
  obs = moment.obs
  one, there = occupant(obs, args[0])
  two, too = occupant(obs, args[1])
  gaps = jnp.abs(obs.car_gap[jnp.stack([one, two])])
  clear = jnp.abs(gaps[0] - gaps[1]) > APART * jnp.min(gaps) + APART_LEAST
  same_way = (args[0] < 3) == (args[1] < 3)
  return yes(gaps[0] < gaps[1]), there & too & clear & same_way


NEARER_CAR = Kind(
  name="nearer_car",
  number=32,
  category="spatial relation",
  templates=(
    "is the car {x} nearer than the car {y}?",
    "of the cars {x} and {y}, is the first one nearer?",
    "the car {x}: is it nearer than the one {y}?",
  ),
  arguments=each_two_places,
  choices=yes_or_no,
  truth=_nearer_car,
  gaps=name_places,
  needs=slots_of_places,
  looked_up=True,
)


def _faster_car(moment: Moment, args: Array) -> Truth:
  """Of two cars that move: is the first one faster?

  Asked where both are faster than the ego, or both slower: otherwise one phrase
  of the text tells the answer.
  """
  obs = moment.obs
  one, there = occupant(obs, args[0])
  two, too = occupant(obs, args[1])
  by = obs.car_speed[one] - obs.car_speed[two]
  speeds = obs.car_speed[jnp.stack([one, two])]
  moves = jnp.min(speeds) > 0.5
  alike = jnp.prod(speeds - obs.speed) > 0.0
  return yes(by > 0), there & too & (jnp.abs(by) > 2.2) & moves & alike


FASTER_CAR = Kind(
  name="faster_car",
  number=33,
  category="spatial relation",
  templates=(
    "is the car {x} faster than the car {y}?",
    "of the cars {x} and {y}, is the first one faster?",
    "the car {x}: does it outpace the one {y}?",
  ),
  arguments=each_two_places,
  choices=yes_or_no,
  truth=_faster_car,
  gaps=name_places,
  needs=slots_of_places,
  looked_up=True,
)

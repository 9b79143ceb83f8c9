"""Spatial relation: how objects lie to each other and to the agent."""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld import reasoning
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.asking import Kind

NEAR = 2  # steps by which two objects differ at most


def nearer(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Which of two objects is fewer rows plus columns away?

  One is the goal, as texts name tools in the order of their distance. It is
  usually farther than the tools, so one tool must be nearer and another
  farther. A difference of more than NEAR could be seen in one word.
  """
  steps = moment.distance(moment.place.agent)
  first, second = args[0], args[1]
  code = moment.word[jnp.where(steps[first] < steps[second], first, second)]
  both = moment.present[first] & moment.present[second]
  tools = moment.present[1:]
  between = jnp.any(tools & (steps[1:] < steps[0]))
  between &= moment.present[0] & jnp.any(tools & (steps[1:] > steps[0]))
  of_goal = (first == 0) | (second == 0)
  apart = jnp.abs(steps[first] - steps[second])
  return code, both & of_goal & between & (apart > 0) & (apart <= NEAR)


def _nearer_choices(moment: Moment, args: Array) -> Array:
  return moment.word[args[:2]]


NEARER = Kind(
  name="nearer",
  number=2,
  category="spatial relation",
  templates=(
    "which is nearer, {x} or {y}?",
    "nearer to you: {x} or {y}?",
    "is {x} or {y} less far?",
  ),
  arguments=parts.two_objects,
  choices=_nearer_choices,
  truth=nearer,
  gaps=parts.two_object_gaps,
  needs=needs.offsets(0, 1),
  about=parts.about_objects(1, 0),
  works_out=reasoning.add_steps,
  looked_up=True,
  shuffled=True,
)


def apart(moment: Moment, args: Array) -> tuple[Array, Array]:
  """How many rows plus columns lie between two objects?"""
  code, known = parts.count(moment.distance(moment.at[args[0]])[args[1]])
  return code, moment.present[args[0]] & moment.present[args[1]] & known


APART = Kind(
  name="apart",
  number=14,
  category="spatial relation",
  templates=(
    "how many rows plus columns from {x} to {y}?",
    "how many rows plus columns lie between {x} and {y}?",
    "add rows and columns: how far is {y} from {x}?",
  ),
  arguments=parts.two_objects,
  choices=parts.counts,
  truth=apart,
  gaps=parts.two_object_gaps,
  needs=needs.offsets(0, 1),
  about=parts.about_objects(1, 0),
  looked_up=True,
)


def aligned(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Is an object in the agent's row, or column?"""
  offset = moment.at[args[0]] - moment.place.agent
  return parts.yes(offset[args[1]] == 0), moment.present[args[0]]


def _aligned_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.objects[args[0]], "line": ("row", "column")[args[1]]}


ALIGNED = Kind(
  name="aligned",
  number=15,
  category="spatial relation",
  templates=(
    "is {x} in your {line}?",
    "do you share a {line} with {x}?",
    "are you and {x} in one {line}?",
  ),
  arguments=parts.each(parts.objects, parts.axes),
  choices=parts.yes_or_no,
  truth=aligned,
  gaps=_aligned_gaps,
  needs=needs.offsets(0),
  about=parts.about_objects(0),
  looked_up=True,
  two_sided=True,
)


def relative(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Seen from one object, is another up or down, left or right?

  Both lie on the same side of the agent, or one word of the text would do.
  """
  first, second, axis = args[0], args[1], args[2]
  offset = moment.at[second] - moment.at[first]
  code, exists = parts.toward(offset, axis)
  side = jnp.sign(moment.at[:, axis] - moment.place.agent[axis])
  same = (side[first] == side[second]) & (side[first] != 0)
  both = moment.present[first] & moment.present[second]
  return code, both & exists & same


def _relative_arguments(moment: Moment) -> Array:
  pairs = itertools.permutations(parts.objects(moment), 2)
  axes = parts.axes(moment)
  return parts.table((*pair, axis) for pair in pairs for axis in axes)


def _relative_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return parts.two_object_gaps(args, names) | parts.axis_words(args[2])


RELATIVE = Kind(
  name="relative",
  number=16,
  category="spatial relation",
  templates=(
    "seen from {x}, is {y} {one} or {two}?",
    "{one} or {two} of {x}: where is {y}?",
    "from {x}, which way is {y}, {one} or {two}?",
  ),
  arguments=_relative_arguments,
  choices=parts.directions(2),
  truth=relative,
  gaps=_relative_gaps,
  needs=needs.offsets(0, 1),
  about=parts.about_objects(1, 0),
  works_out=reasoning.compare_axis,
  looked_up=True,
)

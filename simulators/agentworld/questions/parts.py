"""Building blocks of the kinds of question: arguments, choices, gaps, codes.

An object is 0 for the goal's cell and 1 + i for tool i of the level. An axis is
0 for up and down, 1 for left and right. -1 pads arguments.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.types import Obs
from simulators.agentworld.vocabulary import (
  ACTION_CODE,
  ACTIONS,
  COUNT_CODE,
  COUNTS,
  ELEMENTS,
  GOALS,
  NO_CODE,
  TOOLS,
  YES_CODE,
)

ARGS = 4  # numbers that identify a question
UP, LEFT = ACTION_CODE, ACTION_CODE + 2

# --- Arguments: the questions that a moment could be asked --------------------


def objects(moment: Moment) -> range:
  """The goal's cell and the tools."""
  return range(len(moment.at))


def things(moment: Moment) -> range:
  """The tools, or the elements: a level has as many of both."""
  return range(len(moment.element))


def moves(moment: Moment) -> range:
  """The four moves."""
  del moment
  return range(len(ACTIONS))


def axes(moment: Moment) -> range:
  """The two axes."""
  del moment
  return range(2)


def each(
  *ranges: Callable[[Moment], range],
) -> Callable[[Moment], Array]:
  """Arguments of a kind: every combination of these; one question if none."""

  def arguments(moment: Moment) -> Array:
    return table(itertools.product(*(values(moment) for values in ranges)))

  return arguments


def two_objects(moment: Moment) -> Array:
  """Arguments of a kind: every ordered pair of objects."""
  return table(itertools.permutations(objects(moment), 2))


def plans(length: int) -> list[tuple[int, ...]]:
  """All plans of so many moves, none of which takes back the one before."""
  return [
    plan
    for plan in itertools.product(range(len(ACTIONS)), repeat=length)
    if all({a, b} not in ({0, 1}, {2, 3}) for a, b in itertools.pairwise(plan))
  ]


def table(rows: Iterable[tuple[int, ...]]) -> Array:
  """i32[N, ARGS]: rows of arguments, padded."""
  padded = [(*row, *[-1] * (ARGS - len(row))) for row in rows]
  return jnp.array(padded, jnp.int32)


def pad(args: Array) -> Array:
  """i32[N, ARGS] of i32[N, n]."""
  return padded(args, ARGS)


def padded(numbers: Array, width: int) -> Array:
  """i32[..., width] of numbers [..., n]; -1 pads."""
  before = [(0, 0)] * (numbers.ndim - 1)
  pads = [*before, (0, width - numbers.shape[-1])]
  return jnp.pad(numbers.astype(jnp.int32), pads, constant_values=-1)


# --- Choices: codes of the answers offered ------------------------------------


def yes_or_no(moment: Moment, args: Array) -> Array:
  """Choices of a kind: yes and no."""
  del moment, args
  return jnp.array([YES_CODE, NO_CODE])


def counts(moment: Moment, args: Array) -> Array:
  """Choices of a kind: the numbers one to eight."""
  del moment, args
  return COUNT_CODE + jnp.arange(len(COUNTS))


def directions(position: int) -> Callable[[Moment, Array], Array]:
  """Choices of a kind: both directions of the axis in an argument."""

  def choices(moment: Moment, args: Array) -> Array:
    del moment
    return jnp.where(args[position] == 0, UP, LEFT) + jnp.arange(2)

  return choices


def seen_elements(moment: Moment) -> Array:
  """i32[P]: codes of the elements in sight; -1 for others."""
  return jnp.where(moment.seen, moment.element, -1)


def present_objects(moment: Moment) -> Array:
  """i32[1 + P]: codes of the objects in sight; -1 for others."""
  return jnp.where(moment.present, moment.word, -1)


# --- Truths: codes ------------------------------------------------------------


def yes(truth: Array) -> Array:
  """i32[...]: the code of yes or no."""
  return jnp.where(truth, YES_CODE, NO_CODE)


def count(number: Array) -> tuple[Array, Array]:
  """(i32[], bool[]): the code of a number, and whether it has one."""
  known = (number >= 1) & (number <= len(COUNTS))
  number = jnp.where(known, number, 1).astype(jnp.int32)
  return COUNT_CODE + number - 1, known


def toward(offset: Array, axis: Array) -> tuple[Array, Array]:
  """(i32[], bool[]): the code of a direction, and whether there is one.

  Args:
    offset: i32[2], rows down and columns right.
    axis: i32[], 0 for up or down, 1 for left or right.
  """
  by = offset[axis]
  first = jnp.where(axis == 0, UP, LEFT)
  return jnp.where(by > 0, first + 1, first), by != 0


# --- About: codes of the things that decide an answer -------------------------


def about_objects(*positions: int) -> Callable[[Moment, Array], Array]:
  """About of a kind: the objects in these arguments."""

  def about(moment: Moment, args: Array) -> Array:
    return moment.word[args[jnp.array(positions)]]

  return about


def about_word(codes: int) -> Callable[[Moment, Array], Array]:
  """About of a kind: the word in its first argument.

  Args:
    codes: TOOL_CODE or ELEMENT_CODE, for an argument among those words.
  """

  def about(moment: Moment, args: Array) -> Array:
    del moment
    return codes + args[:1]

  return about


# --- Gaps: words of a question ------------------------------------------------


class Names(NamedTuple):
  """The words of one moment.

  Attributes:
    objects: of the goal and of each tool.
    elements: of each element.
    aim: what steps are counted to; fills the gap {aim} of every template. It
      is the goal only if the goal is to be reached: otherwise that is a mere
      cell, if there is one.
  """

  objects: tuple[str, ...]
  elements: tuple[str, ...]
  aim: str

  @classmethod
  def of(cls, obs: Obs, row: int) -> "Names":
    """The words of one row of a batch with numpy leaves."""
    is_reach = GOALS[int(obs.goal_kind[row])] == "reach"
    return cls(
      objects=("goal", *(TOOLS[word] for word in np.asarray(obs.tool[row]))),
      elements=tuple(ELEMENTS[word] for word in np.asarray(obs.element[row])),
      aim="the goal" if is_reach else "success",
    )


Gaps = dict[str, str]


def no_gaps(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind without arguments."""
  del args, names
  return {}


def move_gap(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind about a move: {d}."""
  del names
  return {"d": ACTIONS[args[0]]}


def object_gap(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind about an object: {x}."""
  return {"x": names.objects[args[0]]}


def two_object_gaps(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind about two objects: {x} and {y}."""
  return {"x": names.objects[args[0]], "y": names.objects[args[1]]}


def tool_gap(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind about a tool of the level: {x}."""
  return {"x": names.objects[1 + args[0]]}


def move_and_object_gaps(args: Sequence[int], names: Names) -> Gaps:
  """Gaps of a kind about a move and an object: {d} and {x}."""
  return {"d": ACTIONS[args[0]], "x": names.objects[args[1]]}


def axis_words(axis: int) -> Gaps:
  """The gaps {one} and {two}: both directions of an axis."""
  one, two = ACTIONS[2 * axis : 2 * axis + 2]
  return {"one": one, "two": two}


def plan_words(actions: Sequence[int]) -> str:
  """A plan in words, such as `up up left`."""
  return " ".join(ACTIONS[action] for action in actions if action >= 0)

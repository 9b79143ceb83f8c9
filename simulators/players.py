"""Parts of a world that help players: scripts, and names for what comes next.

`base` lists these protocols with the others.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from simulators.types import Array, PyTree, State


class Reader(Protocol):
  """A short program that plays one batch by what it reads."""

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]: how good each action is; `rows` name the live episodes."""
    ...


@runtime_checkable
class HasScript(Protocol):
  """A world with a scripted reader, which reports show beside the models."""

  def script(self, rules: str) -> Reader:
    """A new reader; it knows the text of `World.rules` and nothing else."""
    ...


@runtime_checkable
class HasSubgoals(Protocol):
  """A world that names what the best way leads to next.

  Where the world is `HasReference`, `reference.subgoal(game)` gives the same
  index, found independently.

  Attributes:
    subgoals: the words for it. A description names those that a player may
      choose from.
  """

  subgoals: tuple[str, ...]

  def subgoal(self, state: State, params: PyTree) -> Array:
    """i32[]: index into `subgoals`.

    -1 where there is no way to succeed, or where some of the best ways lead to
    other things first.
    """
    ...


def check_subgoals(world: Any) -> HasSubgoals:
  """The world itself, where it names subgoals.

  Raises:
    ValueError: it names none, or its reference does not.
  """
  name = world.name
  if not isinstance(world, HasSubgoals):
    raise ValueError(
      f"world {name!r} names no subgoals: give it `subgoals` and "
      "`subgoal` (simulators.base.HasSubgoals), or set "
      "annotate.skills.next_action.subgoals to False"
    )
  reference = getattr(world, "reference", None)
  if reference is not None and not hasattr(reference, "subgoal"):
    raise ValueError(
      f"the reference of world {name!r} has no `subgoal(game)`, so rows "
      "could not be checked: add it (simulators.base.HasSubgoals), or set "
      "annotate.skills.next_action.subgoals to False"
    )
  return world


def subgoals_in(text: str, subgoals: Sequence[str]) -> tuple[str, ...]:
  """The subgoals that a text names, in the order given."""
  words = set(re.findall(r"\w+", text))
  return tuple(word for word in subgoals if word in words)


def sentence_of(text: str, word: str) -> str:
  """The last sentence or line that begins with a word, without its stop.

  `The` and `open` may stand before the word. A text without such a sentence
  gives the word itself.
  """
  begins = re.compile(rf"(?:the |open )*{re.escape(word)}\b", re.IGNORECASE)
  for sentence in reversed(re.split(r"\. |\n", text.strip().removesuffix("."))):
    if begins.match(sentence):
      return sentence
  return word


def reasoned(text: str, subgoal: str, action: str) -> str:
  """An answer that first repeats what the text says of a subgoal."""
  if not subgoal:
    return action
  return f"{sentence_of(text, subgoal)}. {action}"

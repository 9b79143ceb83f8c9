"""What a language of queries consists of, and what a world gives to it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from simulators.types import PyTree, State

DEPTH = 4  # operators within operators
MOVES = 3  # most actions of an `after`
IT = "it"  # the member of a group that an operator goes through

YES_NO, NUMBER, ORDER = "yes_no", "number", "order"
ORDERS = ("more", "fewer", "equal")
FORMS = {
  "after": "a list of 1 to 3 actions, and a query",
  "count": "a group, and a yes_no query about `it`",
  "argmin": "a group, and a number query about `it`",
  "argmax": "a group, and a number query about `it`",
  "compare": "two number queries",
}


class QueryError(ValueError):
  """A text is no query of the language; the message names the fix."""


class Undefined(ValueError):
  """A query has no single answer in a moment; the message says why."""


@dataclasses.dataclass(frozen=True)
class Primitive:
  """One question that a world answers of its state.

  Attributes:
    name: the operator.
    takes: type of each argument.
    gives: type of the answer.
    phrase: the words for it, with a {} for each argument.
    symmetric: whether the order of the arguments does not matter.
  """

  name: str
  takes: tuple[str, ...]
  gives: str
  phrase: str
  symmetric: bool = False


@dataclasses.dataclass(frozen=True)
class Language:
  """The words and the primitives of one world.

  A word of one type may stand where another type is asked for, if that type has
  all words of the first.

  Attributes:
    types: type -> its words; `action` is one of them.
    groups: group of things that a query can go through -> type of its members.
    primitives: what the world answers.
    numbers: the words for 0, 1, 2, ...
    bare: words without an article.
  """

  types: Mapping[str, tuple[str, ...]]
  groups: Mapping[str, str]
  primitives: tuple[Primitive, ...]
  numbers: tuple[str, ...]
  bare: tuple[str, ...] = ()

  def primitive(self, name: str) -> Primitive:
    """The primitive of a name that `parse` has let through."""
    return next(p for p in self.primitives if p.name == name)

  def fits(self, given: str, wanted: str) -> bool:
    """Whether a value of one type may stand for another."""
    if given == wanted:
      return True
    words = self.types.get(given), self.types.get(wanted)
    return None not in words and set(words[0] or ()) <= set(words[1] or ())


@dataclasses.dataclass(frozen=True)
class Query:
  """A query that is typed right.

  Attributes:
    op: a primitive or an operator.
    args: words, tuples of actions, and queries.
    gives: type of the answer.
  """

  op: str
  args: tuple["str | tuple[str, ...] | Query", ...]
  gives: str


class Facts(Protocol):
  """One moment of a world, by one of two paths."""

  def value(self, name: str, words: tuple[str, ...]) -> "str | int | bool":
    """What a primitive is; raises Undefined where it has no single answer."""
    ...

  def members(self, group: str) -> tuple[str, ...]:
    """The words of a group here, each once."""
    ...

  def after(self, actions: tuple[str, ...]) -> "Facts":
    """The moment after actions, chance ignored.

    Raises:
      Undefined: the episode ends before the last of them.
    """
    ...


@runtime_checkable
class Queries(Protocol):
  """A world that answers queries about its moments.

  The world is `HasReference`, and `reference.facts(game)` gives the same facts
  by the second path.
  """

  queries: Language

  def facts(self, state: State, params: PyTree) -> Facts:
    """The facts of one moment (numpy leaves), by the simulator."""
    ...

  def lookalikes(
    self, state: State, params: PyTree, seed: int
  ) -> Sequence[Facts]:
    """Other moments that have the same description, word for word."""
    ...


def check_queries(world: Any, section: str) -> Queries:
  """The world itself, where it answers queries by both paths.

  Args:
    world: the world.
    section: the settings that need queries, for the error.

  Raises:
    ValueError: it does not.
  """
  name = world.name
  both = hasattr(getattr(world, "reference", None), "facts")
  if not isinstance(world, Queries) or not both:
    raise ValueError(
      f"world {name!r} answers no queries: give it the members of "
      "simulators.queries.Queries, and its reference `facts(game)`, or set "
      f"{section}rows to 0"
    )
  return world

"""The world contract: its required and its optional parts.

A world is functional. `reset` and `step` are pure, and can be jitted and
vmapped over keys, actions, params and levels. `State.obs` is everything that
the agent may observe; descriptions read `obs` only, as numpy arrays.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from simulators import fields
from simulators.players import (
  HasScript,
  HasSubgoals,
  Reader,
  check_subgoals,
  rationale,
  subgoals_in,
  with_rationale,
)
from simulators.types import (
  Array,
  LevelPool,
  PyTree,
  Question,
  QuestionArrays,
  State,
)

__all__ = [
  "Array",
  "AsksQuestions",
  "HasOracle",
  "HasReference",
  "HasScript",
  "HasSubgoals",
  "LevelPool",
  "ParsesDescriptions",
  "PyTree",
  "Question",
  "QuestionArrays",
  "Reader",
  "Reference",
  "Renders",
  "State",
  "World",
  "check_oracle",
  "check_size",
  "check_split",
  "check_subgoals",
  "rationale",
  "subgoals_in",
  "with_rationale",
]


def check_split(split: str, splits: Sequence[str]) -> None:
  """Raises ValueError for a split that is not one of `splits`."""
  fields.check_known("split", split, splits)


def check_size(size: int) -> None:
  """Raises ValueError for a pool without levels."""
  if size < 1:
    raise ValueError(f"a pool of {size} levels is empty: ask for at least 1")


class World(Protocol):
  """A simulator that describes itself in words: what every world must have.

  Derive from this class to inherit the defaults. The optional parts are
  protocols: `HasOracle`, `AsksQuestions`, `HasReference`, `HasScript`,
  `HasSubgoals`, `claims.HasClaims`, `ParsesDescriptions`, `Renders`.

  `params(variant)` gives array leaves only: `real` and every imperfect variant
  are values of one pytree type, so they stack and vmap.

  Attributes:
    name: the world's name in datasets and reports.
    actions: the word of each action; an action is an index into them.
    splits: names of the level pools: train, val, test, and any named ood-....
    measures: names of `State.metrics` that reports show beside success.
    memories: fields of the hidden state that do not influence the future;
      search treats two states that differ only in these as the same.
  """

  name: str
  actions: tuple[str, ...]
  splits: tuple[str, ...] = ("train", "val", "test")
  measures: tuple[str, ...] = ()
  memories: tuple[str, ...] = ()

  # --- Rules and levels -------------------------------------------------------

  def variants(self) -> tuple[str, ...]:
    """Names that `params` accepts; "(p)" stands for an argument."""
    return ("real",)

  def params(self, variant: str = "real") -> PyTree:
    """The rules of a variant.

    Raises:
      ValueError: the variant is unknown; lists those that are known.
    """
    ...

  def depths(
    self, split: str, depths: Sequence[int] | None = None
  ) -> tuple[int, ...]:
    """The difficulties (or families) that `pool` uses; draws no level.

    The default suits a world whose levels are all of depth 0.

    Raises:
      ValueError: the split is unknown, or cannot have one of the depths.
    """
    check_split(split, self.splits)
    if depths is not None and set(depths) != {0}:
      raise ValueError(
        f"depths {tuple(depths)} of {split}: {self.name} has levels of depth 0 "
        "only: give (0,)"
      )
    return (0,)

  def pool(
    self, split: str, size: int, depths: Sequence[int] | None = None
  ) -> LevelPool:
    """`size` levels of a split, the same on every call."""
    ...

  # --- Playing ----------------------------------------------------------------

  def reset(self, key: Array, params: PyTree, level: PyTree) -> State:
    """The first state of an episode; `State.metrics` holds "success"."""
    ...

  def step(self, state: State, action: Array, params: PyTree) -> State:
    """The state after action i32[]; a success is a rewarded end."""
    ...

  def legal(self, state: State, params: PyTree) -> Array:
    """bool[A]: the actions that may be chosen."""
    ...

  # --- Words: numpy observations with a leading batch axis in, text out ------

  def describe(self, obs: PyTree) -> list[str]:
    """One short text for each row of a batch of observations."""
    ...

  def instruction(self, obs: PyTree) -> list[str]:
    """The goal of the episode, one text for each row."""
    ...

  def rules(self, params: PyTree) -> str:
    """The nominal rules, the actions and how to answer: the prompt's start.

    An imperfect variant may change the dynamics without changing this text.
    """
    ...

  def parse(self, text: str) -> int | None:
    """The action that a text names, or None."""
    ...


@runtime_checkable
class HasOracle(Protocol):
  """A world that knows what each action costs."""

  def oracle(self, state: State, params: PyTree) -> Array:
    """f32[A]: cost to success of each action; inf if none can succeed.

    Lower is better. The unit is the world's own: AgentWorld counts steps,
    Urban Driving seconds.
    """
    ...


def check_oracle(world: World) -> HasOracle:
  """The world itself, where it has an oracle.

  Raises:
    ValueError: it has none.
  """
  if not isinstance(world, HasOracle):
    raise ValueError(
      f"world {world.name!r} has no oracle: give it a method `oracle` "
      "(simulators.base.HasOracle), or use what needs none: random actors, "
      "labels by search"
    )
  return world


@runtime_checkable
class AsksQuestions(Protocol):
  """A world that asks questions about its states, with true answers.

  Attributes:
    question_kinds: names of the kinds, in the order of the arrays.
    lookups: kinds whose answer stands in the words of the moment or of the
      rules; reports tell them apart from kinds that need simulation.
  """

  question_kinds: tuple[str, ...]
  lookups: tuple[str, ...]

  def sample_questions(
    self, key: Array, state: State, params: PyTree
  ) -> QuestionArrays:
    """One question of each kind about one state."""
    ...

  def answer(
    self, state: State, params: PyTree, kind: Array, args: Array
  ) -> Array:
    """i32[]: code of the true answer to the question (kind, args).

    Args:
      state: one state.
      params: the rules.
      kind: i32[], index into `question_kinds`.
      args: i32[M], as in `QuestionArrays`.
    """
    ...

  def ask(
    self, questions: QuestionArrays, obs: PyTree, seed: int
  ) -> list[list[Question]]:
    """The sampled questions in words, one list for each row of a batch.

    A list holds the valid questions whose answer follows from what the agent
    reads: the description and the rules.

    Args:
      questions: numpy leaves [B, K, ...].
      obs: numpy leaves [B, ...].
      seed: draws the phrasing and the order of the choices.
    """
    ...


class Reference(Protocol):
  """A world's rules a second time, in plain Python, written independently.

  `Game.from_state(env_state, params, config)` gives a game with `step(action)`,
  `done`, `failed`, `legal()`, `costs()` and `optimal()`. Optional: `describes(
  game, actions, said, config)`, whether what `parse_description` read is right.
  """

  Game: Any

  def answer(self, game: Any, kind: str, args: Sequence[int]) -> int:
    """The code of the true answer to question (kind, args)."""
    ...


@runtime_checkable
class HasReference(Protocol):
  """A world with a second, independent implementation of its rules.

  Attributes:
    reference: a module with the members of `Reference`.
    config: what the world was made with; handed to `Game.from_state`.
  """

  reference: Reference
  config: Any


@runtime_checkable
class ParsesDescriptions(Protocol):
  """A world that reads its own descriptions back, for the MLP baseline.

  Attributes:
    words: words that mean the same in the descriptions of every variant;
      names that a variant may swap are left out.
  """

  words: tuple[str, ...]

  def parse_description(self, text: str, rules: str = "") -> dict[str, Any]:
    """What a description says, as data; the inverse of `describe`.

    What it says of the last action, if anything, is under `last`.

    With the rules of the prompt, also what they say of its things.
    """
    ...


@runtime_checkable
class Renders(Protocol):
  """A world that draws its states."""

  def render(self, state: State, params: PyTree) -> Array:
    """uint8[H, W, 3]: the state as a picture."""
    ...

"""The world contract: what every simulator must offer, and what it may.

A world is functional. `reset` and `step` are pure, and can be jitted and
vmapped over keys, actions, params and levels. `State.obs` is all that the agent
may know; descriptions read `obs` alone, as numpy arrays.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax
import numpy as np

from simulators import fields

Array = jax.Array
PyTree = Any


@flax.struct.dataclass
class State:
  """One moment of one episode; every leaf may carry leading batch axes.

  Attributes:
    env_state: the hidden state, with the PRNG key that is split at each step.
    obs: all that the agent may know, noise and dropout already applied.
    reward: f32[], the simulator's scalar for the last step.
    terminated: bool[], the episode has reached an end of its own.
    truncated: bool[], the time limit has cut the episode.
    metrics: name -> f32[], running measures of the episode.
  """

  env_state: PyTree
  obs: PyTree
  reward: Array
  terminated: Array
  truncated: Array
  metrics: dict[str, Array]

  @property
  def done(self) -> Array:
    """bool[]: terminated or truncated."""
    return self.terminated | self.truncated


@dataclasses.dataclass(frozen=True)
class LevelPool:
  """Generated levels of one split, stacked: an argument, never a constant.

  Attributes:
    split: one of the world's splits.
    levels: a pytree whose leaves lead with the level axis n.
    hashes: uint64[n], canonical: equal for levels that differ by a rotation,
      a mirror image or a renaming only.
    depths: i32[n], the chain depth (or the family) of each level.
  """

  split: str
  levels: PyTree
  hashes: np.ndarray
  depths: np.ndarray

  @classmethod
  def draw(
    cls, split: str, streams: Mapping[int, Iterator], size: int
  ) -> "LevelPool":
    """A pool of `size` levels, the streams taking turns.

    Args:
      split: its name.
      streams: depth (or family) -> an endless iterator of (hash, level).
      size: number of levels.
    """
    turns = list(itertools.islice(itertools.cycle(streams), size))
    names, levels = zip(*(next(streams[t]) for t in turns), strict=True)
    return cls(
      split=split,
      levels=jax.tree.map(lambda *leaves: np.stack(leaves), *levels),
      hashes=np.array(names, np.uint64),
      depths=np.array(turns, np.int32),
    )

  def __len__(self) -> int:
    return len(self.hashes)

  def take(self, indices) -> PyTree:
    """The levels at `indices`, stacked in that order."""
    return jax.tree.map(lambda x: x[indices], self.levels)


@dataclasses.dataclass(frozen=True)
class Question:
  """A question about one state in words, with its closed set of answers.

  Attributes:
    kind: the question's kind, one of `World.question_kinds`.
    text: what is asked, to be read after the state's description.
    choices: the answers offered, each a word or a short phrase.
    answer: the truth, one of `choices`, computed by the simulator.
    args: the numbers that identify the question for replay.
    code: the truth as a number: its place among all answers of the world; -1
      where nobody computed it.
  """

  kind: str
  text: str
  choices: tuple[str, ...]
  answer: str
  args: tuple[int, ...]
  code: int = -1


@flax.struct.dataclass
class QuestionArrays:
  """One question of each kind about one state, as numbers.

  Attributes:
    args: i32[K, M], what a kind needs to be asked again.
    answer: i32[K], index into `options`.
    options: i32[K, C], codes of the answers offered; -1 pads.
    valid: bool[K], whether the kind can be asked of this state.
  """

  args: Array
  answer: Array
  options: Array
  valid: Array


def check_split(split: str, splits: Sequence[str]) -> None:
  """Raises ValueError for a split that is not one of `splits`."""
  fields.check_known("split", split, splits)


def check_size(size: int) -> None:
  """Raises ValueError for a pool without levels."""
  if size < 1:
    raise ValueError(f"a pool of {size} levels is empty: ask for at least 1")


class World(Protocol):
  """A simulator that describes itself in words: what every world must have.

  Derive from this class to inherit the defaults. What a world can do beyond
  it is a protocol of its own, told by `isinstance`: `HasOracle`,
  `AsksQuestions`, `HasReference`, `ParsesDescriptions`, `Renders`.

  `params(variant)` gives array leaves only: `real` and every imperfect variant
  are values of one pytree type, so they stack and vmap.

  Attributes:
    name: the world's name in datasets and reports.
    actions: the word of each action; an action is an index into them.
    splits: names of the level pools: train, val, test, and any named ood-....
    measures: names of `State.metrics` that reports show beside success.
    memories: fields of the hidden state without influence on the future;
      search takes two states that differ in nothing else for one.
  """

  name: str
  actions: tuple[str, ...]
  splits: tuple[str, ...] = ("train", "val", "test")
  measures: tuple[str, ...] = ()
  memories: tuple[str, ...] = ()

  # --- Rules and levels -------------------------------------------------------

  def variants(self) -> tuple[str, ...]:
    """Names that `params` accepts, with their arguments spelled."""
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
    """The difficulties (or families) that `pool` would draw, at no cost.

    Raises:
      ValueError: the split is unknown, or cannot have one of the depths.
    """
    check_split(split, self.splits)
    return tuple(depths) if depths is not None else (0,)

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
    """What is to be achieved, one text for each row."""
    ...

  def rules(self, params: PyTree) -> str:
    """The nominal rules, the actions and how to answer: the shared prefix."""
    ...

  def parse(self, text: str) -> int | None:
    """The action that a text names, or None."""
    ...


@runtime_checkable
class HasOracle(Protocol):
  """A world that knows what each action costs."""

  def oracle(self, state: State, params: PyTree) -> Array:
    """f32[A]: cost to success by way of each action; inf where there is none.

    Lower is better. The unit is the world's own: AgentWorld counts steps,
    Urban Driving seconds.
    """
    ...


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
    """i32[]: the code of the true answer to question (kind, args)."""
    ...

  def ask(
    self, questions: QuestionArrays, obs: PyTree, seed: int
  ) -> list[list[Question]]:
    """Batched arrays in words: a list of questions for each row.

    Of the valid kinds, those that the moment as described can decide.
    """
    ...


class Reference(Protocol):
  """A plain Python implementation of a world's rules, written independently.

  The second path of verification. `Game.from_state(env_state, params, config)`
  gives a game with `step(action)`, `done`, `failed`, `legal()`, `costs()` and
  `optimal()`; `answer(game, kind, args)` gives the codes of `World.answer`.
  """

  Game: Any

  def answer(self, game: Any, kind: str, args: Sequence[int]) -> int:
    """The code of the true answer to question (kind, args)."""
    ...


@runtime_checkable
class HasReference(Protocol):
  """A world with a second path for its truths.

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
    words: words of descriptions that mean the same in every variant; names of
      things are left out.
  """

  words: tuple[str, ...]

  def parse_description(self, text: str) -> dict[str, Any]:
    """What a description says, as data; the inverse of `describe`."""
    ...


@runtime_checkable
class Renders(Protocol):
  """A world that draws its states."""

  def render(self, state: State, params: PyTree) -> Array:
    """uint8[H, W, 3]: the state as a picture."""
    ...

"""The world contract: what every simulator offers, and nothing more.

A world is functional. `reset` and `step` are pure, jit-able and vmap-able over
keys, actions, params and levels alike. What the agent may know is `State.obs`;
how the world is put into words reads `obs` alone, on numpy arrays.
"""

import dataclasses
import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import flax.struct
import jax
import numpy as np

Array = jax.Array
PyTree = Any

SPLITS = ("train", "val", "test", "ood-chain", "ood-size", "ood-depth")


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
  """

  kind: str
  text: str
  choices: tuple[str, ...]
  answer: str
  args: tuple[int, ...]


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
  if split not in splits:
    near = difflib.get_close_matches(str(split), splits, 1, 0.0)[0]
    raise ValueError(
      f"split {split!r} is unknown: did you mean {near!r}? "
      f"Splits are {', '.join(splits)}"
    )


def check_size(size: int) -> None:
  """Raises ValueError for a pool without levels."""
  if size < 1:
    raise ValueError(f"a pool of {size} levels is empty: ask for at least 1")


class World(Protocol):
  """A simulator that can also speak about itself.

  `params(variant)` gives array leaves only: `real` and every imperfect variant
  are values of one pytree type, so they stack and vmap.

  A world may have more, which is used where it is there:

    reference: a module that writes its rules a second time, in plain Python;
      see `glimo_jax.agent.tools.Tools.games`. It is handed `config`.
    config: what the world was made with; `config.horizon`, if any, becomes
      the episode length of the Brax adapter.
    lookups: kinds of question whose answer stands in the words of the moment
      or of the rules; reports tell them apart from those to be simulated.
    memories: names of fields of the hidden state that say nothing of what is
      to come, so that search takes two states which differ in them for one.
  """

  name: str
  actions: tuple[str, ...]
  words: tuple[str, ...]  # of descriptions, the same in every variant; no names
  question_kinds: tuple[str, ...]
  splits: tuple[str, ...]  # train, val, test, and those named ood-...
  measures: tuple[str, ...]  # of State.metrics, told beside success in reports

  def variants(self) -> tuple[str, ...]:
    """Names that `params` accepts, with their arguments spelled."""

  def params(self, variant: str = "real") -> PyTree:
    """The rules of a variant; ValueError lists the names it knows."""

  def depths(self, split: str, depths=None) -> tuple[int, ...]:
    """The depths (or families) that `pool` would draw, at no cost.

    Raises ValueError for an unknown split, or depths that it cannot have.
    """

  def pool(self, split: str, size: int, depths=None) -> LevelPool:
    """`size` levels of a split, the same on every call."""

  def reset(self, key: Array, params: PyTree, level: PyTree) -> State: ...

  def step(self, state: State, action: Array, params: PyTree) -> State: ...

  def legal(self, state: State, params: PyTree) -> Array:
    """bool[A]: the actions that may be chosen."""

  def oracle(self, state: State, params: PyTree) -> Array:
    """f32[A]: cost after each action, lower is better, inf if hopeless.

    AgentWorld's is steps to success, counting the action; driving's seconds.
    """

  def sample_questions(
    self, key: Array, state: State, params: PyTree
  ) -> QuestionArrays: ...

  def answer(
    self, state: State, params: PyTree, kind: Array, args: Array
  ) -> Array:
    """i32[]: the code of the true answer to question (kind, args)."""

  def render(self, state: State, params: PyTree) -> Array:
    """uint8[H, W, 3]: the state as a picture."""

  def describe(self, obs: PyTree) -> list[str]:
    """One short text for each row of a batch of numpy observations."""

  def instruction(self, obs: PyTree) -> list[str]:
    """What is to be achieved, one text for each row."""

  def rules(self, params: PyTree) -> str:
    """The nominal rules, the actions and how to answer: the shared prefix."""

  def ask(self, questions: QuestionArrays, obs: PyTree, seed: int):
    """Batched arrays -> for each row a list of Question.

    Of the valid kinds, those that the moment as it is described can decide.
    """

  def parse(self, text: str) -> int | None:
    """The action a text names, or None."""

  def parse_description(self, text: str) -> dict:
    """What a description says, as data; the inverse of `describe`."""

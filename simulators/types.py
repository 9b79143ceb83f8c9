"""The data that worlds and their users exchange."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import flax.struct
import jax
import numpy as np
from numpy.typing import ArrayLike

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
    """A pool of `size` levels, taken from the streams in turn.

    Args:
      split: one of the world's splits.
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

  def take(self, indices: ArrayLike) -> PyTree:
    """The levels at `indices`, stacked in that order."""
    return jax.tree.map(lambda x: x[indices], self.levels)


@dataclasses.dataclass(frozen=True)
class Question:
  """A question about one state in words, with its closed set of answers.

  Attributes:
    kind: one of `AsksQuestions.question_kinds`.
    text: the question, to be read after the state's description.
    choices: the answers offered, each a word or a short phrase.
    answer: the truth, one of `choices`, computed by the simulator.
    args: the numbers that identify the question, so that it can be asked again.
    code: the truth as a number: its place among all answers of the world; -1
      where it was not computed.
    about: words of the things that decide the answer, the next one first, as in
      `players.rationale`; () where the question names none.
    by_way: whether the best way decides the answer: it is about what that leads
      to (`HasSubgoals.chain`), too.
  """

  kind: str
  text: str
  choices: tuple[str, ...]
  answer: str
  args: tuple[int, ...]
  code: int = -1
  about: tuple[str, ...] = ()
  by_way: bool = False


@flax.struct.dataclass
class QuestionArrays:
  """One question of each kind about one state, as numbers.

  Attributes:
    args: i32[K, M], the numbers that identify each question; -1 pads.
    answer: i32[K], index into `options`.
    options: i32[K, C], codes of the answers offered; -1 pads.
    valid: bool[K], whether the kind can be asked of this state.
    about: i32[K, N], codes of the things that decide each answer, the next one
      first; -1 pads. None where the world names none.
  """

  args: Array
  answer: Array
  options: Array
  valid: Array
  about: Array | None = None

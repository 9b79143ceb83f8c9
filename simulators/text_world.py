"""Worlds as texts: episodes in words, in batches.

`TextWorldProtocol` is all that a player needs, so that worlds of other packages
can offer it, too. `TextWorld` offers it for a world of `simulators.base`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from simulators import fields
from simulators.base import (
  Array,
  HasOracle,
  LevelPool,
  PyTree,
  State,
  World,
  check_oracle,
)
from simulators.rollout import keep

ROWS = 16  # rows that are run at a time


class TextWorldProtocol(Protocol):
  """B episodes in words; row i of every list or array is episode i.

  Anything more is optional. Each optional part is a protocol, checked with
  `isinstance`: `HasTextOracle`, `HasFailures`, `HasMeasures`.

  Attributes:
    actions: the word of each action; an action is an index into them.
    parse: gives the action that a text names, or None.
    preamble: the start of every prompt: rules, actions, how to answer.
    instruction: the goal of each row.
    success: bool[B], whether the row's episode has succeeded so far.
    depths: i32[B], chain depth (or family) of each row's level.
  """

  actions: tuple[str, ...]
  parse: Callable[[str], int | None]
  preamble: str
  instruction: list[str]
  success: np.ndarray
  depths: np.ndarray

  def reset(self, indices: Sequence[int], seed: int = 0) -> list[str]:
    """Starts an episode on each of these levels; returns the first texts."""
    ...

  def step(
    self, actions: Sequence[int]
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """One action in each row; rows that are done stay as they are.

    Returns:
      texts: one for each row.
      rewards: f32[B], of this step.
      done: bool[B].
    """
    ...


@runtime_checkable
class HasTextOracle(Protocol):
  """A text world that knows what each action costs."""

  def oracle(self) -> np.ndarray:
    """f32[B, A]: cost to success by way of each action; lower is better."""
    ...


@runtime_checkable
class HasFailures(Protocol):
  """A text world that tells a failure from a time limit.

  Attributes:
    failed: bool[B], whether the episode has terminated without success.
  """

  failed: np.ndarray


@runtime_checkable
class HasMeasures(Protocol):
  """A text world with measures that reports show beside success.

  Attributes:
    measures: name -> f32[B], measured over the episode so far.
  """

  measures: Mapping[str, np.ndarray]


@functools.partial(jax.jit, static_argnames="world")
def _reset(world: World, params: PyTree, levels: PyTree, seeds: Array) -> State:
  def start(seed: Array, level: PyTree) -> State:
    return world.reset(jax.random.key(seed), params, level)

  return jax.vmap(start)(seeds, levels)


@functools.partial(jax.jit, static_argnames="world")
def _step(world: World, params: PyTree, states: State, actions: Array) -> State:
  def step(state: State, action: Array) -> State:
    return keep(state, world.step(state, action, params), state.done)

  return jax.vmap(step)(states, actions)


@functools.partial(jax.jit, static_argnames="world")
def _oracle(world: HasOracle, params: PyTree, states: State) -> Array:
  return jax.vmap(world.oracle, (0, None))(states, params)


class TextWorld:
  """A world under one set of rules on one pool, in words.

  Row i plays level `indices[i]` with the seed `seeds[i]`; `rollout.replay`
  gives the same states for them. The state stays on the device; what players
  read is fetched once a step. Rows are run in parts of ROWS, the last one
  filled up, so that one size is compiled for any number of rows.

  An instance has `oracle` (`HasTextOracle`) where its world has one.

  Attributes:
    world, params, pool: as given.
    actions, parse, preamble, instruction, success, depths: as in
      TextWorldProtocol.
    failed, measures: as in HasFailures and HasMeasures; `measures` holds those
      that the world names.
    indices: i32[B], the rows' levels in the pool.
    levels: the rows' levels, leaves [B, ...].
    seeds: i32[B], seeds of the rows' PRNG keys.
    state: State with leaves [B, ...].
    obs: observations with numpy leaves [B, ...].
    done: bool[B].
    texts: the rows' present texts.
  """

  failed: np.ndarray
  measures: Mapping[str, np.ndarray]

  def __new__(
    cls, world: World, params: PyTree, pool: LevelPool
  ) -> "TextWorld":
    """A text world with `oracle` where the world has one."""
    del params, pool
    if cls is TextWorld and isinstance(world, HasOracle):
      return object.__new__(_WithOracle)
    return object.__new__(cls)

  def __init__(self, world: World, params: PyTree, pool: LevelPool):
    self.world, self.params, self.pool = world, params, pool
    self.actions, self.parse = world.actions, world.parse
    self.preamble = world.rules(params)
    self.success = self.failed = self.done = np.zeros(0, bool)
    self.measures = {name: np.zeros(0, np.float32) for name in world.measures}
    self._parts: list[State] = []

  def reset(self, indices: ArrayLike, seed: ArrayLike = 0) -> list[str]:
    """Starts an episode on each of these levels of the pool.

    Args:
      indices: i32[B], places in the pool; may repeat.
      seed: i32[B], or a number to which each row's index is added.

    Returns:
      The first texts.

    Raises:
      IndexError: the pool has no such level.
      ValueError: no level, or the number of seeds is not that of the levels.
    """
    indices = np.asarray(indices, np.int32).reshape(-1)
    size = len(self.pool)
    if not len(indices):
      raise ValueError("indices are empty: give at least one level to play")
    for index in indices:
      if not 0 <= index < size:
        raise IndexError(
          f"level {index} is not in the pool of {size} {self.pool.split} "
          f"levels: choose from 0..{size - 1}, or make a larger pool"
        )
    seeds = np.asarray(seed, np.int32)
    seeds = indices + seeds if seeds.ndim == 0 else seeds
    if seeds.shape != indices.shape:
      raise ValueError(
        f"{len(seeds)} seeds for {len(indices)} levels: give one seed a level"
      )
    self.indices, self.seeds = indices, seeds
    self.levels = self.pool.take(indices)
    self.depths = np.asarray(self.pool.depths)[indices]
    self._parts = [
      _reset(self.world, self.params, self.pool.take(part), part_seeds)
      for part, part_seeds in zip(_parts(indices), _parts(seeds), strict=True)
    ]
    return self._read()[0]

  def step(
    self, actions: ArrayLike
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """One action in each row; rows that are done ignore theirs.

    Args:
      actions: i32[B].

    Returns:
      texts: one for each row.
      rewards: f32[B], of this step.
      done: bool[B].

    Raises:
      RuntimeError: `reset` was not called.
      ValueError: the number of actions is not that of the rows, or an action
        is out of range.
    """
    self._started()
    actions = fields.check_actions(actions, self.done, self.actions)
    self._parts = [
      _step(self.world, self.params, part, part_actions)
      for part, part_actions in zip(self._parts, _parts(actions), strict=True)
    ]
    texts, rewards = self._read()
    return texts, rewards, self.done.copy()

  @property
  def state(self) -> State:
    """The rows' states, leaves [B, ...], on the device."""
    self._started()
    return self._rows(self._parts, jnp.concatenate)

  def _started(self) -> None:
    if not self._parts:
      raise RuntimeError("no episode has been started: call reset first")

  def _rows(
    self, parts: list[PyTree], concatenate: Callable = np.concatenate
  ) -> PyTree:
    """The rows of all parts, without those that filled the last one."""
    return jax.tree.map(lambda *x: concatenate(x)[: len(self.indices)], *parts)

  def _read(self) -> tuple[list[str], np.ndarray]:
    """Fetches and describes the rows: (texts, rewards)."""
    names = ("success", *self.world.measures)
    fetched = jax.device_get(
      [
        (part.obs, part.reward, part.done, part.terminated,
         {name: part.metrics[name] for name in names})
        for part in self._parts
      ]
    )  # fmt: skip
    obs, rewards, done, terminated, metrics = self._rows(fetched)
    self.obs, self.done = obs, done
    self.success = metrics.pop("success") > 0
    self.failed = terminated & ~self.success
    self.measures = metrics
    self.texts = self.world.describe(obs)
    self.instruction = self.world.instruction(obs)
    return list(self.texts), rewards


class _WithOracle(TextWorld):
  """A text world whose world has an oracle."""

  def oracle(self) -> np.ndarray:
    """f32[B, A]: cost to success by way of each action; lower is better."""
    self._started()
    world = check_oracle(self.world)
    costs = [_oracle(world, self.params, part) for part in self._parts]
    return self._rows(jax.device_get(costs))


def _parts(rows: np.ndarray) -> list[np.ndarray]:
  """Rows in parts of ROWS; copies of the last row fill the last part."""
  filled = np.pad(rows, (0, -len(rows) % ROWS), mode="edge")
  return list(filled.reshape(-1, ROWS))

"""Worlds as texts: what an agent and the evaluation see, in batches.

`TextWorldProtocol` is all that a player asks for, so that worlds which are not
ours can stand behind it; `TextWorld` is our own worlds' way to it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from simulators.base import LevelPool, PyTree, State, World
from simulators.rollout import keep

ROWS = 16  # rows that are run at a time


class TextWorldProtocol(Protocol):
  """Episodes in words, B at a time; row i of all lists is episode i.

  Attributes:
    actions: the words of the actions; an action is an index into them.
    preamble: what is the same for every text: rules, moves, how to answer.
    instruction: what is to be achieved, for each row.
    success: bool[B], whether the row's episode has succeeded so far.
    failed: bool[B], whether it has come to an end of its own without success; a
      world that cannot tell may leave it out.
    depths: i32[B], chain depth (or family) of each row's level.
    measures: name -> f32[B], what a report tells of the episodes so far beside
      success; a world that has none may leave it out.
    parse: the action that a text names, or None.
  """

  actions: tuple[str, ...]
  parse: Callable[[str], int | None]
  preamble: str
  instruction: list[str]
  success: np.ndarray
  depths: np.ndarray

  def reset(self, indices: Sequence[int], seed: int = 0) -> list[str]:
    """Starts an episode on each of these levels; the first texts."""

  def step(
    self, actions: Sequence[int]
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(texts, rewards f32[B], done bool[B]); rows that are done stay so."""

  def oracle(self) -> np.ndarray:
    """f32[B, A]: steps to success after each action, counting it."""


@functools.partial(jax.jit, static_argnames="world")
def _reset(world: World, params: PyTree, levels: PyTree, seeds) -> State:
  def start(seed, level):
    return world.reset(jax.random.key(seed), params, level)

  return jax.vmap(start)(seeds, levels)


@functools.partial(jax.jit, static_argnames="world")
def _step(world: World, params: PyTree, states: State, actions) -> State:
  def step(state, action):
    return keep(state, world.step(state, action, params), state.done)

  return jax.vmap(step)(states, actions)


@functools.partial(jax.jit, static_argnames="world")
def _oracle(world: World, params: PyTree, states: State):
  return jax.vmap(world.oracle, (0, None))(states, params)


class TextWorld:
  """One of our worlds under one set of rules on one pool, in words.

  The state stays on the device and is fetched once a step. Row i plays level
  `indices[i]` with the seed `seeds[i]`, so that `rollout.replay` comes to the
  same states. Rows are run in parts of ROWS, the last one filled up: however
  many are played, one size is compiled.

  Attributes:
    world, params, pool: what it was made from.
    actions, parse, preamble, instruction, success, failed, depths, measures:
      as in TextWorldProtocol.
    indices: i32[B], the rows' levels in the pool.
    levels: the rows' levels, stacked.
    seeds: i32[B], of the rows' PRNG keys.
    state: State with leaves [B, ...].
    obs: observations with numpy leaves [B, ...].
    done: bool[B].
    texts: the rows' present texts.
  """

  def __init__(self, world: World, params: PyTree, pool: LevelPool):
    self.world, self.params, self.pool = world, params, pool
    self.actions, self.parse = world.actions, world.parse
    self.preamble = world.rules(params)
    self._parts: list[State] = []

  def reset(
    self, indices: Sequence[int], seed: int | Sequence[int] = 0
  ) -> list[str]:
    """Starts an episode on each of these levels of the pool.

    Args:
      indices: places in the pool; may repeat.
      seed: one for each row, or a number to which the row's index is added.

    Returns:
      The first texts.

    Raises:
      IndexError: the pool has no such level.
      ValueError: no level, or seeds of another number than the levels.
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
    self, actions: Sequence[int]
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """One action in each row; what is given to rows that are done is ignored.

    Returns:
      texts: one a row.
      rewards: f32[B], of this step.
      done: bool[B].

    Raises:
      RuntimeError: nothing was reset.
      ValueError: actions of another number than the rows, or out of range.
    """
    self._started()
    actions = np.asarray(actions, np.int32).reshape(-1)
    if len(actions) != len(self.indices):
      raise ValueError(
        f"{len(actions)} actions for {len(self.indices)} rows: give one a row"
      )
    actions = np.where(self.done, np.int32(0), actions)
    wrong = (actions < 0) | (actions >= len(self.actions))
    if wrong.any():
      row = int(np.argmax(wrong))
      raise ValueError(
        f"action {actions[row]} in row {row} is none: choose from "
        f"0..{len(self.actions) - 1} for {', '.join(self.actions)}"
      )
    self._parts = [
      _step(self.world, self.params, part, part_actions)
      for part, part_actions in zip(self._parts, _parts(actions), strict=True)
    ]
    texts, rewards = self._read()
    return texts, rewards, self.done.copy()

  def oracle(self) -> np.ndarray:
    """f32[B, A]: steps to success after each action, by the world's oracle."""
    self._started()
    costs = [_oracle(self.world, self.params, part) for part in self._parts]
    return self._rows(jax.device_get(costs))

  @property
  def state(self) -> State:
    """The rows' states, leaves [B, ...], as they are on the device."""
    self._started()
    return self._rows(self._parts, jnp.concatenate)

  def _started(self) -> None:
    if not self._parts:
      raise RuntimeError("no episode has been started: call reset first")

  def _rows(self, parts: list[PyTree], concatenate=np.concatenate) -> PyTree:
    """Parts put together again, without what filled the last one."""
    return jax.tree.map(lambda *x: concatenate(x)[: len(self.indices)], *parts)

  def _read(self) -> tuple[list[str], np.ndarray]:
    """Fetches and describes the rows; keeps what a player may ask for."""
    told = ("success", *self.world.measures)
    fetched = jax.device_get(
      [
        (part.obs, part.reward, part.done, part.terminated,
         {name: part.metrics[name] for name in told})
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


def _parts(rows: np.ndarray) -> list[np.ndarray]:
  """Rows in parts of ROWS; copies of the last row fill the last part."""
  filled = np.pad(rows, (0, -len(rows) % ROWS), mode="edge")
  return list(filled.reshape(-1, ROWS))

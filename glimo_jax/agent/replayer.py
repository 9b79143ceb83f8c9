"""Moments of recorded episodes, reached again by replay.

All moments are simulated in chunks of one shape, so that each function compiles
once.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from glimo_jax.agent.chunks import batched
from glimo_jax.types import Array, Experience, InShares, PyTree, alone
from simulators import rollout
from simulators.base import LevelPool, State, World

T = TypeVar("T")
_STEPS = 64  # length of a replay; longer ones are compiled separately


@dataclasses.dataclass(frozen=True)
class Moments:
  """n replayed moments.

  Attributes:
    description: their descriptions by the world.
    done: bool[n], whether the episode is over.
    success: bool[n], whether its goal is reached.
  """

  description: list[str]
  done: np.ndarray
  success: np.ndarray


class Replayer:
  """Replays moments, and tells what the world says of them.

  Args:
    world: the simulator.
    pool: the levels that experiences refer to, checked by hash.
    chunk: moments simulated at once.
    in_shares: divides chunks among processes that all ask alike.
  """

  def __init__(
    self,
    world: World,
    pool: LevelPool,
    chunk: int = 128,
    in_shares: InShares = alone,
  ):
    self.world, self.pool, self.chunk = world, pool, chunk
    self.in_shares = in_shares
    self._params: dict[str, Any] = {}
    self._rules: dict[str, str] = {}

  def rules(self, variant: str) -> str:
    """The nominal rules of a variant, in words."""
    if variant not in self._rules:
      self._rules[variant] = self.world.rules(self._params_of(variant))
    return self._rules[variant]

  def simulate(self, experiences: Sequence[Experience]) -> Moments:
    """The moments after each experience's actions, replayed from reset."""
    texts: list[str] = [""] * len(experiences)
    ends = np.zeros((2, len(experiences)), bool)
    for rows, _, state in self.replayed(experiences):
      obs, done, success = jax.device_get(
        (state.obs, state.done, state.metrics["success"])
      )
      described = self.world.describe(obs)
      for j, i in enumerate(rows):
        texts[i], ends[:, i] = described[j], (done[j], success[j] > 0)
    return Moments(texts, *ends)

  def legal(self, experiences: Sequence[Experience]) -> np.ndarray:
    """bool[n, A]: the actions that may be chosen in each moment."""
    out = np.zeros((len(experiences), len(self.world.actions)), bool)
    for rows, params, state in self.replayed(experiences):
      legal = batched(self.world, "legal", (0, 0))(state, params)
      out[rows] = np.asarray(legal)[: len(rows)]
    return out

  def agreement(
    self,
    experiences: Sequence[Experience],
    actions: Sequence[Sequence[int]],
    descriptions: Sequence[str],
    seed: int,
    draws: int = 8,
  ) -> np.ndarray:
    """f64[n]: in which share of other chances a description would be the same.

    Args:
      experiences: the moments.
      actions: indices of what is done then; the moment is replayed with its own
        chance, the actions with others.
      descriptions: after the actions.
      seed: of the draws.
      draws: how many.
    """
    same = np.zeros((len(experiences), draws))
    for rows, params, state in self.replayed(experiences):
      padded, lengths = self._padded([actions[i] for i in rows])
      for draw in range(draws):
        obs = _other_future(
          self.world, params, state, padded, lengths, seed * draws + draw
        )
        texts = self.world.describe(jax.device_get(obs))
        for j, i in enumerate(rows):
          same[i, draw] = texts[j] == descriptions[i]
    return same.mean(1)

  def known(self, experiences: Sequence[Experience]) -> np.ndarray:
    """bool[n]: whether replay gives the description that was recorded."""
    same = np.array([self._has_level(e) for e in experiences], bool)
    there = [experiences[i] for i in np.flatnonzero(same).tolist()]

    def alike(rows: range) -> list[bool]:
      again = self.simulate([there[i] for i in rows]).description
      return [
        text == there[i].description
        for i, text in zip(rows, again, strict=True)
      ]

    same[same] = self.by_chunk(len(there), alike)
    return same

  def by_chunk(
    self,
    count: int,
    work: Callable[[range], Iterable[T]],
    read: Callable[[Any], T] = lambda result: result,
  ) -> list[T]:
    """The results of `count` moments, chunk by chunk, in shares.

    Args:
      count: number of moments.
      work: the results of some of them, given by their places; a chunk at most.
      read: makes one result from its JSON; see `InShares`.
    """
    chunks = [
      range(at, min(at + self.chunk, count))
      for at in range(0, count, self.chunk)
    ]
    parts = self.in_shares(
      lambda i: work(chunks[i]), len(chunks), lambda part: [*map(read, part)]
    )
    return [result for part in parts for result in part]

  def _has_level(self, e: Experience) -> bool:
    return (
      e.world == self.world.name
      and e.split == self.pool.split
      and 0 <= e.level < len(self.pool)
      and f"{int(self.pool.hashes[e.level]):016x}" == e.level_hash
    )

  def _params_of(self, variant: str):
    if variant not in self._params:
      self._params[variant] = self.world.params(variant)
    return self._params[variant]

  def replayed(
    self, experiences: Sequence[Experience]
  ) -> Iterator[tuple[list[int], PyTree, State]]:
    """Yields (rows, params, state): chunks of one shape, params for each.

    Raises:
      ValueError: a level is not in the pool.
    """
    for e in experiences:
      if not self._has_level(e):
        raise ValueError(
          f"{e.episode} with level hash {e.level_hash} is not in the pool "
          f"{self.pool.split} of {len(self.pool)} levels: use the world and "
          "the pool that it was collected with"
        )
    longest = max((len(e.actions) for e in experiences), default=0)
    length = max(_STEPS, 1 << max(0, longest - 1).bit_length())
    for at in range(0, len(experiences), self.chunk):
      rows = list(range(at, min(at + self.chunk, len(experiences))))
      full = [experiences[i] for i in np.resize(rows, self.chunk).tolist()]
      actions, lengths = self._padded([e.actions for e in full], length)
      params = jax.tree.map(
        lambda *x: np.stack(x), *(self._params_of(e.variant) for e in full)
      )
      state = rollout.replay(
        self.world,
        params,
        self.pool.take(np.array([e.level for e in full])),
        np.array([e.seed for e in full], np.int32),
        actions,
        lengths,
        0,
      )
      yield rows, params, state

  def _padded(
    self, actions: Sequence[Sequence[int]], length: int = 0
  ) -> tuple[np.ndarray, np.ndarray]:
    """(i32[chunk, L], i32[chunk]): lists of actions, and their lengths.

    The lists are repeated to fill the chunk; L is at least `length`.
    """
    full = [actions[j] for j in np.resize(range(len(actions)), self.chunk)]
    lengths = np.array([len(each) for each in full], np.int32)
    out = np.zeros((self.chunk, max(length, *lengths)), np.int32)
    for j, each in enumerate(full):
      out[j, : lengths[j]] = each
    return out, lengths


@functools.partial(jax.jit, static_argnames="world")
def _other_future(
  world: World,
  params: PyTree,
  states: State,
  actions: Array,
  lengths: Array,
  draw: int,
) -> PyTree:
  """What is observed after actions i32[n, L], by other draws of chance."""

  def redrawn(leaf: Array) -> Array:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.fold_in(leaf, draw) if is_key else leaf

  def one(state: State, actions: Array, length: Array, params: PyTree) -> State:
    def take(state: State, step: tuple[Array, Array]) -> tuple[State, None]:
      t, action = step
      new = world.step(state, action, params)
      return rollout.keep(state, new, state.done | (t >= length)), None

    state = jax.tree.map(redrawn, state)
    return jax.lax.scan(take, state, (jnp.arange(len(actions)), actions))[0]

  return jax.vmap(one)(states, actions, lengths, params).obs

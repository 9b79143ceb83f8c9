"""The agent's tools: replay, measure, ask the oracle, ask questions.

The only file of the agent that touches a simulator. Everything is done for
many moments at once, in chunks of one shape, so that it compiles once.
"""

import collections
import dataclasses
import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax.agent import weighing
from glimo_jax.types import Experience
from simulators import rollout, search
from simulators.base import LevelPool, Question, World

_STEPS = 64  # actions that a replay has room for; more compile once more
LABEL_SOURCES = ("oracle", "search", "agent", "self")


@dataclasses.dataclass(frozen=True)
class Asked:
  """A question with the code of its true answer, by the simulator."""

  question: Question
  code: int


@dataclasses.dataclass(frozen=True)
class Moments:
  """What the world says of n replayed moments.

  Attributes:
    description: the world's words.
    done: bool[n], the episode is over.
    success: bool[n], its goal is reached.
  """

  description: list[str]
  done: np.ndarray
  success: np.ndarray


class Tools:
  """The world at the agent's disposal.

  Args:
    world: the simulator.
    pool: the levels that experiences refer to, checked by hash.
    label_source: where costs come from: "oracle" asks the oracle, the others
      search with the simulator alone.
    width: action sequences tried a state when searching.
    depth: their length.
    seed: of the search.
    lapse: weight of what a slip after an action would cost, see `measure`.
    chunk: moments simulated at once.
  """

  def __init__(
    self,
    world: World,
    pool: LevelPool,
    label_source: str = "oracle",
    *,
    width: int = 256,
    depth: int = 24,
    seed: int = 0,
    lapse: float = 0.0,
    chunk: int = 128,
  ):
    if label_source not in LABEL_SOURCES:
      raise ValueError(
        f"label source {label_source!r} must be one of {LABEL_SOURCES}"
      )
    self.world, self.pool, self.label_source = world, pool, label_source
    self._width, self._depth, self._seed = width, depth, seed
    self.lapse = lapse
    self._chunk = chunk
    self._params: dict[str, Any] = {}
    self._rules: dict[str, str] = {}
    self._costs: dict[tuple, np.ndarray] = {}

  def rules(self, variant: str) -> str:
    """The nominal rules of a variant, in words."""
    if variant not in self._rules:
      self._rules[variant] = self.world.rules(self._of(variant))
    return self._rules[variant]

  # --- Simulating -------------------------------------------------------------

  @staticmethod
  def rewind(experience: Experience, steps: int) -> Experience:
    """The episode `steps` before; replayed for its words by `simulate`."""
    kept = experience.actions[: max(0, len(experience.actions) - steps)]
    return dataclasses.replace(experience, actions=kept)

  def simulate(self, experiences: Sequence[Experience]) -> Moments:
    """The moments after each experience's actions, replayed from reset."""
    texts: list[str] = [""] * len(experiences)
    ends = np.zeros((2, len(experiences)), bool)
    for rows, _, state in self._replayed(experiences):
      obs, done, success = jax.device_get(
        (state.obs, state.done, state.metrics["success"])
      )
      said = self.world.describe(obs)
      for j, i in enumerate(rows):
        texts[i], ends[:, i] = said[j], (done[j], success[j] > 0)
    return Moments(texts, *ends)

  def known(self, experiences: Sequence[Experience]) -> np.ndarray:
    """bool[n]: whether replay comes back to the moment described."""
    same = np.array([self._has_level(e) for e in experiences], bool)
    rows = np.flatnonzero(same)
    said = self.simulate([experiences[i] for i in rows]).description
    for i, text in zip(rows, said, strict=True):
      same[i] = text == experiences[i].description
    return same

  def measure(self, experiences: Sequence[Experience]) -> np.ndarray:
    """f32[n, A]: steps to success after each action, counting it.

    By the oracle or by search, which is done once a moment; inf where no
    success was found. A `lapse` adds as many times what a random legal action
    after it would cost beyond the best one: who may err keeps off the edge.
    """
    names = [(e.variant, e.level, e.seed, e.actions) for e in experiences]
    first = {n: i for i, n in enumerate(names) if n not in self._costs}
    new = [experiences[i] for i in first.values()]
    for rows, params, state in self._replayed(new):
      cost = self._cost(params, state)
      if self.lapse:
        cost = cost + self.lapse * self._lapsed(params, state)
      for i, row in zip(rows, cost, strict=False):
        e = new[i]
        self._costs[e.variant, e.level, e.seed, e.actions] = row
    empty = np.zeros((0, len(self.world.actions)))
    return np.stack([self._costs[n] for n in names]) if names else empty

  def _cost(self, params, state) -> np.ndarray:
    """f32[chunk, A]: by the oracle or by search."""
    if self.label_source == "oracle":
      return np.asarray(
        _batched(self.world, "oracle", (0, None))(state, params)
      )
    key = jax.random.fold_in(jax.random.key(self._seed), len(self._costs))
    return np.asarray(
      search.search_labels(
        self.world, params, state, key, self._width, self._depth
      )
    )

  def _lapsed(self, params, state) -> np.ndarray:
    """f32[chunk, A]: what a lapse costs after each action; 0 at an end."""
    out = []
    for action in range(len(self.world.actions)):
      actions = np.full(self._chunk, action, np.int32)
      after = _batched(self.world, "step", (0, 0, None))(state, actions, params)
      legal = _batched(self.world, "legal", (0, None))(after, params)
      lost = weighing.lapse_cost(self._cost(params, after), np.asarray(legal))
      out.append(np.where(after.terminated, 0.0, lost))
    return np.stack(out, 1).astype(np.float32)

  # --- Questions --------------------------------------------------------------

  def ask(
    self, experiences: Sequence[Experience], seed: int
  ) -> list[list[Asked]]:
    """One question of each kind that can be asked of each moment."""
    kinds = list(self.world.question_kinds)
    out: list[list[Asked]] = [[] for _ in experiences]
    for rows, params, state in self._replayed(experiences):
      marks = [_mark(experiences[i]) for i in np.resize(rows, self._chunk)]
      keys = _keys(seed, np.array(marks, np.uint32))
      arrays = _batched(self.world, "sample_questions", (0, 0, None))(
        keys, state, params
      )
      arrays, obs = jax.device_get((arrays, state.obs))
      said = self.world.ask(arrays, obs, seed)
      for j, i in enumerate(rows):
        for question in said[j]:
          k = kinds.index(question.kind)
          code = arrays.options[j, k, arrays.answer[j, k]]
          out[i].append(Asked(question, int(code)))
    return out

  def truths(
    self, experiences: Sequence[Experience], asked: Sequence[Asked]
  ) -> np.ndarray:
    """i32[n]: codes of the true answers, computed again by replay."""
    kinds = list(self.world.question_kinds)
    kind = np.array([kinds.index(a.question.kind) for a in asked], np.int32)
    args = np.array([a.question.args for a in asked], np.int32)
    out = np.zeros(len(experiences), np.int32)
    for rows, params, state in self._replayed(experiences):
      full = np.resize(rows, self._chunk)
      codes = _batched(self.world, "answer", (0, None, 0, 0))(
        state, params, kind[full], args[full]
      )
      out[rows] = np.asarray(codes)[: len(rows)]
    return out

  # --- The second path --------------------------------------------------------

  def games(self, experiences: Sequence[Experience]) -> list | None:
    """The replayed moments as the world's reference plays them.

    None if the world has no `reference`: a plain second writing of its rules,
    with `Game.from_state(env_state, params, config)`, `step(action)`, `done`,
    `failed`, `legal()`, `costs()` and `optimal()`, and `answer(game, kind,
    args)` by `World.answer`'s codes.
    """
    reference = getattr(self.world, "reference", None)
    if reference is None:
      return None
    out: list = [None] * len(experiences)
    for rows, params, state in self._replayed(experiences):
      env_state, params = jax.device_get((state.env_state, params))
      for j, i in enumerate(rows):
        one = jax.tree.map(lambda x, j=j: _row(x, j), env_state)
        config = self.world.config
        out[i] = reference.Game.from_state(one, params, config)
    return out

  # --- Chunks -----------------------------------------------------------------

  def _has_level(self, e: Experience) -> bool:
    return (
      e.world == self.world.name
      and e.split == self.pool.split
      and 0 <= e.level < len(self.pool)
      and f"{int(self.pool.hashes[e.level]):016x}" == e.level_hash
    )

  def _of(self, variant: str):
    if variant not in self._params:
      self._params[variant] = self.world.params(variant)
    return self._params[variant]

  def _replayed(self, experiences: Sequence[Experience]):
    """Yields (rows, params, state): chunks of one variant and one shape."""
    by_variant: dict[str, list[int]] = collections.defaultdict(list)
    for i, e in enumerate(experiences):
      if not self._has_level(e):
        raise ValueError(
          f"{e.episode} with level hash {e.level_hash} is not in the pool "
          f"{self.pool.split} of {len(self.pool)} levels: give the world and "
          "the pool that it was collected with"
        )
      by_variant[e.variant].append(i)
    longest = max((len(e.actions) for e in experiences), default=0)
    length = max(_STEPS, 1 << max(0, longest - 1).bit_length())
    for variant, members in by_variant.items():
      for at in range(0, len(members), self._chunk):
        rows = np.array(members[at : at + self._chunk])
        full = [experiences[i] for i in np.resize(rows, self._chunk)]
        actions = np.zeros((self._chunk, length), np.int32)
        for j, e in enumerate(full):
          actions[j, : len(e.actions)] = e.actions
        params = self._of(variant)
        state = rollout.replay(
          self.world,
          params,
          self.pool.take(np.array([e.level for e in full])),
          np.array([e.seed for e in full], np.int32),
          actions,
          np.array([len(e.actions) for e in full], np.int32),
        )
        yield rows, params, state


@functools.lru_cache
def _batched(world: World, method: str, axes: tuple) -> Callable:
  """A world's method over a chunk of states, compiled once."""
  return jax.jit(jax.vmap(getattr(world, method), axes))


def _row(x, j: int):
  """Row j of a numpy leaf; PRNG keys, which stay on the device, are left."""
  return x[j] if isinstance(x, np.ndarray) else x


def _mark(e: Experience) -> int:
  """A number of the moment's own, wherever in a batch it stands."""
  what = (e.variant, e.level_hash, e.seed, e.actions)
  return zlib.crc32(repr(what).encode())


@jax.jit
def _keys(seed, marks):
  return jax.vmap(lambda mark: jax.random.fold_in(jax.random.key(seed), mark))(
    marks
  )

"""The agent's tools: replay, costs of actions, questions and true answers.

The only file of the agent that runs a simulator. All moments are simulated in
chunks of one shape, so that each function compiles once.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax import fields
from glimo_jax.agent import costs
from glimo_jax.agent.chunks import batched, moment_hash, moment_keys
from glimo_jax.types import Experience
from simulators import base, rollout, search
from simulators.base import LevelPool, Question, World

LABEL_SOURCES = ("oracle", "search", "agent", "self")
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


class Tools:
  """Functions by which the agent uses a world.

  Args:
    world: the simulator.
    pool: the levels that experiences refer to, checked by hash.
    label_source: where costs come from: "oracle" asks the world's oracle, the
      others search with the simulator alone.
    width: action sequences tried for each state when searching.
    depth: their length.
    seed: of the search.
    action_noise: weight of the expected cost of a random next action; see
      `measure`.
    chunk: moments simulated at once.

  Raises:
    ValueError: an unknown label source, or "oracle" in a world without one.
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
    action_noise: float = 0.0,
    chunk: int = 128,
  ):
    check_label_source(label_source, world)
    self.world, self.pool, self.label_source = world, pool, label_source
    self.action_noise = action_noise
    self._width, self._depth, self._seed = width, depth, seed
    self._chunk = chunk
    self._params: dict[str, Any] = {}
    self._rules: dict[str, str] = {}
    self._costs: dict[tuple, np.ndarray] = {}

  def rules(self, variant: str) -> str:
    """The nominal rules of a variant, in words."""
    if variant not in self._rules:
      self._rules[variant] = self.world.rules(self._params_of(variant))
    return self._rules[variant]

  def action_indices(self, words: Sequence[str]) -> tuple[int, ...]:
    """The indices of actions given by their words."""
    return tuple(self.world.actions.index(word) for word in words)

  # --- Simulating -------------------------------------------------------------

  def simulate(self, experiences: Sequence[Experience]) -> Moments:
    """The moments after each experience's actions, replayed from reset."""
    texts: list[str] = [""] * len(experiences)
    ends = np.zeros((2, len(experiences)), bool)
    for rows, _, state in self._replayed(experiences):
      obs, done, success = jax.device_get(
        (state.obs, state.done, state.metrics["success"])
      )
      described = self.world.describe(obs)
      for j, i in enumerate(rows):
        texts[i], ends[:, i] = described[j], (done[j], success[j] > 0)
    return Moments(texts, *ends)

  def known(self, experiences: Sequence[Experience]) -> np.ndarray:
    """bool[n]: whether replay gives the description that was recorded."""
    same = np.array([self._has_level(e) for e in experiences], bool)
    rows = np.flatnonzero(same)
    described = self.simulate([experiences[i] for i in rows.tolist()])
    for i, text in zip(rows.tolist(), described.description, strict=True):
      same[i] = text == experiences[i].description
    return same

  def measure(self, experiences: Sequence[Experience]) -> np.ndarray:
    """f32[n, A]: cost to success by way of each action, in the world's unit.

    Costs come from the oracle or from search, and are cached for each moment;
    inf if no success was found. With action noise each cost includes
    `action_noise` times the expected regret of a random legal next action, so
    that actions after which a mistake is expensive cost more.
    """
    names = [(e.variant, e.level, e.seed, e.actions) for e in experiences]
    first = {n: i for i, n in enumerate(names) if n not in self._costs}
    new = [experiences[i] for i in first.values()]
    for rows, params, state in self._replayed(new):
      cost = self._cost(params, state)
      if self.action_noise:
        cost = cost + self.action_noise * self._noise_cost(params, state)
      for i, row in zip(rows, cost, strict=False):
        e = new[i]
        self._costs[e.variant, e.level, e.seed, e.actions] = row
    empty = np.zeros((0, len(self.world.actions)))
    return np.stack([self._costs[n] for n in names]) if names else empty

  def chains(self, experiences: Sequence[Experience]) -> list[tuple[str, ...]]:
    """What the best way leads to, next first; () where the text lacks some."""
    words = base.check_subgoals(self.world).subgoals
    out: list[tuple[str, ...]] = [()] * len(experiences)
    for rows, params, state in self._replayed(experiences):
      found = batched(self.world, "chain", (0, 0))(state, params)
      for i, indices in zip(rows, np.asarray(found).tolist(), strict=False):
        things = tuple(words[index] for index in indices if index >= 0)
        named = base.subgoals_in(experiences[i].description, words)
        if set(things) <= set(named):
          out[i] = things
    return out

  def _cost(self, params, state) -> np.ndarray:
    """f32[chunk, A]: by the oracle or by search."""
    if self.label_source == "oracle":
      return np.asarray(batched(self.world, "oracle", (0, 0))(state, params))
    key = jax.random.fold_in(jax.random.key(self._seed), len(self._costs))
    return np.asarray(
      search.search_labels(
        self.world, params, state, key, self._width, self._depth, 0
      )
    )

  def _noise_cost(self, params, state) -> np.ndarray:
    """f32[chunk, A]: regret of a random action after each; 0 at an end."""
    out = []
    for action in range(len(self.world.actions)):
      actions = np.full(self._chunk, action, np.int32)
      after = batched(self.world, "step", (0, 0, 0))(state, actions, params)
      legal = batched(self.world, "legal", (0, 0))(after, params)
      regret = costs.random_action_regret(
        self._cost(params, after), np.asarray(legal)
      )
      out.append(np.where(after.terminated, 0.0, regret))
    return np.stack(out, 1).astype(np.float32)

  # --- Questions --------------------------------------------------------------

  def ask(
    self, experiences: Sequence[Experience], seed: int
  ) -> list[list[Question]]:
    """One question of each kind that can be asked of each moment."""
    world = self._asking_world()
    out: list[list[Question]] = [[] for _ in experiences]
    for rows, params, state in self._replayed(experiences):
      hashes = [
        moment_hash(experiences[i]) for i in np.resize(rows, self._chunk)
      ]
      keys = moment_keys(seed, np.array(hashes, np.uint32))
      arrays = batched(self.world, "sample_questions", (0, 0, 0))(
        keys, state, params
      )
      arrays, obs = jax.device_get((arrays, state.obs))
      questions = world.ask(arrays, obs, seed)
      for j, i in enumerate(rows):
        out[i] += questions[j]
    return out

  def truths(
    self, experiences: Sequence[Experience], questions: Sequence[Question]
  ) -> np.ndarray:
    """i32[n]: codes of the true answers, computed again by replay."""
    kinds = list(self._asking_world().question_kinds)
    kind = np.array([kinds.index(q.kind) for q in questions], np.int32)
    args = np.array([q.args for q in questions], np.int32)
    out = np.zeros(len(experiences), np.int32)
    for rows, params, state in self._replayed(experiences):
      full = np.resize(rows, self._chunk)
      codes = batched(self.world, "answer", (0, 0, 0, 0))(
        state, params, kind[full], args[full]
      )
      out[rows] = np.asarray(codes)[: len(rows)]
    return out

  def _asking_world(self) -> base.AsksQuestions:
    if not isinstance(self.world, base.AsksQuestions):
      raise ValueError(
        f"world {self.world.name} asks no questions: plan no question rows"
      )
    return self.world

  # --- The second path --------------------------------------------------------

  def games(self, experiences: Sequence[Experience]) -> list | None:
    """The replayed moments as games of the world's reference.

    None where the world is not `HasReference`.
    """
    if not isinstance(self.world, base.HasReference):
      return None
    reference, config = self.world.reference, self.world.config
    out: list = [None] * len(experiences)
    for rows, params, state in self._replayed(experiences):
      env_state, params = jax.device_get((state.env_state, params))
      for j, i in enumerate(rows):
        one, rules = jax.tree.map(  # PRNG keys stay whole, on the device
          lambda x, j=j: x[j] if isinstance(x, np.ndarray) else x,
          (env_state, params),
        )
        out[i] = reference.Game.from_state(one, rules, config)
    return out

  # --- Chunks -----------------------------------------------------------------

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

  def _replayed(self, experiences: Sequence[Experience]):
    """Yields (rows, params, state): chunks of one shape, params for each."""
    for e in experiences:
      if not self._has_level(e):
        raise ValueError(
          f"{e.episode} with level hash {e.level_hash} is not in the pool "
          f"{self.pool.split} of {len(self.pool)} levels: use the world and "
          "the pool that it was collected with"
        )
    longest = max((len(e.actions) for e in experiences), default=0)
    length = max(_STEPS, 1 << max(0, longest - 1).bit_length())
    for at in range(0, len(experiences), self._chunk):
      rows = list(range(at, min(at + self._chunk, len(experiences))))
      full = [experiences[i] for i in np.resize(rows, self._chunk).tolist()]
      actions = np.zeros((self._chunk, length), np.int32)
      for j, e in enumerate(full):
        actions[j, : len(e.actions)] = e.actions
      params = jax.tree.map(
        lambda *x: np.stack(x), *(self._params_of(e.variant) for e in full)
      )
      state = rollout.replay(
        self.world,
        params,
        self.pool.take(np.array([e.level for e in full])),
        np.array([e.seed for e in full], np.int32),
        actions,
        np.array([len(e.actions) for e in full], np.int32),
        0,
      )
      yield rows, params, state


def check_label_source(label_source: str, world: World) -> None:
  """Raises ValueError for a label source that the world does not offer."""
  fields.check_known("annotate.label_source", label_source, LABEL_SOURCES)
  if label_source == "oracle" and not isinstance(world, base.HasOracle):
    raise ValueError(
      f"annotate.label_source is 'oracle', but world {world.name} has none: "
      "set it to 'search'"
    )

"""The agent's tools: replay, costs of actions, questions and true answers.

With `replayer`, the only file of the agent that runs a simulator.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax import fields
from glimo_jax.agent import costs
from glimo_jax.agent.chunks import (
  batched,
  moment_hash,
  moment_keys,
  row_of,
)
from glimo_jax.agent.replayer import Replayer
from glimo_jax.types import Experience, InShares, alone
from simulators import base, search
from simulators.base import LevelPool, PyTree, Question, State, World
from simulators.claims import Outlook

LABEL_SOURCES = ("oracle", "search", "agent", "self")


class Tools(Replayer):
  """Functions by which the agent uses a world, beside those of `Replayer`.

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
    in_shares: divides chunks among processes that all ask alike.

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
    in_shares: InShares = alone,
  ):
    check_label_source(label_source, world)
    super().__init__(world, pool, chunk, in_shares)
    self.label_source, self.action_noise = label_source, action_noise
    self._width, self._depth, self._seed = width, depth, seed
    self._costs: dict[tuple, np.ndarray] = {}

  def action_indices(self, words: Sequence[str]) -> tuple[int, ...]:
    """The indices of actions given by their words."""
    return tuple(self.world.actions.index(word) for word in words)

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
    known = len(self._costs)

    def measured(rows: range) -> np.ndarray:
      ((_, params, state),) = self.replayed([new[i] for i in rows])
      cost = self._cost(params, state, known + rows[0])
      if self.action_noise:
        noise = self._noise_cost(params, state, known + rows[0])
        cost = cost + self.action_noise * noise
      return cost[: len(rows)]

    for name, cost in zip(
      first, self.by_chunk(len(new), measured), strict=True
    ):
      self._costs[name] = np.asarray(cost, np.float32)
    empty = np.zeros((0, len(self.world.actions)))
    return np.stack([self._costs[n] for n in names]) if names else empty

  def chains(self, experiences: Sequence[Experience]) -> list[tuple[str, ...]]:
    """What the best way leads to, next first; () where the text lacks some."""
    words = base.check_subgoals(self.world).subgoals

    def found(rows: range) -> list[tuple[str, ...]]:
      ((_, params, state),) = self.replayed([experiences[i] for i in rows])
      chains = batched(self.world, "chain", (0, 0))(state, params)
      out = []
      for i, indices in zip(rows, np.asarray(chains).tolist(), strict=False):
        things = tuple(words[index] for index in indices if index >= 0)
        named = base.subgoals_in(experiences[i].description, words)
        out.append(things if set(things) <= set(named) else ())
      return out

    return self.by_chunk(len(experiences), found, tuple)

  def outlooks(self, experiences: Sequence[Experience]) -> list[Outlook]:
    """Each moment and what each action makes of it, for claims."""
    out: list[Outlook] = []
    actions = self.world.actions
    for rows, params, state in self.replayed(experiences):
      after = [self._step(state, a, params) for a in range(len(actions))]
      # PRNG keys stay on the device.
      states, rules = jax.device_get(((state, *after), params))
      for j in range(len(rows)):
        now, *then = (row_of(x, j) for x in states)
        out.append(Outlook(now, then, row_of(rules, j), actions))
    return out

  def states(
    self, experiences: Sequence[Experience]
  ) -> list[tuple[State, PyTree]]:
    """(state, params) of each moment, with numpy leaves, for queries."""
    out: list[tuple[State, PyTree]] = []
    for rows, params, state in self.replayed(experiences):
      both = jax.device_get((state, params))
      out += [row_of(both, j) for j in range(len(rows))]
    return out

  def _step(self, state, action: int, params):
    """The states after one action in all of a chunk."""
    actions = np.full(self.chunk, action, np.int32)
    return batched(self.world, "step", (0, 0, 0))(state, actions, params)

  def _cost(self, params, state, before: int) -> np.ndarray:
    """f32[chunk, A]: by the oracle, or by search after `before` others."""
    if self.label_source == "oracle":
      return np.asarray(batched(self.world, "oracle", (0, 0))(state, params))
    key = jax.random.fold_in(jax.random.key(self._seed), before)
    return np.asarray(
      search.search_labels(
        self.world, params, state, key, self._width, self._depth, 0
      )
    )

  def _noise_cost(self, params, state, before: int) -> np.ndarray:
    """f32[chunk, A]: regret of a random action after each; 0 at an end."""
    out = []
    for action in range(len(self.world.actions)):
      after = self._step(state, action, params)
      legal = batched(self.world, "legal", (0, 0))(after, params)
      regret = costs.random_action_regret(
        self._cost(params, after, before), np.asarray(legal)
      )
      out.append(np.where(after.terminated, 0.0, regret))
    return np.stack(out, 1).astype(np.float32)

  # --- Questions --------------------------------------------------------------

  def ask(
    self, experiences: Sequence[Experience], seed: int
  ) -> list[list[Question]]:
    """One question of each kind that can be asked of each moment."""
    world = self._asking_world()

    def asked(rows: range) -> list[list[Question]]:
      ((_, params, state),) = self.replayed([experiences[i] for i in rows])
      hashes = [
        moment_hash(experiences[i]) for i in np.resize(rows, self.chunk)
      ]
      keys = moment_keys(seed, np.array(hashes, np.uint32))
      arrays = batched(self.world, "sample_questions", (0, 0, 0))(
        keys, state, params
      )
      arrays, obs = jax.device_get((arrays, state.obs))
      return world.ask(arrays, obs, seed)[: len(rows)]

    return self.by_chunk(len(experiences), asked, _questions)

  def truths(
    self, experiences: Sequence[Experience], questions: Sequence[Question]
  ) -> np.ndarray:
    """i32[n]: codes of the true answers, computed again by replay."""
    kinds = list(self._asking_world().question_kinds)
    kind = np.array([kinds.index(q.kind) for q in questions], np.int32)
    args = np.array([q.args for q in questions], np.int32)
    out = np.zeros(len(experiences), np.int32)
    for rows, params, state in self.replayed(experiences):
      full = np.resize(rows, self.chunk)
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
    for rows, params, state in self.replayed(experiences):
      env_state, params = jax.device_get((state.env_state, params))
      for j, i in enumerate(rows):
        one, rules = row_of((env_state, params), j)
        out[i] = reference.Game.from_state(one, rules, config)
    return out


def _questions(values: Sequence[dict[str, Any]]) -> list[Question]:
  """Questions from their JSON."""

  def field(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

  return [Question(**{k: field(v) for k, v in q.items()}) for q in values]


def check_label_source(label_source: str, world: World) -> None:
  """Raises ValueError for a label source that the world does not offer."""
  fields.check_known("annotate.label_source", label_source, LABEL_SOURCES)
  if label_source == "oracle" and not isinstance(world, base.HasOracle):
    raise ValueError(
      f"annotate.label_source is 'oracle', but world {world.name} has none: "
      "set it to 'search'"
    )

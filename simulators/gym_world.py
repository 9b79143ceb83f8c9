"""Gymnasium environments of other authors as texts, in batches.

`GymTextWorld` offers `text_world.TextWorldProtocol` for B environments that are
stepped one after the other. A `Narrator` puts one kind of environment in words:
`simulators/outside` has those of MiniGrid, BabyAI and highway-env.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from simulators import fields
from simulators.players import Reader


class Narrator(Protocol):
  """How one kind of environment is created, described and parsed."""

  @property
  def actions(self) -> tuple[str, ...]:
    """The word of each action."""
    ...

  @property
  def codes(self) -> tuple[int, ...]:
    """The environment's own number of each action."""
    ...

  def make(self) -> Any:
    """A new environment, a `gymnasium.Env`."""
    ...

  def rules(self) -> str:
    """The rules in words: the start of every prompt."""
    ...

  def instruction(self, env: Any) -> str:
    """The goal of the episode."""
    ...

  def describe(self, env: Any, last: str) -> str:
    """What the agent perceives now.

    Args:
      env: the environment after its reset or step.
      last: what the last action did, by `effect`; "" at the start.
    """
    ...

  def snapshot(self, env: Any) -> Any:
    """What `effect` needs to know of the moment before an action."""
    ...

  def effect(self, env: Any, action: int, before: Any) -> str:
    """What an action did, in words.

    Args:
      env: the environment after it.
      action: its index.
      before: the `snapshot` before it.
    """
    ...

  def parse(self, text: str) -> int | None:
    """The action that a text names; None for none."""
    ...

  def succeeded(
    self, env: Any, reward: float, terminated: bool, truncated: bool
  ) -> bool:
    """Whether the step with this result reached the goal of the episode."""
    ...


@runtime_checkable
class Guided(Protocol):
  """A narrator that knows an expert."""

  def expert(self, env: Any) -> "Expert":
    """The expert of one episode, made after the environment's reset."""
    ...


class Expert(Protocol):
  """Plays one episode well; it may look into the environment."""

  def costs(self, last: int | None) -> np.ndarray:
    """f64[A]: cost of each action, the least is best; inf where it is bad.

    Args:
      last: the action that was taken since the last call; None at the start.
    """
    ...


@runtime_checkable
class Scripted(Protocol):
  """A narrator with a scripted reader of its texts."""

  def script(self) -> Reader:
    """A new reader; it knows the texts and nothing else."""
    ...


@runtime_checkable
class Measured(Protocol):
  """A narrator that measures its episodes, for reports.

  Attributes:
    measures: names of what it measures.
  """

  measures: tuple[str, ...]

  def measure(self, env: Any) -> tuple[float, ...]:
    """The values so far, in the order of `measures`."""
    ...


class GymTextWorld:
  """B episodes of one kind of environment, in words.

  Level i is the environment after `reset(seed=first_seed + i)`. A row that is
  done stays as it is. An instance has `oracle` where its narrator is `Guided`.

  Attributes:
    actions, parse, preamble, instruction, success, depths: as in
      `TextWorldProtocol`; all depths are 0.
    failed: bool[B], as in `HasFailures`.
    done: bool[B].
    measures: as in `HasMeasures`, where the narrator is `Measured`.
    narrator: as given.
    envs: the environment of each row.
  """

  def __new__(cls, narrator: Narrator, first_seed: int = 0) -> "GymTextWorld":
    del first_seed
    guided = isinstance(narrator, Guided)
    return object.__new__(_GuidedTextWorld if guided else GymTextWorld)

  def __init__(self, narrator: Narrator, first_seed: int = 0):
    self.narrator, self._first_seed = narrator, first_seed
    self.actions, self.parse = narrator.actions, narrator.parse
    self.preamble = narrator.rules()
    self.envs: list[Any] = []
    self._made: list[Any] = []

  def reset(self, indices: Sequence[int], seed: int = 0) -> list[str]:
    """Starts an episode on each of these levels; returns the first texts.

    Args:
      indices: levels, at least one.
      seed: without effect: a level's number settles its whole episode.
    """
    del seed
    if not len(indices):
      raise ValueError("indices are empty: give at least one level to play")
    while len(self._made) < len(indices):
      self._made.append(self.narrator.make())
    self.envs = self._made[: len(indices)]
    for env, index in zip(self.envs, indices, strict=True):
      env.reset(seed=self._first_seed + int(index))
    rows = len(self.envs)
    self.success, self.failed = np.zeros(rows, bool), np.zeros(rows, bool)
    self.done, self.depths = np.zeros(rows, bool), np.zeros(rows, np.int32)
    self.instruction = [self.narrator.instruction(e) for e in self.envs]
    self._last: list[int | None] = [None] * rows
    self.texts = [self.narrator.describe(env, "") for env in self.envs]
    self._measure()
    return list(self.texts)

  def step(
    self, actions: ArrayLike
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """One action in each row; rows that are done ignore theirs.

    Returns:
      texts: one for each row.
      rewards: f32[B], the environment's own.
      done: bool[B].

    Raises:
      RuntimeError: `reset` was not called.
      ValueError: the number of actions is not that of the rows, or an action
        is out of range.
    """
    if not self.envs:
      raise RuntimeError("no episode has been started: call reset first")
    chosen = fields.check_actions(actions, self.done, self.actions)
    rewards = np.zeros(len(chosen), np.float32)
    for row in np.flatnonzero(~self.done).tolist():
      env, action = self.envs[row], int(chosen[row])
      before = self.narrator.snapshot(env)
      _, reward, ended, cut, _ = env.step(self.narrator.codes[action])
      rewards[row] = reward
      reached = self.narrator.succeeded(env, float(reward), ended, cut)
      self.success[row] = reached
      self.failed[row] = ended and not reached
      self.done[row] = ended or cut or reached
      self._last[row] = action
      last = self.narrator.effect(env, action, before)
      self.texts[row] = self.narrator.describe(env, last)
    self._measure()
    return list(self.texts), rewards, self.done.copy()

  def _measure(self) -> None:
    if isinstance(self.narrator, Measured):
      values = np.array([self.narrator.measure(env) for env in self.envs])
      names = self.narrator.measures
      self.measures = dict(zip(names, values.T.astype(np.float32), strict=True))


class _GuidedTextWorld(GymTextWorld):
  """A text world whose narrator knows an expert."""

  def reset(self, indices: Sequence[int], seed: int = 0) -> list[str]:
    """As in `GymTextWorld`."""
    texts = super().reset(indices, seed)
    self._experts: Mapping[int, Expert] = {}
    self._costs: np.ndarray | None = None
    return texts

  def step(
    self, actions: ArrayLike
  ) -> tuple[list[str], np.ndarray, np.ndarray]:
    """As in `GymTextWorld`."""
    stepped = super().step(actions)
    self._costs = None
    return stepped

  def oracle(self) -> np.ndarray:
    """f64[B, A]: cost of each action by the expert; 0 in rows that are done.

    It is to be asked before every step: some experts follow the episode.
    """
    if self._costs is not None:
      return self._costs
    if not self._experts:
      guide = self.narrator
      assert isinstance(guide, Guided)
      self._experts = {r: guide.expert(env) for r, env in enumerate(self.envs)}
    self._costs = np.zeros((len(self.envs), len(self.actions)))
    for row in np.flatnonzero(~self.done).tolist():
      self._costs[row] = self._experts[row].costs(self._last[row])
    return self._costs

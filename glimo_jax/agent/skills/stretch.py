"""Consecutive steps of episodes, and which of them were mistakes."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent.skills.task import after
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience


@dataclasses.dataclass(frozen=True)
class Stretch:
  """Some consecutive steps of an episode.

  Costs are in the world's unit: steps in AgentWorld, seconds in Urban Driving.

  Attributes:
    start: the moment before the first step.
    actions: the action taken in each step.
    regrets: f64[steps, A], by how much each action costs more than the best
      one there; 0 where no action leads to success.
    margin: largest regret of an action that is no mistake.
  """

  start: Experience
  actions: tuple[int, ...]
  regrets: np.ndarray
  margin: float  # in the unit of costs

  @property
  def mistakes(self) -> list[int]:
    """The steps, from 0, whose action is a mistake."""
    taken = self.regrets[np.arange(len(self.actions)), list(self.actions)]
    return np.flatnonzero(taken > self.margin).tolist()

  def last(self, steps: int) -> "Stretch":
    """The stretch of the last `steps` steps."""
    return Stretch(
      after(self.start, self.actions[:-steps]),
      self.actions[-steps:],
      self.regrets[-steps:],
      self.margin,
    )

  def passed(self) -> list[Experience]:
    """The moments before the first step and after each."""
    return [
      after(self.start, self.actions[:i]) for i in range(len(self.actions) + 1)
    ]

  def instead(self, step: int, action: int) -> Experience:
    """The moment after another action at a step, from 0."""
    return after(self.start, (*self.actions[:step], action))


def stretches(
  tools: Tools,
  starts: Sequence[Experience],
  actions: Sequence[tuple[int, ...]],
  margin: float,
) -> list[Stretch]:
  """The stretches that begin at some moments, with the regrets of their steps.

  Args:
    tools: the world.
    starts: the moments.
    actions: those taken after each moment, at least one.
    margin: largest regret of an action that is no mistake.
  """
  pairs = list(zip(starts, actions, strict=True))
  cost = tools.measure(
    [after(start, each[:i]) for start, each in pairs for i in range(len(each))]
  ).astype(np.float64)
  least = cost.min(1, keepdims=True, initial=np.inf)
  possible = np.isfinite(least)
  regret = np.where(possible, cost - np.where(possible, least, 0.0), 0.0)
  ends = np.cumsum([len(each) for each in actions])[:-1].astype(int)
  return [
    Stretch(*pair, each, margin)
    for pair, each in zip(pairs, np.split(regret, ends), strict=False)
  ]

"""An expert for highway-env that tries decisions in copies of the road."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

_HORIZON = 3  # s that it looks ahead
_CRASH = 100.0  # its cost, for each second that it comes earlier


class Lookahead:
  """Takes the fastest decision after which no crash follows within seconds.

  Each decision is tried in a copy of the environment, followed by `keep` and,
  where that crashes, by `slower`.

  Args:
    env: the environment after its reset.
    codes: highway-env's numbers of the decisions, `keep` first, `slower` third.
  """

  def __init__(self, env: Any, codes: Sequence[int]):
    self._env, self._codes = env, codes

  def costs(self, last: int | None) -> np.ndarray:
    """f64[A]: m/s below 30 after some seconds; a crash costs 100 and more."""
    del last
    return np.array([self._cost(code) for code in self._codes])

  def _cost(self, first: int) -> float:
    keep, _, slower = self._codes[:3]
    cost = self._after(first, keep)
    return cost if cost < _CRASH else min(cost, self._after(first, slower))

  def _after(self, first: int, then: int) -> float:
    env = copy.deepcopy(self._env)
    for second in range(_HORIZON):
      _, _, ended, cut, _ = env.step(then if second else first)
      if env.vehicle.crashed:
        return _CRASH * (_HORIZON - second)
      if ended or cut:
        break
    return max(0.0, 30.0 - float(env.vehicle.speed))

"""What costs say: which actions are right, how good others are beside them.

Costs are f[A], as a world's `oracle` gives them: lower is better, inf where
there is no success, in the world's own unit (steps, seconds).
"""

import math

import numpy as np

_CLOSE = 1e-3  # costs nearer than this are equal; whole steps are 1 apart
_LEAST = 0.05  # of the best one's weight, below which an answer is none
_WORST = 100.0  # that an action costs beyond the best, at most


def best_actions(costs: np.ndarray) -> tuple[int, ...]:
  """The actions of least cost, () where none leads to success.

  Args:
    costs: f32[A], steps to success after each action.
  """
  if math.isinf(costs.min()):
    return ()
  return tuple(int(a) for a in np.flatnonzero(costs <= costs.min() + _CLOSE))


def weigh(costs: np.ndarray, scale: float) -> dict[int, float]:
  """Action -> how good it is beside the others, the best ones first.

  An action that costs r more than the best weighs exp(-r / scale) as much;
  less than a twentieth of it is left out. The weights sum to 1.

  Args:
    costs: f32[A], as in `best_actions`, which are alone where scale is 0.
    scale: in the unit of the costs.
  """
  best = best_actions(costs)
  if not best or scale == 0:
    return dict.fromkeys(best, 1 / max(len(best), 1))
  weights = np.exp((costs.min() - costs.astype(np.float64)) / scale)
  weights[list(best)] = 1.0
  weights[weights < _LEAST] = 0.0
  weights /= weights.sum()
  order = np.argsort(-weights, kind="stable")
  return {int(a): float(weights[a]) for a in order if weights[a]}


def lapse_cost(costs: np.ndarray, legal: np.ndarray) -> np.ndarray:
  """f64[...]: what a random legal action costs beyond the best, on average.

  At most 100 an action; 0 where all is lost or nothing may be done.

  Args:
    costs: f[..., A], inf where there is no success.
    legal: bool[..., A].
  """
  best = np.where(legal, costs, np.inf).min(-1, keepdims=True)
  with np.errstate(invalid="ignore"):  # inf - inf where all is lost
    beyond = np.minimum(costs - best, _WORST)
  beyond = np.where(legal & np.isfinite(best), beyond, 0.0)
  return beyond.sum(-1) / np.maximum(legal.sum(-1), 1)

"""Costs of actions: which actions are right, and how much worse others are.

Costs are f[A], as a world's `oracle` gives them: lower is better, inf where
there is no success, in the world's own unit (steps, seconds).
"""

import math

import numpy as np

_TOLERANCE = 1e-3  # costs nearer than this are equal; whole steps are 1 apart
ROUNDING = 0.5  # by which two paths may differ in a mean of rounded costs
_SMALLEST_WEIGHT = 0.05  # relative to the best action's; below it counts as 0
_LARGEST_REGRET = 100.0  # in the unit of the costs


def best_actions(costs: np.ndarray) -> tuple[int, ...]:
  """The actions of least cost; () where none leads to success.

  Args:
    costs: f32[A], cost to success by way of each action.
  """
  if math.isinf(costs.min()):
    return ()
  return tuple(
    int(a) for a in np.flatnonzero(costs <= costs.min() + _TOLERANCE)
  )


def target_weights(costs: np.ndarray, regret_scale: float) -> dict[int, float]:
  """Action -> target probability, the best actions first; sums to 1.

  An action with regret r (cost minus the least cost) has weight
  exp(-r / regret_scale) relative to the best one. Weights below a twentieth
  of the best are set to 0 and left out.

  Args:
    costs: f32[A], as in `best_actions`.
    regret_scale: in the unit of the costs; 0 admits the best actions alone.
  """
  best = best_actions(costs)
  if not best or regret_scale == 0:
    return dict.fromkeys(best, 1 / max(len(best), 1))
  weights = np.exp((costs.min() - costs.astype(np.float64)) / regret_scale)
  weights[list(best)] = 1.0
  weights[weights < _SMALLEST_WEIGHT] = 0.0
  weights /= weights.sum()
  order = np.argsort(-weights, kind="stable")
  return {int(a): float(weights[a]) for a in order if weights[a]}


def random_action_regret(costs: np.ndarray, legal: np.ndarray) -> np.ndarray:
  """f64[...]: the mean regret of a legal action chosen uniformly at random.

  At most 100 an action; 0 where there is no success or no legal action.

  Args:
    costs: f[..., A], inf where there is no success.
    legal: bool[..., A].
  """
  best = np.where(legal, costs, np.inf).min(-1, keepdims=True)
  with np.errstate(invalid="ignore"):  # inf - inf where there is no success
    regret = np.minimum(costs - best, _LARGEST_REGRET)
  regret = np.where(legal & np.isfinite(best), regret, 0.0)
  return regret.sum(-1) / np.maximum(legal.sum(-1), 1)

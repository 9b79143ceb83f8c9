"""Statistics over episodes: success rates, measures, and their intervals."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.evaluate import stats
from glimo_jax.play.loop import ENDS, Episode


def successes(runs: Sequence[Sequence[Episode]]) -> np.ndarray:
  """f64[S, N]: success on each level (column) in each run (row).

  Raises:
    ValueError: the runs played different levels.
  """
  levels = [[(e.index, e.depth, e.optimal_steps) for e in run] for run in runs]
  if any(level != levels[0] for level in levels):
    raise ValueError("runs over different levels are not paired")
  return np.array([[e.success for e in run] for run in runs], np.float64)


def spl(runs: Sequence[Sequence[Episode]]) -> np.ndarray | None:
  """f64[S, N]: success weighted by path length, where the shortest is known.

  S * optimal / max(steps, optimal), 0 on a failure (Anderson et al. 2018, "On
  Evaluation of Embodied Navigation Agents", equation 1,
  https://arxiv.org/abs/1807.06757). Levels without a known shortest way are
  left out; None if that is all of them.

  Raises:
    ValueError: the runs played different levels.
  """
  won_SxN = successes(runs)
  shortest_N = np.array([e.optimal_steps for e in runs[0]], np.float64)
  steps_SxN = np.array([[e.steps for e in run] for run in runs], np.float64)
  known_N = shortest_N > 0
  if not known_N.any():
    return None
  share_SxN = shortest_N / np.maximum(np.maximum(steps_SxN, shortest_N), 1)
  return (won_SxN * share_SxN)[:, known_N]


def measures(runs: Sequence[Sequence[Episode]]) -> dict[str, np.ndarray]:
  """name -> f64[S, N], as `successes`: measures that all episodes have."""
  shape = successes(runs).shape  # also: the same levels
  rows = [episode.measures for run in runs for episode in run]
  names = [n for n in rows[0] if all(n in m for m in rows)] if rows else []
  return {
    name: np.array([m[name] for m in rows], np.float64).reshape(shape)
    for name in names
  }


def summary(runs: Sequence[Sequence[Episode]]) -> dict[str, Any]:
  """{"mean", "lo", "hi", "n"} of success, and its parts.

  One run is a proportion (Wilson); several are a mean over levels and seeds.
  Further keys: `by_depth`, `ended` (episodes by ending), `spl` (see `spl`, with
  the keys of success; absent where it is not known), `steps_over_optimal` (mean
  over successes; None without any), `measures` (the world's own, each with the
  keys of success).

  Raises:
    ValueError: no episode was played, or the runs played different levels.
  """
  won_SxN = successes(runs)
  if won_SxN.size == 0:
    raise ValueError("no episode was played: play at least one level")
  episodes = [episode for run in runs for episode in run]
  depths = np.array([episode.depth for episode in runs[0]])
  ratios = [
    episode.steps / episode.optimal_steps
    for episode in episodes
    if episode.success and episode.optimal_steps > 0
  ]
  weighted = spl(runs)
  return {
    **_rate(won_SxN).as_dict(),
    **({} if weighted is None else {"spl": _rate(weighted).as_dict()}),
    "by_depth": {
      str(depth): _rate(won_SxN[:, depths == depth]).as_dict()
      for depth in np.unique(depths)
    },
    "ended": {end: sum(e.ended == end for e in episodes) for end in ENDS},
    "steps_over_optimal": float(np.mean(ratios)) if ratios else None,
    "measures": {
      name: _rate(values).as_dict() for name, values in measures(runs).items()
    },
  }


def _rate(values_SxN: np.ndarray) -> stats.Interval:
  """The mean: by Wilson for one run of zeros and ones, else by a bootstrap."""
  seeds, n = values_SxN.shape
  proportion = bool(np.isin(values_SxN, (0.0, 1.0)).all())
  if n > 1 and (seeds > 1 or not proportion):
    rate = stats.bootstrap(values_SxN)
    if proportion:  # the seeds' part is symmetric and may leave [0, 1]
      rate = dataclasses.replace(rate, lo=max(rate.lo, 0), hi=min(rate.hi, 1))
    return rate
  if proportion:
    return stats.wilson(int(values_SxN.sum()), seeds * n)
  return stats.Interval(float(values_SxN.mean()), math.nan, math.nan, n)

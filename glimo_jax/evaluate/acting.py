"""Closed-loop play: a policy reads a text, acts, and reads what came of it."""

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from glimo_jax.evaluate import stats

ENDS = ("success", "failed", "truncated", "exhausted", "error")


class Policy(Protocol):
  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """How good each action is, f[B, A]: higher is better.

    -inf never to be chosen; a row of nan where the policy has failed.

    Args:
      texts: the world's words for each live episode.
      rows: where these episodes stand in the TextWorld's batch.
    """


@dataclasses.dataclass(frozen=True)
class Episode:
  """One episode as it was played.

  Attributes:
    index: the level's index in its pool.
    depth: the level's chain depth (or family).
    success: whether the goal was reached.
    steps: actions taken.
    optimal_steps: fewest actions that succeed; -1 where there is no way.
    texts: what was read before each action, and what was read last.
    actions: the action words taken.
    ended: one of ENDS: failed in an accident, say; truncated by the world or by
      `max_steps`; exhausted when nothing was untried on the text; error when
      the policy failed.
    measures: what else the world tells of an episode, at its end.
  """

  index: int
  depth: int
  success: bool
  steps: int
  optimal_steps: int
  texts: tuple[str, ...]
  actions: tuple[str, ...]
  ended: str
  measures: Mapping[str, float] = dataclasses.field(default_factory=dict)


def play(
  policy: Policy,
  text_world,
  indices: Sequence[int],
  *,
  untried: bool = True,
  seed: int = 0,
  max_steps: int,
  deterministic: bool = True,
  progress: Callable[[int, int], Any] | None = None,
) -> list[Episode]:
  """Plays one episode of each level, all in lock step.

  Only live episodes are scored. Ties are broken by lot, the same lot for the
  same seed, level and step.

  Args:
    policy: scores actions.
    text_world: a `simulators.text_world.TextWorld`.
    indices: levels to play.
    untried: the untried-action rule: never the same action again on the same
      text within an episode. False plays plainly greedily.
    seed: of the episodes' keys and of ties.
    max_steps: actions after which an episode is truncated.
    deterministic: whether a text from which everything has been tried ends
      the episode. Otherwise its actions may be tried afresh.
    progress: called with (episodes ended, episodes) after each step.

  Returns:
    One Episode for each index, in their order.

  Raises:
    ValueError: max_steps < 1, or scores of another shape than [B, A].
  """
  if max_steps < 1:
    raise ValueError(f"max_steps {max_steps} must be at least 1")
  if not len(indices):
    return []
  texts = text_world.reset(indices, seed=seed)
  optimal = np.asarray(text_world.oracle()).min(1)
  records = [
    _Record(text, _measures(text_world, row)) for row, text in enumerate(texts)
  ]
  live = list(range(len(indices)))
  for step in range(max_steps):
    shown = [texts[row] for row in live]
    scores = np.asarray(policy.scores(shown, live), np.float64)
    shape = (len(live), len(text_world.actions))
    if scores.shape != shape:
      raise ValueError(f"policy scores are {scores.shape}, not [B, A] {shape}")
    actions = np.zeros(len(indices), np.int32)
    for row, score in zip(live, scores, strict=True):
      record = records[row]
      if np.isnan(score).any():
        record.ended = "error"
        continue
      if untried:
        score = record.untried(score, deterministic)
      if not np.isfinite(score).any():
        record.ended = "exhausted"
        continue
      lot = np.random.default_rng([seed, int(indices[row]), step])
      actions[row] = np.lexsort((lot.random(len(score)), score))[-1]
      record.tried[record.texts[-1]].add(int(actions[row]))
    acting = [row for row in live if not records[row].ended]
    if acting:
      texts, _, done = text_world.step(actions)
      for row in acting:
        records[row].took(
          text_world.actions[actions[row]],
          texts[row],
          _measures(text_world, row),
        )
        if done[row]:
          records[row].ended = _end(text_world, row)
    live = [row for row in acting if not records[row].ended]
    if progress is not None:
      progress(len(indices) - len(live), len(indices))
    if not live:
      break
  depths = np.asarray(text_world.depths)
  return [
    record.episode(int(index), int(depth), best)
    for record, index, depth, best in zip(
      records, indices, depths, optimal, strict=True
    )
  ]


def _end(text_world, row: int) -> str:
  """How the world has ended an episode; it may not tell failed by itself."""
  if text_world.success[row]:
    return "success"
  failed = getattr(text_world, "failed", None)
  return "failed" if failed is not None and failed[row] else "truncated"


def _measures(text_world, row: int) -> dict[str, float]:
  """What the world tells of a row so far; a world may measure nothing."""
  measured = getattr(text_world, "measures", {})
  return {name: float(values[row]) for name, values in measured.items()}


class _Record:
  """An episode while it is played."""

  def __init__(self, text: str, measures: Mapping[str, float]):
    self.texts, self.measures = [text], measures
    self.actions: list[str] = []
    self.tried = collections.defaultdict(set)
    self.ended = ""

  def untried(self, score: np.ndarray, deterministic: bool) -> np.ndarray:
    """The scores, with -inf where the action was tried on this text."""
    tried = self.tried[self.texts[-1]]
    if len(tried) == len(score) and not deterministic:
      tried.clear()
    taken = np.isin(np.arange(len(score)), list(tried))
    return np.where(taken, -np.inf, score)

  def took(self, action: str, text: str, measures: Mapping[str, float]) -> None:
    self.actions.append(action)
    self.texts.append(text)
    self.measures = measures

  def episode(self, index: int, depth: int, optimal: float) -> Episode:
    return Episode(
      index=index,
      depth=depth,
      success=self.ended == "success",
      steps=len(self.actions),
      optimal_steps=int(optimal) if np.isfinite(optimal) else -1,
      texts=tuple(self.texts),
      actions=tuple(self.actions),
      ended=self.ended or "truncated",
      measures=self.measures,
    )


def successes(runs: Sequence[Sequence[Episode]]) -> np.ndarray:
  """f64[S, N]: success of each level (column) in each run (row).

  Raises:
    ValueError: the runs played other levels.
  """
  levels = [[(e.index, e.depth, e.optimal_steps) for e in run] for run in runs]
  if any(level != levels[0] for level in levels):
    raise ValueError("runs over different levels are not paired")
  return np.array([[e.success for e in run] for run in runs], np.float64)


def measures(runs: Sequence[Sequence[Episode]]) -> dict[str, np.ndarray]:
  """name -> f64[S, N], as `successes`: what every episode tells at its end."""
  shape = successes(runs).shape  # also: the same levels
  told = [episode.measures for run in runs for episode in run]
  names = [n for n in told[0] if all(n in m for m in told)] if told else []
  return {
    name: np.array([m[name] for m in told], np.float64).reshape(shape)
    for name in names
  }


def summary(runs: Sequence[Sequence[Episode]]) -> dict[str, Any]:
  """{"mean", "lo", "hi", "n"} of success, and what lies behind it.

  One run is a proportion (Wilson); several are a mean over levels and seeds.
  Beside it: `by_depth`, `ended` (episodes by ending), `steps_over_optimal`
  (mean over successes; None without any), `measures` (the world's own, where
  it has some, each as success is told).
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
  return {
    **_rate(won_SxN).as_dict(),
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
  """The mean: of one run of noes and yeses by Wilson, else by redraws."""
  seeds, n = values_SxN.shape
  proportion = bool(np.isin(values_SxN, (0.0, 1.0)).all())
  if n > 1 and (seeds > 1 or not proportion):
    told = stats.bootstrap(values_SxN)
    if proportion:  # seeds widen it evenly, also beyond what can be
      told = dataclasses.replace(told, lo=max(told.lo, 0), hi=min(told.hi, 1))
    return told
  if proportion:
    return stats.wilson(int(values_SxN.sum()), seeds * n)
  return stats.Interval(float(values_SxN.mean()), math.nan, math.nan, n)

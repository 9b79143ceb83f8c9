"""The closed loop: a policy reads a text, acts, and reads the new text."""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from simulators.text_world import (
  HasFailures,
  HasMeasures,
  HasTextOracle,
  TextWorldProtocol,
)

ENDS = ("success", "failed", "truncated", "exhausted", "error")


class Policy(Protocol):
  """Anything that can choose actions: it scores them, the loop takes the best.

  A policy that remembers its episodes may play only one batch.
  """

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """How good each action is, f[B, A]: higher is better.

    A score of -inf excludes an action; a row of nan says that the policy has
    failed on this text.

    Args:
      texts: the world's text for each of the B live episodes.
      rows: places of these episodes in the TextWorld's batch.
    """
    ...


@dataclasses.dataclass(frozen=True)
class Episode:
  """One finished episode.

  Attributes:
    index: the level's index in its pool.
    depth: the level's chain depth (or family).
    success: whether the goal was reached.
    steps: actions taken.
    optimal_steps: fewest actions that succeed; -1 where no actions succeed or
      if it was not measured.
    texts: the text before each action, and the last text.
    actions: the action words taken.
    ended: one of ENDS. `failed`: by an accident, for example; `truncated`: by
      the world or by `max_steps`; `exhausted`: every action was tried on the
      text; `error`: the policy failed.
    measures: the world's own measures at the end of the episode.
    instructions: what was to be achieved, at each of `texts`.
    scores: before each action, action word -> the policy's score, without the
      actions that were excluded.
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
  instructions: tuple[str, ...] = ()
  scores: tuple[Mapping[str, float], ...] = dataclasses.field(
    default=(), compare=False
  )


def play(
  policy: Policy,
  text_world: TextWorldProtocol,
  indices: Sequence[int] | np.ndarray,
  *,
  seeds: Sequence[int] | np.ndarray | None = None,
  untried: bool = True,
  seed: int = 0,
  max_steps: int,
  deterministic: bool = True,
  optimal: bool = True,
  progress: Callable[[int, int], object] | None = None,
) -> list[Episode]:
  """Plays one episode of each level, all in lock step.

  Only live episodes are scored. Equal scores are ordered at random; the order
  depends only on the seed, the level and the step.

  Args:
    policy: scores actions.
    text_world: the world, such as a `simulators.text_world.TextWorld`.
    indices: levels to play; may repeat.
    seeds: seed of each episode's key; None derives them from `seed`.
    untried: the untried-action rule: never the same action again on the same
      text within an episode. False plays plainly greedily.
    seed: of the order of equal scores, and of the episodes' keys.
    max_steps: actions after which an episode is truncated.
    deterministic: whether a text on which every action was tried ends the
      episode. Otherwise its actions may be tried again.
    optimal: whether to ask the world's oracle, if there is one, for
      `Episode.optimal_steps`.
    progress: called with (episodes ended, episodes) after each step.

  Returns:
    One Episode for each index, in their order.

  Raises:
    ValueError: max_steps < 1, or scores of another shape than [B, A].
  """
  if max_steps < 1:
    raise ValueError(f"max_steps {max_steps} must be at least 1: raise it")
  if not len(indices):
    return []
  # Seeds of single episodes are an extra of `TextWorld`.
  texts = text_world.reset(
    indices,  # pyright: ignore[reportArgumentType]
    seed if seeds is None else seeds,  # pyright: ignore[reportArgumentType]
  )
  shortest = np.full(len(indices), np.inf)
  if optimal and isinstance(text_world, HasTextOracle):
    shortest = np.asarray(text_world.oracle()).min(1)
  records = [_Record(text_world, row, text) for row, text in enumerate(texts)]
  live = list(range(len(indices)))
  for step in range(max_steps):
    shown = [texts[row] for row in live]
    scores = np.asarray(policy.scores(shown, live), np.float64)
    shape = (len(live), len(text_world.actions))
    if scores.shape != shape:
      raise ValueError(
        f"policy scores are {scores.shape}, not [B, A] {shape}: give a score "
        "for each action of each live episode"
      )
    actions = np.zeros(len(indices), np.int32)
    for row, score in zip(live, scores, strict=True):
      record = records[row]
      if np.isnan(score).any():
        record.ended = "error"
        continue
      if untried:
        score = untried_scores(
          score, record.tried[record.texts[-1]], deterministic
        )
      if not np.isfinite(score).any():
        record.ended = "exhausted"
        continue
      order = np.random.default_rng([seed, int(indices[row]), step])
      actions[row] = np.lexsort((order.random(len(score)), score))[-1]
      record.tried[record.texts[-1]].add(int(actions[row]))
      record.scores.append(_by_word(text_world.actions, score))
    acting = [row for row in live if not records[row].ended]
    if acting:
      texts, _, done = text_world.step(actions)  # pyright: ignore[reportArgumentType]
      for row in acting:
        record = records[row]
        record.act(text_world.actions[actions[row]])
        record.read(text_world, row, texts[row])
        if done[row]:
          record.ended = _end(text_world, row)
    live = [row for row in acting if not records[row].ended]
    if progress is not None:
      progress(len(indices) - len(live), len(indices))
    if not live:
      break
  return [
    record.episode(int(index), int(depth), best)
    for record, index, depth, best in zip(
      records, indices, np.asarray(text_world.depths), shortest, strict=True
    )
  ]


def untried_scores(
  score: np.ndarray, tried: set[int], deterministic: bool = True
) -> np.ndarray:
  """The scores f[A] of one text, with -inf where an action was tried.

  Args:
    score: of the actions.
    tried: those that were tried on the text. If all were and the world is not
      deterministic, it is emptied: they may be tried again.
    deterministic: as in `play`.
  """
  if len(tried) == len(score) and not deterministic:
    tried.clear()
  taken = np.isin(np.arange(len(score)), list(tried))
  return np.where(taken, -np.inf, score)


def _by_word(words: Sequence[str], score: np.ndarray) -> dict[str, float]:
  """Action word -> score, of the actions that may be taken."""
  return {
    word: round(float(value), 4)
    for word, value in zip(words, score, strict=True)
    if np.isfinite(value)
  }


def _end(text_world: TextWorldProtocol, row: int) -> str:
  """How the world ended an episode; some worlds have no `failed`."""
  if text_world.success[row]:
    return "success"
  failed = isinstance(text_world, HasFailures) and text_world.failed[row]
  return "failed" if failed else "truncated"


class _Record:
  """An episode while it is played."""

  def __init__(self, text_world: TextWorldProtocol, row: int, text: str):
    self.texts: list[str] = []
    self.instructions: list[str] = []
    self.actions: list[str] = []
    self.scores: list[Mapping[str, float]] = []
    self.measures: Mapping[str, float] = {}
    self.tried: dict[str, set[int]] = collections.defaultdict(set)
    self.ended = ""
    self.read(text_world, row, text)

  def act(self, action: str) -> None:
    self.actions.append(action)

  def read(self, text_world: TextWorldProtocol, row: int, text: str) -> None:
    """Adds a text with its instruction, and measures the episode."""
    self.texts.append(text)
    self.instructions.append(text_world.instruction[row])
    if isinstance(text_world, HasMeasures):
      values = text_world.measures
      self.measures = {name: float(values[name][row]) for name in values}

  def episode(self, index: int, depth: int, shortest: float) -> Episode:
    return Episode(
      index=index,
      depth=depth,
      success=self.ended == "success",
      steps=len(self.actions),
      optimal_steps=int(shortest) if np.isfinite(shortest) else -1,
      texts=tuple(self.texts),
      actions=tuple(self.actions),
      ended=self.ended or "truncated",
      measures=self.measures,
      instructions=tuple(self.instructions),
      scores=tuple(self.scores),
    )

"""Episodes as text, for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate.report.markup import escape, section, turns
from glimo_jax.play.loop import Episode

_SHOWN = 4  # pairs of episodes


def pairs(episodes: Mapping[str, Sequence[Episode]]) -> str:
  """Some levels as base and tuned model played them, side by side."""
  if not {"base", "tuned"} <= episodes.keys():
    return ""
  both = list(zip(episodes["base"], episodes["tuned"], strict=True))
  # First (lost, won) of (base, tuned), then (lost, lost), then (won, lost).
  order = [(False, True), (False, False), (True, False), (True, True)]
  groups = [
    [p for p in both if (p[0].success, p[1].success) == ends] for ends in order
  ]
  chosen = groups[0][:2] + groups[1][:1] + groups[2][:1] + groups[3][:1]
  parts = []
  for base, tuned in chosen[:_SHOWN]:
    parts.append(
      f"<h3>Level {base.index}, depth {base.depth}"
      f'{_shortest(base.optimal_steps)}</h3><div class="pair">'
      f"{_episode('base', base)}{_episode('tuned', tuned)}</div>"
    )
  return section("Episodes", "".join(parts)) if parts else ""


def _episode(arm: str, episode: Episode) -> str:
  return (
    f"<div><strong>{arm}</strong>: {episode.ended} after {episode.steps}"
    f"{turns(episode.texts, episode.actions)}</div>"
  )


def failures(failures: Sequence[Mapping[str, Any]]) -> str:
  """Failed episodes of every arm; "" where there are none."""
  parts = []
  for failure in failures:
    actions = [*failure["actions"], ""]  # none on the last text
    title = (
      f"{failure['arm']}, {failure['benchmark']}, level {failure['level']}, "
      f"depth {failure['depth']}: {failure['ended']}"
      f"{_shortest(failure['optimal_steps'])}"
    )
    parts.append(f"<h3>{escape(title)}</h3>{turns(failure['texts'], actions)}")
  return section("Failures", "".join(parts)) if parts else ""


def _shortest(optimal_steps: int) -> str:
  """The length of the shortest way, where it is known."""
  return f", shortest way {optimal_steps}" if optimal_steps >= 0 else ""

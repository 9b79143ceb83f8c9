"""Episodes for the page: films, texts side by side, failures with scores."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate.report.page.markup import (
  escape,
  folded,
  section,
  turns,
)
from glimo_jax.play.loop import Episode

_SHOWN = 4  # pairs of episodes


def films(gifs: Mapping[str, bytes]) -> str:
  """The same level as several arms played it; "" without a film.

  Args:
    gifs: caption -> a GIF.
  """
  figures = "".join(
    f"<figure><figcaption>{escape(caption)}</figcaption>"
    f'<img alt="{escape(caption)}" src="data:image/gif;base64,'
    f'{base64.b64encode(gif).decode()}"></figure>'
    for caption, gif in gifs.items()
  )
  if not figures:
    return ""
  body = f'<div class="films">{figures}</div>'
  return section("The same level, before and after", body)


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
    title = (
      f"Level {base.index}, depth {base.depth}{_shortest(base.optimal_steps)}: "
      f"base {_outcome(base)}, tuned {_outcome(tuned)}"
    )
    both_texts = f"{_episode('base', base)}{_episode('tuned', tuned)}"
    parts.append(folded(title, f'<div class="pair">{both_texts}</div>'))
  return section("Episodes", "".join(parts)) if parts else ""


def _outcome(episode: Episode) -> str:
  return "solves it" if episode.success else episode.ended


def _episode(arm: str, episode: Episode) -> str:
  return (
    f"<div><strong>{arm}</strong>: {episode.ended} after {episode.steps}"
    f"{turns(episode.texts, episode.actions)}</div>"
  )


def failures(failures: Sequence[Mapping[str, Any]]) -> str:
  """Failed episodes, each text with the scores of the actions; "" if none."""
  parts = []
  for failure in failures:
    actions, scores = failure["actions"], failure.get("scores", ())
    title = (
      f"{failure['arm']}, {failure['benchmark']}, level {failure['level']}, "
      f"depth {failure['depth']}: {failure['ended']}"
      f"{_shortest(failure['optimal_steps'])}{_solvers(failure)}"
    )
    words = list(dict.fromkeys(word for step in scores for word in step))
    notes = [
      _scores(step, words, action)
      for step, action in zip(scores, actions, strict=False)
    ]
    parts.append(folded(title, turns(failure["texts"], actions, notes)))
  if not parts:
    return ""
  note = (
    "<p>What the model read, what it did, and the score of each action, for a "
    "language model its log-probability. An action that was tried on the same "
    "text before has no score.</p>"
  )
  return section("Failures", note + "".join(parts))


def _scores(
  step: Mapping[str, float], words: Sequence[str], chosen: str
) -> str:
  """The scores of one step, in the same order of actions at every step."""
  spans = []
  for word in words:
    score = f"{step[word]:.2f}" if word in step else "tried"
    css = ' class="chosen"' if word == chosen else ""
    spans.append(f"<span{css}>{escape(word)} {score}</span>")
  return f'<div class="scores">{"".join(spans)}</div>'


def _solvers(failure: Mapping[str, Any]) -> str:
  solvers = failure.get("solved_by", ())
  return f"; solved by {', '.join(solvers)}" if solvers else ""


def _shortest(optimal_steps: int) -> str:
  """The length of the shortest way, where it is known."""
  return f", shortest way {optimal_steps}" if optimal_steps >= 0 else ""

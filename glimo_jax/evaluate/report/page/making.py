"""How the model was made: its rows, its training, its cost, its commands."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate.report.page import charts
from glimo_jax.evaluate.report.page.markup import (
  duration,
  escape,
  folded,
  section,
  table,
)
from glimo_jax.types import VERDICTS

Values = Mapping[str, Any]  # a part of report.json

_CURVES = {
  "loss": "loss",
  "ce": "cross-entropy of the answers (nats a token)",
  "kl": "KL to the base model (nats a token)",
}
_MET = {
  "texts": "different texts",
  "words": "different words",
  "levels": "different levels",
  "families": "different depths or families",
  "rule_uses": "different uses of rules",
  "new": "share of moments with a new text",
}
_STAGES = ("collect", "annotate", "train", "improve", "evaluate")


def dataset(counts: Values) -> str:
  """What became of the planned rows, by who wrote them and by kind."""
  if not counts:
    return ""
  names = ("planned", *VERDICTS)
  parts = {"all": counts, **counts.get("by_source", {})}
  bars = "".join(
    charts.stack(
      [(name, row.get(name, 0)) for name in VERDICTS],
      f"{row.get('verified', 0)} of {row.get('planned', 0)}",
      f"verified, {source}",
    )
    for source, row in parts.items()
  )
  body = f'<div class="chart">{bars}</div>' + _counted("rows", names, parts)
  kinds = counts.get("by_kind", {})
  if kinds:
    body += folded("By kind", _counted("kind", names, kinds))
  return section("Dataset", body)


def _counted(title: str, names: Sequence[str], parts: Values) -> str:
  rows = [
    [part, *(counts.get(name, 0) for name in names)]
    for part, counts in parts.items()
  ]
  return table([title, *names], rows)


def quality(measured: Values) -> str:
  """How varied the rows are; empty in reports of older runs."""
  words = {
    "rows": "rows",
    "distinct_1": "distinct words, share",
    "distinct_2": "distinct pairs of words, share",
    "self_bleu": "similarity of texts (self-BLEU)",
    "novel": "novel texts (ROUGE-L below 0.7 with all others), share",
    "vendi": "different meanings (Vendi score)",
    "spread": "spread of meanings (mean cosine distance)",
    "states": "distinct states",
    "unseen": "chance that the next row shows a new state",
  }
  rows = [
    [label, value if isinstance(value, int) else f"{value:.3g}"]
    for name, label in words.items()
    if (value := measured.get(name)) is not None
  ]
  return section("Variety of the rows", table(["", ""], rows)) if rows else ""


def coverage(measured: Values) -> str:
  """What the collected episodes met; empty in reports of older runs."""
  episodes = measured.get("episodes", ())
  if len(episodes) < 2:
    return ""
  parts = [
    charts.curve(words, list(zip(episodes, measured[name], strict=True)), ())
    for name, words in _MET.items()
    if name in measured
  ]
  note = (
    "<p>Over the episodes that were played, in an order drawn at random; most "
    "of their moments were not kept. Faint: each value; full: moving mean.</p>"
  )
  body = f'{note}<div class="curves">{"".join(parts)}</div>'
  return section("Coverage of the collection", body)


def curves(metrics: Sequence[Values]) -> str:
  """Loss, cross-entropy and KL over the steps of training."""
  starts = _phase_starts(metrics)
  parts = [
    charts.curve(words, points, starts)
    for name, words in _CURVES.items()
    if len(points := [(r["step"], r[name]) for r in metrics if name in r]) > 1
  ]
  body = f'<div class="curves">{"".join(parts)}</div>'
  return section("Training", body) if parts else ""


def _phase_starts(metrics: Sequence[Values]) -> list[tuple[int, str]]:
  """The first step of each phase, with its name."""
  starts: dict[str, int] = {}
  for row in metrics:
    phase = row.get("phase", row.get("stage", ""))  # `stage` in older runs
    starts.setdefault(str(phase), row["step"])
  return [(step, phase) for phase, step in starts.items() if phase]


def cost(values: Values) -> str:
  """Time by stage, memory, and what the teacher was asked."""
  wall = values.get("wall_s", {})
  total = wall.get("total") or sum(wall.values())
  bars = "".join(
    charts.stack(
      [("", seconds), ("rest", max(total - seconds, 0))],
      duration(seconds),
      stage,
    )
    for stage, seconds in wall.items()
    if stage != "total"
  )
  if wall:
    bars += charts.stack([("", 1)], duration(total), "all")
  rows = [["peak memory (GiB)", values.get("peak_gib", "-")]]
  counts = values.get("dataset", {})
  if "requests" in counts:
    rows.append(["requests to the teacher", f"{counts['requests']:,}"])
  for name, tokens in counts.get("tokens", {}).items():
    rows.append([f"{name} tokens of the teacher", f"{tokens:,}"])
  for arm, runs in values.get("arms", {}).items():
    trained = [duration(s) for s in runs.get("train_s", ()) if s is not None]
    if trained:
      rows.append([f"training of {arm}", ", ".join(trained)])
  body = f'<div class="chart">{bars}</div>'
  return section("Cost and time", body + table(["", ""], rows))


def run(values: Values) -> str:
  """The commands that give this page, the commit, and what it ran with."""
  parts = []
  command = values.get("command")
  if command:
    parts.append(f"<p>This report:</p><pre>{escape(command)}</pre>")
    alone = _alone(command)
    if alone:
      lines = "\n".join(alone)
      parts.append(
        "<p>Its stages alone, and the tuned model at play on a test level:</p>"
        f"<pre>{escape(lines)}</pre>"
      )
  commit = values.get("commit", "unknown")
  rows = [["commit", commit]]
  rows += [
    [f"commit of {stage}", other]
    for stage, other in values.get("commits", {}).items()
    if other != commit
  ]
  rows += [[f"seed of {n}", s] for n, s in _named(values.get("seeds")).items()]
  parts.append(table(["", ""], rows))
  versions = [[name, v] for name, v in values.get("versions", {}).items()]
  if versions:
    parts.append(folded("Versions", table(["", ""], versions)))
  config = values.get("config")
  if config:
    text = escape(json.dumps(config, indent=1))
    parts.append(folded("All settings", f"<pre>{text}</pre>"))
  return section("Run", "".join(parts))


def _named(seeds: Any) -> Values:
  return seeds if isinstance(seeds, Mapping) else {}


def _alone(command: str) -> list[str]:
  """The stages of the command of a whole run, and the one to watch it play."""
  start, found, flags = command.partition("launch.pipeline ")
  if not found:
    return []
  workdir = next((f for f in flags.split() if f.startswith("--workdir=")), "")
  stages = [f"{start}launch.{stage} {flags}" for stage in _STAGES]
  if not workdir:
    return stages
  play = f"{start}launch.play {workdir} --player=model --split=test"
  return [*stages, play]

"""Cells of the report's tables, the same in a terminal and on a page."""

from collections.abc import Mapping, Sequence
from typing import Any

_EASY = 0.6  # success of a scripted reader

Values = Mapping[str, Any]  # {"mean", "lo", "hi", ...}

_RETENTION = {
  "chat_kl": "chats, KL to the base (nats/token)",
  "first_token_kl": "chats, KL on the first token (nats)",
  "collapsed": "chats, collapsed answers (share)",
  "instructions": "instructions followed (share)",
}


def measured(
  benchmarks: Mapping[str, Mapping[str, Any]], arms: Sequence[str]
) -> list[tuple[str, list[Values | None]]]:
  """Rows of (benchmark and measure, each arm's interval or None).

  Measures are success, SPL, questions and the world's own, where any arm has
  them.
  """
  rows = []
  for name, by_arm in benchmarks.items():
    of_arm = {
      arm: {
        **{
          name: values
          for name, values in (
            ("success", found.get("success")),
            ("spl", found.get("success", {}).get("spl")),
            ("qa", found.get("qa")),
          )
          if values
        },
        **found.get("success", {}).get("measures", {}),
      }
      for arm, found in by_arm.items()
      if arm in arms
    }
    for measure in dict.fromkeys(m for row in of_arm.values() for m in row):
      cells = [of_arm.get(arm, {}).get(measure) for arm in arms]
      rows.append((f"{name} {measure}", cells))
  return rows


def asked(
  values: Mapping[str, Any],
) -> list[tuple[str, str, str, str]]:
  """Rows of (model, what it was asked for, way, every way's rate on `val`).

  Args:
    values: of report.json; older ones have no such rows.
  """
  rows = []
  for model, ways in values.get("asked", {}).items():
    for what, way in ways.items():
      rates = values["asked_on_val"][model][what]
      tried = [f"{name} {interval(rate)}" for name, rate in rates.items()]
      rows.append((model, what, way, ", ".join(tried)))
  return rows


def too_easy(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
  """Benchmark -> success of the scripted reader, where it is above _EASY.

  There the text gives the way to act away; it is no measure of a model.
  """
  scripts = {
    name: arms["script"]["success"]["mean"]
    for name, arms in benchmarks.items()
    if "success" in arms.get("script", {})
  }
  return {name: mean for name, mean in scripts.items() if mean > _EASY}


def kept(
  language: Mapping[str, Mapping[str, Any]],
  retention: Mapping[str, Mapping[str, Values]],
  arms: Sequence[str],
) -> list[tuple[str, list[str]]]:
  """Rows of what the model has kept: (text or measure, each arm's cell)."""
  rows = []
  for text, row in language.items():
    bits = [
      f"{row[arm]['bits_per_byte']:.4f}" if arm in row else "-" for arm in arms
    ]
    rows.append((f"{text} bits/byte", bits))
  for name, row in retention.items():
    cells = [interval(row.get(arm)) for arm in arms]
    rows.append((_RETENTION[name], cells))
  return rows


def interval(values: Values | None) -> str:
  """Mean and interval; `-` where nothing was measured."""
  if not values or values["mean"] is None:
    return "-"
  return f"{values['mean']:.3f} {span(values)}".strip()


def span(values: Values) -> str:
  """The interval, if it is defined, and whether it is of one training."""
  words = []
  if values["lo"] is not None:
    words.append(f"[{values['lo']:.3f}, {values['hi']:.3f}]")
  if values.get("seeds") == 1:
    words.append("(one training)")
  return " ".join(words)

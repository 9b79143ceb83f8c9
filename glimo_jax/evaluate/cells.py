"""What a table of the report shows in its cells, in a terminal as on a page."""

from collections.abc import Mapping, Sequence
from typing import Any

Values = Mapping[str, Any]  # {"mean", "lo", "hi", ...}


def measured(
  benchmarks: Mapping[str, Mapping[str, Any]], arms: Sequence[str]
) -> list[tuple[str, list[Values | None]]]:
  """(benchmark and measure, each arm's interval or None) for every row.

  Success, questions and the world's own measures, where any arm has one.
  """
  rows = []
  for name, by_arm in benchmarks.items():
    told = {
      arm: {
        **{m: found[m] for m in ("success", "qa") if m in found},
        **found.get("success", {}).get("measures", {}),
      }
      for arm, found in by_arm.items()
      if arm in arms
    }
    for measure in dict.fromkeys(m for row in told.values() for m in row):
      cells = [told.get(arm, {}).get(measure) for arm in arms]
      rows.append((f"{name} {measure}", cells))
  return rows


def interval(values: Values | None) -> str:
  """Mean and range; `-` where nothing was measured."""
  if not values or values["mean"] is None:
    return "-"
  return f"{values['mean']:.3f} {span(values)}".strip()


def span(values: Values) -> str:
  """The range alone; empty where it cannot be told."""
  if values["lo"] is None:
    return ""
  return f"[{values['lo']:.3f}, {values['hi']:.3f}]"

"""Whether a new run shows what an earlier report states.

A figure is reproduced where the new mean lies within the stated interval. That
interval is of the levels, so a run on the same levels should rarely leave it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SECTIONS = ("benchmarks", "retention", "comparisons")
_FIGURE = {"mean", "lo", "hi"}
_ROUNDING = 1e-6  # of figures whose interval is a point


class Verdict(NamedTuple):
  """One figure.

  Attributes:
    name: such as `benchmarks agentworld/test tuned success`.
    stated: {"mean", "lo", "hi"}.
    found: the new mean; nan where the new report lacks it.
  """

  name: str
  stated: Mapping[str, float]
  found: float

  @property
  def holds(self) -> bool:
    """Whether the new mean lies within the stated interval."""
    low, high = self.stated["lo"], self.stated["hi"]
    return low - _ROUNDING <= self.found <= high + _ROUNDING


def compare(
  stated: Mapping[str, Any], found: Mapping[str, Any]
) -> list[Verdict]:
  """A verdict for each figure with an interval, in the stated order.

  Args:
    stated: report.json of the earlier run.
    found: of the new one. What it has in addition is not looked at.

  Raises:
    ValueError: nothing is stated.
  """
  # A report has null for what cannot be computed, such as some headlines.
  means = {
    name: float(values["mean"])
    for name, values in figures(found)
    if values["mean"] is not None
  }
  verdicts = [
    Verdict(name, values, means.get(name, math.nan))
    for name, values in figures(stated)
    if all(values[part] is not None for part in _FIGURE)
  ]
  if not verdicts:
    raise ValueError(
      "the stated report has no figure with an interval: give a report.json"
    )
  return verdicts


def figures(
  report: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, float]]]:
  """(name, {"mean", "lo", "hi"}) of a report; no parts of a figure."""

  def walk(name: str, values: Any) -> Iterator[tuple[str, Mapping[str, float]]]:
    if not isinstance(values, Mapping):
      return
    if values.keys() >= _FIGURE:
      yield name, values
      return
    for key, inner in values.items():
      yield from walk(f"{name} {key}", inner)

  for section in _SECTIONS:
    yield from walk(section, report.get(section, {}))


def left_out(stated: Mapping[str, Any]) -> str:
  """A line about the bits per byte, which are not compared; "" without any."""
  texts = stated.get("language", {})
  number = sum(len(arms) for arms in texts.values())
  if not number:
    return ""
  return (
    f"left out: {number} bits per byte of {', '.join(texts)}, which have no "
    "interval; ratios of tuned to base, under comparisons language, have one"
  )


def table(verdicts: list[Verdict]) -> str:
  """A line for each figure, and one for the whole."""
  lines = [_line(verdict) for verdict in verdicts]
  held = sum(verdict.holds for verdict in verdicts)
  lines.append(f"{held} of {len(verdicts)} figures lie within their intervals")
  return "\n".join(lines)


def _line(verdict: Verdict) -> str:
  name, stated, found = verdict
  sign = "ok  " if verdict.holds else "MISS"
  new = "missing" if math.isnan(found) else f"{found:.3f}"
  interval = f"[{stated['lo']:.3f}, {stated['hi']:.3f}]"
  return f"{sign} {name}: {stated['mean']:.3f} {interval}, now {new}"

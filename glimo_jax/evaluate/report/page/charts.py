"""Bars, intervals and curves of plain HTML and SVG, without a script.

Labels are text of the page, so that they stay readable on a narrow screen.
"""

from collections.abc import Mapping, Sequence

from glimo_jax.evaluate.report.page.markup import escape

_SMOOTHED = 20  # windows of steps that a curve is averaged over


def bars(rows: Sequence[tuple[str, Mapping | None, str]]) -> str:
  """Horizontal bars of shares in 0..1 with their intervals.

  Args:
    rows: (label, {"mean", "lo", "hi", "n"} or None, CSS class). A label that is
      that of the row above is not repeated.
  """
  out, last = [], None
  for label, interval, css in rows:
    if interval is None or interval["mean"] is None:
      continue
    mean = interval["mean"]
    track = f'<div class="fill" style="width:{100 * mean:.1f}%"></div>'
    track += _whisker(interval, lambda share: 100 * share)
    value = f"{mean:.2f} <small>{_ends(interval)} n {interval['n']}</small>"
    new = label != last
    name = f"{escape(label)} " if new else ""
    out.append(_row(f"{css}{' next' * new}", name, track, value))
    last = label
  return f'<div class="chart">{"".join(out)}</div>'


def forest(
  rows: Sequence[tuple[str, Mapping, str]], *, share: bool = False
) -> str:
  """Figures with their intervals on one axis.

  Args:
    rows: (label, {"mean", "lo", "hi", "n"}, CSS class).
    share: whether the axis is 0..1. Otherwise it has 0 in the middle, and ends
      at the largest interval; one that is five times wider than most is cut.
  """
  drawn = [row for row in rows if row[1]["mean"] is not None]
  if not drawn:
    return ""
  low, high = (0.0, 1.0) if share else _range([row for _, row, _ in drawn])

  def place(value: float) -> float:
    return 100 * min(max((value - low) / (high - low), 0.0), 1.0)

  form = ".2f" if share else "+.3f"
  out = []
  for label, row, css in drawn:
    track = "" if share else f'<div class="zero" style="left:{place(0):.1f}%">'
    track += "" if share else "</div>"
    track += _whisker(row, place)
    track += f'<div class="dot" style="left:{place(row["mean"]):.1f}%"></div>'
    value = f"{row['mean']:{form}} <small>{_ends(row, form)}</small>"
    out.append(_row(css, escape(label), track, value))
  ends = [f"<span>{end:{'.0f' if share else '+.2f'}}</span>"
          for end in (low, high)]  # fmt: skip
  axis = f'<div class="axis">{"".join(ends)}</div>'
  out.append(f'<div class="row"><span></span>{axis}<span></span></div>')
  return f'<div class="chart">{"".join(out)}</div>'


def stack(parts: Sequence[tuple[str, float]], value: str, label: str) -> str:
  """One bar of parts that add up to the whole.

  Args:
    parts: (CSS class, amount).
    value, label: beside it.
  """
  whole = sum(amount for _, amount in parts) or 1
  spans = "".join(
    f'<span class="{escape(css)}" style="width:{100 * amount / whole:.2f}%">'
    "</span>"
    for css, amount in parts
  )
  return (
    f'<div class="row"><span>{escape(label)}</span>'
    f'<div class="stack">{spans}</div>'
    f'<span class="value">{escape(value)}</span></div>'
  )


def curve(
  name: str,
  points: Sequence[tuple[int, float]],
  starts: Sequence[tuple[int, str]],
) -> str:
  """A curve through (step, value), and its moving mean; the axis includes 0.

  Args:
    name: what is shown.
    points: at least one, by step.
    starts: (first step, name) of each phase, marked by a line.
  """
  steps, values = zip(*points, strict=True)
  x0, x1, y0, y1 = min(steps), max(steps), min(0, *values), max(values)
  span_x, span_y = (x1 - x0) or 1, (y1 - y0) or 1

  def at(step: float, value: float) -> str:
    x, y = (step - x0) / span_x, 1 - (value - y0) / span_y
    return f"{100 * x:.2f},{100 * y:.2f}"

  raw = " ".join(at(*point) for point in points)
  wide = max(len(points) // _SMOOTHED, 1)
  mean = " ".join(
    at(step, sum(part) / len(part))
    for i, step in enumerate(steps)
    for part in [values[max(i - wide + 1, 0) : i + 1]]
  )
  marks = "".join(
    f'<line x1="{x}" x2="{x}" y1="0" y2="100"/>'
    for step, _ in starts[1:]
    for x in [at(step, 0).split(",")[0]]
  )
  phases = ", ".join(f"{phase} from {step}" for step, phase in starts)
  return (
    f"<figure><figcaption>{escape(name)}</figcaption>"
    '<div class="plot"><svg viewBox="0 0 100 100" preserveAspectRatio="none" '
    f'role="img" aria-label="{escape(name)}">{marks}'
    f'<polyline class="raw" points="{raw}"/><polyline points="{mean}"/></svg>'
    f'<small class="top">{y1:.3g}</small></div><div class="axis">'
    f"<span>{x0}</span><span>{escape(phases)}</span><span>{x1}</span></div>"
    "</figure>"
  )


def _row(css: str, label: str, track: str, value: str) -> str:
  return (
    f'<div class="row {escape(css)}"><span>{label}</span>'
    f'<div class="track">{track}</div><span class="value">{value}</span></div>'
  )


def _whisker(interval: Mapping, place) -> str:
  if interval["lo"] is None:
    return ""
  low, high = place(interval["lo"]), place(interval["hi"])
  low = min(low, 99.7)  # a point at the end stays in the chart
  width = max(high - low, 0.3)
  return (
    f'<div class="whisker" style="left:{low:.1f}%;width:{width:.1f}%"></div>'
  )


def _ends(interval: Mapping, form: str = ".2f") -> str:
  if interval["lo"] is None:
    return ""
  return f"[{interval['lo']:{form}}, {interval['hi']:{form}}]"


def _range(rows: Sequence[Mapping]) -> tuple[float, float]:
  """The ends of an axis around 0 that shows most of the intervals whole."""
  reach = sorted(
    max(abs(row[end]) for end in ("mean", "lo", "hi") if row[end] is not None)
    for row in rows
  )
  most = reach[int(0.9 * (len(reach) - 1))]
  half = max(reach[-1] if reach[-1] < 5 * most else 1.2 * most, 0.01)
  return -half, half

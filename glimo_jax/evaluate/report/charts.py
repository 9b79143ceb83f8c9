"""Bars and curves as SVG, without a library or a script."""

import html
from collections.abc import Mapping, Sequence


def bars(rows: Sequence[tuple[str, Mapping | None, str]]) -> str:
  """Horizontal bars of shares in 0..1 with their intervals.

  Args:
    rows: (label, {"mean", "lo", "hi", "n"} or None, CSS class).
  """
  width, left, height = 360, 150, 20
  out = []
  for i, (label, interval, css) in enumerate(rows):
    if interval is None:
      continue
    y = i * height
    mean, lo, hi = (interval[key] or 0.0 for key in ("mean", "lo", "hi"))
    middle = y + height / 2 - 2
    out.append(
      f'<text x="0" y="{y + 13}">{html.escape(label)}</text>'
      f'<rect class="{html.escape(css)}" x="{left}" y="{y + 2}" '
      f'width="{width * mean:.1f}" height="{height - 8}"/>'
      f'<line x1="{left + width * lo:.1f}" x2="{left + width * hi:.1f}" '
      f'y1="{middle}" y2="{middle}" stroke="#111"/>'
      f'<text x="{left + width + 10}" y="{y + 13}">{mean:.2f} '
      f"(n {interval['n']})</text>"
    )
  size = f'width="{left + width + 110}" height="{len(rows) * height}"'
  return f'<svg class="bars" {size} role="img">{"".join(out)}</svg>'


def forest(rows: Sequence[tuple[str, Mapping]]) -> str:
  """Differences with their intervals, around a line at 0.

  Args:
    rows: (label, {"mean", "lo", "hi", "n"}).
  """
  width, left, height = 360, 220, 20
  widest = max(max(abs(row["lo"]), abs(row["hi"])) for _, row in rows)
  half = max(widest, 0.05)

  def x(value: float) -> str:
    return f"{left + (1 + value / half) * width / 2:.1f}"

  out = [
    f'<line x1="{x(0)}" x2="{x(0)}" y1="0" y2="{len(rows) * height}" '
    'stroke="#ccc"/>'
  ]
  for i, (label, row) in enumerate(rows):
    y = i * height + height / 2
    out.append(
      f'<text x="0" y="{y + 4}">{html.escape(label)}</text>'
      f'<line x1="{x(row["lo"])}" x2="{x(row["hi"])}" y1="{y}" y2="{y}" '
      f'stroke="#111"/><circle cx="{x(row["mean"])}" cy="{y}" r="4" '
      'fill="#1f5fbf"/>'
      f'<text x="{left + width + 10}" y="{y + 4}">{row["mean"]:+.3f} '
      f"[{row['lo']:+.3f}, {row['hi']:+.3f}]</text>"
    )
  size = f'width="{left + width + 190}" height="{len(rows) * height}"'
  return f'<svg {size} role="img">{"".join(out)}</svg>'


def curve(
  points: Sequence[tuple[int, float]], starts: Sequence[tuple[int, str]]
) -> str:
  """A line through (step, value); the axis includes 0.

  Args:
    points: at least one, by step.
    starts: (first step, name) of each phase, marked on the axis.
  """
  width, height, left = 640, 140, 60
  steps, values = zip(*points, strict=True)
  x0, x1, y0, y1 = min(steps), max(steps), min(0, *values), max(values)
  span_x, span_y = (x1 - x0) or 1, (y1 - y0) or 1

  def at(step: float, value: float) -> str:
    x = left + (step - x0) / span_x * width
    return f"{x:.1f},{10 + (1 - (value - y0) / span_y) * height:.1f}"

  line = " ".join(at(*point) for point in points)
  marks = "".join(
    f'<line x1="{at(step, 0).split(",")[0]}" x2="{at(step, 0).split(",")[0]}" '
    f'y1="10" y2="{10 + height}" stroke="#ccc"/><text '
    f'x="{at(step, 0).split(",")[0]}" y="{height + 26}">{html.escape(phase)} '
    f"{step}</text>"
    for step, phase in starts
  )
  return (
    f'<svg width="{left + width + 60}" height="{height + 34}" role="img">'
    f"{marks}"
    f'<text x="0" y="16">{y1:.3g}</text>'
    f'<text x="0" y="{10 + height}">{y0:.3g}</text>'
    f'<text x="{left + width + 4}" y="{height + 26}">{x1}</text>'
    f'<polyline points="{line}" fill="none" stroke="#1f5fbf"/></svg>'
  )

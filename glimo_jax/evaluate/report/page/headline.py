"""The top of the page: what came out, in one number and a few tiles."""

from collections.abc import Mapping
from typing import Any

from glimo_jax.evaluate.report import cells
from glimo_jax.evaluate.report.page.markup import duration, escape

Values = Mapping[str, Any]


def top(values: Values, authorship: str) -> str:
  """The lead, the headline, the tiles and what the reader must know.

  Args:
    values: what report.json holds.
    authorship: who wrote the dataset's rows, in words.
  """
  parts = [_lead(values)]
  for name, compared in values["comparisons"].items():
    share = compared.get("headline")
    if share and share["mean"] is not None:
      base = compared.get("headline_base")
      parts.append(
        f'<p class="headline">{share["mean"]:.1%}</p><p>of the way from '
        f"random actions to the oracle on {escape(name)} "
        f"{cells.span(share)}; the base model: {cells.interval(base)}.</p>"
      )
      break
  parts.append(_tiles(values))
  for name, mean in cells.too_easy(values["benchmarks"]).items():
    parts.append(
      f'<p class="warning">{escape(name)} is too easy: the scripted reader '
      f"has {mean:.3f}.</p>"
    )
  for line in values.get("over_budget", ()):
    parts.append(
      f'<p class="warning"><strong>Over budget:</strong> {escape(line)}.</p>'
    )
  if authorship:
    parts.append(f"<p>Learnt from {escape(authorship)}.</p>")
  return "\n".join(filter(None, parts))


def _lead(values: Values) -> str:
  """Which model, in which worlds, in how long."""
  model = values.get("config", {}).get("model", {}).get("source")
  worlds = len(values.get("trained_in", ()))
  words = []
  if model and worlds:
    named = "world" if worlds == 1 else "worlds"
    words.append(f"{model}, trained in {worlds} {named}")
  elif model:
    words.append(model)
  words.append(
    "judged under the rules called real, on levels that it never saw"
  )
  seconds = values.get("wall_s", {}).get("total")
  if seconds:
    words.append(f"all stages took {duration(seconds)}")
  return f'<p class="faint">{escape("; ".join(words))}.</p>'


def _tiles(values: Values) -> str:
  """Before and after of what matters most, as far as it was measured."""
  tiles = []
  first = next(iter(values["benchmarks"].values()), {})
  for measure, title in (
    ("success", "levels solved"), ("qa", "questions answered"),
  ):  # fmt: skip
    rates = [first.get(arm, {}).get(measure) for arm in ("base", "tuned")]
    if all(rates):
      before, after = (rate["mean"] for rate in rates)
      note = f"{cells.span(rates[1])}, n = {rates[1]['n']}"
      tiles.append(_tile(f"{before:.3f}", f"{after:.3f}", title, note))
  for text, row in list(values["language"].items())[:1]:
    if {"base", "tuned"} <= row.keys():
      bits = [row[arm]["bits_per_byte"] for arm in ("base", "tuned")]
      note = f"{bits[1] / bits[0] - 1:+.1%}; lower is better"
      tiles.append(
        _tile(f"{bits[0]:.3f}", f"{bits[1]:.3f}", f"bits per byte, {text}",
              note)
      )  # fmt: skip
  collapsed = values.get("retention", {}).get("collapsed", {})
  if {"base", "tuned"} <= collapsed.keys():
    before, after = (collapsed[arm] for arm in ("base", "tuned"))
    note = f"{cells.span(after)}; lower is better"
    rates = f"{before['mean']:.3f}", f"{after['mean']:.3f}"
    tiles.append(_tile(rates[0], rates[1], "chats that collapse", note))
  return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _tile(before: str, after: str, title: str, note: str) -> str:
  return (
    f'<div class="tile">{escape(title)}<b><i>{before} →</i> {after}</b>'
    f"<small>{escape(note)}</small></div>"
  )

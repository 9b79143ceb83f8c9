"""The gains beside those that the paper reports, and what differs."""

from collections.abc import Mapping
from typing import Any

from glimo_jax.evaluate.report import cells
from glimo_jax.evaluate.report.page.markup import escape, section, table

# Liu & Zhao 2024, abstract, https://arxiv.org/abs/2410.02742; the abstract
# does not say which ratio belongs to which benchmark.
RATIOS = (2.04, 1.54, 1.82)
_FLOOR = 0.05  # a ratio to a base below this says nothing

Values = Mapping[str, Any]


def beside(values: Values) -> str:
  """Ratio and difference of tuned and base, beside the paper's ratios."""
  rows = []
  for name, arms in values["benchmarks"].items():
    compared = values["comparisons"].get(name, {})
    for measure, gain, title in (
      ("success", "success_gain", "levels solved"),
      ("qa", "qa_gain", "questions"),
    ):
      base, tuned = (arms.get(a, {}).get(measure) for a in ("base", "tuned"))
      if not base or not tuned:
        continue
      small = base["mean"] < _FLOOR
      ratio = "-" if small else f"{tuned['mean'] / base['mean']:.2f}"
      rows.append(
        [f"{name}, {title}", f"{base['mean']:.3f}", f"{tuned['mean']:.3f}",
         ratio, cells.interval(compared.get(gain))]
      )  # fmt: skip
  if not rows:
    return ""
  header = ["", "base", "tuned", "tuned / base", "tuned minus base"]
  stated = ", ".join(f"{ratio:.2f}" for ratio in RATIOS)
  note = (
    f"<p>The paper (GLIMO, arXiv 2410.02742) reports gains of <b>{stated}</b> "
    "times the base model on three benchmarks; its abstract does not say which "
    f"ratio belongs to which. A ratio to a base below {_FLOOR} is left out "
    "(-).</p>"
  )
  differs = "".join(f"<li>{escape(line)}</li>" for line in _differs(values))
  body = f"{note}{table(header, rows)}<p>What differs:</p><ul>{differs}</ul>"
  return section("Beside the paper", body)


def _differs(values: Values) -> list[str]:
  model = values.get("config", {}).get("model", {}).get("source")
  lines = [
    "Worlds: the paper publishes no code, rules or levels. The worlds, texts "
    "and questions here are this project's.",
    "Model: the paper names LLaMA-3 among its models"
    + (f"; here it is {model}." if model else "."),
  ]
  ways = [
    len(rates)
    for tried in values.get("asked_on_val", {}).values()
    for rates in tried.values()
  ]
  if max(ways, default=0) > 1:
    lines.append(
      f"Base: it is asked in the best of {max(ways)} ways, chosen on val. "
      "Asked in one way only it may do worse, and the ratio be larger."
    )
  lines.append(
    "A ratio depends on how hard the levels are for the base. The paired "
    "difference with its interval is the figure to read."
  )
  return lines

"""What the arms reached: benchmarks, comparisons, questions, language."""

from collections.abc import Mapping
from typing import Any

from glimo_jax.evaluate.report import cells
from glimo_jax.evaluate.report.page import charts
from glimo_jax.evaluate.report.page.markup import (
  escape,
  folded,
  section,
  table,
)

Values = Mapping[str, Any]  # a part of report.json

_COLUMNS = ("base", "tuned", "random", "script", "oracle")
_MANY = 5  # arms, above which each is a row instead of a column
_VERDICTS = {"better": "better", "worse": "worse", "cannot tell": ""}


def players(benchmarks: Values) -> str:
  """Success of every arm on one axis, a benchmark at a time."""
  parts = []
  for name, arms in benchmarks.items():
    rows = [
      (arm, row["success"], "tuned" if arm.startswith("tuned") else "")
      for arm, row in arms.items()
      if "success" in row
    ]
    rows.sort(key=lambda row: row[1]["mean"])
    if rows:
      n = rows[0][1]["n"]
      title = f"<h3>{escape(name)}: levels solved, n = {n}</h3>"
      parts.append(title + charts.forest(rows, share=True))
  if not parts:
    return ""
  note = (
    "<p>script, explorer and mlp use no language model. <code>_greedy</code> "
    "and <code>_free</code> play without the rule that no action is taken "
    "twice on the same text.</p>"
  )
  return section("Players", note + "".join(parts))


def table_of(benchmarks: Values) -> str:
  """The measures of the main arms, and those of every arm to be opened."""
  arms = list(dict.fromkeys(arm for row in benchmarks.values() for arm in row))
  main = [arm for arm in _COLUMNS if arm in arms]
  rows = [
    [name, *map(cells.interval, intervals)]
    for name, intervals in cells.measured(benchmarks, main or arms[:_MANY])
  ]
  if not rows:
    return ""
  body = table(["", *(main or arms[:_MANY])], rows)
  others = [arm for arm in arms if arm not in main]
  parts = []
  for arm in others:
    found = cells.measured(benchmarks, [arm])
    parts += [[arm, name, cells.interval(cell)] for name, (cell,) in found]
  if main and parts:
    body += folded("The other arms", table(["arm", "", ""], parts))
  return section("Benchmarks", body)


def asked(values: Values) -> str:
  """The ways of asking, and what each reached on val."""
  rows = cells.asked(values)
  if not rows:
    return ""
  note = "<p>Each model is judged in the way that was best on val.</p>"
  header = ["model", "asked for", "way", "all ways on val"]
  return section("How the models were asked", note + table(header, rows))


def kept(texts: Values, retention: Values) -> str:
  """Language and chat: a column for each arm, or a row if they are many."""
  measured = [*texts.values(), *retention.values()]
  arms = list(dict.fromkeys(arm for row in measured for arm in row))
  rows = [[name, *row] for name, row in cells.kept(texts, retention, arms)]
  if not rows:
    return ""
  header = ["", *arms]
  if len(arms) > _MANY:
    header, *rows = map(list, zip(header, *rows, strict=True))
  return section("Language and chat", table(header, rows))


def comparisons(comparisons: Values) -> str:
  """Paired comparisons as intervals around 0; ratios as a table."""
  parts, ratios = [], []
  for name, compared in comparisons.items():
    rows = []
    for what, interval in compared.items():
      label = what.replace("_", " ")
      if "ratio" in what:
        ratios.append([name, label, cells.interval(interval)])
      elif interval["mean"] is not None:
        rows.append((label, interval, _side(what, interval)))
    if rows:
      parts.append(f"<h3>{escape(name)}</h3>{charts.forest(rows)}")
  if ratios:
    found = table(["", "", ""], ratios)
    many = len(ratios) > _MANY
    parts.append(folded("Ratios to the base", found) if many else found)
  if not parts:
    return ""
  note = (
    "<p>Tuned minus the other, on the same levels; 95 % intervals. "
    "<code>gain</code> is over the base, <code>over</code> names the rival, "
    "<code>difference</code> is a measure of the world, where more may be "
    "worse.</p>"
  )
  return section("Paired comparisons", note + "".join(parts))


def _side(what: str, interval: Values) -> str:
  """The colour: only where more is better and the interval excludes 0."""
  if what.endswith("_difference") or interval["lo"] is None:
    return ""
  return (
    "better" if interval["lo"] > 0 else "worse" if interval["hi"] < 0 else ""
  )


def differences(differences: Values) -> str:
  """What each arm changes, as a chart of intervals."""
  parts = []
  for name, arms in differences.items():
    for measure in dict.fromkeys(m for row in arms.values() for m in row):
      rows = [
        (f"{arm}: {row[measure]['says']}", row[measure],
         _VERDICTS.get(row[measure]["says"], ""))
        for arm, row in arms.items()
        if measure in row
      ]  # fmt: skip
      if rows:
        title = f"<h3>{escape(name)}, {measure}</h3>"
        parts.append(f"{title}{charts.forest(rows)}")
  if not parts:
    return ""
  note = (
    "<p>Each arm minus the recipe, paired by level; for bits per byte, the "
    "relative increase; 95 % intervals. An interval that leaves the axis is "
    "cut; its ends stand beside it.</p>"
  )
  return section("What each choice does", note + "".join(parts))


def depths(benchmarks: Values) -> str:
  """Success of base and tuned model by depth."""
  parts = []
  for name, arms in benchmarks.items():
    by_arm = {
      arm: arms[arm]["success"].get("by_depth", {})
      for arm in ("base", "tuned")
      if "success" in arms.get(arm, {})
    }
    found = sorted({d for row in by_arm.values() for d in row}, key=int)
    rows = [
      (f"depth {d}", by_arm[arm].get(d), arm) for d in found for arm in by_arm
    ]
    if rows:
      parts.append(f"<h3>{escape(name)}</h3>{charts.bars(rows)}")
  note = "<p>Upper bar: base model; lower bar: tuned model.</p>"
  return section("Success by depth", note + "".join(parts)) if parts else ""


def questions(benchmarks: Values) -> str:
  """Answers by kind: bars of base and tuned model, and all figures."""
  parts = []
  for name, arms in benchmarks.items():
    qa = {arm: row["qa"]["by_kind"] for arm, row in arms.items() if "qa" in row}
    if len(qa) > _MANY:  # report.json has the others
      qa = {arm: qa[arm] for arm in ("base", "tuned") if arm in qa}
    kinds = list(dict.fromkeys(kind for row in qa.values() for kind in row))
    groups = [arms[arm]["qa"].get("by_group", {}) for arm in qa]
    rows = [
      [f"all {group.replace('_', ' ')}"]
      + [cells.interval(of.get(group)) for of in groups]
      + ["", ""]
      for group in dict.fromkeys(name for of in groups for name in of)
    ]
    for kind in kinds:
      any_arm = next(row[kind] for row in qa.values() if kind in row)
      rows.append(
        [kind]
        + [cells.interval(row.get(kind)) for row in qa.values()]
        + [f"{any_arm['chance']:.2f}", f"{any_arm['majority']:.2f}"]
      )
    if rows:
      header = ["kind", *qa, "chance", "commonest answer"]
      bars = [
        (kind, qa[arm].get(kind), arm)
        for kind in kinds
        for arm in ("base", "tuned")
        if arm in qa
      ]
      parts.append(
        f"<h3>{escape(name)}</h3>{charts.bars(bars)}"
        + folded("All figures, with chance", table(header, rows))
      )
  note = "<p>Upper bar: base model; lower bar: tuned model.</p>"
  return section("Questions by kind", note + "".join(parts)) if parts else ""

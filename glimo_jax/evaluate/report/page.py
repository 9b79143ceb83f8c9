"""The report as one page of HTML that loads nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate.report import cells, charts, transcripts
from glimo_jax.evaluate.report.markup import (
  document,
  escape,
  section,
  table,
)
from glimo_jax.play.loop import Episode
from glimo_jax.types import VERDICTS

Values = Mapping[str, Any]  # a part of report.json

_ARMS = ("base", "tuned", "random", "oracle")  # first, in this order
_CURVES = ("loss", "ce", "kl")


def render(
  values: Mapping[str, Any],
  authorship: str,
  metrics: Sequence[Mapping[str, Any]] = (),
  episodes: Mapping[str, Sequence[Episode]] | None = None,
) -> str:
  """The page of report.json's values.

  Args:
    values: what report.json holds.
    authorship: who wrote the dataset's rows, in words.
    metrics: rows of training: phase, step, loss, ce, kl.
    episodes: arm -> episodes on the same levels.
  """
  sections = [
    _headline(values, authorship),
    _benchmarks(values["benchmarks"]),
    _asked(values),
    _kept(values["language"], values.get("retention", {})),
    _comparisons(values["comparisons"]),
    _differences(values.get("differences", {})),
    _dataset(values["dataset"]),
    _quality(values.get("quality", {})),
    _depths(values["benchmarks"]),
    _questions(values["benchmarks"]),
    _curves(metrics),
    transcripts.pairs(episodes or {}),
    transcripts.failures(values.get("failures", ())),
    _run(values),
  ]
  body = "\n".join(part for part in sections if part)
  return document("Before and after", body)


def _headline(values: Values, authorship: str) -> str:
  parts = []
  for name, compared in values["comparisons"].items():
    share = compared.get("headline")
    if share and share["mean"] is not None:
      base = compared.get("headline_base")
      parts.append(
        f'<p class="headline">{share["mean"]:.1%}</p><p>of the way from '
        f"chance to the oracle on {escape(name)} {cells.span(share)}; the base "
        f"{cells.interval(base)}</p>"
      )
      break
  for name, mean in cells.too_easy(values["benchmarks"]).items():
    parts.append(
      f"<p>{escape(name)} is too easy: the scripted reader has {mean:.3f}.</p>"
    )
  for line in values.get("over_budget", ()):
    parts.append(f"<p><strong>Over budget:</strong> {escape(line)}.</p>")
  if authorship:
    parts.append(f"<p>Learnt from {escape(authorship)}.</p>")
  return "\n".join(parts)


def _benchmarks(benchmarks: Values) -> str:
  arms = [
    arm
    for arm in dict.fromkeys(
      [*_ARMS, *(a for b in benchmarks.values() for a in b)]
    )
    if any(arm in b for b in benchmarks.values())
  ]
  rows = [
    [name, *map(cells.interval, intervals)]
    for name, intervals in cells.measured(benchmarks, arms)
  ]
  return section("Benchmarks", table(["", *arms], rows)) if rows else ""


def _asked(values: Values) -> str:
  rows = cells.asked(values)
  if not rows:
    return ""
  note = "<p>Each model is judged in the way that was best on val.</p>"
  header = ["model", "asked for", "way", "all ways on val"]
  return section("How the models were asked", note + table(header, rows))


def _kept(texts: Values, retention: Values) -> str:
  measured = [*texts.values(), *retention.values()]
  arms = list(dict.fromkeys(arm for row in measured for arm in row))
  rows = [[name, *row] for name, row in cells.kept(texts, retention, arms)]
  return section("Language and chat", table(["", *arms], rows)) if rows else ""


def _comparisons(comparisons: Values) -> str:
  rows = [
    [name, what.replace("_", " "), cells.interval(interval)]
    for name, compared in comparisons.items()
    for what, interval in compared.items()
  ]
  return (
    section("Paired comparisons", table(["", "", ""], rows)) if rows else ""
  )


def _differences(differences: Values) -> str:
  """What each arm changes, as a chart of intervals."""
  parts = []
  for name, arms in differences.items():
    measures = dict.fromkeys(m for row in arms.values() for m in row)
    for measure in measures:
      rows = [
        (f"{arm}: {row[measure]['says']}", row[measure])
        for arm, row in arms.items()
        if measure in row
      ]
      if rows:
        title = f"<h3>{escape(name)}, {measure}</h3>"
        parts.append(f"{title}{charts.forest(rows)}")
  if not parts:
    return ""
  note = (
    "<p>Each arm minus the recipe, paired by level; for bits per byte, the "
    "relative increase; 95 % intervals.</p>"
  )
  return section("What each choice does", note + "".join(parts))


def _dataset(dataset: Values) -> str:
  if not dataset:
    return ""
  names = ("planned", *VERDICTS)
  parts = {"all": dataset, **dataset.get("by_source", {})}
  rows = [
    [source, *(counts.get(name, 0) for name in names)]
    for source, counts in parts.items()
  ]
  return section("Dataset", table(["rows", *names], rows))


def _quality(quality: Values) -> str:
  """How varied the rows are; empty in reports of older runs."""
  words = {
    "rows": "rows",
    "distinct_1": "distinct words, share",
    "distinct_2": "distinct pairs of words, share",
    "self_bleu": "similarity of texts (self-BLEU)",
    "vendi": "different meanings (Vendi score)",
    "states": "distinct states",
    "unseen": "chance that the next row shows a new state",
  }
  rows = [
    [label, f"{quality[name]:.3g}" if name != "rows" else quality[name]]
    for name, label in words.items()
    if quality.get(name) is not None
  ]
  return section("Variety of the rows", table(["", ""], rows)) if rows else ""


def _depths(benchmarks: Values) -> str:
  parts = []
  for name, arms in benchmarks.items():
    by_arm = {
      arm: arms[arm]["success"].get("by_depth", {})
      for arm in ("base", "tuned")
      if "success" in arms.get(arm, {})
    }
    depths = sorted({d for row in by_arm.values() for d in row}, key=int)
    if depths:
      bars = [
        (f"depth {d}, {arm}", by_arm[arm].get(d), arm)
        for d in depths
        for arm in by_arm
      ]
      parts.append(f"<h3>{escape(name)}</h3>{charts.bars(bars)}")
  return section("Success by depth", "".join(parts)) if parts else ""


def _questions(benchmarks: Values) -> str:
  parts = []
  for name, arms in benchmarks.items():
    qa = {arm: row["qa"]["by_kind"] for arm, row in arms.items() if "qa" in row}
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
        (f"{kind}, {arm}", qa[arm].get(kind), arm)
        for kind in kinds
        for arm in ("base", "tuned")
        if arm in qa
      ]
      parts.append(
        f"<h3>{escape(name)}</h3>{charts.bars(bars)}{table(header, rows)}"
      )
  return section("Questions by kind", "".join(parts)) if parts else ""


def _curves(metrics: Sequence[Values]) -> str:
  starts = _phase_starts(metrics)
  parts = [
    f"<h3>{name}</h3>{charts.curve(points, starts)}"
    for name in _CURVES
    if len(points := [(r["step"], r[name]) for r in metrics if name in r]) > 1
  ]
  return section("Training", "".join(parts)) if parts else ""


def _phase_starts(metrics: Sequence[Values]) -> list[tuple[int, str]]:
  """The first step of each phase, with its name."""
  starts: dict[str, int] = {}
  for row in metrics:
    phase = row.get("phase", row.get("stage", ""))  # `stage` in older runs
    starts.setdefault(str(phase), row["step"])
  return [(step, phase) for phase, step in starts.items() if phase]


def _run(values: Values) -> str:
  wall = values.get("wall_s", {})
  rows = [[f"{stage} (s)", f"{s:.0f}"] for stage, s in wall.items()]
  rows.append(["peak memory (GiB)", values.get("peak_gib", "-")])
  commit = values.get("commit", "unknown")
  rows.append(["commit", commit])
  rows += [
    [f"commit of {stage}", other]
    for stage, other in values.get("commits", {}).items()
    if other != commit
  ]
  rows += [[name, v] for name, v in values.get("versions", {}).items()]
  return section("Run", table(["", ""], rows))

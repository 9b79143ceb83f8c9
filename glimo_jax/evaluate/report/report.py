"""The report: what was measured, as report.json, a table and a page.

`report.json` holds

    {"benchmarks": {name: {arm: {"success": {"mean", "lo", "hi", "n", ...,
                                             "spl": {"mean", "lo", "hi", "n"},
                                             "measures": {measure: {...}}},
                                 "qa": {...}}}},
     "language": {text: {arm: {"bits_per_byte"}}},
     "retention": {measure: {arm: {"mean", "lo", "hi", "n"}}},
     "comparisons": {name: {what: {"mean", "lo", "hi", "n"}}},
     "dataset": {"planned", "verified", "refuted", "unverifiable", "invalid",
                 "failed", "by_source"},
     "wall_s": {stage: seconds}, "peak_gib", "versions", "commit",
     "commits": {earlier stage: commit}, "quality": {...},
     "coverage": {measure: [values]},
     "asked": {model: {"acting": way, "answering": way}},
     "asked_on_val": {model: {"acting": {way: {"mean", ...}}, ...}},
     "curves": [{"phase", "step", "loss", "ce", "kl"}], "command": str,
     "failures": [{"arm", "benchmark", "level", "texts", "actions", "scores",
                   "solved_by", ...}], ...}

where null stands for what is not defined. What a training has a part in also
holds "seeds", the number of trainings; intervals of a single one include
`evaluate.training_spread`, but for those by depth or kind, the world's measures
and the texts, whose spread is not known. Comparisons have the names of the
benchmarks, `language/TEXT` for the texts, and `retention`. Measures are the
world's own, such as collisions; those of retention are `chats.MEASURES`.
`quality` is what `report.quality.summary` returns, `coverage` what
`data.collecting.coverage.curve` does.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax import files
from glimo_jax.evaluate import language
from glimo_jax.evaluate.report import cells, failures, summaries, trainings
from glimo_jax.evaluate.report.page import page
from glimo_jax.evaluate.retention import budgets, chats
from glimo_jax.evaluate.suite import Result
from glimo_jax.files import PathLike
from glimo_jax.play.loop import Episode
from glimo_jax.types import VERDICTS, EvalReport

JSON, HTML = "report.json", "report.html"
_COLUMNS = ("base", "tuned", "random", "oracle")  # of the terminal's table


def folder(root: PathLike, suite: str) -> pathlib.Path:
  """Where the report and the fragment of an evaluation's suite are written."""
  root = pathlib.Path(root)
  return root if suite == "test" else root / f"evaluate-{suite}"


def compose(
  results: Mapping[str, Result],
  scores: language.Scores,
  counts: Mapping[str, Any],
  facts: Mapping[str, Any],
  talk: chats.ChatScores | None = None,
) -> EvalReport:
  """The report of one run.

  Args:
    results: benchmark -> what each arm did; the first one is the suite.
    scores: what `language.scores` returned.
    counts: rows of the dataset by verdict and source.
    facts: everything else that report.json holds, such as `wall_s`,
      `provenance.environment` and `quality`; `config` has the budgets.
    talk: what `chats.scores` returned; None if it was not measured.
  """
  bits, compared = summaries.compare_language(scores)
  talk = talk or {}
  if {"tuned", "base"} <= talk.keys():
    compared["retention"] = chats.compare([talk["tuned"]], talk["base"])
  benchmarks, comparisons = {}, {}
  known = trainings.KnownSpread.of(facts)
  for name, result in results.items():
    acted = {arm: [run] for arm, run in result.acted.items()}
    answered = {arm: [run] for arm, run in result.answered.items()}
    benchmarks[name] = summaries.benchmark(acted, answered, known)
    comparisons[name] = summaries.compare(acted, answered, known)
  first = next(iter(results.values()))
  retention = chats.summary({arm: [score] for arm, score in talk.items()})
  limits = facts.get("config", {}).get("train", {})
  over = budgets.exceeded(limits, retention, compared)
  return EvalReport(
    benchmarks=benchmarks,
    language=bits,
    comparisons=comparisons | compared,
    dataset=dict(counts),
    run={
      **facts,
      "asked": first.asked,
      "asked_on_val": first.val,
      "over_budget": over,
      "failures": [
        {"arm": "tuned", **lost} for lost in failures.worth_looking_at(results)
      ],
    },
    retention=retention,
  )


def check_budgets(report: EvalReport) -> None:
  """Raises OverBudget where a report exceeds a retention budget of its run."""
  over = report.run.get("over_budget")
  if over:
    raise budgets.OverBudget(over)


def llm_share(dataset: Mapping[str, Any]) -> float | None:
  """Share of verified rows written by an LLM; None without rows."""
  verified = dataset.get("verified", 0)
  if not verified:
    return None
  written = dataset.get("by_source", {}).get("llm", {})
  return written.get("verified", 0) / verified


def authorship(dataset: Mapping[str, Any]) -> str:
  """Who wrote the verified rows, in words; "" without rows.

  Answers of a later draft were found with the verifier's help, so the share of
  first drafts is given too.
  """
  share = llm_share(dataset)
  if share is None:
    return ""
  words = f"{dataset['verified']} rows proved by replay, {share:.1%} by an LLM"
  first = dataset.get("llm_first_drafts")
  if first is None:
    return words
  return f"{words} ({first / dataset['verified']:.1%} at its first draft)"


def to_json(report: EvalReport) -> dict[str, Any]:
  """What report.json holds."""
  return {
    "benchmarks": report.benchmarks,
    "language": report.language,
    "retention": report.retention,
    "comparisons": report.comparisons,
    "dataset": report.dataset,
    **report.run,
  }


def from_json(values: Mapping[str, Any]) -> EvalReport:
  """The inverse of `to_json`.

  Raises:
    ValueError: a part is missing.
  """
  parts = ("benchmarks", "language", "comparisons", "dataset")
  missing = [part for part in parts if part not in values]
  if missing:
    raise ValueError(f"{JSON} lacks {missing}: write it with report.write")
  kept = values.get("retention", {})  # older reports have none
  run = {k: v for k, v in values.items() if k not in (*parts, "retention")}
  return EvalReport(
    **{part: values[part] for part in parts}, run=run, retention=kept
  )


def read(folder: files.PathLike) -> EvalReport:
  """The report of a folder.

  Raises:
    ValueError: report.json is damaged or lacks a part.
  """
  path = pathlib.Path(folder) / JSON
  return from_json(files.read_json(path, "evaluate again"))


def write(
  report: EvalReport,
  folder: files.PathLike,
  *,
  episodes: Mapping[str, Sequence[Episode]] | None = None,
) -> None:
  """Writes report.json and report.html.

  Args:
    report: what was measured.
    folder: made if it is not there.
    episodes: arm -> episodes on the same levels; some are shown as text, base
      beside tuned.

  Raises:
    ValueError: a number is nan or infinite: JSON has no such thing.
  """
  folder = pathlib.Path(folder)
  values = to_json(report)
  text = json.dumps(values, indent=1, allow_nan=False)  # keeps arms in order
  files.write_text(folder / JSON, text + "\n")
  draw(report, folder, episodes=episodes)


def draw(
  report: EvalReport,
  folder: files.PathLike,
  *,
  episodes: Mapping[str, Sequence[Episode]] | None = None,
  films: Mapping[str, bytes] | None = None,
) -> None:
  """Writes report.html alone.

  Args:
    report, folder, episodes: as in `write`.
    films: caption -> GIF of one level.
  """
  values, author = to_json(report), authorship(report.dataset)
  html = page.render(values, author, episodes, films)
  files.write_text(pathlib.Path(folder) / HTML, html)


def table(report: EvalReport) -> str:
  """Before and after, for a terminal: a line for each measure."""
  lines: list[tuple[str, ...]] = [("", *_COLUMNS)]
  for name, intervals in cells.measured(report.benchmarks, _COLUMNS):
    lines.append((name, *map(cells.interval, intervals)))
  for name, row in cells.kept(report.language, report.retention, _COLUMNS):
    lines.append((name, *row))
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  rows = [
    "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
    for line in lines
  ]
  rows.insert(1, "-" * len(max(rows, key=len)))
  for name, arms in report.benchmarks.items():
    for arm in [a for a in arms if a not in _COLUMNS]:
      if "success" in arms[arm]:
        success = cells.interval(arms[arm]["success"])
        rows.append(f"{name} success, {arm}: {success}")
  for name, compared in report.comparisons.items():
    for what, values in compared.items():
      rows.append(f"{name} {what}: {cells.interval(values)}")
  for name, arms in report.run.get("differences", {}).items():
    for arm, measures in arms.items():
      for measure, values in measures.items():
        difference = f"{cells.interval(values)} {values['says']}"
        rows.append(f"{name} {measure}, {arm} minus tuned: {difference}")
  for name, mean in cells.too_easy(report.benchmarks).items():
    rows.append(f"{name} is too easy: the scripted reader has {mean:.3f}")
  for arm, runs in report.run.get("arms", {}).items():
    if "datasets" in runs:  # not in older reports
      trained = f"{len(runs['seeds'])} trainings, {runs['datasets']} datasets"
      rows.append(f"{arm}: {trained}")
  for model, what, way, _ in cells.asked(report.run):
    rows.append(f"{model}, {what}: asked in the way {way}, the best on val")
  counts = ", ".join(
    f"{name} {report.dataset.get(name, 0)}" for name in ("planned", *VERDICTS)
  )
  rows.append(f"dataset: {counts}")
  rows.append(authorship(report.dataset))
  rows += [f"OVER BUDGET: {line}" for line in report.run.get("over_budget", ())]
  return "\n".join(rows).rstrip()

"""The report: what was measured, as report.json, a table and a page.

`report.json` holds

    {"benchmarks": {name: {arm: {"success": {"mean", "lo", "hi", "n", ...,
                                             "measures": {measure: {...}}},
                                 "qa": {...}}}},
     "language": {text: {arm: {"bits_per_byte"}}},
     "comparisons": {name: {what: {"mean", "lo", "hi", "n"}}},
     "dataset": {"planned", "verified", "refuted", "unverifiable", "invalid",
                 "failed", "by_source"},
     "wall_s": {stage: seconds}, "peak_gib", "versions", "commit",
     "commits": {earlier stage: commit}, ...}

where null stands for what cannot be told. Comparisons have the names of the
benchmarks, and `language/TEXT` for the texts. Measures are the world's own,
such as collisions.
"""

import functools
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate import acting, answering, cells, language, page, stats
from glimo_jax.types import VERDICTS, EvalReport

JSON, HTML = "report.json", "report.html"
_RATIO_FLOOR = 0.05  # a ratio to a base below this says nothing
_LIBRARIES = (
  "glimo_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy",
  "transformers", "tokenizers", "datasets", "scann",
)  # fmt: skip

Acted = Mapping[str, Sequence[Sequence[acting.Episode]]]  # arm -> runs
Answered = Mapping[str, Sequence[Sequence[answering.Answer]]]


def benchmark(acted: Acted, answered: Answered) -> dict[str, dict[str, Any]]:
  """arm -> {"success", "qa"}: the summaries of what each arm did."""
  arms = dict.fromkeys([*acted, *answered])
  return {
    arm: {
      **({"success": acting.summary(acted[arm])} if arm in acted else {}),
      **({"qa": answering.summary(answered[arm])} if arm in answered else {}),
    }
    for arm in arms
  }


def compare(acted: Acted, answered: Answered) -> dict[str, Any]:
  """Paired comparisons of tuned with base on one benchmark.

  Returns:
    `headline`: (tuned - random) / (oracle - random); `headline_base`: the
    same of the base; `success_gain`, `qa_gain`: tuned - base; `qa_gain_GROUP`
    of the questions that are looked up and those that are simulated;
    `success_ratio`: tuned / base, only where the base reaches 0.05;
    `NAME_difference`: tuned - base of each measure of the world. Each is
    {"mean", "lo", "hi", "n"}; what lacks an arm, or two levels, is left out.
  """
  won = {arm: acting.successes(runs) for arm, runs in acted.items()}
  out = {}
  several = won and next(iter(won.values())).shape[1] > 1
  if several and {"random", "oracle", "tuned", "base"} <= won.keys():
    for name, arm in (("headline", "tuned"), ("headline_base", "base")):
      out[name] = stats.normalised(won[arm], won["random"], won["oracle"])
  if several and {"tuned", "base"} <= won.keys():
    out["success_gain"] = stats.paired(won["tuned"], won["base"])
    base = won["base"].mean()
    if base >= _RATIO_FLOOR:
      share = float(won["tuned"].mean() / base)
      out["success_ratio"] = stats.Interval(
        share, math.nan, math.nan, won["base"].shape[1]
      )
    told = {arm: acting.measures(acted[arm]) for arm in ("tuned", "base")}
    for name in [n for n in told["tuned"] if n in told["base"]]:
      out[f"{name}_difference"] = stats.paired(
        told["tuned"][name], told["base"][name]
      )
  if {"tuned", "base"} <= answered.keys():
    tuned, base = answered["tuned"], answered["base"]
    out["qa_gain"] = answering.compare(tuned, base)
    for group, rows in answering.groups(tuned[0]).items():
      some = [
        [[run[i] for i in rows] for run in runs] for runs in (tuned, base)
      ]
      out[f"qa_gain_{group}"] = answering.compare(*some)
  return {name: interval.as_dict() for name, interval in out.items()}


def compare_language(
  scores: Mapping[str, Mapping[str, language.Score]],
) -> tuple[dict[str, Any], dict[str, Any]]:
  """(language, comparisons) of text -> arm -> Score, arms base and tuned."""
  told = {
    text: {arm: {"bits_per_byte": s.bits_per_byte} for arm, s in arms.items()}
    for text, arms in scores.items()
  }
  compared = {
    f"language/{text}": {
      "bits_per_byte_ratio": language.compare(
        arms["tuned"], arms["base"]
      ).as_dict()
    }
    for text, arms in scores.items()
    if {"tuned", "base"} <= arms.keys()
  }
  return told, compared


def llm_share(dataset: Mapping[str, Any]) -> float | None:
  """Share of the verified rows that an LLM wrote; None without rows."""
  verified = dataset.get("verified", 0)
  if not verified:
    return None
  written = dataset.get("by_source", {}).get("llm", {})
  return written.get("verified", 0) / verified


def authorship(dataset: Mapping[str, Any]) -> str:
  """Who wrote the verified rows, in words; "" without rows.

  Answers found at a later draft were found with the verifier's help: they are
  told apart.
  """
  share = llm_share(dataset)
  if share is None:
    return ""
  told = f"{dataset['verified']} rows proved by replay, {share:.1%} by an LLM"
  at_once = dataset.get("llm_first_drafts")
  if at_once is None:
    return told
  return f"{told} ({at_once / dataset['verified']:.1%} at its first draft)"


def environment() -> dict[str, Any]:
  """`peak_gib` of this process so far, `versions`, `commit`."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB else
  versions = {"python": platform.python_version()}
  for name in _LIBRARIES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return {
    "peak_gib": round(peak / unit, 2),
    "versions": versions,
    "commit": commit(),
  }


def portable(settings: Any) -> Any:
  """Nested settings with all paths cut to their last part.

  Where a file lies on one machine is nobody else's affair.
  """
  if isinstance(settings, Mapping):
    return {name: portable(value) for name, value in settings.items()}
  if isinstance(settings, list | tuple):
    return type(settings)(map(portable, settings))
  if isinstance(settings, str) and "://" not in settings:
    before, colon, path = settings.rpartition(":")  # as in tfds:/a/folder
    path = pathlib.PurePath(os.path.expanduser(path))
    if path.is_absolute():
      return f"{before}{colon}.../{path.name}"
  return settings


@functools.cache  # files that are changed while it runs are not what runs
def commit() -> str:
  """Of the code that runs; `+changes` where files of it were changed."""
  root = pathlib.Path(__file__).parents[2]
  if not (root / ".git").exists():  # installed: no repository of ours
    return "unknown"

  def git(*arguments):
    return subprocess.run(
      ["git", *arguments],
      cwd=root,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    ).stdout.strip()

  try:
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + "+changes" * bool(changed)
  except (OSError, subprocess.SubprocessError):
    return "unknown"


def to_json(report: EvalReport) -> dict[str, Any]:
  """What report.json holds."""
  return {
    "benchmarks": report.benchmarks,
    "language": report.language,
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
  run = {key: value for key, value in values.items() if key not in parts}
  return EvalReport(**{part: values[part] for part in parts}, run=run)


def read(folder) -> EvalReport:
  """The report of a folder."""
  return from_json(json.loads((pathlib.Path(folder) / JSON).read_text()))


def write(
  report: EvalReport,
  folder,
  *,
  metrics: Sequence[Mapping[str, Any]] = (),
  episodes: Mapping[str, Sequence[acting.Episode]] | None = None,
) -> None:
  """Writes report.json and report.html.

  Args:
    report: all that is told.
    folder: where to; made if it is not there.
    metrics: rows of training's metrics.jsonl, for the curves.
    episodes: arm -> episodes on the same levels; some are shown as text, base
      beside tuned.

  Raises:
    ValueError: a number is nan or infinite: JSON has no such thing.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  values = to_json(report)
  text = json.dumps(values, indent=1, allow_nan=False) + "\n"
  (folder / JSON).write_text(text)
  html = page.render(
    values, authorship(report.dataset), metrics, episodes or {}
  )
  (folder / HTML).write_text(html)


def table(report: EvalReport) -> str:
  """Before and after, for a terminal: a line for each measure."""
  lines = [("", "base", "tuned", "random", "oracle")]
  for name, told in cells.measured(report.benchmarks, lines[0][1:]):
    lines.append((name, *map(cells.interval, told)))
  for text, arms in report.language.items():
    bits = [_bits(arms.get(arm)) for arm in lines[0][1:]]
    lines.append((f"{text} bits/byte", *bits))
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  rows = [
    "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
    for line in lines
  ]
  rows.insert(1, "-" * len(max(rows, key=len)))
  for name, arms in report.benchmarks.items():
    for arm in [a for a in arms if a not in lines[0]]:
      if "success" in arms[arm]:
        success = cells.interval(arms[arm]["success"])
        rows.append(f"{name} success, {arm}: {success}")
  for name, compared in report.comparisons.items():
    for what, values in compared.items():
      rows.append(f"{name} {what}: {cells.interval(values)}")
  for name, arms in report.run.get("differences", {}).items():
    for arm, measures in arms.items():
      for measure, values in measures.items():
        said = f"{cells.interval(values)} {values['says']}"
        rows.append(f"{name} {measure}, {arm} less tuned: {said}")
  counts = ", ".join(
    f"{name} {report.dataset.get(name, 0)}" for name in ("planned", *VERDICTS)
  )
  rows.append(f"dataset: {counts}")
  rows.append(authorship(report.dataset))
  return "\n".join(rows).rstrip()


def _bits(values: Mapping[str, float] | None) -> str:
  return "-" if values is None else f"{values['bits_per_byte']:.4f}"

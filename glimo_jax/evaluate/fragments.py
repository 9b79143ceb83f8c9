"""Fragments: what one run reached, unit by unit, and runs put side by side.

A run's fragment is small and keeps no weights and hardly a text, so that the
fragments of many arms and seeds can lie together and be merged at any time,
their intervals redrawn over training seeds and levels. Columns, not rows:

    {"arm", "seed",
     "benchmarks": {name: {"acted": {arm: {field: [...]}}, "answered": ...}},
     "language": {text: {arm: {"nats": [...], "bytes": [...], "tokens"}}},
     "failures": [...], "dataset", "run"}
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax.evaluate import acting, answering, language, report, stats
from glimo_jax.evaluate.suite import Result
from glimo_jax.types import EvalReport

NAME = "fragment.json"
REFERENCE = "tuned"  # the arm that the others differ from in one thing
_SHOWN = 3  # failed episodes kept as text


@dataclasses.dataclass(frozen=True)
class Fragment:
  """One run: one arm, one training seed.

  Attributes:
    arm: what the tuned model is called.
    seed: of its training.
    results: benchmark -> what each arm did.
    scores: text -> arm -> language.Score.
    dataset: counts of its rows.
    run: commit, seconds, config and the like.
    failures: tuned episodes that failed, with their texts, where read back.
  """

  arm: str
  seed: int
  results: Mapping[str, Result]
  scores: Mapping[str, Mapping[str, language.Score]]
  dataset: Mapping[str, Any]
  run: Mapping[str, Any]
  failures: Sequence[Mapping[str, Any]] = ()


def write(path, fragment: Fragment) -> None:
  """Writes a fragment; a reader sees the old file or the new, never half."""
  values = {
    "arm": fragment.arm,
    "seed": fragment.seed,
    "benchmarks": {
      name: {
        "acted": {
          arm: _episode_columns(rows) for arm, rows in result.acted.items()
        },
        "answered": {a: _columns(rows) for a, rows in result.answered.items()},
        "asked": result.asked,
        "val": result.val,
      }
      for name, result in fragment.results.items()
    },
    "language": {
      text: {
        arm: {
          "nats": np.round(score.nats, 4).tolist(),
          "bytes": score.bytes.astype(int).tolist(),
          "tokens": score.tokens,
        }
        for arm, score in arms.items()
      }
      for text, arms in fragment.scores.items()
    },
    "failures": _failures(fragment),
    "dataset": fragment.dataset,
    "run": fragment.run,
  }
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_suffix(".partial")
  partial.write_text(json.dumps(values, allow_nan=False) + "\n")
  partial.replace(path)


def read(path) -> Fragment:
  """Reads what `write` wrote; its episodes have no texts and no actions.

  Raises:
    ValueError: the file is no fragment.
  """
  try:
    values = json.loads(pathlib.Path(path).read_text())
    results = {
      name: Result(
        acted={
          arm: _episodes(columns) for arm, columns in part["acted"].items()
        },
        answered={
          arm: _rows(answering.Answer, columns)
          for arm, columns in part["answered"].items()
        },
        asked=part["asked"],
        val=part["val"],
      )
      for name, part in values["benchmarks"].items()
    }
    scores = {
      text: {
        arm: language.Score(
          np.array(score["nats"]), np.array(score["bytes"], float),
          score["tokens"],
        )
        for arm, score in arms.items()
      }
      for text, arms in values["language"].items()
    }  # fmt: skip
    return Fragment(
      values["arm"], values["seed"], results, scores, values["dataset"],
      values["run"], values["failures"],
    )  # fmt: skip
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f"{path} is no fragment ({error!r}): take the {NAME} that "
      "`python -m launch.evaluate` writes"
    ) from error


def _columns(rows: Sequence[Any]) -> dict[str, list]:
  names = [f.name for f in dataclasses.fields(rows[0])] if rows else []
  names = [n for n in names if n not in ("texts", "actions", "measures")]
  return {name: [getattr(row, name) for row in rows] for name in names}


def _episode_columns(rows: Sequence[acting.Episode]) -> dict[str, Any]:
  """The columns, and those of what the world measured, rounded."""
  measured = acting.measures([rows])
  told = {name: np.round(v[0], 4).tolist() for name, v in measured.items()}
  return {**_columns(rows), "measures": told}


def _rows(cls, columns: Mapping[str, list], **others) -> list:
  return [
    cls(**dict(zip(columns, row, strict=True)), **others)
    for row in zip(*columns.values(), strict=True)
  ]


def _episodes(columns: Mapping[str, Any]) -> list[acting.Episode]:
  """The inverse of `_episode_columns`; older files measured nothing."""
  told = columns.get("measures", {})
  plain = {name: rows for name, rows in columns.items() if name != "measures"}
  rows = _rows(acting.Episode, plain, texts=(), actions=())
  return [
    dataclasses.replace(row, measures={n: v[i] for n, v in told.items()})
    for i, row in enumerate(rows)
  ]


def _failures(fragment: Fragment) -> list[dict[str, Any]]:
  """The first tuned episodes of the first benchmark that failed, as text."""
  if fragment.failures:  # read back: the episodes have lost their texts
    return list(fragment.failures)
  for name, result in fragment.results.items():
    lost = [e for e in result.acted.get("tuned", ()) if not e.success]
    return [
      {
        "benchmark": name,
        "level": e.index,
        "depth": e.depth,
        "ended": e.ended,
        "optimal_steps": e.optimal_steps,
        "texts": list(e.texts),
        "actions": list(e.actions),
      }
      for e in lost[:_SHOWN]
    ]
  return []


# --- Side by side -------------------------------------------------------------


def merge(fragments: Sequence[Fragment]) -> EvalReport:
  """One report of many runs: every arm over its training seeds.

  Base, random, oracle are taken from the first fragment that has them. Beside
  the usual parts, `run["differences"]` holds benchmark -> arm -> measure ->
  {"mean", "lo", "hi", "n", "says"}: arm less REFERENCE, paired by level, over
  the training seeds that both have.

  Raises:
    ValueError: no fragment, none of REFERENCE, the same arm and seed twice,
      or fragments that judged unlike levels.
  """
  runs: dict[str, dict[int, Fragment]] = {}
  for fragment in sorted(fragments, key=lambda f: (f.arm, f.seed)):
    of_arm = runs.setdefault(fragment.arm, {})
    if fragment.seed in of_arm:
      raise ValueError(
        f"two fragments of arm {fragment.arm!r}, seed {fragment.seed}: remove "
        "one"
      )
    of_arm[fragment.seed] = fragment
  if REFERENCE not in runs:
    raise ValueError(
      f"no fragment of arm {REFERENCE!r} among {sorted(runs)}: run it first"
    )
  reference = list(runs[REFERENCE].values())
  benchmarks, comparisons, differences = {}, {}, {}
  for name in reference[0].results:
    acted, answered = _arms(name, runs)
    benchmarks[name] = report.benchmark(acted, answered)
    comparisons[name] = report.compare(acted, answered)
    differences[name] = _differences(name, runs)
  told, compared = _language(runs)
  return EvalReport(
    benchmarks=benchmarks,
    language=told,
    comparisons=comparisons | compared,
    dataset=dict(reference[0].dataset),
    run={
      **reference[0].run,
      "arms": {
        arm: {
          "seeds": sorted(of_seed),
          "commits": sorted({f.run["commit"] for f in of_seed.values()}),
          "train_s": [f.run["wall_s"]["train"] for f in of_seed.values()],
        }
        for arm, of_seed in runs.items()
      },
      "differences": differences,
      "failures": [
        {"arm": arm, **failure}
        for arm, of_seed in runs.items()
        for failure in _failures(next(iter(of_seed.values())))[:1]
      ],
    },
  )


def _arms(name: str, runs):
  """(arm -> runs of episodes, arm -> runs of answers) on one benchmark."""
  acted: dict[str, list] = {}
  answered: dict[str, list] = {}
  for arm, of_seed in runs.items():
    for fragment in of_seed.values():
      result = fragment.results.get(name)
      if result is None:
        continue
      for out, part in ((acted, result.acted), (answered, result.answered)):
        for played, rows in part.items():
          if played.startswith("tuned"):
            called = played.replace("tuned", arm, 1)
            out.setdefault(called, []).append(rows)
          elif played not in out:
            out[played] = [rows]
  return acted, answered


def _differences(name: str, runs) -> dict[str, dict[str, Any]]:
  """arm -> measure -> the paired difference to REFERENCE on one benchmark."""
  out: dict[str, dict[str, Any]] = {}
  for arm, of_seed in runs.items():
    seeds = [
      seed
      for seed in of_seed
      if seed in runs[REFERENCE] and name in of_seed[seed].results
    ]
    if arm == REFERENCE or not seeds:
      continue
    ours = [of_seed[seed].results[name] for seed in seeds]
    theirs = [runs[REFERENCE][seed].results[name] for seed in seeds]
    out[arm] = {}
    if all("tuned" in r.acted for r in (*ours, *theirs)):
      won = [[r.acted["tuned"] for r in side] for side in (ours, theirs)]
      played = acting.successes([*won[0], *won[1]])  # the same levels
      half = len(seeds)
      out[arm]["success"] = _said(stats.paired(played[:half], played[half:]))
    if all(r.answered.get("tuned") for r in (*ours, *theirs)):
      papers = [[r.answered["tuned"] for r in side] for side in (ours, theirs)]
      out[arm]["qa"] = _said(answering.compare(*papers))
  return out


def _said(difference: stats.Interval) -> dict[str, Any]:
  """The interval, and whether it is above 0, below, or cannot tell."""
  says = "cannot tell"
  if difference.lo > 0:
    says = "better"
  elif difference.hi < 0:
    says = "worse"
  return {**difference.as_dict(), "says": says}


def _language(runs):
  """(language, comparisons) as `report.compare_language`, over the seeds."""
  told: dict[str, dict[str, Any]] = {}
  compared: dict[str, dict[str, Any]] = {}
  base: dict[str, language.Score] = {}
  for of_seed in runs.values():
    for fragment in of_seed.values():
      for text, arms in fragment.scores.items():
        if "base" in arms:
          base.setdefault(text, arms["base"])
  for text, score in base.items():
    told[text] = {"base": {"bits_per_byte": score.bits_per_byte}}
    for arm, of_seed in runs.items():
      scores = [f.scores[text]["tuned"] for f in of_seed.values()]
      if any(not np.array_equal(s.bytes, score.bytes) for s in scores):
        raise ValueError(f"arm {arm!r} was scored on another text {text!r}")
      bits = float(np.mean([s.bits_per_byte for s in scores]))
      told[text][arm] = {"bits_per_byte": bits}
      ratio = stats.ratio(np.stack([s.nats for s in scores]), score.nats)
      what = compared.setdefault(f"language/{text}", {})
      called = "" if arm == REFERENCE else f"_{arm}"
      what[f"bits_per_byte_ratio{called}"] = ratio.as_dict()
  return told, compared

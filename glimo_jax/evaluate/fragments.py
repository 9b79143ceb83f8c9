"""Fragments: what one run reached, unit by unit.

A run's fragment is small and keeps no weights and hardly a text, so that the
fragments of many arms and seeds can lie together and be merged at any time,
with intervals over training seeds and levels: see `merging`. Columns, not rows:

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

from glimo_jax.evaluate import acting, answering, language
from glimo_jax.evaluate.suite import Result

NAME = "fragment.json"
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
    "failures": failures(fragment),
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


def failures(fragment: Fragment) -> list[dict[str, Any]]:
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

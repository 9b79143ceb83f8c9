"""Fragments: the results of one run, level by level.

A fragment is small: it has no weights and only a few texts. The fragments of
many arms and seeds can be kept together and merged at any time, with intervals
over training seeds and levels; see `merging`. It holds columns:

    {"arm", "seed",
     "benchmarks": {name: {"acted": {arm: {field: [...]}}, "answered": ...}},
     "language": {text: {arm: {"nats": [...], "bytes": [...], "tokens"}}},
     "chats": {arm: {field: [...]}},
     "failures": [...], "dataset", "run"}
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax import files
from glimo_jax.evaluate import answering, episodes, language
from glimo_jax.evaluate.retention import chats
from glimo_jax.evaluate.suite import Result
from glimo_jax.play.loop import Episode

NAME = "fragment.json"
# Fields of an episode that are left out, or kept in another form.
_UNKEPT = ("texts", "actions", "instructions", "measures", "scores")


@dataclasses.dataclass(frozen=True)
class Fragment:
  """One run: one arm, one training seed.

  Attributes:
    arm: name of the tuned model.
    seed: of its training.
    results: benchmark -> what each arm did.
    scores: what `language.scores` returned.
    dataset: counts of its rows.
    run: `EvalReport.run`.
    failures: failed episodes of the tuned model with their texts.
    talk: what `chats.scores` returned; empty in older fragments.
  """

  arm: str
  seed: int
  results: Mapping[str, Result]
  scores: language.Scores
  dataset: Mapping[str, Any]
  run: Mapping[str, Any]
  failures: Sequence[Mapping[str, Any]] = ()
  talk: chats.ChatScores = dataclasses.field(default_factory=dict)


def write(path: files.PathLike, fragment: Fragment) -> None:
  """Writes a fragment, whole or not at all."""
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
    "chats": {
      arm: {
        name: np.round(column, 4).tolist()
        for name, column in dataclasses.asdict(score).items()
      }
      for arm, score in fragment.talk.items()
    },
    "failures": fragment.failures,
    "dataset": fragment.dataset,
    "run": {k: v for k, v in fragment.run.items() if k != "failures"},
  }
  # In the order of the arms, which is that of the report.
  files.write_text(path, json.dumps(values, allow_nan=False) + "\n")


def read(path: files.PathLike) -> Fragment:
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
    talk = {
      arm: chats.ChatScore(**{n: np.array(v, float) for n, v in score.items()})
      for arm, score in values.get("chats", {}).items()
    }
    return Fragment(
      values["arm"], values["seed"], results, scores, values["dataset"],
      values["run"], values["failures"], talk,
    )  # fmt: skip
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f"{path} is no fragment ({error!r}): take the {NAME} that "
      "`python -m launch.evaluate` writes"
    ) from error


def _columns(rows: Sequence[Any]) -> dict[str, list]:
  """field -> values; texts are left out, and measures, which are nested."""
  names = [f.name for f in dataclasses.fields(rows[0])] if rows else []
  return {
    name: [getattr(row, name) for row in rows]
    for name in names
    if name not in _UNKEPT
  }


def _episode_columns(rows: Sequence[Episode]) -> dict[str, Any]:
  """The columns, and those of the world's measures, rounded."""
  measures = {
    name: np.round(values_1xN[0], 4).tolist()
    for name, values_1xN in episodes.measures([rows]).items()
  }
  return {**_columns(rows), "measures": measures}


def _rows(cls: type, columns: Mapping[str, list], **others: Any) -> list[Any]:
  return [
    cls(**dict(zip(columns, row, strict=True)), **others)
    for row in zip(*columns.values(), strict=True)
  ]


def _episodes(columns: Mapping[str, Any]) -> list[Episode]:
  """The inverse of `_episode_columns`; older files have no measures."""
  measures = columns.get("measures", {})
  plain = {name: rows for name, rows in columns.items() if name != "measures"}
  rows = _rows(Episode, plain, texts=(), actions=())
  return [
    dataclasses.replace(row, measures={n: v[i] for n, v in measures.items()})
    for i, row in enumerate(rows)
  ]

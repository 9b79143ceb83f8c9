"""All benchmarks in all arms, kept on disk one benchmark at a time.

An evaluation that was killed goes on with the benchmark it had reached.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from glimo_jax import files
from glimo_jax.agent import llm
from glimo_jax.evaluate import answering, arms
from glimo_jax.evaluate.benchmarks import Benchmark, Rival
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.evaluate.ways import WAYS, SolvedCases
from glimo_jax.play import loop, scoring

Progress = Callable[[int, int], object]  # done, total
_FIX = "delete it and evaluate again"


@dataclasses.dataclass(frozen=True)
class Result:
  """What the arms did on one benchmark, and how the base was asked.

  Attributes:
    acted: arm -> episodes.
    answered: arm -> answers.
    asked: {"acting": base's arm, "answering": base's arm}.
    val: the candidates' rates on `val`, by the same two names.
  """

  acted: dict[str, list[loop.Episode]]
  answered: dict[str, list[answering.Answer]]
  asked: dict[str, str]
  val: dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Suite:
  """One evaluation of a tuned model beside its base.

  Attributes:
    config: how much is measured.
    base, tuned: the two models.
    acting_cases, answering_cases: solved cases for the base's arms.
    folder: where finished benchmarks are kept.
    progress: makes a progress callback for a name.
    rivals: makes further players of each benchmark, by arm.
    memo: scores that the arms share.
  """

  config: EvaluateConfig
  base: llm.LanguageModel
  tuned: llm.LanguageModel
  acting_cases: SolvedCases
  answering_cases: SolvedCases
  folder: pathlib.Path
  progress: Callable[[str], Progress]
  rivals: Mapping[str, Rival] = dataclasses.field(default_factory=dict)
  memo: scoring.Memo = dataclasses.field(default_factory=scoring.Memo)

  def choose(self, val: Benchmark) -> tuple[arms.Choice, arms.Choice]:
    """How the base is asked: (acting, answering), by its best arm on `val`."""
    kept = self.folder / "base_arms.json"
    if kept.exists():
      first, second = files.read_json(kept, _FIX)
      return arms.Choice.from_dict(first), arms.Choice.from_dict(second)
    report = self.progress(f"{val.name}, base's arms")
    total = len(self.config.arms) * len(val.indices)
    place = {arm: i for i, arm in enumerate(self.config.arms)}

    def progress(arm: str, ended: int, episodes: int) -> None:
      report(place[arm] * episodes + ended, total)

    choices = (
      arms.choose_acting(
        self.config, self.base, val.text_world, val.indices,
        self.acting_cases, self.memo, progress,
      ),
      arms.choose_answering(
        self.config, self.base, val.text_world.preamble, val.exam,
        self.answering_cases, self.memo,
      ),
    )  # fmt: skip
    _write(kept, [c.as_dict() for c in choices])
    return choices

  def run(
    self,
    benchmark: Benchmark,
    choices: tuple[arms.Choice, arms.Choice] | None,
  ) -> Result:
    """Plays and answers one benchmark in all arms.

    Args:
      benchmark: the levels and questions.
      choices: what `choose` returned; None judges the tuned model alone.
    """
    kept = self.folder / f"{benchmark.name.replace('/', '-')}.json"
    if kept.exists():
      return _result(files.read_json(kept, _FIX))
    acting, answering_ = choices or (None, None)
    shown: dict[str, Progress] = {}

    def progress(arm: str, ended: int, episodes: int) -> None:
      if arm not in shown:
        shown[arm] = self.progress(f"{benchmark.name}, {arm}")
      shown[arm](ended, episodes)

    rivals = {
      arm: make(benchmark.text_world) for arm, make in self.rivals.items()
    }
    acted = arms.act(
      self.config, self.base, self.tuned, acting and acting.arm,
      benchmark.text_world, benchmark.indices, self.acting_cases, self.memo,
      progress, rivals,
    )  # fmt: skip
    asked = {}
    if benchmark.exam:
      if answering_:
        asked["base"] = self.base, answering_.arm
      asked["tuned"] = self.tuned, "plain"
    answered = {
      arm: WAYS[way].answer(
        lm, benchmark.text_world.preamble, benchmark.exam,
        self.answering_cases, self.memo, seed=self.config.seed,
      )
      for arm, (lm, way) in asked.items()
    }  # fmt: skip
    named = {}
    if acting and answering_:
      named = {"acting": acting, "answering": answering_}
    result = Result(
      acted,
      answered,
      asked={name: choice.arm for name, choice in named.items()},
      val={name: choice.as_dict()["val"] for name, choice in named.items()},
    )
    _write(kept, _values(result))
    return result


def _values(result: Result) -> dict[str, Any]:
  """A result as JSON; instructions are left out, as no report shows them."""
  values = dataclasses.asdict(result)
  for rows in values["acted"].values():
    for row in rows:
      del row["instructions"]
  return values


def _result(values: dict[str, Any]) -> Result:
  """The inverse of `_values`."""

  def fields(row: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}

  return Result(
    acted={
      arm: [loop.Episode(**fields(row)) for row in rows]
      for arm, rows in values["acted"].items()
    },
    answered={
      arm: [answering.Answer(**fields(row)) for row in rows]
      for arm, rows in values["answered"].items()
    },
    asked=values["asked"],
    val=values["val"],
  )


def _write(path: pathlib.Path, values: Any) -> None:
  """In the order of the arms, which is that of the report."""
  files.write_text(path, json.dumps(values) + "\n")

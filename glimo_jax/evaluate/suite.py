"""All benchmarks in all arms, kept on disk one benchmark at a time.

An evaluation that was killed goes on with the benchmark it had reached. Several
processes evaluate alike: the models' samplers divide the texts to be scored
among them, and the first process writes.
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
from glimo_jax.mesh import Shares
from glimo_jax.play import loop, scoring

Progress = Callable[[int, int], object]  # done, total
# model -> {"acting": how it is asked to act, "answering": and questions}
Choices = Mapping[str, Mapping[str, arms.Choice]]
_FIX = "delete it and evaluate again"


@dataclasses.dataclass(frozen=True)
class Result:
  """What the arms did on one benchmark, and how the models were asked.

  Attributes:
    acted: arm -> episodes.
    answered: arm -> answers.
    asked: model -> {"acting": its way, "answering": its way}.
    val: model -> the candidates' rates on `val`, by the same two names.
  """

  acted: dict[str, list[loop.Episode]]
  answered: dict[str, list[answering.Answer]]
  asked: dict[str, dict[str, str]]
  val: dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Suite:
  """One evaluation of a tuned model beside its base.

  Attributes:
    config: how much is measured.
    base, tuned: the two models.
    acting_cases, answering_cases: solved cases for the ways that show some.
    folder: where finished benchmarks are kept.
    progress: makes a progress callback for a name.
    rivals: makes further players of each benchmark, by arm.
    memo: scores that the arms share.
    shares: the processes that evaluate.
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
  shares: Shares = dataclasses.field(default_factory=Shares)

  def choose(self, val: Benchmark) -> Choices:
    """How each model is asked: by its best way on `val`."""
    kept = self.folder / "ways.json"
    if self._there(kept):
      return {
        model: {what: arms.Choice.from_dict(c) for what, c in choices.items()}
        for model, choices in files.read_json(kept, _FIX).items()
      }
    choices = {
      model: self._choose(model, lm, ways, val)
      for model, (lm, ways) in self._models.items()
    }
    self._write(
      kept,
      {
        model: {what: choice.as_dict() for what, choice in one.items()}
        for model, one in choices.items()
      },
    )
    return choices

  def _there(self, path: pathlib.Path) -> bool:
    """Whether the first process finds a file; the others may see it later."""
    there = self.shares.agreed(path.exists())
    if there:
      files.wait_for(path)
    return there

  def _write(self, path: pathlib.Path, values: Any) -> None:
    """Writes JSON, in the first process alone, in the order of the report."""
    if self.shares.is_first:
      files.write_text(path, json.dumps(values) + "\n")

  @property
  def _models(self) -> dict[str, tuple[llm.LanguageModel, tuple[str, ...]]]:
    """The models that are judged, with the candidate ways to ask them."""
    models = {
      "base": (self.base, self.config.arms),
      "tuned": (self.tuned, self.config.tuned_arms),
    }
    if self.config.tuned_only:
      del models["base"]
    return models

  def _choose(
    self,
    model: str,
    lm: llm.LanguageModel,
    ways: tuple[str, ...],
    val: Benchmark,
  ) -> dict[str, arms.Choice]:
    progress = self._by_arm(f"{val.name}, {model} asked in the way")
    return {
      "acting": arms.choose_acting(
        self.config, ways, lm, val.text_world, val.indices, self.acting_cases,
        self.memo, progress,
      ),
      "answering": arms.choose_answering(
        self.config, ways, lm, val.text_world.preamble, val.exam,
        self.answering_cases, self.memo,
      ),
    }  # fmt: skip

  def _by_arm(self, what: str) -> arms.Progress:
    """Shows the progress of each arm under a name of its own."""
    shown: dict[str, Progress] = {}

    def progress(arm: str, ended: int, episodes: int) -> None:
      if arm not in shown:
        shown[arm] = self.progress(f"{what} {arm}")
      shown[arm](ended, episodes)

    return progress

  def run(self, benchmark: Benchmark, choices: Choices) -> Result:
    """Plays and answers one benchmark in all arms.

    Args:
      benchmark: the levels and questions.
      choices: what `choose` returned.
    """
    kept = self.folder / f"{benchmark.name.replace('/', '-')}.json"
    if self._there(kept):
      return _result(files.read_json(kept, _FIX))

    def asked(what: str) -> dict[str, arms.Asked]:
      return {
        model: (lm, choices[model][what].arm)
        for model, (lm, _) in self._models.items()
      }

    rivals = {
      arm: make(benchmark.text_world) for arm, make in self.rivals.items()
    }
    acted = arms.act(
      self.config, asked("acting"), benchmark.text_world, benchmark.indices,
      self.acting_cases, self.memo, self._by_arm(f"{benchmark.name},"), rivals,
    )  # fmt: skip
    answered = {
      model: WAYS[way].answer(
        lm, benchmark.text_world.preamble, benchmark.exam,
        self.answering_cases, self.memo, seed=self.config.seed,
      )
      for model, (lm, way) in asked("answering").items()
      if benchmark.exam
    }  # fmt: skip
    result = Result(
      acted,
      answered,
      asked={
        model: {what: choice.arm for what, choice in one.items()}
        for model, one in choices.items()
      },
      val={
        model: {what: choice.as_dict()["val"] for what, choice in one.items()}
        for model, one in choices.items()
      },
    )
    self._write(kept, _values(result))
    return result


def _values(result: Result) -> dict[str, Any]:
  """A result as JSON, without what no report shows.

  That is the instructions, and the scores of players that are no model.
  """
  values = dataclasses.asdict(result)
  for arm, rows in values["acted"].items():
    for row in rows:
      del row["instructions"]
      if not arm.startswith(("base", "tuned")):
        del row["scores"]
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

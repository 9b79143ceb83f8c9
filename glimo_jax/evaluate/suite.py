"""All benchmarks, all arms: what each did, kept on disk benchmark by benchmark.

A killed evaluation goes on with the benchmark it was at.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glimo_jax.agent import llm
from glimo_jax.data.exam import ExamItem
from glimo_jax.evaluate import acting, answering, arms, scoring
from glimo_jax.evaluate.settings import EvaluateConfig

Report = Callable[[str], Callable[[int, int], Any]]  # name -> progress


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """Levels to play and questions to answer, in one world under one rule set.

  Attributes:
    name: such as agentworld/test.
    text_world: a `simulators.text_world.TextWorld`.
    indices: levels of its pool that are played.
    exam: questions, possibly none.
  """

  name: str
  text_world: Any
  indices: Sequence[int]
  exam: Sequence[ExamItem]


@dataclasses.dataclass(frozen=True)
class Result:
  """What the arms did on one benchmark, and how the base was asked.

  Attributes:
    acted: arm -> episodes.
    answered: arm -> answers.
    asked: {"acting": base's arm, "answering": base's arm}.
    val: the candidates' rates on `val`, by the same two names.
  """

  acted: dict[str, list[acting.Episode]]
  answered: dict[str, list[answering.Answer]]
  asked: dict[str, str]
  val: dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Suite:
  """One evaluation of a tuned model beside its base.

  Attributes:
    config: how much is measured.
    base, tuned: the two models.
    help_acting, help_answering: solved cases for the base's arms.
    folder: where finished benchmarks are kept.
    progress: makes a progress callback for a name.
    beside: further policies that play, by arm.
  """

  config: EvaluateConfig
  base: llm.LanguageModel
  tuned: llm.LanguageModel
  help_acting: arms.Help
  help_answering: arms.Help
  folder: pathlib.Path
  progress: Report
  beside: Mapping[str, acting.Policy] = dataclasses.field(default_factory=dict)
  memo: scoring.Memo = dataclasses.field(default_factory=scoring.Memo)

  def choose(self, val: Benchmark) -> tuple[arms.Choice, arms.Choice]:
    """How the base is asked: (acting, answering), by its best arm on `val`."""
    kept = self.folder / "base_arms.json"
    if kept.exists():
      return tuple(arms.Choice.from_dict(c) for c in _read(kept))
    report = self.progress(f"{val.name}, base's arms")
    total = len(self.config.arms) * len(val.indices)
    place = {arm: i for i, arm in enumerate(self.config.arms)}

    def told(arm, done, n):
      report(place[arm] * n + done, total)

    choices = (
      arms.choose_acting(
        self.config, self.base, val.text_world, val.indices,
        self.help_acting, self.memo, told,
      ),
      arms.choose_answering(
        self.config, self.base, val.text_world.preamble, val.exam,
        self.help_answering, self.memo,
      ),
    )  # fmt: skip
    _write(kept, [c.as_dict() for c in choices])
    return choices

  def run(
    self,
    benchmark: Benchmark,
    choices: tuple[arms.Choice, arms.Choice] | None,
  ) -> Result:
    """Plays and answers one benchmark in all arms; None: the tuned ones."""
    kept = self.folder / f"{benchmark.name.replace('/', '-')}.json"
    if kept.exists():
      return _result(_read(kept))
    for_acting, for_answering = choices or (None, None)
    shown: dict[str, Callable[[int, int], Any]] = {}

    def told(arm, done, n):
      if arm not in shown:
        shown[arm] = self.progress(f"{benchmark.name}, {arm}")
      shown[arm](done, n)

    acted = arms.act(
      self.config, self.base, self.tuned, for_acting and for_acting.arm,
      benchmark.text_world, benchmark.indices, self.help_acting, self.memo,
      told, self.beside,
    )  # fmt: skip
    preamble = benchmark.text_world.preamble
    answered = {}
    asked = {"tuned": (self.tuned, "plain")} if benchmark.exam else {}
    if asked and for_answering:
      asked = {"base": (self.base, for_answering.arm), **asked}
    for arm, (lm, how) in asked.items():
      answered[arm] = arms.answers(
        how, lm, preamble, benchmark.exam, self.help_answering, self.memo,
        seed=self.config.seed,
      )  # fmt: skip
    result = Result(acted, answered, {}, {})
    if choices:
      chosen = {"acting": for_acting, "answering": for_answering}
      result = dataclasses.replace(
        result,
        asked={name: choice.arm for name, choice in chosen.items()},
        val={name: choice.as_dict()["val"] for name, choice in chosen.items()},
      )
    _write(kept, dataclasses.asdict(result))
    return result


def _result(values: dict[str, Any]) -> Result:
  def revive(cls, row):
    return cls(**{k: tuple(v) if isinstance(v, list) else v
                  for k, v in row.items()})  # fmt: skip

  return Result(
    acted={
      arm: [revive(acting.Episode, row) for row in rows]
      for arm, rows in values["acted"].items()
    },
    answered={
      arm: [revive(answering.Answer, row) for row in rows]
      for arm, rows in values["answered"].items()
    },
    asked=values["asked"],
    val=values["val"],
  )


def _read(path: pathlib.Path) -> Any:
  return json.loads(path.read_text())


def _write(path: pathlib.Path, values: Any) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_suffix(".partial")
  partial.write_text(json.dumps(values) + "\n")
  partial.replace(path)

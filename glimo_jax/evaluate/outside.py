"""The models in worlds that nobody here wrote, beside script and expert.

The tuned model has not seen these worlds, their words or their moves. The ways
of asking are chosen on episodes of their own.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from glimo_jax.agent import llm
from glimo_jax.evaluate.benchmarks import Benchmark, Rival
from glimo_jax.evaluate.report import cells, summaries, trainings
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.evaluate.suite import Progress, Result, Suite
from glimo_jax.evaluate.ways import SolvedCases
from simulators.text_world import TextWorldProtocol

VAL_SEED = 1_000_000  # of the first episode on which ways are chosen
# Ways that show no solved cases, as there are none of these worlds.
ARMS = (
  "plain", "prior_calibrated", "options", "options_calibrated",
  "instructed_calibrated",
)  # fmt: skip
_COLUMNS = ("random", "base", "tuned", "script", "oracle")


def judge(
  name: str,
  make: Callable[[int], TextWorldProtocol],
  models: tuple[llm.LanguageModel, llm.LanguageModel],
  config: EvaluateConfig,
  folder: pathlib.Path,
  progress: Callable[[str], Progress],
  rivals: Mapping[str, Rival],
) -> Result:
  """Plays one outside world in all arms; goes on where it was interrupted.

  Args:
    name: of the world.
    make: seed of the first episode -> the world as texts.
    models: base and tuned.
    config: `episodes`, `val_episodes`, `max_steps`, the arms and the seed.
    folder: where finished parts are kept.
    progress: makes a progress callback for a name.
    rivals: further players.
  """
  cases = SolvedCases()
  suite = Suite(config, *models, cases, cases, folder, progress, rivals)
  val = Benchmark(name, make(VAL_SEED), range(config.val_episodes), ())
  test = Benchmark(name, make(0), range(config.episodes), ())
  return suite.run(test, suite.choose(val))


def report(results: Mapping[str, Result]) -> dict[str, Any]:
  """What the arms reached, as in report.json: benchmarks, comparisons, asked.

  Args:
    results: world -> what `judge` returned.
  """
  known = trainings.KnownSpread()
  acted = {
    name: {arm: [run] for arm, run in result.acted.items()}
    for name, result in results.items()
  }
  return {
    "benchmarks": {
      name: summaries.benchmark(arms, {}, known) for name, arms in acted.items()
    },
    "comparisons": {
      name: summaries.compare(arms, {}, known) for name, arms in acted.items()
    },
    "asked": {
      name: {model: ways["acting"] for model, ways in result.asked.items()}
      for name, result in results.items()
    },
    "asked_on_val": {
      name: {model: ways["acting"] for model, ways in result.val.items()}
      for name, result in results.items()
    },
  }


def table(values: Mapping[str, Any]) -> str:
  """Success of the arms in Markdown, a row for each world."""
  lines = [
    "| world | " + " | ".join(_COLUMNS) + " |",
    "|" + "---|" * (1 + len(_COLUMNS)),
  ]
  for name, arms in values["benchmarks"].items():
    found = [arms.get(arm, {}).get("success") for arm in _COLUMNS]
    lines.append(f"| {name} | {' | '.join(map(cells.interval, found))} |")
  return "\n".join(lines)

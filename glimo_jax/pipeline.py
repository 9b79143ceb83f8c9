"""The paper's steps as five stages; each reads the files of the previous one.

    collect   -> experience     episodes of the imperfect world
    annotate  -> dataset        verified instructions, memory, journal
    train     -> adapter        LoRA with a KL penalty to the base model
    improve   -> adapter        the same three stages on the model's own play
    evaluate  -> report.json    base and tuned model in the real world

Every stage takes a `Run`, returns at once if it is finished, and else resumes.
`round_` is 0 for the first pass, and 1, 2, ... for on-policy rounds. Several
processes share the work of each stage; the first one writes.
"""

import logging

from glimo_jax.agent import llm
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import dataset as dataset_lib
from glimo_jax.data import on_policy
from glimo_jax.data.formats import tfds
from glimo_jax.evaluate import benchmarks, language
from glimo_jax.evaluate.report import films, fragments, report
from glimo_jax.evaluate.retention import chats
from glimo_jax.evaluate.suite import Result, Suite
from glimo_jax.models.sampler import Sampler
from glimo_jax.progress import Progress
from glimo_jax.run import Run
from glimo_jax.train import export, metrics, trainer
from glimo_jax.types import EvalReport
from glimo_jax.workdir import Stage

_log = logging.getLogger(__name__)


def run(run: Run) -> EvalReport:
  """World model -> experience -> instructions -> better LLM -> report."""
  _check_evaluation(run)
  if not run.config.train.data:  # else another run has written the dataset
    collect(run)
    annotate(run)
  train(run)
  improve(run)
  return evaluate(run)


def collect(run: Run, round_: int = 0) -> None:
  """Plays imperfect worlds; samples new and surprising moments.

  Scripted actors and the agent play first, the tuned model in on-policy rounds.
  """
  with run.stage("collect", round_) as stage:
    if stage.finished:
      return
    student, progress = run.student(round_), Progress(stage.name)
    if student is None:
      experiences = collect_lib.collect(
        run.world, run.config.collect, run.base, progress, run.shares,
        stage.summary, lambda: run.journaled(run.teacher, stage.path),
      )  # fmt: skip
    else:
      experiences = on_policy.play(
        run.config.collect, run.config.rounds, student, run.tools(round_),
        round_, progress, run.config.annotate.rationale,
      )  # fmt: skip
    if run.is_first:
      collect_lib.save(stage.path / "experience.parquet", experiences)
    stage.summary["experiences"] = len(experiences)


def annotate(run: Run, round_: int = 0) -> None:
  """Has the agent write instructions; keeps those that replay verifies."""
  source = run.finished("collect", round_) / "experience.parquet"
  with run.stage("annotate", round_) as stage:
    if stage.finished:
      return
    memory, student = run.memory(), run.student(round_)
    with run.journaled(run.drafter(student), stage.path) as lm:
      dataset = annotate_lib.annotate(
        collect_lib.load(source), run.world, run.pool, run.settings(round_),
        lm, memory, Progress(f"{stage.name}: drafts"), student, run.shares,
      )  # fmt: skip
    if run.is_first:
      memory.save(stage.path / "memory")
      dataset_lib.save(dataset, stage.path / "dataset")
      tfds.write(dataset, stage.path / "tfds")
    stage.summary["counts"] = dataset.counts


def train(run: Run, round_: int = 0) -> None:
  """Fine-tunes with a KL penalty, in the phases of `Run.phases`."""
  dataset = run.dataset(round_)
  with run.stage("train", round_) as stage:
    if stage.finished:
      return
    benchmarks.check_unseen(
      run.evaluation_pools, dataset, run.config.collect.trained_on_real
    )
    decoder_config, params, _ = run.model
    adapter, history = trainer.train(
      run.config.train, decoder_config, params, run.first_adapter(round_),
      run.phases(round_), run.mesh, stage.path, _log.info, run.replay.budgets(),
    )  # fmt: skip
    if run.is_first:
      source = run.config.model.source
      export.save_peft(adapter, decoder_config, stage.path / "adapter", source)
    stage.summary["loss"] = history[-1]["loss"]


def improve(run: Run) -> None:
  """On-policy rounds: the same stages, played by the tuned model itself."""
  run.finished("train")
  for round_ in range(1, run.config.rounds.count + 1):
    collect(run, round_)
    annotate(run, round_)
    train(run, round_)


def evaluate(run: Run) -> EvalReport:
  """Judges base and tuned model in `real`; writes report.json and .html.

  `evaluate.suite` is `test` (with the out-of-distribution splits) for the end,
  or `val` for making choices. Each suite has its own report. A report over a
  retention budget is still written; then OverBudget is raised.
  """
  run.finished("train", run.config.rounds.count)
  with run.stage(run.evaluation) as stage:
    if not stage.finished:
      _check_evaluation(run)
      tuned = run.sampler.with_adapter(run.adapter(run.config.rounds.count))
      _report(run, stage, tuned, _judge(run, stage, tuned))
  written = report.read(run.report_folder)
  if run.is_first:
    page = f"report: {run.report_folder / report.HTML}"
    print(report.table(written), page, sep="\n")
  report.check_budgets(written)
  return written


def _check_evaluation(run: Run) -> None:
  """Stops before any work if the base could not be evaluated later."""
  config = run.config
  benchmarks.check_solved_cases(
    config.evaluate,
    questions=bool(config.annotate.rows("question")) or not run.asks_questions,
    actions=bool(config.annotate.rows("next_action")),
    memory_there=run.memory_folder.exists(),
    data=config.train.data,
  )


def _judge(run: Run, stage: Stage, tuned: Sampler) -> dict[str, Result]:
  """All arms on all benchmarks, by benchmark."""
  dataset, source = run.dataset(), run.config.model.source
  # The suite may be another one than at the time of training.
  benchmarks.check_unseen(
    run.evaluation_pools, dataset, run.config.collect.trained_on_real
  )
  choosing, *judged = run.evaluation_pools
  settings = run.config.evaluate
  suite = Suite(
    settings, run.base, llm.LocalLM(tuned, f"{source}+adapter"),
    *benchmarks.solved_cases(dataset, settings, run.saved_memory()),
    stage.path, Progress, benchmarks.rivals(run.world, dataset, settings),
    shares=run.shares,
  )  # fmt: skip
  choices = suite.choose(benchmarks.choosing(run.world, choosing, settings))
  return {
    benchmark.name: suite.run(benchmark, choices)
    for benchmark in benchmarks.judged(run.world, judged, settings)
  }


def _report(
  run: Run, stage: Stage, tuned: Sampler, results: dict[str, Result]
) -> None:
  """Writes report.json, report.html and the fragment for merging."""
  settings, dataset = run.config.evaluate, run.dataset()
  base = {} if settings.tuned_only else {"base": run.sampler}
  models = {**base, "tuned": tuned}
  scores = language.scores(models, run.held_out, settings.language_tokens)
  talk = chats.scores(run.sampler, models, settings.chat_prompts)
  if not run.is_first:
    return
  trained = run.finished("train", run.config.rounds.count)
  facts = run.facts(stage, dataset) | {"curves": metrics.curves(trained)}
  composed = report.compose(results, scores, dataset.counts, facts, talk)
  acted, pool = next(iter(results.values())).acted, run.evaluation_pools[1]
  report.write(composed, run.report_folder, episodes=acted)
  fragments.write(
    run.report_folder / fragments.NAME,
    fragments.Fragment(
      settings.arm, run.config.train.seed, results, scores, composed.dataset,
      composed.run, composed.run["failures"], talk,
    ),
  )  # fmt: skip
  # The page is drawn again with films: a fault in them loses no figure.
  shown = films.before_and_after(run.world, pool, acted, settings.seed)
  report.draw(composed, run.report_folder, episodes=acted, films=shown)

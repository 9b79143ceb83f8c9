"""What the evaluation is put together from: benchmarks, arms, one report."""

import dataclasses
import functools
import logging
import pathlib
import time
from collections.abc import Sequence

import numpy as np

from glimo_jax import parts
from glimo_jax import workdir as workdir_lib
from glimo_jax.agent import memory
from glimo_jax.config import Config
from glimo_jax.data import exam, texts
from glimo_jax.evaluate import arms, language, mlp, report, suite
from glimo_jax.models import sampler
from glimo_jax.types import EvalReport, InstructionDataset
from simulators.text_world import TextWorld

_log = logging.getLogger(__name__)


def folder(workdir, suite: str) -> pathlib.Path:
  """Where a suite's report and fragment come to."""
  run = pathlib.Path(workdir)
  return run if suite == "test" else run / f"evaluate-{suite}"


def choosing(config: Config) -> suite.Benchmark:
  """Where the base's arm is chosen: `val` in `real`."""
  pool, *_ = _pools(config)
  return _benchmark(config, config.evaluate.val_per_kind, *pool)


def benchmarks(config: Config) -> list[suite.Benchmark]:
  """What is judged in `real`: the suite, then what is out of distribution."""
  _, judged, *shifted = _pools(config)
  asked = _benchmark(config, config.evaluate.per_kind, *judged)
  return [asked, *(_benchmark(config, 0, *pool) for pool in shifted)]


def _pools(config: Config):
  return config.evaluate.pools(parts.make_world(config).splits)


def check_base(config: Config, workdir) -> None:
  """Stops, before any work, where the base could not be asked in the end.

  Raises:
    ValueError: no solved cases to ask the base with, or to train the MLP on.
  """
  if config.evaluate.tuned_only:
    return
  fix = "raise it, or"
  missing = [
    f"annotate.{part}=0"
    for part in ("questions", "next_actions")
    if not getattr(config.annotate, part)
  ]
  if config.train.data:
    known = _remembered(workdir).exists() or (
      "retrieval" not in config.evaluate.arms
    )
    missing = [] if known else [f"train.data={config.train.data}"]
    fix = "collect and annotate in this workdir, too, or"
  if missing:
    raise ValueError(
      f"with {' and '.join(missing)} there are no solved cases of this run to "
      f"ask the base with, or to train the MLP on: {fix} set "
      "--config.evaluate.tuned_only=True to judge the tuned model alone"
    )


def _remembered(workdir) -> pathlib.Path:
  return pathlib.Path(workdir) / "annotate" / "memory"


def check_unseen(config: Config, dataset: InstructionDataset) -> None:
  """Stops, before any training, on rows of what is judged.

  Raises:
    ValueError: rows of the variant `real`, unless `trained_on_real` admits
      them, or of levels that will be judged or chosen on.
  """
  real = [row.row_id for row in dataset.train if row.variant == "real"]
  if real and not config.collect.trained_on_real:
    raise ValueError(
      f"{len(real)} rows of the training data are of `real`, e.g. {real[0]}: "
      "what is judged is not trained on; only the arm that says so may, with "
      "--config.collect.trained_on_real=True"
    )
  world = parts.make_world(config)
  learnt = {row.level_hash for row in dataset.train}
  for split, size, depths in _pools(config):
    hashes = parts.pool(world, split, size, depths).hashes
    seen = {f"{int(h):016x}" for h in hashes} & learnt
    if seen:
      raise ValueError(
        f"{len(seen)} levels of {split!r} are in the training data, e.g. "
        f"{min(seen)}: train on other levels, or judge by another world"
      )


def _benchmark(
  config: Config, per_kind: int, split: str, episodes: int, depths
) -> suite.Benchmark:
  world = parts.make_world(config)
  real, pool = world.params("real"), parts.pool(world, split, episodes, depths)
  questions = []
  if per_kind:
    questions = exam.make(
      world, real, pool, per_kind, config.evaluate.seed,
      kinds=config.evaluate.kinds,
    )  # fmt: skip
  return suite.Benchmark(
    f"{world.name}/{split}",
    TextWorld(world, real, pool),
    range(episodes),
    questions,
  )


def solved_cases(
  config: Config, workdir, dataset: InstructionDataset
) -> tuple[arms.Help, arms.Help]:
  """Solved cases for the base's arms: (acting, answering)."""

  def shots(stage: int):
    rows = [row for row in dataset.train if row.stage == stage]
    single = [row for row in rows if row.weights.count(row.weights[0]) == 1]
    rng = np.random.default_rng(config.evaluate.seed)
    picks = rng.permutation(len(single))[: config.evaluate.shots]
    return tuple(
      (single[i].messages[-1]["content"], single[i].answers[0]) for i in picks
    )

  retrieve = None
  folder = _remembered(workdir)
  if folder.exists():
    remembered = memory.Memory(parts.make_embedder(config.model.embedder).embed)
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
  world = parts.make_world(config)
  learnt = mlp.MlpPolicy(
    dataset.train, world.parse_description, world.actions, world.words
  )
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
    *(() if config.train.data else parts.STAGES[:2]),
    "train",
    *(parts.round_name(i + 1) for i in range(config.rounds.count)),
  ]
  said = {name: workdir_lib.summary(workdir, name) for name in done}
  seconds = {name: of["wall_s"] for name, of in said.items()}
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
      "commits": {
        name: of.get("commit", "unknown") for name, of in said.items()
      },
      "seeds": {"train": config.train.seed, "evaluate": config.evaluate.seed},
      "texts": {
        name: texts.digest(texts.load(name))
        for name in (*texts.HELD_OUT, "replay")
      },
      "base_asked": first.asked,
      "base_arms": first.val,
      "rounds": [
        said[parts.round_name(i + 1)]["counts"]
        for i in range(config.rounds.count)
      ],
      "trained_in": sorted({row.variant for row in dataset.train}),
      "config": report.portable(dataclasses.asdict(config)),
    },
  )

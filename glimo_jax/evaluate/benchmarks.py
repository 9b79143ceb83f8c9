"""Benchmarks in `real`, and the check that no training row comes from them."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent.memory import Memory
from glimo_jax.evaluate import exam, mlp
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.evaluate.ways import SolvedCases
from glimo_jax.play.loop import Policy
from glimo_jax.play.scoring import Shot
from glimo_jax.types import InstructionDataset, InstructionExample
from simulators.base import (
  AsksQuestions,
  HasScript,
  LevelPool,
  ParsesDescriptions,
  World,
)
from simulators.text_world import TextWorld, TextWorldProtocol

# Makes a player for one benchmark: some remember their episodes.
Rival = Callable[[TextWorldProtocol], Policy]


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """Levels to play and questions to answer, in one world under one rule set.

  Attributes:
    name: such as agentworld/test.
    text_world: the world in words.
    indices: levels of its pool that are played.
    exam: questions; may be empty.
  """

  name: str
  text_world: TextWorldProtocol
  indices: Sequence[int]
  exam: Sequence[exam.ExamItem]


def pools(world: World, config: EvaluateConfig) -> list[LevelPool]:
  """All pools, drawn once for all that follows.

  Returns:
    `val`, the judged suite, then the out-of-distribution splits.
  """
  return [
    world.pool(split, size, depths)
    for split, size, depths in config.pools(world.splits)
  ]


def choosing(
  world: World, pool: LevelPool, config: EvaluateConfig
) -> Benchmark:
  """Where the ways of asking are chosen: `pool` is the first of `pools`."""
  return _benchmark(world, pool, config, config.val_per_kind)


def judged(
  world: World, pools: Sequence[LevelPool], config: EvaluateConfig
) -> list[Benchmark]:
  """What is judged: play on every pool, questions on the first.

  Args:
    world: the simulator.
    pools: those of `pools` without the first: the suite, then what is out of
      distribution.
    config: how much is measured.
  """
  return [
    _benchmark(world, pool, config, 0 if i else config.per_kind)
    for i, pool in enumerate(pools)
  ]


def _benchmark(
  world: World, pool: LevelPool, config: EvaluateConfig, per_kind: int
) -> Benchmark:
  real, questions = world.params("real"), []
  if per_kind and isinstance(world, AsksQuestions):
    questions = exam.make(
      world, real, pool, per_kind, config.seed, kinds=config.kinds
    )
  return Benchmark(
    f"{world.name}/{pool.split}",
    TextWorld(world, real, pool),
    range(len(pool)),
    questions,
  )


def check_unseen(
  pools: Sequence[LevelPool],
  dataset: InstructionDataset,
  trained_on_real: bool = False,
) -> None:
  """Stops, before any training, on rows of what is judged.

  Args:
    pools: all pools that are judged or chosen on.
    dataset: what is trained on.
    trained_on_real: whether rows of the variant `real` are admitted.

  Raises:
    ValueError: rows of the variant `real` that are not admitted, or rows of
      levels that will be judged or chosen on.
  """
  real = [row.row_id for row in dataset.train if row.variant == "real"]
  if real and not trained_on_real:
    raise ValueError(
      f"{len(real)} rows of the training data are of `real`, e.g. {real[0]}: "
      "what is judged must not be trained on; only the arm of that name may, "
      "with --config.collect.trained_on_real=True"
    )
  trained = {row.level_hash for row in dataset.train}
  for pool in pools:
    seen = {f"{int(h):016x}" for h in pool.hashes} & trained
    if seen:
      raise ValueError(
        f"{len(seen)} levels of {pool.split!r} are in the training data, e.g. "
        f"{min(seen)}: train on other levels, or judge by another world"
      )


def check_solved_cases(
  config: EvaluateConfig,
  *,
  questions: bool,
  actions: bool,
  memory_there: bool,
  data: str = "",
) -> None:
  """Stops, before any work, where there will be no solved cases to show.

  Args:
    config: how much is measured.
    questions: whether the run annotates questions, or its world asks none.
    actions: whether the run annotates next actions.
    memory_there: whether the run has a memory, or will have.
    data: folder of another run's dataset, if that is trained on.

  Raises:
    ValueError: no solved cases to ask the models with, or to train the MLP on.
  """
  ways = {*config.tuned_arms, *(() if config.tuned_only else config.arms)}
  if config.tuned_only and not ways & {"few_shot", "retrieval"}:
    return
  parts = {"question": questions, "next_action": actions}
  missing = [
    f"annotate.skills.{part}.rows=0"
    for part, there in parts.items()
    if not there
  ]
  fix = "raise it, or"
  if data:
    known = memory_there or "retrieval" not in ways
    missing = [] if known else [f"train.data={data}"]
    fix = "collect and annotate in this workdir, too, or"
  if missing:
    raise ValueError(
      f"with {' and '.join(missing)} there are no solved cases of this run to "
      f"ask the models with, or to train the MLP on: {fix} set "
      "--config.evaluate.tuned_only=True to judge the tuned model alone, asked "
      "in other ways than few_shot and retrieval"
    )


def solved_cases(
  dataset: InstructionDataset, config: EvaluateConfig, memory: Memory | None
) -> tuple[SolvedCases, SolvedCases]:
  """Solved cases for prompts: (acting, answering).

  Args:
    dataset: verified rows; next actions and questions with choices and a
      single best answer become shots, answers in turn.
    config: how many shots, and the seed that draws them.
    memory: of the run, for retrieval.
  """
  actions = [row for row in dataset.train if row.kind == "next_action"]
  questions = [row for row in dataset.train if row.stage == 1 and row.choices]

  def nearest(turns: Sequence[str]) -> list[list[Shot]]:
    assert memory is not None
    found = memory.search(turns, 1, [""] * len(turns))
    return [[(row.text, row.answer) for row in rows] for rows in found]

  retrieve = None if memory is None else nearest
  return (
    SolvedCases(_shots(actions, config), retrieve),
    SolvedCases(_shots(questions, config), retrieve),
  )


def _shots(
  rows: Sequence[InstructionExample], config: EvaluateConfig
) -> tuple[Shot, ...]:
  """Cases drawn at random, answers in turn, so that none is suggested."""
  rng = np.random.default_rng(config.seed)
  queues: dict[str, list[Shot]] = {}
  for i in rng.permutation(len(rows)):
    answers, weights = rows[i].answers, rows[i].weights
    if weights.count(weights[0]) == 1:
      shot = rows[i].messages[-1]["content"], answers[0]
      queues.setdefault(answers[0], []).append(shot)
  turns = itertools.zip_longest(*queues.values())
  shots = [shot for turn in turns for shot in turn if shot is not None]
  return tuple(shots[: config.shots])


def rivals(
  world: World, dataset: InstructionDataset, config: EvaluateConfig
) -> dict[str, Rival]:
  """Players beside the models, without a language model.

  Returns:
    Arm -> what makes its player: `script`, where the world has a scripted
    reader, and `mlp`, a small network trained on these rows, where it parses
    its descriptions. Empty where the tuned model is judged alone.
  """
  out: dict[str, Rival] = {}
  if config.tuned_only:
    return out
  if isinstance(world, HasScript):
    script = world.script
    out["script"] = lambda text_world: script(text_world.preamble)
  if isinstance(world, ParsesDescriptions):
    trained = mlp.MlpPolicy(
      dataset.train,
      world.parse_description,
      world.actions,
      world.rules(world.params("real")),
      world.words,
    )
    out["mlp"] = lambda text_world: trained
  return out

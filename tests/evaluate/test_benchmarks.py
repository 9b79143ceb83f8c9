"""Benchmarks: evaluated levels are not trained on; the base can be prompted."""

import collections
import dataclasses
import types

import numpy as np
import pytest

import simulators
from glimo_jax.evaluate import benchmarks
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.types import InstructionDataset
from simulators.text_world import TextWorld

CONFIG = EvaluateConfig(
  episodes=3, val_episodes=2, per_kind=1, val_per_kind=1, ood_episodes=2,
  kinds=("bump",), shots=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=7)


@pytest.fixture(scope="module")
def pools(world):
  return benchmarks.pools(world, CONFIG)


def _rows(level_hash="0", variant="imperfect/swapped(0)"):
  row = types.SimpleNamespace(
    row_id="r0", variant=variant, level_hash=level_hash
  )
  return InstructionDataset(train=[row], val=[], counts={})


def test_pools_are_val_then_suite_then_shifted_levels(pools):
  sizes = {pool.split: len(pool) for pool in pools}
  assert list(sizes)[:2] == ["val", "test"]
  assert list(sizes.values())[:2] == [2, 3]
  shifted = {split: n for split, n in sizes.items() if split.startswith("ood")}
  assert len(shifted) == len(pools) - 2 > 0
  assert set(shifted.values()) == {2}


def test_questions_are_asked_only_on_val_and_the_suite(world, pools):
  val, *judged = pools
  choosing = benchmarks.choosing(world, val, CONFIG)
  assert choosing.name == "agentworld/val"
  assert len(choosing.exam) == 1
  made = benchmarks.judged(world, judged, CONFIG)
  assert [b.name for b in made] == [f"agentworld/{p.split}" for p in judged]
  assert [len(b.exam) for b in made] == [1] + [0] * (len(judged) - 1)
  assert [list(b.indices) for b in made] == [
    list(range(len(p))) for p in judged
  ]


class Silent:
  """Implements the contract alone: no questions, no parsing."""

  name, measures, memories = "silent", (), ()

  def __init__(self, world):
    self._world = world
    self.actions, self.splits = world.actions, world.splits
    for part in (
      "params", "pool", "reset", "step", "describe", "rules", "instruction",
      "parse", "legal", "variants", "depths",
    ):  # fmt: skip
      setattr(self, part, getattr(world, part))


def test_world_without_questions_is_evaluated_by_play_alone(world, pools):
  silent = Silent(world)
  first, *_ = benchmarks.judged(silent, pools[1:], CONFIG)
  assert (first.name, first.exam) == ("silent/test", [])
  dataset = InstructionDataset(train=[], val=[], counts={})
  assert benchmarks.rivals(silent, dataset, CONFIG) == {}


@pytest.mark.parametrize("split", ["val", "test", "ood-size"])
def test_evaluated_levels_are_not_in_training_rows(pools, split):
  benchmarks.check_unseen(pools, _rows())
  pool = next(pool for pool in pools if pool.split == split)
  seen = f"{int(pool.hashes[1]):016x}"
  with pytest.raises(ValueError, match=f"levels of '{split}' .*{seen}"):
    benchmarks.check_unseen(pools, _rows(seen))


def test_rows_of_real_are_refused_except_in_the_arm_of_that_name(pools):
  with pytest.raises(ValueError, match=r"1 rows .* are of `real`, e\.g\. r0"):
    benchmarks.check_unseen(pools, _rows(variant="real"))
  benchmarks.check_unseen(pools, _rows(variant="real"), trained_on_real=True)


@pytest.mark.parametrize(
  ("lack", "match"),
  [
    ({"data": "elsewhere"}, "train.data=elsewhere"),
    ({"questions": False}, "annotate.skills.question.rows=0"),
    ({"actions": False}, "annotate.skills.next_action.rows=0"),
  ],
)
def test_base_that_cannot_be_prompted_is_found_before_any_work(lack, match):
  there = {"questions": True, "actions": True, "memory_there": False}
  benchmarks.check_solved_cases(CONFIG, **there)
  with pytest.raises(ValueError, match=f"with {match} there are no solved"):
    benchmarks.check_solved_cases(CONFIG, **{**there, **lack})
  alone = EvaluateConfig(tuned_only=True)
  benchmarks.check_solved_cases(alone, **{**there, **lack})
  shown = EvaluateConfig(tuned_only=True, tuned_arms=("plain", "retrieval"))
  with pytest.raises(ValueError, match=match):
    benchmarks.check_solved_cases(shown, **{**there, **lack})


def test_rows_of_another_run_suffice_without_retrieval():
  plain = EvaluateConfig(arms=("plain", "few_shot"))
  benchmarks.check_solved_cases(
    plain, questions=False, actions=False, memory_there=False, data="there"
  )


def _case(i, kind, answers, weights=(0.9, 0.1)):
  return types.SimpleNamespace(
    kind=kind,
    stage=2 if kind in ("next_action", "full_plan") else 1,
    messages=({"role": "user", "content": f"text {i}"},),
    answers=answers,
    weights=weights,
    choices=() if kind in ("full_plan", "predict") else answers,
  )


def test_solved_cases_have_one_best_answer_and_the_right_kind():
  kinds = ("next_action", "bump", "full_plan", "predict")
  rows = [
    _case(
      i, kinds[i % 4], (f"answer {i}", "other"),
      (0.5, 0.5) if i % 3 else (0.9, 0.1),
    )
    for i in range(96)
  ]  # fmt: skip
  dataset = InstructionDataset(train=rows, val=[], counts={})
  acting, answering = benchmarks.solved_cases(dataset, CONFIG, None)
  for cases, kind in ((acting, "next_action"), (answering, "bump")):
    assert len(cases.shots) == CONFIG.shots
    assert cases.retrieve is None
    for asked, answered in cases.shots:
      row = rows[int(asked.split()[1])]
      assert (row.kind, row.answers[0]) == (kind, answered)
      assert row.weights == (0.9, 0.1)
  again, _ = benchmarks.solved_cases(dataset, CONFIG, None)
  assert again == acting


def test_answers_of_solved_cases_take_turns():
  """Of 30 rows, 27 say `left`: the shots say each answer equally often."""
  answers = ["left"] * 27 + ["up", "down", "right"]
  rows = [
    _case(i, kind, (answer, "other"))
    for kind in ("next_action", "bump")
    for i, answer in enumerate(answers)
  ]
  dataset = InstructionDataset(train=rows, val=[], counts={})
  for shots in (4, 6):
    config = dataclasses.replace(CONFIG, shots=shots)
    for cases in benchmarks.solved_cases(dataset, config, None):
      said = collections.Counter(answer for _, answer in cases.shots)
      assert said == {"left": shots - 3, "up": 1, "down": 1, "right": 1}
      assert len(set(cases.shots)) == shots  # no case twice


def test_retrieved_cases_are_the_nearest_of_the_memory():
  class FakeMemory:
    def search(self, texts, k, episodes):
      assert k == 1
      assert episodes == [""] * len(texts)
      row = types.SimpleNamespace(text="near", answer="up")
      return [[row] for _ in texts]

  dataset = InstructionDataset(train=[], val=[], counts={})
  acting, answering = benchmarks.solved_cases(dataset, CONFIG, FakeMemory())
  for cases in (acting, answering):
    assert cases.retrieve(["a", "b"]) == [[("near", "up")]] * 2


def test_small_mlp_is_evaluated_with_the_models(world):
  text = _played(world).texts[0]
  row = types.SimpleNamespace(
    kind="next_action", messages=({"role": "user", "content": text},),
    rationale=(), ending=(), answers=("up",), weights=(1.0,),
  )  # fmt: skip
  dataset = InstructionDataset(train=[row], val=[], counts={})
  makers = benchmarks.rivals(world, dataset, CONFIG)
  scores = makers["mlp"](_played(world)).scores([text], [0])
  assert scores.argmax() == world.actions.index("up")
  alone = EvaluateConfig(tuned_only=True)
  assert benchmarks.rivals(world, dataset, alone) == {}


class Scripted(Silent):
  """A world with a scripted reader that remembers what it has read."""

  def script(self, rules):
    def scores(texts, rows):
      read.append(texts)
      return np.full((len(texts), 4), len(read), float)

    read = [rules]
    return types.SimpleNamespace(scores=scores, read=read)


def test_every_benchmark_has_a_fresh_scripted_reader_of_its_rules(world):
  dataset = InstructionDataset(train=[], val=[], counts={})
  scripted = Scripted(world)
  makers = benchmarks.rivals(scripted, dataset, CONFIG)
  assert list(makers) == ["script"]
  played = _played(world)
  for _ in range(2):
    reader = makers["script"](played)
    assert reader.read == [played.preamble]
    assert reader.scores(["a text"], [0]).max() == 2
  alone = EvaluateConfig(tuned_only=True)
  assert benchmarks.rivals(scripted, dataset, alone) == {}


def _played(world):
  played = TextWorld(world, world.params("real"), world.pool("val", 1))
  played.reset([0])
  return played

"""Evaluation levels are never trained on; that is checked before training."""

import types

import pytest

import simulators
from glimo_jax.evaluate import benchmarks
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.types import InstructionDataset

CONFIG = EvaluateConfig(episodes=4, val_episodes=2, ood_episodes=2)


@pytest.fixture(scope="module")
def pools():
  return benchmarks.pools(simulators.make("agentworld"), CONFIG)


def _rows(level_hash="0", variant="imperfect/swapped(0)"):
  row = types.SimpleNamespace(
    row_id="r0", variant=variant, level_hash=level_hash
  )
  return InstructionDataset(train=[row], val=[], counts={})


@pytest.mark.parametrize("split", ["val", "test", "ood-size"])
def test_an_evaluation_level_in_the_training_data_is_refused(pools, split):
  benchmarks.check_unseen(pools, _rows())
  (pool,) = (pool for pool in pools if pool.split == split)
  seen = f"{int(pool.hashes[1]):016x}"
  with pytest.raises(ValueError, match=f"levels of '{split}' .*{seen}"):
    benchmarks.check_unseen(pools, _rows(seen))


def test_rows_of_real_are_refused_except_in_the_arm_of_that_name(pools):
  rows = _rows(variant="real")
  with pytest.raises(ValueError, match=r"1 rows .* are of `real`, e\.g\. r0"):
    benchmarks.check_unseen(pools, rows)
  benchmarks.check_unseen(pools, rows, trained_on_real=True)


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ({"data": "elsewhere"}, "train.data=elsewhere"),
    ({"questions": False}, "annotate.skills.question.rows=0"),
    ({"actions": False}, "annotate.skills.next_action.rows=0"),
  ],
)
def test_a_base_without_solved_cases_is_refused_before_any_work(given, message):
  given = dict(questions=True, actions=True, memory_there=False) | given
  with pytest.raises(ValueError, match=f"with {message} there"):
    benchmarks.check_solved_cases(CONFIG, **given)
  alone = EvaluateConfig(tuned_only=True)
  benchmarks.check_solved_cases(alone, **given)

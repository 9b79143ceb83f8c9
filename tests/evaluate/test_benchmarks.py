"""What is judged is not trained on, and that is found before training."""

import dataclasses
import types

import pytest

from configs import quickstart
from glimo_jax import parts, proof
from glimo_jax.config import Config
from glimo_jax.types import InstructionDataset
from launch import common


@pytest.fixture(scope="module")
def config():
  values = quickstart.get_config("tiny")
  values.evaluate.ood_episodes = 2
  return common.build(Config, values.to_dict())


def _rows(level_hash="0", variant="imperfect/swapped(0)"):
  row = types.SimpleNamespace(
    row_id="r0", variant=variant, level_hash=level_hash
  )
  return InstructionDataset(train=[row], val=[], counts={})


@pytest.mark.parametrize("split", ["val", "test", "ood-size"])
def test_a_level_that_is_judged_is_not_trained_on(config, split):
  proof.check_unseen(config, _rows())
  depths = None if split.startswith("ood") else config.evaluate.depths
  pool = parts.make_world(config).pool(split, 2, depths)
  seen = f"{int(pool.hashes[1]):016x}"
  with pytest.raises(ValueError, match=f"levels of '{split}' .*{seen}"):
    proof.check_unseen(config, _rows(seen))


def test_rows_of_real_are_refused_but_in_the_arm_of_that_name(config):
  with pytest.raises(ValueError, match=r"1 rows .* are of `real`, e\.g\. r0"):
    proof.check_unseen(config, _rows(variant="real"))
  collect = dataclasses.replace(config.collect, trained_on_real=True)
  admitted = dataclasses.replace(config, collect=collect)
  proof.check_unseen(admitted, _rows(variant="real"))


@pytest.mark.parametrize(
  ("section", "name", "value"),
  [
    ("train", "data", "elsewhere"),
    ("annotate", "questions", 0),
    ("annotate", "next_actions", 0),
  ],
)
def test_a_base_that_cannot_be_asked_is_found_before_any_work(
  tmp_path, section, name, value
):
  values = quickstart.get_config("tiny")
  values.annotate.update(llm_questions=0, llm_actions=0)
  values[section][name] = value
  with pytest.raises(ValueError, match=f"with {section}.{name}={value} there"):
    proof.check_base(common.build(Config, values.to_dict()), tmp_path)
  values.evaluate.tuned_only = True
  proof.check_base(common.build(Config, values.to_dict()), tmp_path)

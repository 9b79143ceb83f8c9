"""Budgets: the KL comes down to them, and they cost nothing where they hold."""

import dataclasses

import jax
import numpy as np
import pytest

from glimo_jax.train import budget, placement, step, trainer
from glimo_jax.train.losses import Sums
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase
from glimo_jax.types import KL_TERMS

CONFIG = StepConfig(
  lr=1e-2, warmup=1, chunk=16, kl_coef=0.5, eps=1e-4, checkpoint_every=7
)
TEXT, CHAT = KL_TERMS.index("text"), KL_TERMS.index("chat")


@pytest.fixture
def replaying(rows):
  """Task rows that return, beside replay text and chats in turn."""

  class Replaying(rows):
    def __next__(self):
      turn = self.index
      self.index = turn % 2
      task, text = super().__next__()
      self.index = turn + 1
      term = np.full(len(text.tokens), (TEXT, CHAT)[turn % 2], np.int32)
      return task, text.replace(kl_term=term)

  return Replaying


def run(tiny, mesh, tmp_path, data, budgets, steps=60, config=CONFIG):
  adapter, history = trainer.train(
    config, tiny.config, tiny.params, tiny.adapter,
    [Phase("only", data, steps)], mesh, tmp_path, lambda line: None, budgets,
  )  # fmt: skip
  return jax.device_get(adapter), history


def last_kl(history, parity):
  return np.mean([line["kl"] for line in history[-20:]][parity::2])


def bits(tree):
  return [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]


def test_kl_of_the_budgeted_term_comes_down(
  tiny, replaying, one_device, tmp_path
):
  free, before = run(
    tiny, one_device, tmp_path / "free", replaying(replay=8), {}
  )
  assert {line["kl_coef"] for line in before} == {0.5}
  limit = 0.4 * last_kl(before, 1)
  _, after = run(
    tiny, one_device, tmp_path / "held", replaying(replay=8), {"chat": limit}
  )
  assert last_kl(after, 1) < limit
  # The other term keeps the coefficient of the config.
  assert {line["kl_coef"] for line in after[::2]} == {0.5}
  assert after[-1]["kl_coef"] > 1.0
  # A budget that is never reached changes nothing, to the bit.
  wide, _ = run(
    tiny, one_device, tmp_path / "wide", replaying(replay=8), {"chat": 1e3}
  )
  assert bits(wide) == bits(free)


def test_killed_training_with_a_budget_resumes_bitwise(
  tiny, replaying, one_device, tmp_path
):
  class Killed(replaying):
    left = 12

    def __next__(self):
      self.left -= 1
      if self.left < 0:
        raise KeyboardInterrupt
      return super().__next__()

  limits = {"chat": 1e-3, "text": 2e-3}

  def train(name, data):
    return run(tiny, one_device, tmp_path / name, data, limits, steps=20)

  whole, history = train("whole", replaying(replay=8))
  assert history[-1]["kl_coef"] > 0.6  # the multipliers are at work
  with pytest.raises(KeyboardInterrupt):
    train("cut", Killed(replay=8))
  resumed, again = train("cut", replaying(replay=8))
  assert bits(resumed) == bits(whole)
  assert again[-1]["kl_coef"] == history[-1]["kl_coef"]


def test_other_budgets_and_multipliers_compile_nothing(
  tiny, replaying, one_device
):
  config = dataclasses.replace(CONFIG, seed=12)  # no other test compiles this
  params = placement.place_params(tiny.params, tiny.config, one_device)
  data = replaying(replay=8)
  before = step.train_step._cache_size()
  for multiplier, limit in ((1.0, 0.0), (3.0, 0.1), (1.5, 2.0)):
    state = placement.init_state(config, tiny.moved, one_device)
    state = state.replace(multipliers=state.multipliers * multiplier)
    batches, terms = placement.place_batches(next(data), config, one_device)
    _, metrics = step.train_step(
      state, params, batches, np.float32(1e-3),
      budget.as_array({"chat": limit}), config=config,
      decoder_config=tiny.config, mesh=one_device, terms=terms,
    )  # fmt: skip
    assert float(metrics["kl_coef"]) == config.kl_coef * multiplier
    expected = metrics["ce"] + metrics["kl_coef"] * metrics["kl"]
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-6)
  assert step.train_step._cache_size() == before + 1


@pytest.mark.parametrize(
  ("kl", "before", "after"),
  [
    (0.3, 1.0, np.exp(budget.RATE)),  # three times the budget: the largest step
    (0.15, 2.0, 2.0 * np.exp(0.5 * budget.RATE)),
    (0.05, 2.0, 2.0 * np.exp(-0.5 * budget.RATE)),
    (0.05, 1.01, 1.0),  # never below the coefficient of the config
  ],
)
def test_multiplier_follows_the_excess(rows, kl, before, after):
  task, text = next(rows(replay=2))
  chat = text.replace(kl_term=np.full(2, CHAT, np.int32))
  sums = Sums.zero().replace(kl=np.float32(10 * kl), kl_weight=np.float32(10))
  found = budget.ascend(
    np.full(3, before, np.float32), budget.as_array({"chat": 0.1}),
    [task, chat], [Sums.zero(), sums],
  )  # fmt: skip
  expected = [before, before, after]
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_budget_of_an_unknown_term_is_named():
  with pytest.raises(ValueError, match="KL budget 'chats'"):
    budget.as_array({"chats": 0.1})

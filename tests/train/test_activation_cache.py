"""The cache stores the output of the frozen layers once per batch."""

import dataclasses

import jax
import numpy as np
import pytest

from glimo_jax import mesh as mesh_lib
from glimo_jax.train import activation_cache, placement, trainer
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase

CONFIG = StepConfig(
  lr=1e-2, warmup=1, chunk=16, kl_coef=0.5, eps=1e-4, checkpoint_every=2
)
KEEPING = dataclasses.replace(CONFIG, activation_cache_gib=1.0)
BATCH = 8 * 16 * 32 * 4  # bytes of the activations of a batch of task rows


@pytest.fixture
def again(rows):
  """Three batches that return."""

  class Again(rows):
    def __next__(self):
      self.index %= 3
      return super().__next__()

  return Again


def run(tiny, mesh, tmp_path, iterator, config, steps=7):
  adapter, history = trainer.train(
    config, tiny.config, tiny.params, tiny.adapter,
    [Phase("only", iterator, steps)], mesh, tmp_path, lambda line: None,
  )  # fmt: skip
  return jax.device_get(adapter), [line["loss"] for line in history]


def bits(tree):
  return [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]


@pytest.fixture
def computed(monkeypatch):
  """A list with one entry for each computation of activations."""
  calls = []
  compute = activation_cache.frozen_activations

  def counted(*inputs):
    calls.append(1)
    return compute(*inputs)

  monkeypatch.setattr(activation_cache, "frozen_activations", counted)
  return calls


@pytest.mark.parametrize(
  ("devices", "kl_tokens"),
  [(1, "replay"), (1, "completion"), (8, "completion")],
)
def test_training_with_the_cache_is_the_same(
  tiny, again, one_device, tmp_path, computed, devices, kl_tokens
):
  mesh = one_device if devices == 1 else mesh_lib.make(2, 2, 2)
  plain = dataclasses.replace(CONFIG, kl_tokens=kl_tokens, accumulate=2)
  keeping = dataclasses.replace(plain, activation_cache_gib=1.0)
  expected = run(tiny, mesh, tmp_path / "plain", again(replay=8), plain)
  assert not computed
  kept = run(tiny, mesh, tmp_path / "kept", again(replay=8), keeping)
  assert len(computed) == 3 * (2 if kl_tokens == "replay" else 1)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), expected, kept
  )


def test_activations_beyond_the_limit_are_recomputed_bitwise(
  tiny, again, one_device, tmp_path, computed
):
  all_kept = run(tiny, one_device, tmp_path / "all", again(), KEEPING)
  assert len(computed) == 3
  one = dataclasses.replace(CONFIG, activation_cache_gib=1.5 * BATCH / 2**30)
  one_kept = run(tiny, one_device, tmp_path / "one", again(), one)
  assert len(computed) == 3 + 1 + 4  # one of the three returned twice
  assert bits(one_kept) == bits(all_kept)


def test_resumed_run_is_bitwise_equal(tiny, again, one_device, tmp_path):
  whole, _ = run(tiny, one_device, tmp_path / "whole", again(), KEEPING)

  class Killed(again):
    left = 5

    def __next__(self):
      self.left -= 1
      if self.left < 0:
        raise KeyboardInterrupt
      return super().__next__()

  with pytest.raises(KeyboardInterrupt):
    run(tiny, one_device, tmp_path / "cut", Killed(), KEEPING)
  resumed, _ = run(tiny, one_device, tmp_path / "cut", again(), KEEPING)
  assert bits(resumed) == bits(whole)


def test_rows_and_text_are_cached_if_there_are_frozen_layers(
  tiny, rows, one_device
):
  data = next(rows(replay=8))
  batches, _ = placement.place_batches(data, KEEPING, one_device)
  params = placement.place_params(tiny.params, tiny.config, one_device)
  cache = activation_cache.ActivationCache(tiny.config, params, 1, 1.0)
  task, text = cache(batches)
  assert task.activations.nbytes == BATCH
  assert text.activations.shape[:2] == text.tokens.shape
  nothing = activation_cache.ActivationCache(tiny.config, params, 0, 1.0)
  assert all(batch.activations is None for batch in nothing(batches))

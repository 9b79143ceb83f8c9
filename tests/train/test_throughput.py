"""FLOPs agree with XLA's count; speed and memory stand in the metrics."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from glimo_jax.models import lora
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.train import metrics, placement, planning, throughput, trainer
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase

# One layer, one chunk, nothing recomputed: XLA counts the body of a loop once.
CONFIG = StepConfig(
  warmup=1, chunk=4096, kl_tokens="completion", remat="none", eps=1e-4
)
SIZES = DecoderConfig(
  vocab_size=512, dim=256, layers=1, heads=4, kv_heads=2, head_dim=64,
  mlp_dim=512,
)  # fmt: skip
LORA = lora.LoraConfig(rank=2, first_layer=0)
LENGTH, SCORED = 256, 32


def batch():
  """Two rows without padding, with CE and KL on the scored positions."""
  rows = planning.empty_batch(2, LENGTH, SCORED)
  ones = np.ones_like(rows.ce_weight)
  return rows.replace(ce_weight=ones, kl_weight=0 * ones)


def flops(decoder=SIZES, config=CONFIG, low=LORA, rows=None):
  adapter = jax.eval_shape(lambda: lora.init(jax.random.key(0), low, decoder))
  rows = batch() if rows is None else rows
  return throughput.step_flops(config, decoder, adapter, [rows])


def test_flops_agree_with_the_compiled_step(one_device):
  compiled = planning.compiled_step(
    CONFIG, SIZES, LORA, one_device, rows=2, length=LENGTH, scored=SCORED,
    dtype="float32",
  )  # fmt: skip
  # Our attention multiplies hidden keys, too, and its backward pass computes
  # the scores again: all pairs, in 2 + 2 + 5 products instead of 2 + 2 + 4.
  square = 2 * 2 * LENGTH**2 * SIZES.heads * SIZES.head_dim
  triangle = square * (LENGTH + 1) / LENGTH / 2
  # The first layer passes no gradient on through q, k and v.
  shapes = SIZES.linear_shapes
  unused = 2 * 2 * LENGTH * sum(math.prod(shapes[name]) for name in "qkv")
  np.testing.assert_allclose(
    compiled.cost_analysis()["flops"],
    flops() + 9 * square - 8 * triangle - unused,
    rtol=0.03,
  )


def test_flops_count_what_a_step_needs():
  two = dataclasses.replace(SIZES, layers=2)
  both = flops(two)
  free = dataclasses.replace(CONFIG, kl_coef=0.0)
  upper = dataclasses.replace(LORA, first_layer=1)
  head = 2 * 2 * SCORED * SIZES.vocab_size * SIZES.dim
  # The reference is one forward pass of three, with one product of the head.
  assert flops(two, free) < both - head
  # Without a backward pass and a second model, a layer costs a third.
  assert both - flops(two, low=upper) > 0.6 * (both - flops())
  kept = dataclasses.replace(CONFIG, activation_cache_gib=1.0)
  assert flops(two, kept, upper) == pytest.approx(flops(), rel=1e-6)
  # A window of one token leaves one pair a token; half a row is padding.
  near = dataclasses.replace(SIZES, window=1, local_layers=(0,))
  pairs = 2 * (LENGTH * (LENGTH + 1) / 2 - LENGTH)
  assert flops() - flops(near) == 4 * 4 * pairs * SIZES.heads * SIZES.head_dim
  rows = batch()
  rows.segment_ids[:, LENGTH // 2 :] = -1
  assert flops(rows=rows) < 0.6 * flops()


@pytest.mark.parametrize(
  ("kind", "expected"),
  [
    ("NVIDIA H100 80GB HBM3", 989e12),
    ("NVIDIA H100 PCIe", 756e12),
    ("NVIDIA L40S", 362e12),
    ("NVIDIA L4", 121e12),
    ("TPU v5 lite", 197e12),
    ("TPU v5", 459e12),
    ("cpu", None),
  ],
)
def test_peak_of_the_device(kind, expected):
  assert throughput.peak_flops(kind) == expected


def test_metrics_tell_speed_and_memory(tmp_path, monkeypatch):
  """The seconds of a step are those between two writes."""
  times = iter([10.0, 12.0, 16.0, 20.0, 21.0])
  monkeypatch.setattr(metrics.time, "monotonic", lambda: next(times))
  lines = []
  reporter = metrics.Reporter(tmp_path, 0, 2, 2, lines.append, peak=1000.0)
  values = dict.fromkeys(("loss", "ce", "kl", "accuracy"), 0.5)
  for step in (1, 2):
    reporter.write("acting", step, values | {"tokens": 100.0}, 600.0 * step)
  reporter.close()
  first, second = metrics.read(tmp_path)
  assert (first["tokens_per_s"], first["mfu"]) == (50.0, 0.3)
  assert (second["tokens_per_s"], second["mfu"]) == (25.0, 0.3)
  assert first["peak_gib"] > 0.1
  assert lines[0].endswith("3.00 s/step, 33 tokens/s, MFU 30.0%, 0.0 min left")
  curve = [{"phase": "acting", "step": s, "loss": 0.5, "ce": 0.5, "kl": 0.5}
           for s in (1, 2)]  # fmt: skip
  assert metrics.curves(tmp_path) == curve
  monkeypatch.setattr(metrics, "_DRAWN", 1)
  assert metrics.curves(tmp_path) == curve[:1]
  unknown = metrics.History(tmp_path, 0)
  unknown.write("acting", 1, {"tokens": 100.0}, 600.0)
  assert unknown.history[0]["tokens_per_s"] == 100.0
  assert "mfu" not in unknown.history[0]


def test_next_batch_is_placed_before_the_metrics_of_a_step_are_read(
  tiny, rows, one_device, tmp_path, monkeypatch
):
  events = []
  place, write = placement.place_batches, metrics.Reporter.write

  def placed(*inputs):
    events.append("batch")
    return place(*inputs)

  def written(self, phase, step, *rest):
    events.append(step)
    write(self, phase, step, *rest)

  monkeypatch.setattr(placement, "place_batches", placed)
  monkeypatch.setattr(metrics.Reporter, "write", written)
  config = dataclasses.replace(
    StepConfig(), warmup=1, chunk=16, checkpoint_every=9, profile_steps=1
  )
  trainer.train(
    config, tiny.config, tiny.params, tiny.adapter,
    [Phase("only", rows(), 4)], one_device, tmp_path, lambda line: None,
  )  # fmt: skip
  assert events == ["batch", "batch", 1, "batch", 2, "batch", 3, 4]
  # The third step was traced.
  assert list((tmp_path / "profile").rglob("*.xplane.pb"))

"""Training tokens/s and MFU: LoRA with CE and KL over random bfloat16 weights.

The KL is on all scored positions, a quarter of each row: every row passes the
base, too.
"""

from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.accelerator import parts
from benchmarks.sizes import SIZES
from benchmarks.sizes import tiny as shrunk
from glimo_jax import mesh as mesh_lib
from glimo_jax.models import lora, parameters
from glimo_jax.models.lora import LoraConfig
from glimo_jax.train import placement, step, throughput
from glimo_jax.train.planning import empty_batch
from glimo_jax.train.step import StepConfig
from glimo_jax.types import Batch

LENGTH = 2048  # tokens of a row
CASES = (("1b", 8, "dots"), ("3b", 4, "dots"), ("8b", 4, "dots"),
         ("8b", 4, "full"))  # fmt: skip


def measure(tiny: bool) -> Iterator[parts.Row]:
  """Rows for each model, number of rows and remat policy."""
  peak = throughput.peak_flops(jax.devices()[0].device_kind)
  for size, rows, remat in CASES:
    config = shrunk(SIZES[size]) if tiny else SIZES[size]
    shape = (2, 64) if tiny else (rows, LENGTH)
    settings = StepConfig(kl_tokens="completion", remat=remat)
    name = f"{size}, {shape[0]} x {shape[1]}, remat {remat}"
    adapter = lora.init(
      jax.random.key(0), LoraConfig(rank=16, first_layer=0), config
    )
    batch = random_batch(*shape, config.vocab_size)
    flops = throughput.step_flops(settings, config, adapter, [batch])
    took = step_seconds(settings, config, adapter, batch, 2 if tiny else 8)
    yield parts.Row("training", name, batch.tokens.size / took, "tokens/s")
    yield parts.Row("training", name, flops / took / 1e12, "model TFLOP/s")
    if peak:
      yield parts.Row("training", name, 100 * flops / took / peak, "% MFU")
    yield parts.Row(
      "training", name, throughput.peak_gib(), "GiB at most so far"
    )


def random_batch(rows: int, length: int, vocab_size: int) -> Batch:
  """Rows of one text each, with CE and KL on every fourth position."""
  rng = np.random.default_rng(0)
  batch = empty_batch(rows, length, length // 4)
  ones = np.ones_like(batch.ce_weight)
  return batch.replace(
    tokens=rng.integers(0, vocab_size, batch.tokens.shape, np.int32),
    positions=batch.positions + np.arange(length, dtype=np.int32),
    scored=batch.scored + np.arange(0, length, 4, dtype=np.int32),
    target_ids=rng.integers(0, vocab_size, batch.target_ids.shape, np.int32),
    target_probs=np.ones_like(batch.target_probs),
    ce_weight=ones,
    kl_weight=0 * ones,  # set by `kl_tokens`
  )


def step_seconds(settings, config, adapter, batch: Batch, times: int) -> float:
  """Mean wall time (s) of a step, each dispatched while the last one runs."""
  mesh = mesh_lib.make(1, 1, 1)
  params = parameters.placed(jax.random.key(1), config, "bfloat16", mesh)
  batches, terms = placement.place_batches([batch], settings, mesh)
  # The state is donated: each step takes that of the one before.
  states = [placement.init_state(settings, adapter, mesh)]

  def one():
    state, metrics = step.train_step(
      states.pop(),
      params,
      batches,
      np.float32(1e-4),
      config=settings,
      decoder_config=config,
      mesh=mesh,
      terms=terms,
    )
    states.append(state)
    return metrics

  return parts.seconds(one, times)


if __name__ == "__main__":
  parts.run(measure)

"""How fast a step is: FLOPs that its result needs, peaks, memory.

Model FLOPs utilisation (MFU) is the FLOPs of the model over what the devices
could do in the same time. "PaLM", appendix B,
https://arxiv.org/abs/2204.02311. What `train.remat` recomputes is not counted.
"""

from collections.abc import Sequence

import jax
import numpy as np

from glimo_jax import provenance
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.train import placement
from glimo_jax.train.step import StepConfig
from glimo_jax.types import AnyArray, Batch

# A part of `device_kind` -> dense bfloat16 FLOP/s, from the data sheets. The
# first part that occurs counts.
PEAK_FLOPS = {
  "B200": 2250e12,
  "H100 PCIe": 756e12,
  "H100": 989e12,
  "H200": 989e12,
  "A100": 312e12,
  "L40S": 362e12,
  "L4": 121e12,
  "TPU v4": 275e12,
  "TPU v5 lite": 197e12,
  "TPU v5": 459e12,
  "TPU v6 lite": 918e12,
}


def peak_flops(device_kind: str) -> float | None:
  """FLOP/s of one device in bfloat16; None where the device is not known."""
  found = (f for part, f in PEAK_FLOPS.items() if part in device_kind)
  return next(found, None)


def peak_gib() -> float:
  """Most memory used so far, in GiB: of one device, on CPU of the process."""
  stats = [device.memory_stats() for device in jax.local_devices()]
  used = [s["peak_bytes_in_use"] for s in stats if s]
  return max(used) / 2**30 if used else provenance.peak_gib()


def step_flops(
  config: StepConfig,
  decoder: DecoderConfig,
  adapter: Adapter,
  batches: Sequence[Batch],
) -> float:
  """FLOPs of a step over all devices, attention and the KL's reference too.

  A multiplication and an addition are two FLOPs. Padding does not count. Each
  row counts as one text: where its segments do not see each other, attention
  needs less. Frozen layers that the activation cache may hold do not count.

  Args:
    config: how to train.
    decoder: sizes of the model.
    adapter: its layers have a backward pass.
    batches: of the step, on the host.
  """
  total = 0.0
  for batch in batches:
    batch, (with_ce, with_kl) = placement.with_terms(batch, config)
    if with_ce or with_kl:
      total += _batch_flops(config, decoder, adapter, batch, with_kl)
  return total


def _batch_flops(
  config: StepConfig,
  decoder: DecoderConfig,
  adapter: Adapter,
  batch: Batch,
  with_kl: bool,
) -> float:
  lengths = np.sum(batch.segment_ids >= 0, axis=1)
  tokens = float(np.sum(lengths))
  linear = 2 * tokens * sum(i * o for i, o in decoder.linear_shapes.values())
  # Forward, gradient of the input, gradients of A and B.
  rank = next(iter(adapter.weights.values()))["a"].shape[-1]
  sizes = (sum(decoder.linear_shapes[name]) for name in adapter.weights)
  low = 6 * tokens * rank * sum(sizes)
  total, first = 0.0, adapter.first_layer
  for layer in range(decoder.layers):
    attention = _attention(decoder, lengths, layer)
    if layer >= first:
      # The weights are frozen: the backward pass is one product, not two.
      total += 2 * linear + 3 * attention + low
    if with_kl or layer < first:
      cached = layer < first and config.activation_cache_gib > 0
      total += 0.0 if cached else linear + attention
  scored = np.sum((batch.ce_weight > 0) | (batch.kl_weight > 0))
  head = 2.0 * float(scored) * decoder.vocab_size * decoder.dim
  return total + (3 if with_kl else 2) * head


def _attention(decoder: DecoderConfig, lengths: AnyArray, layer: int) -> float:
  """FLOPs of one layer's forward pass: scores, and sums of values."""
  pairs = lengths * (lengths + 1) / 2
  if layer in decoder.local_layers:
    beyond = np.maximum(lengths - decoder.window, 0)
    pairs = pairs - beyond * (beyond + 1) / 2
  return 4.0 * float(np.sum(pairs)) * decoder.heads * decoder.head_dim

"""Sizes of models that the benchmarks run with random weights."""

import dataclasses

from glimo_jax.models.decoder_config import DecoderConfig

SIZES = {  # Llama 3.2 1B and 3B, Llama 3.1 8B
  "1b": DecoderConfig(
    vocab_size=128256, dim=2048, layers=16, heads=32, kv_heads=8, head_dim=64,
    mlp_dim=8192,
  ),
  "3b": DecoderConfig(
    vocab_size=128256, dim=3072, layers=28, heads=24, kv_heads=8, head_dim=128,
    mlp_dim=8192,
  ),
  "8b": DecoderConfig(
    vocab_size=128256, dim=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    mlp_dim=14336, tied=False,
  ),
}  # fmt: skip


def tiny(config: DecoderConfig) -> DecoderConfig:
  """The same model, small enough for a few seconds on a CPU."""
  return dataclasses.replace(
    config,
    vocab_size=512,
    dim=64,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    mlp_dim=128,
  )

"""Qwen2 and Qwen2.5: Llama with biases of Q, K and V."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Tensors, configs
from glimo_jax.models.families import tensors as names

BIASES = ("q", "k", "v")


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  return dataclasses.replace(
    configs.read_hf(c, "qwen2"), biases=BIASES, **configs.sliding(c)
  )


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  return configs.read_gguf(meta, tensors, "qwen2")


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Raises:
    ValueError: something that config.json cannot express.
  """
  return configs.write_hf(
    config, "qwen2", "Qwen2ForCausalLM", BIASES
  ) | configs.write_sliding(config)


FAMILY = Family(
  names=("qwen2",),
  hf=names.hf_tensors(names.PRE_NORMS),
  gguf=names.gguf_tensors(),
  ignored=(names.INVERSE_FREQUENCIES,),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
)

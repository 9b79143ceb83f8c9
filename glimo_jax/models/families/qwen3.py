"""Qwen3: Llama with RMSNorm of each head's queries and keys."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Tensors, configs
from glimo_jax.models.families import tensors as names


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  configs.require(c, attention_bias=False)
  return dataclasses.replace(
    configs.read_hf(c, "qwen3"), qk_norm="head", **configs.sliding(c)
  )


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  config = configs.read_gguf(meta, tensors, "qwen3")
  return dataclasses.replace(config, qk_norm="head")


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Raises:
    ValueError: something that config.json cannot express.
  """
  own = {"attention_bias": False} | configs.write_sliding(config)
  return configs.write_hf(config, "qwen3", "Qwen3ForCausalLM") | own


FAMILY = Family(
  names=("qwen3",),
  hf=names.hf_tensors(names.PRE_NORMS | names.QK_NORMS),
  gguf=names.gguf_tensors(),
  ignored=(names.INVERSE_FREQUENCIES,),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
)

"""OLMo 2: norms after attention and MLP only, and on all of Q and of K.

"2 OLMo 2 Furious", section 2.1, https://arxiv.org/abs/2501.00656.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Tensors, configs
from glimo_jax.models.families import tensors as names

NORMS = {
  "attn_post_norm": "post_attention_layernorm",
  "mlp_post_norm": "post_feedforward_layernorm",
}


def _with_options(config: DecoderConfig) -> DecoderConfig:
  return dataclasses.replace(
    config, qk_norm="whole", pre_norm=False, post_norm=True
  )


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  configs.require(c, attention_bias=False)
  return _with_options(configs.read_hf(c, "olmo2"))


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  return _with_options(configs.read_gguf(meta, tensors, "olmo2"))


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Raises:
    ValueError: something that config.json cannot express.
  """
  own = {"attention_bias": False}
  return configs.write_hf(config, "olmo2", "Olmo2ForCausalLM") | own


FAMILY = Family(
  names=("olmo2",),
  hf=names.hf_tensors(NORMS | names.QK_NORMS),
  gguf=names.gguf_tensors(),
  ignored=(names.INVERSE_FREQUENCIES,),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
)

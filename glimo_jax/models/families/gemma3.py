"""Gemma 3, text only.

Five layers of six see a window only. Norms stand before and after attention
and MLP, and on each head's queries and keys.
"Gemma 3 Technical Report", section 2, https://arxiv.org/abs/2503.19786.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Tensors, configs
from glimo_jax.models.families import tensors as names

NORMS = {
  "attn_norm": "input_layernorm",
  "attn_post_norm": "post_attention_layernorm",
  "mlp_norm": "pre_feedforward_layernorm",
  "mlp_post_norm": "post_feedforward_layernorm",
}
_PATTERN = 6  # every sixth layer sees everything
_LOCAL_THETA = 10000.0
_LARGEST = 62  # layers of the 27B model, which scales its queries otherwise


def _with_options(config: DecoderConfig, **own: Any) -> DecoderConfig:
  """The config with what all models of the family do."""
  return dataclasses.replace(
    config,
    qk_norm="head",
    post_norm=True,
    norm_shift=1.0,
    embed_scale=config.dim**0.5,
    activation="gelu_tanh",
    **own,
  )


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  if "text_config" in c:
    raise ValueError(
      f"config.json is of a model of images and text ({c.get('model_type')}): "
      "give a text-only checkpoint (model_type gemma3_text), or a GGUF"
    )
  configs.require(
    c,
    attention_bias=False,
    hidden_activation="gelu_pytorch_tanh",
    final_logit_softcapping=None,
    attn_logit_softcapping=None,
  )
  if c.get("use_bidirectional_attention"):
    raise ValueError(
      "config.json has use_bidirectional_attention=True: only causal models "
      "are supported"
    )
  config = configs.read_hf(c, "gemma3_text", "hidden_activation")
  local = configs.rope_of(c, "sliding_attention")
  if configs.scaling_of(local):
    raise ValueError(
      f"config.json has {local} for sliding_attention: only the default is "
      "supported"
    )
  return _with_options(
    config,
    query_scale=c["query_pre_attn_scalar"] ** -0.5,
    **configs.sliding(c),
    local_rope_theta=local.get("rope_theta", _LOCAL_THETA),
  )


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  config = configs.read_gguf(meta, tensors, "gemma3_text")
  layers = range(config.layers)
  size = config.head_dim
  if config.layers == _LARGEST:
    size = config.dim // config.heads
  return _with_options(
    config,
    query_scale=size**-0.5,
    local_layers=tuple(i for i in layers if (i + 1) % _PATTERN),
    window=meta["gemma3.attention.sliding_window"],
    local_rope_theta=_LOCAL_THETA,
  )


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Raises:
    ValueError: something that config.json cannot express.
  """
  local = {"rope_type": "default", "rope_theta": config.local_rope_theta}
  scale = config.query_scale or config.head_dim**-0.5
  common = configs.write_hf(config, "gemma3_text", "Gemma3ForCausalLM")
  del common["rope_theta"], common["hidden_act"]
  return common | {
    "attention_bias": False,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": round(scale**-2),
    "sliding_window": config.window,
    "layer_types": configs.layer_types(config),
    "rope_parameters": {
      "full_attention": configs.write_rope(config),
      "sliding_attention": local,
    },
  }


FAMILY = Family(
  names=("gemma3_text", "gemma3"),
  hf=names.hf_tensors(NORMS | names.QK_NORMS),
  gguf=names.gguf_tensors(shifted=True),
  ignored=(names.INVERSE_FREQUENCIES,),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
)

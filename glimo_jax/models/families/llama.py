"""Llama: Llama 2 and 3.x, SmolLM2."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tokenizers import pre_tokenizers

from glimo_jax.models.families import Family, TensorRow, Tensors, transpose
from glimo_jax.models.layers import DecoderConfig, RopeScaling


def _unpermute(x: np.ndarray, heads: int) -> np.ndarray:
  """Undoes llama.cpp's interleaving of the two rotary halves of Q and K."""
  out, size = x.shape
  x = x.reshape(heads, out // heads // 2, 2, size).swapaxes(1, 2)
  return x.reshape(out, size).T


LAYER = "model.layers.{}."  # in Hugging Face's names
HF_TENSORS = (
  TensorRow("model.embed_tokens.weight", ("embed",)),
  TensorRow("model.norm.weight", ("norm",)),
  TensorRow("lm_head.weight", ("head",)),
  TensorRow(LAYER + "input_layernorm.weight", ("layers", "attn_norm")),
  TensorRow(LAYER + "post_attention_layernorm.weight", ("layers", "mlp_norm")),
  TensorRow(LAYER + "self_attn.q_proj.weight", ("layers", "q"), transpose),
  TensorRow(LAYER + "self_attn.k_proj.weight", ("layers", "k"), transpose),
  TensorRow(LAYER + "self_attn.v_proj.weight", ("layers", "v"), transpose),
  TensorRow(LAYER + "self_attn.o_proj.weight", ("layers", "o"), transpose),
  TensorRow(LAYER + "mlp.gate_proj.weight", ("layers", "gate"), transpose),
  TensorRow(LAYER + "mlp.up_proj.weight", ("layers", "up"), transpose),
  TensorRow(LAYER + "mlp.down_proj.weight", ("layers", "down"), transpose),
)
GGUF_TENSORS = (
  TensorRow("token_embd.weight", ("embed",)),
  TensorRow("output_norm.weight", ("norm",)),
  TensorRow("output.weight", ("head",)),
  TensorRow("blk.{}.attn_norm.weight", ("layers", "attn_norm")),
  TensorRow("blk.{}.ffn_norm.weight", ("layers", "mlp_norm")),
  TensorRow("blk.{}.attn_q.weight", ("layers", "q"), _unpermute),
  TensorRow("blk.{}.attn_k.weight", ("layers", "k"), _unpermute, "kv_heads"),
  TensorRow("blk.{}.attn_v.weight", ("layers", "v"), transpose),
  TensorRow("blk.{}.attn_output.weight", ("layers", "o"), transpose),
  TensorRow("blk.{}.ffn_gate.weight", ("layers", "gate"), transpose),
  TensorRow("blk.{}.ffn_up.weight", ("layers", "up"), transpose),
  TensorRow("blk.{}.ffn_down.weight", ("layers", "down"), transpose),
)


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  for field, wanted in (
    ("hidden_act", "silu"),
    ("attention_bias", False),
    ("mlp_bias", False),
  ):
    if c.get(field, wanted) != wanted:
      raise ValueError(
        f"config.json has {field}={c[field]!r}: only {wanted!r} is supported"
      )
  rope = c.get("rope_parameters") or c.get("rope_scaling") or {}
  kind = rope.get("rope_type", rope.get("type", "default"))
  scaling = None
  if kind == "llama3":
    scaling = RopeScaling(
      factor=rope["factor"],
      low_freq_factor=rope["low_freq_factor"],
      high_freq_factor=rope["high_freq_factor"],
      original_context=rope["original_max_position_embeddings"],
    )
  elif kind != "default":
    raise ValueError(
      f"config.json has rope type {kind!r}: supported are default and llama3"
    )
  heads = c["num_attention_heads"]
  return DecoderConfig(
    vocab_size=c["vocab_size"],
    dim=c["hidden_size"],
    layers=c["num_hidden_layers"],
    heads=heads,
    kv_heads=c.get("num_key_value_heads") or heads,
    head_dim=c.get("head_dim") or c["hidden_size"] // heads,
    mlp_dim=c["intermediate_size"],
    rope_theta=rope.get("rope_theta") or c.get("rope_theta", 10000.0),
    norm_eps=c.get("rms_norm_eps", 1e-6),
    context=c.get("max_position_embeddings", 2048),
    tied=c.get("tie_word_embeddings", False),
    rope_scaling=scaling,
  )


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata, whose keys begin with the architecture.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  name = meta["general.architecture"]

  def get(key: str, default: Any = None) -> Any:
    value = meta.get(f"{name}.{key}", default)
    if value is None:
      raise ValueError(f"GGUF metadata lacks {name}.{key}: convert it again")
    return value

  kind = get("rope.scaling.type", "none")
  if kind not in ("none", "llama3"):
    raise ValueError(
      f"GGUF has rope scaling {kind!r}: supported are none and llama3"
    )
  heads = get("attention.head_count")
  factors = tensors.get("rope_freqs.weight")
  return DecoderConfig(
    vocab_size=len(meta["tokenizer.ggml.tokens"]),
    dim=get("embedding_length"),
    layers=get("block_count"),
    heads=heads,
    kv_heads=get("attention.head_count_kv", heads),
    head_dim=get("rope.dimension_count", get("embedding_length") // heads),
    mlp_dim=get("feed_forward_length"),
    rope_theta=float(get("rope.freq_base", 10000.0)),
    norm_eps=float(np.float32(get("attention.layer_norm_rms_epsilon"))),
    context=get("context_length"),
    tied="output.weight" not in tensors,
    rope_factors=tuple(factors().tolist()) if factors else None,
  )


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Raises:
    ValueError: rotary factors that config.json cannot express.
  """
  if config.rope_factors is not None:
    raise ValueError(
      "config.json cannot express rotary factors from a GGUF: load the "
      "model from its Hugging Face folder and export that"
    )
  rope: dict[str, Any] = {
    "rope_type": "default",
    "rope_theta": config.rope_theta,
  }
  if config.rope_scaling is not None:
    rope |= {
      "rope_type": "llama3",
      "factor": config.rope_scaling.factor,
      "low_freq_factor": config.rope_scaling.low_freq_factor,
      "high_freq_factor": config.rope_scaling.high_freq_factor,
      "original_max_position_embeddings": config.rope_scaling.original_context,
    }
  return {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": config.vocab_size,
    "hidden_size": config.dim,
    "num_hidden_layers": config.layers,
    "num_attention_heads": config.heads,
    "num_key_value_heads": config.kv_heads,
    "head_dim": config.head_dim,
    "intermediate_size": config.mlp_dim,
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "rms_norm_eps": config.norm_eps,
    "max_position_embeddings": config.context,
    "rope_theta": config.rope_theta,
    "rope_parameters": rope,
    "tie_word_embeddings": config.tied,
  }


FAMILY = Family(
  names=("llama",),
  hf=HF_TENSORS,
  gguf=GGUF_TENSORS,
  ignored=(r".*rotary_emb\.inv_freq", r"rope_freqs\.weight"),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
  pre_tokenizers={
    "smollm": (pre_tokenizers.Digits(individual_digits=True),),
    "gpt-2": (),
  },
)

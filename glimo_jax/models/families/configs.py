"""Fields of configs that the families share, and rotary scaling."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax.models.decoder_config import DecoderConfig, RopeScaling
from glimo_jax.models.families import Tensors
from glimo_jax.models.families.tensors import BLOCK, LINEAR


def require(c: Mapping[str, Any], **wanted: Any) -> None:
  """Refuses a config.json that asks for what our layers cannot do.

  Raises:
    ValueError: a field is there with a value other than the one `wanted`.
  """
  for field, value in wanted.items():
    if c.get(field, value) != value:
      raise ValueError(
        f"config.json has {field}={c[field]!r}: only {value!r} is supported"
      )


def rope_of(c: Mapping[str, Any], kind: str = "") -> Mapping[str, Any]:
  """The rotary settings of a config.json, those of a layer kind if named."""
  rope = c.get("rope_parameters") or c.get("rope_scaling") or {}
  return rope.get(kind) or ({} if "full_attention" in rope else rope)


def scaling_of(rope: Mapping[str, Any]) -> RopeScaling | None:
  """Our scaling of some rotary settings.

  Raises:
    ValueError: of another type.
    KeyError: a field is missing.
  """
  kind = rope.get("rope_type", rope.get("type", "default"))
  if kind == "default":
    return None
  if kind == "linear":
    return RopeScaling(kind="linear", factor=float(rope["factor"]))
  if kind != "llama3":
    raise ValueError(
      f"config.json has rope type {kind!r}: supported are default, linear and "
      "llama3; remove the scaling to use the model within its first context"
    )
  return RopeScaling(
    factor=rope["factor"],
    low_freq_factor=rope["low_freq_factor"],
    high_freq_factor=rope["high_freq_factor"],
    original_context=rope["original_max_position_embeddings"],
  )


def local_layers(c: Mapping[str, Any]) -> tuple[int, ...]:
  """Numbers of the layers of a config.json with a sliding window."""
  kinds = c.get("layer_types") or []
  if unknown := set(kinds) - {"sliding_attention", "full_attention"}:
    raise ValueError(
      f"config.json has layer types {sorted(unknown)}: only full_attention and "
      "sliding_attention are supported"
    )
  local = [i for i, kind in enumerate(kinds) if kind == "sliding_attention"]
  return tuple(local) if c.get("sliding_window") else ()


def sliding(c: Mapping[str, Any]) -> dict[str, Any]:
  """Fields of the config for the sliding windows of a config.json."""
  local = local_layers(c)
  return {
    "local_layers": local,
    "window": c["sliding_window"] if local else 0,
  }


def read_hf(
  c: Mapping[str, Any], family: str, activation: str = "hidden_act"
) -> DecoderConfig:
  """The fields of a config.json that all families have.

  Args:
    c: the content.
    family: name of the family.
    activation: field that names the gate's activation.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  gates = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh"}
  gate = c.get(activation, "silu")
  if gate not in gates:
    raise ValueError(
      f"config.json has {activation}={gate!r}: supported are {sorted(gates)}"
    )
  rope = rope_of(c, "full_attention")
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
    rope_scaling=scaling_of(rope),
    family=family,
    activation=gates[gate],
  )


def read_gguf(
  meta: Mapping[str, Any], tensors: Tensors, family: str
) -> DecoderConfig:
  """The fields of a GGUF's metadata that all families have.

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
  if kind not in ("none", "llama3", "linear"):
    raise ValueError(
      f"GGUF has rope scaling {kind!r}: supported are none, linear and llama3"
    )
  linear = kind == "linear"
  heads = get("attention.head_count")
  size = get("rope.dimension_count", get("embedding_length") // heads)
  factors = tensors.get("rope_freqs.weight")
  return DecoderConfig(
    vocab_size=len(meta["tokenizer.ggml.tokens"]),
    dim=get("embedding_length"),
    layers=get("block_count"),
    heads=heads,
    kv_heads=get("attention.head_count_kv", heads),
    head_dim=get("attention.key_length", size),
    mlp_dim=get("feed_forward_length"),
    rope_theta=float(get("rope.freq_base", 10000.0)),
    norm_eps=float(np.float32(get("attention.layer_norm_rms_epsilon"))),
    context=get("context_length"),
    tied="output.weight" not in tensors,
    rope_factors=tuple(factors().tolist()) if factors else None,
    rope_scaling=RopeScaling(kind="linear", factor=get("rope.scaling.factor"))
    if linear
    else None,
    family=family,
    biases=tuple(n for n in LINEAR if _bias(n) in tensors),
  )


def _bias(name: str) -> str:
  """GGUF name of the bias of the first layer's map `name`."""
  return f"{BLOCK.format(0)}{LINEAR[name][1]}.bias"


def layer_types(config: DecoderConfig) -> list[str]:
  """`layer_types` for config.json."""
  local = set(config.local_layers)
  return [
    "sliding_attention" if i in local else "full_attention"
    for i in range(config.layers)
  ]


def write_sliding(config: DecoderConfig) -> dict[str, Any]:
  """Sliding windows for config.json; the inverse of `sliding`."""
  return {
    "use_sliding_window": bool(config.local_layers),
    "sliding_window": config.window or None,
    "layer_types": layer_types(config),
  }


def write_rope(config: DecoderConfig) -> dict[str, Any]:
  """Rotary settings for config.json; the inverse of `scaling_of`."""
  rope = {"rope_type": "default", "rope_theta": config.rope_theta}
  scaling = config.rope_scaling
  if scaling is not None:
    rope |= {"rope_type": scaling.kind, "factor": scaling.factor}
  if scaling is not None and scaling.kind == "llama3":
    rope |= {
      "low_freq_factor": scaling.low_freq_factor,
      "high_freq_factor": scaling.high_freq_factor,
      "original_max_position_embeddings": scaling.original_context,
    }
  return rope


def write_hf(
  config: DecoderConfig,
  model_type: str,
  architecture: str,
  biases: Sequence[str] = (),
) -> dict[str, Any]:
  """The content of config.json that all families have.

  Args:
    config: to write.
    model_type, architecture: names in transformers.
    biases: linear maps that have a bias in this family.

  Raises:
    ValueError: something that config.json cannot express.
  """
  if config.rope_factors is not None:
    raise ValueError(
      "config.json cannot express rotary factors from a GGUF: load the "
      "model from its Hugging Face folder and export that"
    )
  if tuple(biases) != config.biases:
    raise ValueError(
      f"config.json of {model_type} cannot express biases of {config.biases} "
      f"alone: its own are {tuple(biases)}"
    )
  return {
    "architectures": [architecture],
    "model_type": model_type,
    "vocab_size": config.vocab_size,
    "hidden_size": config.dim,
    "num_hidden_layers": config.layers,
    "num_attention_heads": config.heads,
    "num_key_value_heads": config.kv_heads,
    "head_dim": config.head_dim,
    "intermediate_size": config.mlp_dim,
    "hidden_act": "silu",
    "rms_norm_eps": config.norm_eps,
    "max_position_embeddings": config.context,
    "rope_theta": config.rope_theta,
    "rope_parameters": write_rope(config),
    "tie_word_embeddings": config.tied,
  }

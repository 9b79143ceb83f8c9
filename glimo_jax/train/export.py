"""Adapters and merged models in the formats that others read.

A PEFT folder (adapter_config.json, adapter_model.safetensors) for peft and
vLLM, and a Hugging Face folder (config.json, model.safetensors). Tokenizer
files are left to the caller.
"""

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from glimo_jax.models import families, lora
from glimo_jax.models.decoder import DecoderConfig

PyTree = Any

# Rows of the table that name linear maps: target -> tensor name with a {}.
_LINEAR = {
  row.path[1]: row.name.removesuffix(".weight")
  for row in families.find("llama").hf
  if row.path[0] == "layers" and row.path[1] in lora.TARGETS
}
_LAYER = re.compile(r"\.layers\.(\d+)\.")
_PEFT = "base_model.model.{}.lora_{}.weight"


def save_peft(
  adapter: lora.Adapter,
  decoder_config: DecoderConfig,
  path,
  base_model: str = "",
) -> None:
  """Writes the adapter as a PEFT folder.

  Args:
    adapter: to be written, in float32.
    decoder_config: of the base model.
    path: the folder, made if need be.
    base_model: where PEFT finds the base model, if it is to be told.
  """
  path = pathlib.Path(path)
  path.mkdir(parents=True, exist_ok=True)
  rank = next(iter(adapter.weights.values()))["a"].shape[-1]
  config = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": base_model or None,
    "r": rank,
    "lora_alpha": adapter.scale * rank,
    "lora_dropout": 0.0,
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "target_modules": [_LINEAR[t].split(".")[-1] for t in adapter.weights],
    "layers_to_transform": list(
      range(adapter.first_layer, decoder_config.layers)
    ),
    "layers_pattern": "layers",
  }
  tensors = {}
  for target, low in adapter.weights.items():
    for side, weights in (("A", low["a"]), ("B", low["b"])):
      for i, weight in enumerate(np.asarray(weights, np.float32)):
        layer = _LINEAR[target].format(adapter.first_layer + i)
        tensors[_PEFT.format(layer, side)] = np.ascontiguousarray(weight.T)
  _write(path, "adapter_config.json", config, "adapter_model", tensors)


def load_peft(path) -> lora.Adapter:
  """Reads an adapter from a PEFT folder, ours or PEFT's own.

  Raises:
    FileNotFoundError: no PEFT folder.
    ValueError: an adapter of another kind, or of modules or layers that ours
      cannot carry.
  """
  path = pathlib.Path(path)
  files = [path / "adapter_config.json", path / "adapter_model.safetensors"]
  for file in files:
    if not file.exists():
      raise FileNotFoundError(f"{file} is missing: give a PEFT adapter folder")
  config = json.loads(files[0].read_text(encoding="utf-8"))
  unlike = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern")
  if any(config.get(name) for name in unlike):
    raise ValueError(
      f"{files[0]} sets one of {unlike}: only plain LoRA is read"
    )
  tensors = safetensors.numpy.load_file(files[1])
  adapted = [int(i) for n in tensors for i in _LAYER.findall(n)]
  layers = range(min(adapted, default=0), max(adapted, default=-1) + 1)
  weights = {}
  for target, linear in _LINEAR.items():
    names = [[_PEFT.format(linear.format(i), s) for i in layers] for s in "AB"]
    if all(name in tensors for side in names for name in side):
      a, b = ([tensors.pop(name).T for name in side] for side in names)
      weights[target] = {
        "a": jnp.asarray(np.stack(a), jnp.float32),
        "b": jnp.asarray(np.stack(b), jnp.float32),
      }
  if tensors or not layers:
    raise ValueError(
      f"{files[1]} holds {sorted(tensors)[:5]} beside what we can carry: adapt "
      f"only {sorted(_LINEAR)}, each in all layers from the first adapted one"
    )
  scale = config["lora_alpha"] / config["r"]
  return lora.Adapter(weights, layers.start, scale)


def save_merged(
  params: PyTree,
  adapter: lora.Adapter,
  decoder_config: DecoderConfig,
  path,
) -> None:
  """Writes base plus adapter as a Hugging Face folder, in params' dtype.

  Raises:
    ValueError: rotary factors that config.json cannot say.
  """
  path = pathlib.Path(path)
  path.mkdir(parents=True, exist_ok=True)
  merged = jax.device_get(lora.merge(params, adapter))
  config = hf_config(decoder_config)
  config["dtype"] = str(merged["embed"].dtype)
  tensors = dict(_named(merged, decoder_config))
  _write(path, "config.json", config, "model", tensors)


def hf_config(config: DecoderConfig) -> dict[str, Any]:
  """The config.json of a decoder; the inverse of `families`' reader."""
  if config.rope_factors is not None:
    raise ValueError(
      "rotary factors from a GGUF cannot be told in config.json: load the "
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


def _named(
  params: PyTree, config: DecoderConfig
) -> Iterator[tuple[str, np.ndarray]]:
  """(Hugging Face name, tensor) of every array, by the families' table.

  Each transform of that table is its own inverse.
  """
  for row in families.find("llama").hf:
    if row.path == ("head",) and config.tied:
      continue
    stacked = row.path[0] == "layers"
    array = params["layers"][row.path[1]] if stacked else params[row.path[0]]
    for i, x in enumerate(array if stacked else [array]):
      value = row.transform(x, getattr(config, row.heads))
      yield row.name.format(i), np.ascontiguousarray(value)


def _write(path, config_name, config, tensors_name, tensors) -> None:
  """Writes tensors, then the config: a folder with a config is whole."""
  safetensors.numpy.save_file(
    tensors, path / f"{tensors_name}.safetensors", metadata={"format": "pt"}
  )
  text = json.dumps(config, indent=2, sort_keys=True) + "\n"
  (path / config_name).write_text(text, encoding="utf-8")

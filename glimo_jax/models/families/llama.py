"""Llama 2 and 3.x, SmolLM2, and Mistral's and SmolLM3's variants of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Tensors, configs
from glimo_jax.models.families import tensors as names

_INTERVAL = 4  # SmolLM3: every fourth layer has no positions


def read_hf(c: Mapping[str, Any]) -> DecoderConfig:
  """The config of a config.json.

  Raises:
    ValueError: something that our layers cannot do.
    KeyError: a field is missing.
  """
  kind = c.get("model_type", "llama")
  config = configs.read_hf(c, "llama")
  biases = ("q", "k", "v", "o") if c.get("attention_bias") else ()
  biases += ("gate", "up", "down") if c.get("mlp_bias") else ()
  config = dataclasses.replace(config, biases=biases)
  if kind == "mistral" and c.get("sliding_window"):
    every = tuple(range(config.layers))
    window = c["sliding_window"]
    config = dataclasses.replace(config, window=window, local_layers=every)
  if kind != "smollm3":
    return config
  rotated = c.get("no_rope_layers") or [
    (i + 1) % c.get("no_rope_layer_interval", _INTERVAL)
    for i in range(config.layers)
  ]
  return dataclasses.replace(
    config,
    unrotated_layers=tuple(
      i for i, yes in enumerate(rotated[: config.layers]) if not yes
    ),
    **configs.sliding(c),
  )


def read_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  """The config in a GGUF's metadata, whose keys begin with the architecture.

  Raises:
    ValueError: a key is missing, or names what our layers cannot do.
  """
  config = configs.read_gguf(meta, tensors, "llama")
  if meta["general.architecture"] != "smollm3":
    return config
  unrotated = tuple(range(_INTERVAL - 1, config.layers, _INTERVAL))
  return dataclasses.replace(config, unrotated_layers=unrotated)


def write_hf(config: DecoderConfig) -> dict[str, Any]:
  """The content of config.json; the inverse of `read_hf`.

  Layers without positions make it SmolLM3's, local layers Mistral's.

  Raises:
    ValueError: something that config.json cannot express.
  """
  name, architecture = "llama", "LlamaForCausalLM"
  own: dict[str, Any] = {}
  if config.unrotated_layers:
    name, architecture = "smollm3", "SmolLM3ForCausalLM"
    own["no_rope_layers"] = [
      int(i not in config.unrotated_layers) for i in range(config.layers)
    ]
    own |= {"pad_token_id": None, **configs.write_sliding(config)}
  elif config.local_layers:
    name, architecture = "mistral", "MistralForCausalLM"
    own["sliding_window"] = config.window
  own["attention_bias"] = "q" in config.biases
  own["mlp_bias"] = "gate" in config.biases
  biases = ("q", "k", "v", "o") if own["attention_bias"] else ()
  biases += ("gate", "up", "down") if own["mlp_bias"] else ()
  return configs.write_hf(config, name, architecture, biases) | own


FAMILY = Family(
  names=("llama", "mistral", "smollm3"),
  hf=names.hf_tensors(names.PRE_NORMS),
  gguf=names.gguf_tensors(permuted=True),
  ignored=(names.INVERSE_FREQUENCIES, r"rope_freqs\.weight"),
  read_hf=read_hf,
  read_gguf=read_gguf,
  write_hf=write_hf,
)

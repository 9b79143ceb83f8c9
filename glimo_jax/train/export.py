"""Writes adapters and models in the formats of other tools.

A PEFT folder (adapter_config.json, adapter_model.safetensors) for peft and
vLLM, and a Hugging Face folder (config.json, model.safetensors).
`save_checkpoint` adds tokenizer and chat template.
"""

import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from glimo_jax import files
from glimo_jax.files import PathLike
from glimo_jax.models import families, lora
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family
from glimo_jax.models.loading import assembling, weights
from glimo_jax.models.loading.weights import Loaded

PyTree = Any

_LAYER = re.compile(r"\.layers\.(\d+)\.")
_PEFT = "base_model.model.{}.lora_{}.weight"


def _modules(family: Family) -> dict[str, str]:
  """Target of an adapter -> name of its module, with a {} for the layer."""
  modules = family.modules()
  return {target: modules[target] for target in lora.TARGETS}


def save_peft(
  adapter: lora.Adapter,
  decoder_config: DecoderConfig,
  path: PathLike,
  base_model: str = "",
) -> None:
  """Writes an adapter as a PEFT folder.

  Args:
    adapter: in float32.
    decoder_config: of the base model.
    path: of the folder; it is made where it is missing.
    base_model: where PEFT finds the base model; "" leaves it open.
  """
  path = pathlib.Path(path)
  modules = _modules(families.find(decoder_config.family))
  rank = next(iter(adapter.weights.values()))["a"].shape[-1]
  alpha = adapter.scale * rank
  config = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": base_model or None,
    "r": rank,
    "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
    "lora_dropout": 0.0,
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "target_modules": [modules[t].split(".")[-1] for t in adapter.weights],
    "layers_to_transform": list(
      range(adapter.first_layer, decoder_config.layers)
    ),
    "layers_pattern": "layers",
  }
  tensors = {}
  for target, low in adapter.weights.items():
    for side, stacked in (("A", low["a"]), ("B", low["b"])):
      for i, weight in enumerate(np.asarray(stacked, np.float32)):
        layer = modules[target].format(adapter.first_layer + i)
        tensors[_PEFT.format(layer, side)] = np.ascontiguousarray(weight.T)
  _write(path, "adapter_config.json", config, "adapter_model", tensors)


def load_peft(path: PathLike, family: str = "llama") -> lora.Adapter:
  """Reads an adapter from a PEFT folder, written here or by PEFT.

  Args:
    path: of the folder.
    family: of the base model, as `DecoderConfig.family`.

  Raises:
    FileNotFoundError: not a PEFT folder.
    ValueError: an adapter of another kind, or of modules or layers that
      `lora.Adapter` cannot hold.
  """
  path = pathlib.Path(path)
  settings = path / "adapter_config.json"
  arrays = path / "adapter_model.safetensors"
  for file in (settings, arrays):
    if not file.exists():
      raise FileNotFoundError(f"{file} is missing: give a PEFT adapter folder")
  config = files.read_json(settings, "export the adapter again")
  unlike = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern")
  if any(config.get(name) for name in unlike):
    raise ValueError(
      f"{settings} sets one of {unlike}: only plain LoRA is read"
    )
  tensors = safetensors.numpy.load_file(arrays)
  adapted = [int(i) for n in tensors for i in _LAYER.findall(n)]
  layers = range(min(adapted, default=0), max(adapted, default=-1) + 1)
  low = {}
  for target, module in _modules(families.find(family)).items():
    names = [[_PEFT.format(module.format(i), s) for i in layers] for s in "AB"]
    if all(name in tensors for side in names for name in side):
      a, b = ([tensors.pop(name).T for name in side] for side in names)
      low[target] = {
        "a": jnp.asarray(np.stack(a), jnp.float32),
        "b": jnp.asarray(np.stack(b), jnp.float32),
      }
  if tensors or not layers:
    raise ValueError(
      f"{arrays} has tensors that no adapter of ours holds, such as "
      f"{sorted(tensors)[:5]}: adapt only {sorted(lora.TARGETS)}, each in all "
      "layers from the first adapted one"
    )
  scale = config["lora_alpha"] / config["r"]
  return lora.Adapter(low, layers.start, scale)


def save_merged(
  params: PyTree,
  adapter: lora.Adapter,
  decoder_config: DecoderConfig,
  path: PathLike,
) -> None:
  """Writes base plus adapter as a Hugging Face folder, in params' dtype.

  Raises:
    ValueError: the config cannot be expressed in config.json.
  """
  save_model(lora.merge(params, adapter), decoder_config, path)


def save_model(
  params: PyTree, decoder_config: DecoderConfig, path: PathLike
) -> None:
  """Writes params as a Hugging Face folder, in their dtype.

  Raises:
    ValueError: the config cannot be expressed in config.json.
  """
  family = families.find(decoder_config.family)
  config = family.write_hf(decoder_config)
  config["dtype"] = str(params["embed"].dtype)
  arrays = jax.device_get(params)
  tensors = dict(assembling.disassemble(decoder_config, family.hf, arrays))
  _write(pathlib.Path(path), "config.json", config, "model", tensors)


def save_checkpoint(loaded: Loaded, path: PathLike) -> None:
  """Writes a whole checkpoint, which transformers can chat with; reads it back.

  Args:
    loaded: config, params and tokenizer.
    path: of the folder; it is made where it is missing.

  Raises:
    ValueError: the config cannot be expressed in config.json, or the folder
      does not hold what was written.
  """
  config, params, tokenizer = loaded
  path = pathlib.Path(path)
  path.mkdir(parents=True, exist_ok=True)
  tokenizer.save_folder(path)
  ends = {"eos_token_id": sorted(tokenizer.ends)}
  files.write_json(path / "generation_config.json", ends, indent=2)
  save_model(params, config, path)
  read = weights.load(str(path), params["embed"].dtype)
  same = jax.tree.map(lambda a, b: bool((a == b).all()), read[1], params)
  if read[0] != config or not all(jax.tree.leaves(same)):
    raise ValueError(
      f"{path} does not give back the model that was written: export it again "
      "to an empty folder"
    )


def _write(
  path: pathlib.Path,
  config_name: str,
  config: dict[str, Any],
  tensors_name: str,
  tensors: dict[str, np.ndarray],
) -> None:
  """Writes tensors, then the config: a folder with a config is whole."""
  with files.replacing(path / f"{tensors_name}.safetensors") as draft:
    safetensors.numpy.save_file(tensors, draft, metadata={"format": "pt"})
  files.write_json(path / config_name, config, indent=2)

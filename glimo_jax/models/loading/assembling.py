"""Params from the tensors of a checkpoint, and back."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jax.typing import DTypeLike

from glimo_jax.models import parameters
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import TensorRow, Tensors

PyTree = Any


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

"""Dataclasses as Parquet tables: typed columns, equal rows, equal bytes."""

import dataclasses
import os
import pathlib
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from glimo_jax import files
from glimo_jax.types import Message

Row = TypeVar("Row")

_COLUMNS = {
  str: pa.string(),
  int: pa.int64(),
  float: pa.float64(),
  bool: pa.bool_(),
  tuple[str, ...]: pa.list_(pa.string()),
  tuple[int, ...]: pa.list_(pa.int64()),
  tuple[float, ...]: pa.list_(pa.float64()),
  tuple[Message, ...]: pa.list_(
    pa.struct([("role", pa.string()), ("content", pa.string())])
  ),
}


def schema(kind: type) -> pa.Schema:
  """One column for each field of a dataclass, in order."""
  hints = typing.get_type_hints(kind)
  fields = [f.name for f in dataclasses.fields(kind)]
  return pa.schema([(name, _COLUMNS[hints[name]]) for name in fields])


def write(path: str | os.PathLike, rows: Sequence[Any], kind: type) -> None:
  """Writes rows of dataclass `kind`, whole or not at all."""
  names = schema(kind).names
  columns = {name: [getattr(row, name) for row in rows] for name in names}
  table = pa.table(columns, schema=schema(kind))
  with files.replacing(path) as draft:
    pq.write_table(table, draft, compression="zstd")


def read(path: str | os.PathLike, kind: type[Row], stage: str) -> list[Row]:
  """The rows that `write` wrote.

  Args:
    path: of the file.
    kind: dataclass of the rows.
    stage: name of the stage that writes the file, for the error.

  Raises:
    FileNotFoundError: no such file.
    ValueError: it cannot be read, or has other columns.
  """
  path = pathlib.Path(path)
  fix = f"run `python -m launch.{stage}` with the same --workdir to make it"
  fix += ", or name the folder that holds it"
  if not path.exists():
    raise FileNotFoundError(f"{path} is not there: {fix}")
  try:
    table = pq.read_table(path)
  except (pa.ArrowInvalid, OSError) as error:
    raise ValueError(
      f"{path} is damaged ({error}): delete the stage's folder and {fix}"
    ) from error
  if table.schema.names != schema(kind).names:
    raise ValueError(
      f"{path} has columns {table.schema.names}, not those of "
      f"{kind.__name__}: delete the stage's folder and {fix}"
    )
  return [make(kind, row) for row in table.to_pylist()]


def make(kind: type[Row], row: dict[str, Any]) -> Row:
  """A dataclass from a row of plain lists."""
  fields = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
  return kind(**fields)

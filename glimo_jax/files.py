"""Files that appear whole or not at all."""

import contextlib
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[pathlib.Path]:
  """Yields a draft beside `path`, which takes its place if the block succeeds.

  A reader sees the old file or the new one, never half of one. The folder is
  made if it is not there.
  """
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  draft = path.with_name(f".{path.name}.draft")
  try:
    yield draft
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)


def wait_for(path: PathLike, every: float = 0.5) -> None:
  """Waits for a file of another process; looks every `every` seconds."""
  while not os.path.exists(path):
    time.sleep(every)


def write_text(path: PathLike, text: str) -> None:
  """Writes a UTF-8 text file, whole or not at all."""
  with replacing(path) as draft:
    draft.write_text(text, encoding="utf-8")


def write_json(path: PathLike, value: Any, indent: int | None = 1) -> None:
  """Writes JSON with sorted keys, whole or not at all.

  Raises:
    ValueError: a number is infinite or not a number: JSON has no such thing.
  """
  text = json.dumps(value, indent=indent, sort_keys=True, allow_nan=False)
  write_text(path, text + "\n")


def read_json(path: PathLike, fix: str) -> Any:
  """The content of a JSON file.

  Args:
    path: of the file.
    fix: what to do about a damaged file; ends the error message.

  Raises:
    ValueError: the file is damaged.
    FileNotFoundError: it is not there.
  """
  path = pathlib.Path(path)
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except ValueError as error:
    raise ValueError(f"{path} is damaged ({error}): {fix}") from error

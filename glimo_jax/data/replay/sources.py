"""Where replay text comes from, and the documents that it is made of.

A document is a line of JSONL: {"messages": [...]} for a chat, {"text": "..."}
for plain text. That is also a format of the source `path:FILE`, so a run can
read the file of another one.
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet

from glimo_jax import fields, files
from glimo_jax.types import Message

SELF = ("self:chats", "self:prose")
_CHARACTERS = 8  # more than a token has on average
_FORMS = "'self:chats', 'self:prose', 'path:FILE' or 'hf:NAME[:CONFIG]'"


@dataclasses.dataclass(frozen=True)
class ReplaySource:
  """Where replay text comes from.

  Attributes:
    source: `self:chats` (the base model's answers to ordinary prompts),
      `self:prose` (its continuations of openings of ordinary prose),
      `path:FILE` (plain text, or JSONL or Parquet with `messages` or `text`),
      or `hf:NAME[:CONFIG]` (the split `train` of a dataset that the
      `datasets` package loads).
    weight: share of the replay batches, relative to the other sources.
  """

  source: str
  weight: float = 1.0

  def __post_init__(self):
    kind, _, name = self.source.partition(":")
    if not (self.source in SELF or (kind in ("path", "hf") and name)):
      raise ValueError(f"train.replay source {self.source!r} must be {_FORMS}")
    fields.check_ranges(self, f"{self.source}: ", above={"weight": 0})

  @property
  def path(self) -> pathlib.Path | None:
    """The file of a source `path:FILE`."""
    kind, _, name = self.source.partition(":")
    return pathlib.Path(name).expanduser() if kind == "path" else None


@dataclasses.dataclass(frozen=True)
class Document:
  """A chat, or a text where there are no messages."""

  messages: tuple[Message, ...] = ()
  text: str = ""

  @property
  def words(self) -> str:
    """All that is written in it."""
    return "\n".join([*(m["content"] for m in self.messages), self.text])

  def as_dict(self) -> dict[str, Any]:
    """As it stands in a line of JSONL."""
    if self.messages:
      return {"messages": list(self.messages)}
    return {"text": self.text}


def read_lines(path: files.PathLike) -> list[Document]:
  """The documents of a JSONL file."""
  with pathlib.Path(path).open(encoding="utf-8") as lines:
    return [_document(json.loads(line), path) for line in lines]


def copy(source: ReplaySource, path: files.PathLike, tokens: int) -> None:
  """Writes the first documents of a `path` or `hf` source as JSONL.

  Args:
    source: where to read.
    path: of the file.
    tokens: documents of about this many tokens are enough.

  Raises:
    ValueError, FileNotFoundError: it cannot be read, or holds nothing.
  """
  lines, room = [], tokens * _CHARACTERS
  for document in _read(source):
    if document.text:
      document = dataclasses.replace(document, text=document.text[:room])
    lines.append(json.dumps(document.as_dict(), ensure_ascii=False) + "\n")
    room -= len(document.words)
    if room <= 0:
      break
  if not lines:
    raise ValueError(f"replay source {source.source} is empty: leave it out")
  files.write_text(path, "".join(lines))


def check(source: ReplaySource) -> None:
  """Raises ValueError or FileNotFoundError where a file cannot be read."""
  if source.path is not None and next(iter(_read(source)), None) is None:
    raise ValueError(f"replay source {source.source} is empty: leave it out")


def _read(source: ReplaySource) -> Iterator[Document]:
  """The documents of a `path` or `hf` source."""
  if source.path is None:
    return _of_datasets(source)
  if not source.path.is_file():
    raise FileNotFoundError(
      f"replay source {source.source} is no file: name a text, JSONL or "
      "Parquet file"
    )
  return _of_file(source.path)


def _of_file(path: pathlib.Path) -> Iterator[Document]:
  if path.suffix == ".parquet":
    batches = pyarrow.parquet.ParquetFile(path).iter_batches(1024)
    rows: Iterable[Any] = itertools.chain.from_iterable(
      batch.to_pylist() for batch in batches
    )
  elif path.suffix in (".jsonl", ".json"):
    with path.open(encoding="utf-8") as lines:
      for number, line in enumerate(lines, start=1):
        try:
          row = json.loads(line)
        except ValueError as error:
          raise ValueError(f"{path}, line {number}: {error}") from error
        yield _document(row, path)
    return
  else:
    rows = [{"text": path.read_text(encoding="utf-8")}]
  for row in rows:
    yield _document(row, path)


def _of_datasets(source: ReplaySource) -> Iterator[Document]:
  import datasets  # takes seconds

  _, name, *config = source.source.split(":")
  rows = datasets.load_dataset(name, *config, split="train", streaming=True)
  for row in rows:
    yield _document(row, name)


def _document(row: Any, where: Any) -> Document:
  """A row with `messages` (role and content) or `text`.

  Raises:
    ValueError: it has neither.
  """
  found = row if isinstance(row, dict) else {}
  try:
    if found.get("messages"):
      return Document(
        messages=tuple(
          {"role": m["role"], "content": m["content"]}
          for m in found["messages"]
        )
      )
    if isinstance(found["text"], str):
      return Document(text=found["text"])
  except (KeyError, TypeError):
    pass
  raise ValueError(
    f"{where} has a row with {sorted(found)}: replay text needs 'messages' "
    "(each with role and content) or 'text'"
  )

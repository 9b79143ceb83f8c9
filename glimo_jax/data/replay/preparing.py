"""All replay text of a run: each source is read or written once."""

import logging
import math
import pathlib
import re
from collections.abc import Callable, Sequence

from glimo_jax.data.replay import sources as sources_lib
from glimo_jax.data.replay.self_written import SelfWritten, Writer
from glimo_jax.data.replay.sources import SELF, Document, ReplaySource
from glimo_jax.models.tokenizer import Tokenizer

_log = logging.getLogger(__name__)
_PROMPT = 16  # tokens of a short prompt in the chat format


def file_of(
  folder: pathlib.Path, sources: Sequence[ReplaySource], source: ReplaySource
) -> pathlib.Path:
  """Where the documents of a source are kept."""
  name = re.sub(r"\W+", "-", source.source)
  return folder / f"{sources.index(source)}-{name}.jsonl"


def prepare(
  sources: Sequence[ReplaySource],
  folder: pathlib.Path,
  writer: Callable[[], Writer],
  tokenizer: Tokenizer,
  *,
  rows: int,
  length: int,
  seed: int,
  shares: Callable[[str], bool],
  progress: Callable[[str], Callable[[int, int], object]],
) -> dict[str, list[Document]]:
  """Source -> its documents, as many as a training can use.

  Args:
    sources: by weight.
    folder: of their files; what is there is not made again.
    writer: makes the base model, which writes the `self` sources.
    tokenizer: its tokenizer.
    rows: of replay text in the whole training.
    length: columns of a row.
    seed: of what the base model writes.
    shares: whether a text has a passage in common with a held-out one; such
      documents are left out.
    progress: makes a progress callback for a name.

  Raises:
    ValueError, FileNotFoundError: a source cannot be read, or nothing of it is
      left.
  """
  total = sum(source.weight for source in sources)
  out = {}
  for source in sources:
    path, name = file_of(folder, sources, source), source.source
    needed = math.ceil(rows * source.weight / total)
    if not path.exists() and name in SELF:
      tokens = max(_PROMPT, length - _PROMPT)
      SelfWritten(name, needed, tokens, seed).write(
        path, writer(), tokenizer, progress(f"replay text, {name}")
      )
    elif not path.exists():
      sources_lib.copy(source, path, tokens=(needed + 1) * length)
    documents = sources_lib.read_lines(path)
    out[name] = [d for d in documents if not shares(d.words)]
    if len(out[name]) < len(documents):
      _log.info(
        "%s: %d of %d documents share a passage with a held-out text and are "
        "left out", name, len(documents) - len(out[name]), len(documents),
      )  # fmt: skip
  return out

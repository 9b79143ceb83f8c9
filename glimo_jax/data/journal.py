"""The journal: an append-only record of requests and their answers.

A run that was killed reads the answers it has paid for from the journal. The
same journal always gives the same dataset.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.agent.llm import Completion, LanguageModel, Request
from glimo_jax.types import Message

_TRANSIENT = ("retry", "abort")  # asked again by the next run


def key(request: Request, model: str, version: str, sample: int) -> str:
  """SHA-256 of all that an answer depends on.

  Args:
    request: the full effective request.
    model: name of the language model.
    version: of the prompts.
    sample: number of times the same request was asked before in the run.
  """
  what = [dataclasses.asdict(request), model, version, sample]
  text = json.dumps(what, sort_keys=True, ensure_ascii=False)
  return hashlib.sha256(text.encode()).hexdigest()


class Journal:
  """Records by key in an append-only JSONL file, one record a line.

  An incomplete last line, left by a writer that was killed, is cut off when the
  file is opened. One process writes; others may read.

  Args:
    path: of the file; made, with its folder, if it is not there.

  Raises:
    ValueError: a line before the last is no record.
  """

  def __init__(self, path: str | os.PathLike):
    self.path = pathlib.Path(path)
    self.path.parent.mkdir(parents=True, exist_ok=True)
    self._records: dict[str, dict[str, Any]] = {}
    self._recover()
    self._pending: list[bytes] = []
    self._file = self.path.open("ab", buffering=0)

  def __enter__(self) -> "Journal":
    return self

  def __exit__(self, *_) -> None:
    self.close()

  def __contains__(self, name: str) -> bool:
    return name in self._records

  def __len__(self) -> int:
    return len(self._records)

  def get(self, name: str) -> dict[str, Any] | None:
    """The record of a key, or None."""
    return self._records.get(name)

  def put(self, name: str, record: dict[str, Any]) -> None:
    """Adds a record; `flush` writes it.

    Raises:
      ValueError: the key is there with another record.
    """
    if name in self._records:
      if self._records[name] != record:
        raise ValueError(
          f"journal {self.path} holds another record for key {name[:12]}: it "
          "was made by other code or data; use another --workdir"
        )
      return
    line = json.dumps({"key": name, **record}, sort_keys=True)
    self._pending.append(line.encode() + b"\n")
    self._records[name] = record

  def flush(self) -> None:
    """Writes all pending records; returns when they are on the disk.

    Raises:
      OSError: the disk is full; complete records are kept.
    """
    data = memoryview(b"".join(self._pending))
    while data:  # an unbuffered write may write only a part
      data = data[self._file.write(data) :]
    os.fsync(self._file.fileno())
    self._pending.clear()

  def close(self) -> None:
    """Flushes and closes the file."""
    if not self._file.closed:
      self.flush()
      self._file.close()

  def _recover(self) -> None:
    if not self.path.exists():
      return
    good = 0
    data = self.path.read_bytes()
    for number, line in enumerate(data.splitlines(keepends=True), 1):
      try:
        if not line.endswith(b"\n"):
          raise ValueError("incomplete")
        record = json.loads(line)
        name = record.pop("key")
      except (ValueError, KeyError, AttributeError, TypeError) as error:
        if good + len(line) < len(data):
          raise ValueError(
            f"line {number} of journal {self.path} is no record: only the last "
            "line may be incomplete; restore the file"
          ) from error
        break
      self._records[name] = record
      good += len(line)
    if good < len(data):
      with self.path.open("r+b") as file:
        file.truncate(good)


class JournaledLM:
  """A language model whose answers are kept in a journal and never paid twice.

  New requests are sent in slices. Each slice is on the disk before the next is
  sent, so that a run that is killed loses one slice at most. After a restart
  the same slice is sent, since batching can change the last digit of a score.
  Transient errors are not kept.

  Args:
    lm: answers requests that are not in the journal.
    journal: keeps the answers.
    version: of the prompts, part of every key.
    slice_size: requests asked between two flushes.

  Attributes:
    asked: requests that went to `lm`.
    replayed: requests answered from the journal.
  """

  def __init__(
    self,
    lm: LanguageModel,
    journal: Journal,
    version: str,
    slice_size: int = 64,
  ):
    self.lm, self.journal, self.version = lm, journal, version
    self.name, self.slice_size = lm.name, slice_size
    self.asked, self.replayed = 0, 0
    self._samples: Counter[str] = Counter()

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    keys = [self._key(request) for request in requests]
    new = [i for i, k in enumerate(keys) if k not in self.journal]
    self.replayed += len(requests) - len(new)
    fresh: dict[int, Completion] = {}
    for at in range(0, len(new), self.slice_size):
      rows = new[at : at + self.slice_size]
      try:
        answers = self.lm.generate([requests[i] for i in rows])
      except RuntimeError as error:  # keep what was answered before it
        partial = getattr(error, "completions", ())
        self._keep(zip([keys[i] for i in rows], partial, strict=False))
        raise
      self.asked += len(rows)
      self._keep(zip([keys[i] for i in rows], answers, strict=True))
      fresh.update(zip(rows, answers, strict=True))
    return [
      fresh[i] if i in fresh else _completion(self.journal.get(k) or {})
      for i, k in enumerate(keys)
    ]

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """From the model, without the journal."""
    return self.lm.loglik(prompts, continuations)

  def _key(self, request: Request) -> str:
    first = key(request, self.name, self.version, 0)
    sample = self._samples[first]
    self._samples[first] += 1
    return key(request, self.name, self.version, sample)

  def _keep(self, answers) -> None:
    for name, completion in answers:
      if completion is not None and completion.error_class not in _TRANSIENT:
        self.journal.put(name, {"completion": dataclasses.asdict(completion)})
    self.journal.flush()


def _completion(record: dict[str, Any]) -> Completion:
  fields = dict(record["completion"])
  if fields["logprobs"] is not None:
    fields["logprobs"] = tuple(fields["logprobs"])
  return Completion(**fields)

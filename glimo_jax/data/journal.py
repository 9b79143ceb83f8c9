"""The journal: an append-only record of requests and verdicts.

A run that is killed starts again and reads from the journal what it has paid
for. Equal journals give equal datasets, whatever served the answers.
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
  """sha256 of all that an answer depends on.

  Args:
    request: the full effective request.
    model: name of the language model.
    version: of the prompts.
    sample: how many times this very request was asked before in the run.
  """
  what = [dataclasses.asdict(request), model, version, sample]
  text = json.dumps(what, sort_keys=True, ensure_ascii=False)
  return hashlib.sha256(text.encode()).hexdigest()


class Journal:
  """Records by key in a JSONL file, one a line, only ever appended to.

  A last line that a killed writer left torn is cut off when the file is
  opened. One process writes; others may read.

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
    """Takes a record down; `flush` writes it.

    Raises:
      ValueError: the key is there with another record.
    """
    if name in self._records:
      if self._records[name] != record:
        raise ValueError(
          f"journal {self.path} holds another record for key {name[:12]}: it "
          "was made by other code or data; remove it to start afresh"
        )
      return
    line = json.dumps({"key": name, **record}, sort_keys=True)
    self._pending.append(line.encode() + b"\n")
    self._records[name] = record

  def flush(self) -> None:
    """Returns when all records are on the disk, written at one blow."""
    self._file.write(b"".join(self._pending))
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
        record = json.loads(line) if line.endswith(b"\n") else None
        name = record.pop("key")
      except (ValueError, KeyError, AttributeError) as error:
        if good + len(line) < len(data):
          raise ValueError(
            f"line {number} of journal {self.path} is no record: only a last "
            "line may be torn; restore the file or remove it"
          ) from error
        break
      self._records[name] = record
      good += len(line)
    if good < len(data):
      with self.path.open("r+b") as file:
        file.truncate(good)


class JournaledLM:
  """A language model that never asks twice what its journal knows.

  New requests go out in slices, each made durable before the next, so that a
  killed run loses one slice at most, and asks it again as it was: what is
  batched together may sway the last digit of a score. Errors that another run
  may not meet are not written down.

  Args:
    lm: who answers what is new.
    journal: where answers are kept.
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
      except RuntimeError as error:  # what was paid for before it is kept
        partial = getattr(error, "completions", ())
        self._keep(zip([keys[i] for i in rows], partial, strict=False))
        raise
      self.asked += len(rows)
      self._keep(zip([keys[i] for i in rows], answers, strict=True))
      fresh.update(zip(rows, answers, strict=True))
    return [
      fresh[i] if i in fresh else _completion(self.journal.get(k))
      for i, k in enumerate(keys)
    ]

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """Straight from the model: cheap, and no dataset depends on it alone."""
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

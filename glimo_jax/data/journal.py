"""The journal: an append-only record of requests and their answers.

A run that was killed reads the answers it has paid for from the journal. The
same journal always gives the same dataset. Only answers are kept: what a server
failed to answer is asked again.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from glimo_jax.agent import llm
from glimo_jax.agent.llm import Answers, Completion, LanguageModel, Request
from glimo_jax.types import Message

_AHEAD = 4096  # requests looked up before the model asks for them
_SYNC_S = 1.0  # seconds between two syncs to the disk


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
  return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
  """Records by key in an append-only JSONL file, one record a line.

  Memory holds where each record stands, not the records: a million of them take
  140 MB. An incomplete last line, left by a writer that was killed, is cut off
  when the file is opened. One process writes; others may read.

  Args:
    path: of the file; made, with its folder, if it is not there.
    earlier: another journal, whose records count as this one's; it is read.

  Raises:
    ValueError: a line before the last is no record.
  """

  def __init__(self, path: str | os.PathLike, earlier: "Journal | None" = None):
    self.path, self._earlier = pathlib.Path(path), earlier
    self.path.parent.mkdir(parents=True, exist_ok=True)
    self._places: dict[bytes, int] = {}  # digest of a key -> start of its line
    self._pending: dict[str, dict[str, Any]] = {}
    self._file = self.path.open("ab", buffering=0)
    self._reader = self.path.open("rb")
    self._end = self._recover()
    self._synced = time.monotonic()

  def __enter__(self) -> "Journal":
    return self

  def __exit__(self, error: type[BaseException] | None, *_) -> None:
    try:
      self.close()
    except OSError:
      if error is None:  # else the first error counts
        raise

  def __contains__(self, name: str) -> bool:
    if name in self._pending or _digest(name) in self._places:
      return True
    return self._earlier is not None and name in self._earlier

  def __len__(self) -> int:
    own = len(self._places) + len(self._pending)
    return own + (len(self._earlier) if self._earlier else 0)

  def get(self, name: str) -> dict[str, Any] | None:
    """The record of a key, or None."""
    place = self._places.get(_digest(name))
    if place is not None:
      self._reader.seek(place)
      return _record(self._reader.readline())[1]
    if self._earlier is not None and name not in self._pending:
      return self._earlier.get(name)
    return self._pending.get(name)

  def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, record) of all that is written, in the order of the file."""
    for place in self._places.values():
      self._reader.seek(place)
      yield _record(self._reader.readline())

  def put(self, name: str, record: dict[str, Any]) -> None:
    """Adds a record; `write` writes it.

    Raises:
      ValueError: the key is there with another record.
    """
    if (known := self.get(name)) is None:
      self._pending[name] = record
    elif known != record:
      raise ValueError(
        f"journal {self.path} holds another record for key {name[:12]}: it "
        "was made by other code or data; use another --workdir"
      )

  def write(self) -> None:
    """Writes the pending records: they outlive a kill of the process.

    Once a second they are also synced to the disk, and outlive the machine.

    Raises:
      OSError: the disk is full. No part of a line is left; the records stay
        pending, and another `write` may succeed.
    """
    lines = [_line(name, record) for name, record in self._pending.items()]
    data = memoryview(b"".join(lines))
    try:
      while data:  # an unbuffered write may write only a part
        data = data[self._file.write(data) or 0 :]
    except OSError as error:
      self._file.truncate(self._end)
      raise OSError(
        error.errno,
        f"journal {self.path} cannot be written ({error.strerror}): make room "
        "on that disk and start again; the answers before are kept",
      ) from error
    for name, line in zip(self._pending, lines, strict=True):
      self._places[_digest(name)] = self._end
      self._end += len(line)
    self._pending.clear()
    if time.monotonic() - self._synced > _SYNC_S:
      self._sync()

  def close(self) -> None:
    """Writes, syncs and closes the file."""
    if not self._file.closed:
      try:
        self.write()
        self._sync()
      finally:
        self._file.close()
        self._reader.close()

  def _sync(self) -> None:
    os.fsync(self._file.fileno())
    self._synced = time.monotonic()

  def _recover(self) -> int:
    """Finds the records; returns where the last one ends."""
    end, size = 0, self.path.stat().st_size
    for number, line in enumerate(self._reader, 1):
      try:
        if not line.endswith(b"\n"):
          raise ValueError("incomplete")
        self._places[_digest(json.loads(line)["key"])] = end
      except (ValueError, LookupError, AttributeError, TypeError) as error:
        if end + len(line) < size:
          raise ValueError(
            f"line {number} of journal {self.path} is no record: only the last "
            "line may be incomplete; restore the file"
          ) from error
        break
      end += len(line)
    if end < size:
      self._file.truncate(end)
    return end


def _line(name: str, record: dict[str, Any]) -> bytes:
  return json.dumps({"key": name, **record}, sort_keys=True).encode() + b"\n"


def _record(line: bytes) -> tuple[str, dict[str, Any]]:
  record = json.loads(line)
  return record.pop("key"), record


def _digest(name: str) -> bytes:
  return hashlib.blake2b(name.encode(), digest_size=16).digest()


class JournaledLM:
  """A language model whose answers are kept in a journal and never paid twice.

  Answers are written as they arrive. A model that does not stream is asked in
  slices; after a restart the same slices are asked, since batching can change
  the last digit of a score.

  Args:
    lm: answers requests that are not in the journal.
    journal: keeps the answers.
    version: of the prompts, part of every key.
    slice_size: requests of a slice, where `lm` does not stream.

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
    self._samples: Counter[bytes] = Counter()

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    found = dict(itertools.chain(*self.stream(deque(requests))))
    return [found[i] for i in range(len(requests))]

  def stream(self, requests: deque[Request]) -> Iterator[Answers]:
    """Yields answers of the journal, then of the model; see `llm.Streams`."""
    number = itertools.count()
    waiting: deque[Request] = deque()
    names: dict[int, tuple[int, str]] = {}  # of what was sent: number, key

    def take() -> Answers:
      """Moves requests to the model, or to what is known."""
      known: Answers = []
      while requests and max(len(waiting), len(known)) < _AHEAD:
        request = requests.popleft()
        name = self._key(request)
        record = self.journal.get(name)
        if record is not None:
          known.append((next(number), completion_of(record)))
        else:
          names[next(sent)] = next(number), name
          waiting.append(request)
      self.replayed += len(known)
      return known

    while requests:
      sent = itertools.count()  # the model numbers anew what it takes now
      if known := take():
        yield known
      for answers in llm.stream(self.lm, waiting, self.slice_size):
        self.asked += len(answers)
        asked = [(*names.pop(i), completion) for i, completion in answers]
        for _, name, completion in asked:
          if llm.answered(completion):
            self.journal.put(
              name, {"completion": dataclasses.asdict(completion)}
            )
        self.journal.write()
        known = take()
        yield [(i, completion) for i, _, completion in asked] + known

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """From the model, without the journal."""
    return self.lm.loglik(prompts, continuations)

  def _key(self, request: Request) -> str:
    first = key(request, self.name, self.version, 0)
    sample = self._samples[_digest(first)]
    self._samples[_digest(first)] += 1
    return key(request, self.name, self.version, sample) if sample else first


def completion_of(record: dict[str, Any]) -> Completion:
  """The completion of a record, or of any JSON like it."""
  fields = dict(record["completion"])
  if fields["logprobs"] is not None:
    fields["logprobs"] = tuple(fields["logprobs"])
  return Completion(**fields)

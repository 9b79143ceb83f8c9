"""Endless, resumable batches: packed instruction rows and plain text.

The iterators are our own: an epoch here is a *packing* drawn from (seed,
epoch), and its position is two numbers; grain's shuffles and epochs would
leave the packing to be done.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.data import packing
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Batch, BatchIterator, InstructionExample

TARGETS = ("soft", "hard")


def hardened(
  examples: Sequence[InstructionExample],
) -> list[InstructionExample]:
  """Examples with the first of their right answers alone."""
  return [
    dataclasses.replace(e, answers=e.answers[:1], weights=(1.0,))
    for e in examples
  ]


def shuffled(
  examples: Sequence[InstructionExample], seed: int
) -> list[InstructionExample]:
  """A control: the answers of each kind dealt out anew among its rows.

  What can be learnt from such rows is what answers look like, not what they
  follow from.
  """
  rng = np.random.default_rng(seed)
  of_kind: dict[str, list[int]] = {}
  for i, example in enumerate(examples):
    of_kind.setdefault(example.kind, []).append(i)
  out = list(examples)
  for rows in of_kind.values():
    for i, j in zip(rows, rng.permutation(rows).tolist(), strict=True):
      other = examples[j]
      out[i] = dataclasses.replace(
        examples[i], answers=other.answers, weights=other.weights
      )
  return out


def pack(
  examples: Sequence[InstructionExample],
  tokenizer: Tokenizer,
  length: int,
  scored: int | None = None,
  *,
  seed: int = 0,
  train_end: bool = True,
) -> Batch:
  """All examples in one batch of as many rows as they need; numpy leaves."""
  encoded = packing.encode(examples, tokenizer, length, train_end)
  rng = np.random.default_rng(seed)
  chosen = packing.draw(encoded, rng)
  scored = scored or packing.capacity(encoded, length, seed)
  rows = packing.first_fit(encoded, chosen, length, scored, rng)
  return packing.lay(encoded, chosen, rows, length, scored)


class TaskBatches:
  """Endless batches of instruction rows; each epoch packs them anew, or goes
  through the first one's batches in another order.

  Every example appears exactly once per epoch; the last batch of an epoch is
  filled with empty rows. Where several answers are acceptable, each epoch
  draws by their weights the one that the row goes on with.
  """

  def __init__(
    self,
    examples: Sequence[InstructionExample],
    tokenizer: Tokenizer,
    rows: int,
    length: int,
    seed: int = 0,
    *,
    scored: int | None = None,
    train_end: bool = True,
    repack: bool = True,
  ):
    """Tokenises all examples.

    Args:
      examples: rows to learn from.
      tokenizer: the model's.
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of the packings and the answers drawn.
      scored: L, scored positions that a row can hold; None measures it.
      train_end: score the token that ends the answer, too.
      repack: pack each epoch anew; else batches stay as the first packed them.
    """
    if not examples:
      raise ValueError("no examples to batch: give at least one row")
    self._encoded = packing.encode(examples, tokenizer, length, train_end)
    self._rows, self._length, self._seed = rows, length, seed
    self._repack = repack
    self._scored = scored or packing.capacity(self._encoded, length, seed)
    most = max(len(a) for item in self._encoded.items for a in item.answers)
    if most > self._scored:
      raise ValueError(
        f"scored {self._scored} is below an answer of {most} tokens: raise it"
      )
    ids = "\n".join(e.row_id for e in examples)
    self._digest = hashlib.sha256(ids.encode()).hexdigest()[:16]
    self._start_epoch(0)

  def _start_epoch(self, epoch: int) -> None:
    rng = np.random.default_rng([self._seed, epoch])
    if epoch and not self._repack:
      self._order = rng.permutation(len(self))
    else:
      self._chosen = packing.draw(self._encoded, rng)
      self._packed = packing.first_fit(
        self._encoded, self._chosen, self._length, self._scored, rng
      )
      self._order = np.arange(len(self))
    self._epoch, self._index = epoch, 0

  def __len__(self) -> int:
    """Batches in the present epoch."""
    return -(-len(self._packed) // self._rows)

  def __next__(self) -> tuple[Batch]:
    if self._index == len(self):
      self._start_epoch(self._epoch + 1)
    start = int(self._order[self._index]) * self._rows
    rows = self._packed[start : start + self._rows]
    rows = rows + [[]] * (self._rows - len(rows))
    self._index += 1
    return (
      packing.lay(
        self._encoded, self._chosen, rows, self._length, self._scored
      ),
    )

  def get_state(self) -> dict[str, Any]:
    return {"epoch": self._epoch, "index": self._index, "data": self._digest}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes to a position.

    Raises:
      ValueError: it was saved over other examples.
    """
    _check_data(state, self._digest)
    self._start_epoch(state["epoch"])
    self._index = state["index"]


class ReplayBatches:
  """Endless windows of plain text, every token leashed and none learned.

  Each epoch cuts the text at another offset, or goes through the first
  batches of the first one in another order.
  """

  def __init__(
    self,
    token_ids,
    rows: int,
    length: int,
    seed: int = 0,
    *,
    returning: int | None = None,
  ):
    """Takes i32[n] `token_ids`.

    Args:
      token_ids: the text.
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of the offsets and orders.
      returning: how many batches, at most, come back in each epoch; None cuts
        each epoch anew.

    Raises:
      ValueError: the text is too short for one batch.
    """
    self._ids = np.asarray(token_ids, np.int32)
    self._rows, self._length, self._seed = rows, length, seed
    self._returning = returning
    self._per_epoch = (len(self._ids) // length - 1) // rows
    if self._per_epoch < 1:
      raise ValueError(
        f"replay text of {len(self._ids)} tokens is too short for {rows} rows "
        f"of {length}: give at least {(rows + 1) * length} tokens"
      )
    if returning is not None:
      self._per_epoch = min(returning, self._per_epoch)
    self._digest = hashlib.sha256(self._ids.tobytes()).hexdigest()[:16]
    self._start_epoch(0)

  def _start_epoch(self, epoch: int) -> None:
    rng = np.random.default_rng([self._seed, epoch])
    if epoch and self._returning is not None:
      self._order = rng.permutation(len(self))
    else:
      windows = len(self._ids) // self._length - 1
      offset = rng.integers(self._length)
      self._starts = offset + rng.permutation(windows) * self._length
      self._order = np.arange(len(self))
    self._epoch, self._index = epoch, 0

  def __len__(self) -> int:
    """Batches in an epoch."""
    return self._per_epoch

  def __next__(self) -> tuple[Batch]:
    if self._index == self._per_epoch:
      self._start_epoch(self._epoch + 1)
    begin = int(self._order[self._index]) * self._rows
    starts = self._starts[begin : begin + self._rows]
    self._index += 1
    shape = (self._rows, self._length)
    columns = np.broadcast_to(np.arange(self._length, dtype=np.int32), shape)
    return (
      Batch(
        tokens=self._ids[starts[:, None] + columns],
        positions=columns.copy(),
        segment_ids=np.ones(shape, np.int32),
        scored=columns.copy(),
        target_ids=np.zeros((*shape, 1), np.int32),
        target_probs=np.zeros((*shape, 1), np.float32),
        ce_weight=np.zeros(shape, np.float32),
        kl_weight=np.ones(shape, np.float32),
        row_ids=(starts[:, None] // self._length).astype(np.int32),
      ),
    )

  def get_state(self) -> dict[str, Any]:
    return {"epoch": self._epoch, "index": self._index, "data": self._digest}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes to a position; ValueError if it was saved over another text."""
    _check_data(state, self._digest)
    self._start_epoch(state["epoch"])
    self._index = state["index"]


class _Zipped:
  def __init__(self, parts: tuple[BatchIterator, ...]):
    self._parts = parts

  def __next__(self) -> tuple[Batch, ...]:
    return tuple(batch for part in self._parts for batch in next(part))

  def get_state(self) -> dict[str, Any]:
    return {"parts": [part.get_state() for part in self._parts]}

  def set_state(self, state: dict[str, Any]) -> None:
    for part, saved in zip(self._parts, state["parts"], strict=True):
      part.set_state(saved)


def zip_batches(*parts: BatchIterator) -> BatchIterator:
  """One iterator whose step is the batches of all parts."""
  return _Zipped(parts)


def show(batch: Batch, tokenizer: Tokenizer) -> str:
  """The batch in words: a line a segment, [targets] after scored tokens."""
  lines = []
  for b, segments in enumerate(np.asarray(batch.segment_ids)):
    scored = {
      int(column): slot
      for slot, column in enumerate(batch.scored[b])
      if batch.ce_weight[b, slot] or batch.kl_weight[b, slot]
    }
    lines.append(f"row {b}: examples {[i for i in batch.row_ids[b] if i >= 0]}")
    for segment in sorted(set(segments.tolist())):
      columns = np.flatnonzero(segments == segment)
      if segment < 0:
        lines.append(f"  padding: {len(columns)}")
        continue
      text = ""
      for column in columns:
        text += tokenizer.decode([int(batch.tokens[b, column])])
        if column in scored:
          text += _targets(batch, b, scored[column], tokenizer)
      lines.append(f"  segment {segment}: {text!r}")
  return "\n".join(lines)


def _targets(batch: Batch, row: int, slot: int, tokenizer: Tokenizer) -> str:
  words = [
    f"{tokenizer.decode([int(token)])} {prob:.2g}"
    for token, prob in zip(
      batch.target_ids[row, slot], batch.target_probs[row, slot], strict=True
    )
    if prob > 0
  ]
  return f"[{' | '.join(words)}]"


def _check_data(state: dict[str, Any], digest: str) -> None:
  if state["data"] != digest:
    raise ValueError(
      f"the position was saved over data {state['data']}, these are {digest}: "
      "train in another --workdir, or bring the old data back"
    )

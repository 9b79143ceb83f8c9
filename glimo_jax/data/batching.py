"""Endless, resumable batches of packed instruction rows."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.data import packing
from glimo_jax.data.epochs import Epochs
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Batch, InstructionExample

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


class TaskBatches(Epochs):
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
    self._rows, self._length = rows, length
    self._scored = scored or packing.capacity(self._encoded, length, seed)
    most = max(len(a) for item in self._encoded.items for a in item.answers)
    if most > self._scored:
      raise ValueError(
        f"scored {self._scored} is below an answer of {most} tokens: raise it"
      )
    ids = "\n".join(e.row_id for e in examples)
    super().__init__(seed, ids.encode(), anew=repack)

  def _draw(self, rng: np.random.Generator) -> int:
    self._chosen = packing.draw(self._encoded, rng)
    self._packed = packing.first_fit(
      self._encoded, self._chosen, self._length, self._scored, rng
    )
    return -(-len(self._packed) // self._rows)

  def _batch(self, number: int) -> Batch:
    begin = number * self._rows
    rows = self._packed[begin : begin + self._rows]
    rows = rows + [[]] * (self._rows - len(rows))
    return packing.lay(
      self._encoded, self._chosen, rows, self._length, self._scored
    )


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

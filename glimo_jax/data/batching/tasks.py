"""Training data: endless, resumable batches of instruction rows and text."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.data.batching import encoding, packing
from glimo_jax.data.batching.epochs import Epochs, zip_batches
from glimo_jax.data.batching.replay_text import ReplayBatches, ReplayPool
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Batch, BatchIterator, InstructionExample

TARGETS = ("soft", "hard")


def hardened(
  examples: Sequence[InstructionExample],
) -> list[InstructionExample]:
  """The examples with only the first of their acceptable answers."""
  return [
    dataclasses.replace(e, answers=e.answers[:1], weights=(1.0,))
    for e in examples
  ]


def shuffled(
  examples: Sequence[InstructionExample], seed: int
) -> list[InstructionExample]:
  """A control: permutes the answers among the rows of each kind.

  Such rows teach which answers there are, but not what they follow from.
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
  """Packs all examples into one batch of as many rows as they need (numpy).

  Args as those of `TaskBatches`.
  """
  encoded = encoding.encode(examples, tokenizer, length, train_end)
  scored = scored or packing.capacity(encoded, length, seed)
  rng = np.random.default_rng(seed)
  packed = packing.Packing(encoded, length, scored, rng)
  return packed.lay(packed.rows)


class TaskBatches(Epochs):
  """Endless batches of instruction rows.

  Every example appears exactly once per epoch. Empty rows fill the last batch
  of an epoch. Each epoch packs the rows again, or returns the batches of the
  first epoch in another order. Where several answers are acceptable, a row
  continues with one of them, drawn by their weights.
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
    answer_weight: float = 1.0,
  ):
    """Tokenises all examples.

    Args:
      examples: rows to learn from.
      tokenizer: the model's.
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of the packings and of the drawn answers.
      scored: L, scored positions of a row; None: as many as they need.
      train_end: score the token that ends the answer, too.
      repack: pack again in each epoch; else keep the first epoch's batches.
      answer_weight: of each token of an answer after a rationale in the loss;
        other scored tokens weigh 1.
    """
    if not examples:
      raise ValueError("no examples to batch: give at least one row")
    self._encoded = encoding.encode(
      examples, tokenizer, length, train_end, answer_weight
    )
    self._rows, self._length = rows, length
    self._scored = scored or packing.capacity(self._encoded, length, seed)
    most = max(len(a) for item in self._encoded.items for a in item.answers)
    if most > self._scored:
      raise ValueError(
        f"scored {self._scored} is below an answer of {most} tokens: raise it"
      )
    ids = "\n".join(e.row_id for e in examples)
    super().__init__(seed, ids.encode(), redraw=repack)

  def _draw(self, rng: np.random.Generator) -> int:
    self._packed = packing.Packing(
      self._encoded, self._length, self._scored, rng
    )
    return -(-len(self._packed.rows) // self._rows)

  def _batch(self, number: int) -> Batch:
    begin = number * self._rows
    rows = self._packed.rows[begin : begin + self._rows]
    return self._packed.lay(rows + [[]] * (self._rows - len(rows)))


def task_and_replay(
  rows: Sequence[InstructionExample],
  tokenizer: Tokenizer,
  replay: Sequence[ReplayPool],
  *,
  batch: int,
  length: int,
  replay_batch: int,
  replay_length: int,
  seed: int,
  keep: bool,
  targets: str = "soft",
  answer_weight: float = 1.0,
  shuffle_seed: int | None = None,
) -> BatchIterator:
  """Each step's data: a batch of packed rows and one of replay text.

  Args:
    rows: to learn from.
    tokenizer: the model's.
    replay: the replay text.
    batch: packed rows of a step.
    length: columns of a packed row.
    replay_batch: rows of replay text of a step; no replay text: none.
    replay_length: columns of a row of replay text.
    seed: of packings, drawn answers and the order of the text.
    keep: the same batches return in each epoch, so that the activation cache
      can serve them; as many of the text as of the rows.
    targets: `soft`, over all acceptable answers, or `hard`, the first of them.
    answer_weight: as in `TaskBatches`.
    shuffle_seed: a control, see `shuffled`; None leaves the answers in place.
  """
  if shuffle_seed is not None:
    rows = shuffled(rows, shuffle_seed)
  if targets == "hard":
    rows = hardened(rows)
  task = TaskBatches(
    rows, tokenizer, batch, length, seed, repack=not keep,
    answer_weight=answer_weight,
  )  # fmt: skip
  if not replay:
    return task
  text = ReplayBatches(
    replay,
    replay_batch,
    replay_length,
    seed,
    returning=len(task) if keep else None,
  )
  return zip_batches(task, text)


def show(batch: Batch, tokenizer: Tokenizer) -> str:
  """The batch as text: one line per segment, [targets] after scored tokens."""
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
          text += _targets(batch, b, scored[int(column)], tokenizer)
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

"""Endless, resumable batches of replay text, for the KL to the base model.

Documents are cut into pieces that fit a row, and short pieces share a row: each
is a segment of its own, which sees no other. A chat is cut at the end of the
row. A longer text goes on in the next piece.

                chat 1              | chat 2               | ...
  segment       256                 | 512                  | -1
  KL weight     0 ... 0 | 1 ... 1   | 0 ... 0 | 1 ... 1    | 0
                prompt  | answer    | prompt  | answer     | padding

In a chat the KL covers what the assistant writes, from its first token to the
token that ends its turn. In a text it covers every token.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from glimo_jax.data.batching.epochs import Epochs
from glimo_jax.data.replay import Document
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import BRANCHES, KL_TERMS, Batch

_SMALLEST = 8  # columns of a row that are worth filling


@dataclasses.dataclass(frozen=True)
class Piece:
  """A part of a document.

  Attributes:
    ids: its tokens.
    weights: f32[len(ids)], whether the KL covers the token after each.
  """

  ids: np.ndarray
  weights: np.ndarray


@dataclasses.dataclass(frozen=True)
class ReplayPool:
  """Documents of one source and one form, in tokens.

  Attributes:
    name: of the source.
    weight: share of the batches, relative to the other pools.
    chat: whether they are chats.
    documents: their tokens, each with the weights of the KL.
  """

  name: str
  weight: float
  chat: bool
  documents: Sequence[Piece]


def encode(
  name: str,
  weight: float,
  documents: Sequence[Document],
  tokenizer: Tokenizer,
  length: int,
) -> list[ReplayPool]:
  """The documents of a source in tokens, chats apart from texts.

  Args:
    name: of the source.
    weight: of the source; its pools share it by their documents.
    documents: of the source.
    tokenizer: the model's.
    length: columns of a row.

  Raises:
    ValueError: no document has a token for the KL within a row.
  """
  chats, plain = [], []
  for document in documents:
    if document.messages:
      ids, mask = tokenizer.render_chat(document.messages)
      # The token that ends a row predicts what it does not hold itself.
      weights = np.asarray([*mask[1:], 0], np.float32)[:length]
      end = int(weights.nonzero()[0].max(initial=-1)) + 1
      piece = Piece(np.asarray(ids[:end], np.int32), weights[:end])
      chats.append(piece)
    else:
      ids = tokenizer.encode_document(document.text)
      weights = np.ones(len(ids), np.float32)
      plain.append(Piece(np.asarray(ids, np.int32), weights))
  parts = {True: chats, False: plain}
  kept = {c: [p for p in part if len(p.ids)] for c, part in parts.items()}
  total = sum(map(len, kept.values()))
  if not total:
    raise ValueError(
      f"replay source {name}: nothing in its {len(documents)} documents fits "
      f"into a row of {length} columns: raise --config.train.replay_length"
    )
  return [
    ReplayPool(name, weight * len(part) / total, chat, part)
    for chat, part in kept.items()
    if part
  ]


class ReplayBatches(Epochs):
  """Endless batches of replay text: in the KL, never in the CE.

  A batch holds rows of one pool. In an epoch each pool has its share of the
  batches, in random order, and every row of it comes at least once, or again
  before its share is full. Each epoch cuts long texts at another offset and
  packs the pieces again, or returns the batches of the first epoch in another
  order.
  """

  def __init__(
    self,
    pools: Sequence[ReplayPool],
    rows: int,
    length: int,
    seed: int = 0,
    *,
    returning: int | None = None,
  ):
    """Takes the documents.

    Args:
      pools: from `encode`, for this length.
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of cuts, packings and orders.
      returning: most batches of an epoch, the same in each; None draws each
        epoch.

    Raises:
      ValueError: there are no pools.
    """
    if not pools:
      raise ValueError("no replay text: name a source in --config.train.replay")
    self._pools, self._rows, self._length = pools, rows, length
    self._returning = returning
    data = hashlib.sha256()
    for pool in pools:
      data.update(f"{pool.name} {pool.weight} {pool.chat}".encode())
      for piece in pool.documents:
        data.update(piece.ids.tobytes() + piece.weights.tobytes())
    super().__init__(seed, data.digest(), redraw=returning is None)

  def _draw(self, rng: np.random.Generator) -> int:
    self._packed = [
      _pack(_pieces(pool, self._length, rng), self._length, rng)
      for pool in self._pools
    ]
    weights = np.array([pool.weight for pool in self._pools])
    shares = weights / weights.sum()
    needed = np.array([-(-len(rows) // self._rows) for rows in self._packed])
    batches = int(np.ceil((needed / shares).max() - 1e-9))
    if self._returning is not None:
      batches = min(batches, self._returning)
    counts = _apportion(shares, batches)
    self._of_batch = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    # The place of a batch among those of its pool.
    self._place = np.zeros(batches, int)
    for pool, count in enumerate(counts):
      self._place[self._of_batch == pool] = np.arange(count)
    return batches

  def _batch(self, number: int) -> Batch:
    pool = int(self._of_batch[number])
    rows, first = self._packed[pool], self._place[number] * self._rows
    laid = [rows[(first + i) % len(rows)] for i in range(self._rows)]
    shape = (self._rows, self._length)
    tokens, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    segments, weights = (
      np.full(shape, -1, np.int32),
      np.zeros(shape, np.float32),
    )
    for b, pieces in enumerate(laid):
      end = 0
      for number_, piece in enumerate(pieces, start=1):
        begin, end = end, end + len(piece.ids)
        tokens[b, begin:end], weights[b, begin:end] = piece.ids, piece.weights
        positions[b, begin:end] = np.arange(end - begin)
        segments[b, begin:end] = number_ * BRANCHES
    columns = np.broadcast_to(np.arange(self._length, dtype=np.int32), shape)
    term = "chat" if self._pools[pool].chat else "text"
    row_ids = (first + np.arange(self._rows)) % len(rows)
    return Batch(
      tokens=tokens,
      positions=positions,
      segment_ids=segments,
      scored=columns.copy(),
      target_ids=np.zeros((*shape, 1), np.int32),
      target_probs=np.zeros((*shape, 1), np.float32),
      ce_weight=np.zeros(shape, np.float32),
      kl_weight=weights,
      row_ids=row_ids.astype(np.int32)[:, None],
      kl_term=np.full(self._rows, KL_TERMS.index(term), np.int32),
    )


def _pieces(
  pool: ReplayPool, length: int, rng: np.random.Generator
) -> list[Piece]:
  """The documents cut to the length of a row, long texts at any offset."""
  out = []
  for document in pool.documents:
    start = 0
    if len(document.ids) > length:  # a text: `encode` cuts chats
      start = int(rng.integers(length))
    cuts = [0, *range(start or length, len(document.ids), length)]
    for begin, end in zip(cuts, [*cuts[1:], len(document.ids)], strict=True):
      here = slice(begin, end)
      out.append(Piece(document.ids[here], document.weights[here]))
  return out


def _pack(
  pieces: Sequence[Piece], length: int, rng: np.random.Generator
) -> list[list[Piece]]:
  """Rows of pieces: each piece goes into the first row with room for it."""
  rows: list[list[Piece]] = []
  opened: list[tuple[int, list[Piece]]] = []  # (columns left, row)
  for i in rng.permutation(len(pieces)).tolist():
    need = len(pieces[i].ids)
    at = next((j for j, (left, _) in enumerate(opened) if left >= need), None)
    if at is None:
      rows.append([])
      opened.append((length, rows[-1]))
      at = len(opened) - 1
    left, row = opened.pop(at)
    row.append(pieces[i])
    if left - need >= _SMALLEST:
      opened.insert(at, (left - need, row))
  return [rows[i] for i in rng.permutation(len(rows)).tolist()]


def _apportion(shares: np.ndarray, total: int) -> np.ndarray:
  """Whole numbers near shares * total, adding up to it."""
  exact = shares * total
  counts = np.floor(exact).astype(int)
  rest = np.argsort(counts - exact, kind="stable")[: total - counts.sum()]
  counts[rest] += 1
  return counts

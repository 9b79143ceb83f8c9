"""Packs instruction rows into token rows that share common beginnings.

Rows with equal messages before the last share that prefix. Among them, those
about one moment share the first tokens of their last turns:

              prefix | moment 1 | its questions     | moment 2 | ...
  column   0 ... p-1 | p  ....  | ...... | ......   | .......  | padding
  segment  0         | 256      | 257    | 258      | 512      | -1
  position 0 ... p-1 | p ... q  | q+1 .. | q+1 ..   | p ...    | 0

So the model reads a state once for all questions about it. A branch is the
rest of an example's last turn, the opening of the answer, and the answer
without its last token, which is a target only. The model computes the same as
with one example in each row.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from glimo_jax.data.batching.encoding import SLOTS, Encoded, Item
from glimo_jax.types import BRANCHES, Batch


@dataclasses.dataclass(frozen=True)
class Part:
  """Rows of one trunk that follow it in one batch row."""

  trunk: int
  items: list[int]


@dataclasses.dataclass
class _Row:
  """A row that is being filled: room left, and what it holds."""

  columns: int
  targets: int
  parts: list[Part]


class Packing:
  """One random choice of answers for a dataset, packed into rows.

  Attributes:
    rows: the parts of each row, all of one prefix; in random order.
  """

  def __init__(
    self,
    encoded: Encoded,
    length: int,
    scored: int,
    rng: np.random.Generator,
  ):
    """Draws an answer for each item, and packs the rows.

    Args:
      encoded: the dataset.
      length: T, columns of a row.
      scored: L, scored positions of a row.
      rng: of the answers, and of the order of trunks and rows.
    """
    self._encoded, self._length, self._scored = encoded, length, scored
    self._chosen = _draw(encoded.items, rng)
    self.rows = self._first_fit(rng)

  def answer(self, item: int) -> list[int]:
    """Tokens of the answer that the row of an item continues with."""
    return self._encoded.items[item].answers[self._chosen[item]]

  def _first_fit(self, rng: np.random.Generator) -> list[list[Part]]:
    """Puts each part into the first row with room for it."""
    encoded, length = self._encoded, self._length
    # A trunk's questions stay together: apart, each would need its own copy.
    parts = [
      part
      for t in rng.permutation(len(encoded.trunks)).tolist()
      for part in self._split(t)
    ]
    groups = [encoded.trunks[part.trunk].group for part, *_ in parts]
    smallest = [length] * len(encoded.prefixes)
    for group, (_, columns, _) in zip(groups, parts, strict=True):
      smallest[group] = min(smallest[group], columns)
    open_rows: list[list[_Row]] = [[] for _ in encoded.prefixes]
    rows = []
    for group, (part, columns, targets) in zip(groups, parts, strict=True):
      candidates = open_rows[group]
      for row in candidates:
        if row.columns >= columns and row.targets >= targets:
          break
      else:
        row = _Row(length - len(encoded.prefixes[group]), self._scored, [])
        candidates.append(row)
        rows.append(row.parts)
      row.columns -= columns
      row.targets -= targets
      row.parts.append(part)
      if row.columns < smallest[group] or row.targets < 1:
        candidates[:] = [r for r in candidates if r is not row]
    return [rows[i] for i in rng.permutation(len(rows)).tolist()]

  def _split(self, trunk: int) -> Iterator[tuple[Part, int, int]]:
    """(part, columns, targets): a trunk's items, cut where a row is full."""
    encoded = self._encoded
    shared, members = encoded.trunks[trunk].tokens, encoded.trunks[trunk].items
    room = self._length - len(encoded.prefixes[encoded.trunks[trunk].group])
    part, columns, targets = Part(trunk, []), len(shared), 0
    for i in members:
      size = encoded.items[i].size(self._chosen[i])
      new = len(self.answer(i))
      full = columns + size > room or targets + new > self._scored
      if part.items and (full or len(part.items) == BRANCHES - 1):
        yield part, columns, targets
        part, columns, targets = Part(trunk, []), len(shared), 0
      part.items.append(i)
      columns, targets = columns + size, targets + new
    yield part, columns, targets

  def lay(self, rows: Sequence[Sequence[Part]]) -> Batch:
    """Rows as arrays; an empty row is padding."""
    shape, slots = (len(rows), self._length), (len(rows), self._scored)
    tokens, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    segments = np.full(shape, -1, np.int32)
    columns = np.zeros(slots, np.int32)
    target_ids = np.zeros((*slots, SLOTS), np.int32)
    target_probs = np.zeros((*slots, SLOTS), np.float32)
    ce_weight = np.zeros(slots, np.float32)
    row_ids = np.full(slots, -1, np.int32)
    for b, row in enumerate(rows):
      items = [i for part in row for i in part.items]
      row_ids[b, : len(items)] = items
      end = slot = 0
      for ids, segment, position, i in self._segments(row):
        begin, end = end, end + len(ids)
        tokens[b, begin:end], segments[b, begin:end] = ids, segment
        positions[b, begin:end] = position + np.arange(len(ids))
        if i is None:
          continue
        item, answer = self._encoded.items[i], self.answer(i)
        targets = slice(slot, slot + len(answer))
        columns[b, targets] = np.arange(end - len(answer), end)
        target_ids[b, targets, 0] = answer
        target_probs[b, targets, 0] = 1.0
        several, fork = len(item.answers), slot + item.fork
        target_ids[b, fork, :several] = [a[item.fork] for a in item.answers]
        target_probs[b, fork, :several] = item.probs
        ce_weight[b, targets] = 1.0
        if item.said:
          ce_weight[b, slot + item.said : targets.stop] = (
            self._encoded.answer_weight
          )
        slot += len(answer)
    return Batch(
      tokens=tokens,
      positions=positions,
      segment_ids=segments,
      scored=columns,
      target_ids=target_ids,
      target_probs=target_probs,
      ce_weight=ce_weight,
      kl_weight=np.zeros_like(ce_weight),
      row_ids=row_ids,
    )

  def _segments(
    self, row: Sequence[Part]
  ) -> Iterator[tuple[list[int], int, int, int | None]]:
    """(tokens, segment id, first position, item or None), left to right."""
    if not row:
      return
    encoded = self._encoded
    prefix = encoded.prefixes[encoded.trunks[row[0].trunk].group]
    yield prefix, 0, 0, None
    for number, part in enumerate(row, start=1):
      trunk = encoded.trunks[part.trunk].tokens
      segment, position = number * BRANCHES, len(prefix)
      yield trunk, segment, position, None
      position += len(trunk)
      for branch, i in enumerate(part.items, start=1):
        ids = encoded.items[i].prompt + self.answer(i)[:-1]
        yield ids, segment + branch, position, i


def _draw(items: Sequence[Item], rng: np.random.Generator) -> list[int]:
  """Draws one answer of each item by its weights."""
  drawn = [
    int(np.searchsorted(np.cumsum(item.probs), u, side="right"))
    for item, u in zip(items, rng.random(len(items)), strict=True)
  ]
  last = [len(item.answers) - 1 for item in items]
  return list(map(min, drawn, last))


def capacity(encoded: Encoded, length: int, seed: int) -> int:
  """Scored positions that a row of the first packing needs, in eights."""
  packed = Packing(encoded, length, length, np.random.default_rng(seed))
  most = max(
    sum(len(packed.answer(i)) for part in row for i in part.items)
    for row in packed.rows
  )
  longest = max(len(a) for item in encoded.items for a in item.answers)
  return min(length, -(-max(most, longest) // 8) * 8)

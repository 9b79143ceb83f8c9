"""Token rows of a few fixed shapes: what the sampler runs.

Several texts share a row: each is a trunk of its own, with its choices as
branches, so that hardly a column is padding and few shapes are compiled.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from glimo_jax.types import BRANCHES

ROW = 128  # columns of a row of short texts
TOKENS = 1024  # columns of a full batch
HEAD_CHUNK = 256  # positions whose logits exist at one time


@dataclasses.dataclass
class Item:
  """Tokens to run and what to ask of them.

  Attributes:
    tokens: ids, following the prefix.
    positions: rotary positions.
    branches: 0 for the text itself, else which choice behind it.
    columns: columns whose next token is asked for.
    targets: for each of them, the ids whose log p is wanted.
    answer: filled in: for each column, the log p of its targets.
  """

  tokens: list[int]
  positions: list[int]
  branches: list[int]
  columns: list[int]
  targets: list[list[int]]
  answer: list[np.ndarray] = dataclasses.field(default_factory=list)


def round_up(n: int, step: int) -> int:
  return -(-n // step) * step


def _power(n: int) -> int:
  return 1 << max(0, n - 1).bit_length()


def split(rows: list, sizes: Sequence[int]) -> Iterator[list]:
  """Parts of `rows` whose sizes are all of `sizes` (descending, to 1)."""
  while rows:
    size = next(s for s in sizes if s <= len(rows))
    yield rows[:size]
    rows = rows[size:]


def closed_item(suffix, choices, start: int) -> Item:
  """The suffix of one prompt with its choices behind it.

  Raises:
    ValueError: more choices of several tokens than a text has branches.
  """
  several = sum(len(choice) > 1 for choice in choices)
  if several >= BRANCHES:
    raise ValueError(
      f"{several} choices of several tokens for one prompt: score at most "
      f"{BRANCHES - 1} at a time"
    )
  tokens = list(suffix)
  positions = list(range(start, start + len(suffix)))
  branches = [0] * len(suffix)
  columns, targets = [len(suffix) - 1], [[choice[0] for choice in choices]]
  for choice in choices:
    branch = branches[-1] + 1
    for offset, (token, following) in enumerate(itertools.pairwise(choice)):
      columns.append(len(tokens))
      targets.append([following])
      tokens.append(token)
      positions.append(start + len(suffix) + offset)
      branches.append(branch)
  return Item(tokens, positions, branches, columns, targets)


def choice_scores(item: Item, choices) -> np.ndarray:
  """f32[C] from the answers that `closed_item` asked for."""
  scores = np.array(item.answer[0], np.float32)
  rest = iter(item.answer[1:])
  for number, choice in enumerate(choices):
    for _ in choice[1:]:
      scores[number] += next(rest)[0]
  return scores


@dataclasses.dataclass
class Rows:
  length: int
  items: list[list[Item]]  # of each row


def pack(items: Sequence[Item], length: int | None = None) -> Iterator[Rows]:
  """Items packed into batches of rows, in few shapes.

  Args:
    items: in any order.
    length: columns of a row; None for as many as suit the longest item.
  """
  items = sorted(items, key=lambda item: -len(item.tokens))
  if not items:
    return
  size = length or _row_length(items)
  rows: list[list[Item]] = []
  space: list[int] = []
  for item in items:  # first fit, longest first
    need = len(item.tokens)
    i = next((i for i, left in enumerate(space) if left >= need), -1)
    if i < 0:
      rows.append([])
      space.append(size)
    rows[i].append(item)
    space[i] -= need
  for part in split(rows, _batch_sizes(size)):
    yield Rows(size, part)


def _row_length(items: Sequence[Item]) -> int:
  """For items, longest first: short ones share rows, a long one sets them."""
  longest = len(items[0].tokens)
  if longest > ROW // 2:
    return round_up(longest, ROW)
  total = sum(len(item.tokens) for item in items)
  return min(ROW, max(ROW // 2, _power(total)))


def _batch_sizes(length: int) -> list[int]:
  most = max(1, TOKENS // length)
  return sorted({most, max(1, most // 4), 1}, reverse=True)


def arrays(rows: Rows) -> tuple[np.ndarray, ...]:
  """tokens, positions, segments [B, T], columns [N], targets [N, C]."""
  shape = (len(rows.items), rows.length)
  tokens, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  segments = np.full(shape, -1, np.int32)
  columns, targets = [], []
  for r, row in enumerate(rows.items):
    start = 0
    for number, item in enumerate(row, start=1):
      here = np.s_[r, start : start + len(item.tokens)]
      tokens[here], positions[here] = item.tokens, item.positions
      segments[here] = number * BRANCHES + np.array(item.branches)
      columns += [r * rows.length + start + c for c in item.columns]
      targets += item.targets
      start += len(item.tokens)
  count = max(tokens.size // 8, _power(len(columns)))
  if count > HEAD_CHUNK:
    count = round_up(len(columns), HEAD_CHUNK)
  width = max(4, _power(max(map(len, targets))))
  columns_N = np.zeros(count, np.int32)
  columns_N[: len(columns)] = columns
  targets_NxC = np.zeros((count, width), np.int32)
  for i, wanted in enumerate(targets):
    targets_NxC[i, : len(wanted)] = wanted
  return tokens, positions, segments, columns_N, targets_NxC

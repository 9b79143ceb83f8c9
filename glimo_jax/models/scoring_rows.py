"""Texts to score, packed into token rows of a few fixed shapes.

Several texts share a row. Each is a separate trunk with its choices as
branches (see `types.Batch`): few columns are padding, few shapes are compiled.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glimo_jax.models import decoder
from glimo_jax.models.attention import Prefix
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.types import BRANCHES, AnyArray

Array = jax.Array
PyTree = Any

T = TypeVar("T")

ROW = 128  # columns of a row of short texts
TOKENS = 1024  # columns of a full batch
HEAD_CHUNK = 256  # positions whose logits exist at one time


@dataclasses.dataclass
class ScoringItem:
  """One text, and the next tokens whose log p is wanted.

  Attributes:
    tokens: ids that follow the prefix.
    positions: rotary positions.
    branches: 0 for the text itself, else the number of the choice after it.
    columns: columns whose next token is scored.
    targets: for each of them, the ids whose log p is wanted.
    answer: output: for each column, the log p of its targets.
  """

  tokens: list[int]
  positions: list[int]
  branches: list[int]
  columns: list[int]
  targets: list[list[int]]
  answer: list[np.ndarray] = dataclasses.field(default_factory=list)


def round_up(n: int, step: int) -> int:
  """The least multiple of `step` that is at least n."""
  return -(-n // step) * step


def power_of_two(n: int) -> int:
  """The least power of 2 that is at least n."""
  return 1 << max(0, n - 1).bit_length()


def split(rows: list[T], sizes: Sequence[int]) -> Iterator[list[T]]:
  """Cuts `rows` into parts; each size is one of `sizes` (descending, to 1)."""
  while rows:
    size = next(s for s in sizes if s <= len(rows))
    yield rows[:size]
    rows = rows[size:]


def ids_of(
  choices: Sequence[str], ids: Mapping[str, list[int]]
) -> list[list[int]]:
  """Ids of each choice; checks that there are choices, and words in each."""
  if not choices or not all(choices):
    raise ValueError(
      f"choices {list(choices)} are empty or hold an empty text: give at "
      "least one choice and a word for each"
    )
  return [ids[choice] for choice in choices]


def closed_item(
  suffix: Sequence[int], choices: Sequence[Sequence[int]], start: int
) -> ScoringItem:
  """The suffix of one prompt with its choices after it.

  What all choices begin with stands once, as a part of the text.

  Args:
    suffix: ids of the prompt after the prefix.
    choices: ids of each choice.
    start: rotary position of the suffix: the length of the prefix.

  Raises:
    ValueError: more choices of several tokens than a text has branches.
  """
  shared = _shared(choices)
  several = sum(len(choice) > shared + 1 for choice in choices)
  if several >= BRANCHES:
    raise ValueError(
      f"{several} choices of several tokens for one prompt: score at most "
      f"{BRANCHES - 1} at a time"
    )
  tokens = [*suffix, *choices[0][:shared]]
  length = len(tokens)
  positions = list(range(start, start + length))
  branches = [0] * length
  columns = list(range(len(suffix) - 1, length))
  targets = [[token] for token in choices[0][:shared]]
  targets.append([choice[shared] for choice in choices])
  for choice in choices:
    branch, rest = branches[-1] + 1, choice[shared:]
    for offset, (token, following) in enumerate(itertools.pairwise(rest)):
      columns.append(len(tokens))
      targets.append([following])
      tokens.append(token)
      positions.append(start + length + offset)
      branches.append(branch)
  return ScoringItem(tokens, positions, branches, columns, targets)


def _shared(choices: Sequence[Sequence[int]]) -> int:
  """Number of tokens with which all choices begin, and none of them ends."""
  if len(choices) < 2:
    return 0
  most = min(map(len, choices)) - 1
  columns = itertools.islice(zip(*choices, strict=False), most)
  alike = itertools.takewhile(lambda ids: len({*ids}) == 1, columns)
  return sum(1 for _ in alike)


def choice_scores(
  item: ScoringItem, choices: Sequence[Sequence[int]]
) -> np.ndarray:
  """f32[C]: log p of each choice, from an item of `closed_item`."""
  shared = _shared(choices)
  before = sum(float(logp[0]) for logp in item.answer[:shared])
  scores = np.array(item.answer[shared], np.float32) + np.float32(before)
  rest = iter(item.answer[shared + 1 :])
  for number, choice in enumerate(choices):
    for _ in choice[shared + 1 :]:
      scores[number] += next(rest)[0]
  return scores


@dataclasses.dataclass
class RowBatch:
  """Rows of items.

  Attributes:
    length: columns of a row.
    items: of each row, from left to right.
  """

  length: int
  items: list[list[ScoringItem]]


def pack(
  items: Sequence[ScoringItem], length: int | None = None
) -> Iterator[RowBatch]:
  """Packs items into batches of rows of few shapes.

  Args:
    items: in any order.
    length: columns of a row; None: as many as suit the longest item.
  """
  items = sorted(items, key=lambda item: -len(item.tokens))
  if not items:
    return
  size = length or _row_length(items)
  rows: list[list[ScoringItem]] = []
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
    yield RowBatch(size, part)


def _row_length(items: Sequence[ScoringItem]) -> int:
  """Columns of a row: short items share rows, a long one sets the length."""
  longest = len(items[0].tokens)
  if longest > ROW // 2:
    return round_up(longest, ROW)
  total = sum(len(item.tokens) for item in items)
  return min(ROW, max(ROW // 2, power_of_two(total)))


def _batch_sizes(length: int) -> list[int]:
  most = max(1, TOKENS // length)
  return sorted({most, max(1, most // 4), 1}, reverse=True)


def arrays(rows: RowBatch) -> tuple[np.ndarray, ...]:
  """The rows as arrays.

  Returns:
    tokens, positions, segments i32[B, T]; columns i32[N], the scored columns
    of the flattened rows; targets i32[N, C].
  """
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
  count = max(tokens.size // 8, power_of_two(len(columns)))
  if count > HEAD_CHUNK:
    count = round_up(len(columns), HEAD_CHUNK)
  width = max(4, power_of_two(max(map(len, targets))))
  columns_N = np.zeros(count, np.int32)
  columns_N[: len(columns)] = columns
  targets_NxC = np.zeros((count, width), np.int32)
  for i, wanted in enumerate(targets):
    targets_NxC[i, : len(wanted)] = wanted
  return tokens, positions, segments, columns_N, targets_NxC


def floats(values: Sequence[Any]) -> np.ndarray:
  """f32: an array that has come as lists from another process."""
  return np.asarray(values, np.float32)


def give(rows: RowBatch, scores_NxC: np.ndarray) -> None:
  """Gives each item its answers, from the scores of `log_probs`."""
  done = 0
  for item in itertools.chain(*rows.items):
    for targets in item.targets:
      item.answer.append(scores_NxC[done, : len(targets)])
      done += 1


@functools.partial(jax.jit, static_argnums=0)
def log_probs(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  prefix: Prefix | None,
  tokens: Int[AnyArray, "B T"],
  positions: Int[AnyArray, "B T"],
  segments: Int[AnyArray, "B T"],
  columns_N: Int[AnyArray, " N"],
  targets_NxC: Int[AnyArray, "N C"],
) -> Float[Array, "N C"]:
  """f32: log p of targets at columns of the flattened tokens."""
  hidden = decoder.hidden_states(
    config,
    params,
    tokens,
    positions,
    segments,
    adapter=adapter,
    prefix=prefix,
  )
  hidden_NxD = hidden.reshape(-1, config.dim)[columns_N]

  def one(xs):
    hidden, targets = xs
    logits = decoder.logits(params, hidden)
    wanted = jnp.take_along_axis(logits, targets, axis=-1)
    return wanted - jax.nn.logsumexp(logits, axis=-1, keepdims=True)

  if len(columns_N) <= HEAD_CHUNK:
    return one((hidden_NxD, targets_NxC))
  chunks = len(columns_N) // HEAD_CHUNK
  split = jax.tree.map(
    lambda x: x.reshape(chunks, HEAD_CHUNK, -1),
    (hidden_NxD, targets_NxC),
  )
  return jax.lax.map(one, split).reshape(len(columns_N), -1)

"""Instruction rows in tokens, packed into rows that share a prefix.

Rows whose messages before the last are equal share that prefix:

  column   0 ..... p-1 | p ....... | ......... | .........
  segment  0 (prefix)  | 1         | 2         | -1 (padding)
  position 0 ..... p-1 | p ....... | p ....... | 0

A segment is an example's last turn, the opening of the answer and the answer
but its last token, which is a target only.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Batch, InstructionExample

SLOTS = 4  # answers that one position can weigh


@dataclasses.dataclass(frozen=True)
class Item:
  """One example in tokens.

  Attributes:
    group: index of its prefix.
    prompt: the last turn and the opening of the answer.
    answers: tokens of each answer, with or without the end of the turn.
    probs: f64[len(answers)], the target distribution.
  """

  group: int
  prompt: list[int]
  answers: list[list[int]]
  probs: np.ndarray

  def size(self, answer: int) -> int:
    """Columns of the segment that holds this answer."""
    return len(self.prompt) + len(self.answers[answer]) - 1


@dataclasses.dataclass(frozen=True)
class Encoded:
  """A dataset in tokens: the prefixes and the items that follow them."""

  prefixes: list[list[int]]
  items: list[Item]


def encode(
  examples: Sequence[InstructionExample],
  tokenizer: Tokenizer,
  length: int,
  train_end: bool = True,
) -> Encoded:
  """Tokenises examples once, for packing in any order.

  Several answers become a soft target on the first token. Where more than
  SLOTS are acceptable, or two begin alike, the first answer stands alone.

  Raises:
    ValueError: an example that no row of `length` columns can hold, or whose
      weights do not fit its answers.
  """
  groups: dict[tuple, int] = {}
  prefixes: list[list[int]] = []
  spoken: dict[str, list[int]] = {}
  items = []
  for example in examples:
    before = example.messages[:-1]
    name = tuple((m["role"], m["content"]) for m in before)
    if name not in groups:
      groups[name] = len(prefixes)
      prefixes.append(tokenizer.render_chat(before)[0])
    prompt, _ = tokenizer.render_chat(example.messages[-1:], True)
    for answer in example.answers:
      if answer not in spoken:
        spoken[answer] = _spoken(answer, example, tokenizer, train_end)
    weights = np.asarray(example.weights, np.float64)
    if len(weights) != len(example.answers) or not weights.sum() > 0:
      raise ValueError(
        f"row {example.row_id} has answers {example.answers} but weights "
        f"{example.weights}: give each answer one, with a positive sum"
      )
    kept = np.flatnonzero(weights)
    answers = [spoken[example.answers[i]] for i in kept]
    first = {tokens[0] for tokens in answers}
    if len(answers) > SLOTS or len(first) < len(answers):
      kept, answers = kept[:1], answers[:1]
    probs = weights[kept] / weights[kept].sum()
    item = Item(groups[name], prompt, answers, probs)
    need = len(prefixes[item.group]) + max(map(item.size, range(len(answers))))
    if need > length:
      raise ValueError(
        f"row {example.row_id} needs {need} columns ("
        f"{len(prefixes[item.group])} of prefix), length is {length}: set "
        f"--config.train.length to at least {need}, or drop the row"
      )
    items.append(item)
  return Encoded(prefixes, items)


def _spoken(answer, example, tokenizer, train_end: bool) -> list[int]:
  """Tokens of an answer as the assistant says it."""
  turn = {"role": "assistant", "content": answer}
  ids, mask = tokenizer.render_chat([turn])
  tokens = [token for token, said in zip(ids, mask, strict=True) if said]
  if not tokens[:-1]:
    raise ValueError(
      f"row {example.row_id} has an empty answer: drop it or give it words"
    )
  return tokens if train_end else tokens[:-1]


def draw(encoded: Encoded, rng: np.random.Generator) -> list[int]:
  """Which answer of each item its row goes on with, drawn by the weights."""
  uniform = rng.random(len(encoded.items))
  return [
    0
    if len(item.answers) == 1
    else min(
      int(np.searchsorted(np.cumsum(item.probs), u, side="right")),
      len(item.answers) - 1,
    )
    for item, u in zip(encoded.items, uniform, strict=True)
  ]


def first_fit(encoded, chosen, length, scored, rng) -> list[list[int]]:
  """Rows of item indices, of one prefix each, in an order drawn by rng."""
  items = encoded.items
  shortest = [length] * len(encoded.prefixes)
  for item, answer in zip(items, chosen, strict=True):
    shortest[item.group] = min(shortest[item.group], item.size(answer))
  open_rows: list[list[list]] = [[] for _ in encoded.prefixes]
  rows = []
  for i in rng.permutation(len(items)).tolist():
    item, answer = items[i], chosen[i]
    columns, targets = item.size(answer), len(item.answers[answer])
    candidates = open_rows[item.group]
    for row in candidates:
      if row[0] >= columns and row[1] >= targets:
        break
    else:
      row = [length - len(encoded.prefixes[item.group]), scored, []]
      candidates.append(row)
      rows.append(row[2])
    row[0] -= columns
    row[1] -= targets
    row[2].append(i)
    if row[0] < shortest[item.group] or row[1] < 1:
      candidates[:] = [r for r in candidates if r is not row]
  return [rows[i] for i in rng.permutation(len(rows)).tolist()]


def capacity(encoded: Encoded, length: int, seed: int) -> int:
  """Scored positions that a row of a first packing needs, in eights."""
  rng = np.random.default_rng(seed)
  chosen = draw(encoded, rng)
  rows = first_fit(encoded, chosen, length, length, rng)
  most = max(
    sum(len(encoded.items[i].answers[chosen[i]]) for i in row) for row in rows
  )
  longest = max(len(a) for item in encoded.items for a in item.answers)
  return min(length, -(-max(most, longest) // 8) * 8)


def lay(encoded, chosen, rows, length: int, scored: int) -> Batch:
  """Writes the rows' items into arrays; empty rows are padding."""
  shape = (len(rows), length)
  tokens, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  segments = np.full(shape, -1, np.int32)
  columns = np.zeros((len(rows), scored), np.int32)
  target_ids = np.zeros((len(rows), scored, SLOTS), np.int32)
  target_probs = np.zeros((len(rows), scored, SLOTS), np.float32)
  ce_weight = np.zeros((len(rows), scored), np.float32)
  row_ids = np.full((len(rows), scored), -1, np.int32)
  for b, row in enumerate(rows):
    if not row:
      continue
    prefix = encoded.prefixes[encoded.items[row[0]].group]
    end, slot = len(prefix), 0
    tokens[b, :end], segments[b, :end] = prefix, 0
    positions[b, :end] = np.arange(end)
    row_ids[b, : len(row)] = row
    for segment, i in enumerate(row, start=1):
      item, answer = encoded.items[i], encoded.items[i].answers[chosen[i]]
      begin, end = end, end + item.size(chosen[i])
      tokens[b, begin:end] = item.prompt + answer[:-1]
      segments[b, begin:end] = segment
      positions[b, begin:end] = len(prefix) + np.arange(end - begin)
      targets = slice(slot, slot + len(answer))
      columns[b, targets] = np.arange(end - len(answer), end)
      target_ids[b, targets, 0] = answer
      target_probs[b, targets, 0] = 1.0
      several = len(item.answers)
      target_ids[b, slot, :several] = [a[0] for a in item.answers]
      target_probs[b, slot, :several] = item.probs
      ce_weight[b, targets] = 1.0
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

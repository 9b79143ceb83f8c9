"""Instruction rows in tokens, packed into rows that share what they can.

Rows whose messages before the last are equal share that prefix, and among
them those about one moment share the tokens that their last turns begin with:

              prefix | moment 1 | its questions     | moment 2 | ...
  column   0 ... p-1 | p  ....  | ...... | ......   | .......  | padding
  segment  0         | 256      | 257    | 258      | 512      | -1
  position 0 ... p-1 | p ... q  | q+1 .. | q+1 ..   | p ...    | 0

So a state is read once, however much is asked about it. A branch is the rest
of an example's last turn, the opening of the answer and the answer but its
last token, which is a target only. What a model computes is the same as in
rows of their own.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import BRANCHES, Batch, InstructionExample

SLOTS = 8  # answers that one position can weigh


@dataclasses.dataclass(frozen=True)
class Item:
  """One example in tokens.

  Attributes:
    prompt: the last turn, from where its trunk ends, and the answer's opening.
    answers: tokens of each answer, with or without the end of the turn.
    probs: f64[len(answers)], the target distribution.
  """

  prompt: list[int]
  answers: list[list[int]]
  probs: np.ndarray

  def size(self, answer: int) -> int:
    """Columns of the branch that holds this answer."""
    return len(self.prompt) + len(self.answers[answer]) - 1


@dataclasses.dataclass(frozen=True)
class Trunk:
  """What the rows about one moment begin with.

  Attributes:
    group: index of its prefix.
    tokens: that their last turns begin with; none where there is one row.
    items: indices of the rows.
  """

  group: int
  tokens: list[int]
  items: list[int]


@dataclasses.dataclass(frozen=True)
class Encoded:
  """A dataset in tokens: prefixes, trunks behind them, items behind those."""

  prefixes: list[list[int]]
  trunks: list[Trunk]
  items: list[Item]


@dataclasses.dataclass(frozen=True)
class Part:
  """Some rows of one trunk, laid behind it in one batch row."""

  trunk: int
  items: list[int]


def encode(
  examples: Sequence[InstructionExample],
  tokenizer: Tokenizer,
  length: int,
  train_end: bool = True,
) -> Encoded:
  """Tokenises examples once, for packing in any order.

  Several answers become a soft target on the first token: of more than SLOTS
  the heaviest, the first among equals. Where two of them begin alike, no token
  tells them apart, and the first answer stands alone.

  Raises:
    ValueError: an example that no row of `length` columns can hold, or whose
      weights do not fit its answers.
  """
  groups: dict[tuple, int] = {}
  prefixes: list[list[int]] = []
  moments: dict[tuple, list[int]] = {}
  spoken: dict[str, list[int]] = {}
  items = []
  for i, example in enumerate(examples):
    before = example.messages[:-1]
    name = tuple((m["role"], m["content"]) for m in before)
    if name not in groups:
      groups[name] = len(prefixes)
      prefixes.append(tokenizer.render_chat(before)[0])
    moment = (groups[name], example.episode, example.actions)
    moments.setdefault(moment, []).append(i)
    prompt, _ = tokenizer.render_chat(example.messages[-1:], True)
    for answer in example.answers:
      if answer not in spoken:
        spoken[answer] = _spoken(answer, example, tokenizer, train_end)
    item = _item(example, prompt, [spoken[a] for a in example.answers])
    need = len(prefixes[groups[name]])
    need += max(map(item.size, range(len(item.answers))))
    if need > length:
      raise ValueError(
        f"row {example.row_id} needs {need} columns ("
        f"{len(prefixes[groups[name]])} of prefix), length is {length}: set "
        f"--config.train.length to at least {need}, or drop the row"
      )
    items.append(item)
  trunks = []
  for (group, *_), members in moments.items():
    shared = _shared([items[i].prompt for i in members])
    for i in members:
      rest = items[i].prompt[len(shared) :]
      items[i] = dataclasses.replace(items[i], prompt=rest)
    trunks.append(Trunk(group, shared, members))
  return Encoded(prefixes, trunks, items)


def _item(example, prompt: list[int], spoken: list[list[int]]) -> Item:
  """The example's tokens; weightless answers are left out."""
  weights = np.asarray(example.weights, np.float64)
  if len(weights) != len(example.answers) or not weights.sum() > 0:
    raise ValueError(
      f"row {example.row_id} has answers {example.answers} but weights "
      f"{example.weights}: give each answer one, with a positive sum"
    )
  heaviest = np.argsort(-weights, kind="stable")[:SLOTS]
  kept = np.sort(heaviest[weights[heaviest] > 0])
  answers = [spoken[i] for i in kept]
  if len({tokens[0] for tokens in answers}) < len(answers):
    kept, answers = kept[:1], answers[:1]
  return Item(prompt, answers, weights[kept] / weights[kept].sum())


def _shared(prompts: Sequence[list[int]]) -> list[int]:
  """What several prompts begin with, each going on from it; [] for one."""
  if len(prompts) < 2:
    return []
  low, high = min(prompts), max(prompts)
  most = min(map(len, prompts)) - 1
  pairs = itertools.takewhile(
    lambda p: p[0] == p[1], zip(low, high, strict=False)
  )
  return low[: min(most, sum(1 for _ in pairs))]


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


def first_fit(encoded, chosen, length, scored, rng) -> list[list[Part]]:
  """Rows of parts, of one prefix each, in an order drawn by rng."""
  # A trunk's questions stay together: apart, each would need its own copy.
  parts = [
    part
    for t in rng.permutation(len(encoded.trunks)).tolist()
    for part in _split(encoded, chosen, t, length, scored)
  ]
  groups = [encoded.trunks[part.trunk].group for part, *_ in parts]
  smallest = [length] * len(encoded.prefixes)
  for group, (_, columns, _) in zip(groups, parts, strict=True):
    smallest[group] = min(smallest[group], columns)
  open_rows: list[list[list]] = [[] for _ in encoded.prefixes]
  rows = []
  for group, (part, columns, targets) in zip(groups, parts, strict=True):
    candidates = open_rows[group]
    for row in candidates:
      if row[0] >= columns and row[1] >= targets:
        break
    else:
      row = [length - len(encoded.prefixes[group]), scored, []]
      candidates.append(row)
      rows.append(row[2])
    row[0] -= columns
    row[1] -= targets
    row[2].append(part)
    if row[0] < smallest[group] or row[1] < 1:
      candidates[:] = [r for r in candidates if r is not row]
  return [rows[i] for i in rng.permutation(len(rows)).tolist()]


def _split(
  encoded, chosen, trunk: int, length: int, scored: int
) -> Iterator[tuple[Part, int, int]]:
  """(part, columns, targets): a trunk's items, cut where no row is longer."""
  shared, members = encoded.trunks[trunk].tokens, encoded.trunks[trunk].items
  room = length - len(encoded.prefixes[encoded.trunks[trunk].group])
  part, columns, targets = Part(trunk, []), len(shared), 0
  for i in members:
    size = encoded.items[i].size(chosen[i])
    said = len(encoded.items[i].answers[chosen[i]])
    full = columns + size > room or targets + said > scored
    if part.items and (full or len(part.items) == BRANCHES - 1):
      yield part, columns, targets
      part, columns, targets = Part(trunk, []), len(shared), 0
    part.items.append(i)
    columns, targets = columns + size, targets + said
  yield part, columns, targets


def capacity(encoded: Encoded, length: int, seed: int) -> int:
  """Scored positions that a row of a first packing needs, in eights."""
  rng = np.random.default_rng(seed)
  chosen = draw(encoded, rng)
  rows = first_fit(encoded, chosen, length, length, rng)
  most = max(
    sum(len(encoded.items[i].answers[chosen[i]]) for p in row for i in p.items)
    for row in rows
  )
  longest = max(len(a) for item in encoded.items for a in item.answers)
  return min(length, -(-max(most, longest) // 8) * 8)


def lay(encoded, chosen, rows, length: int, scored: int) -> Batch:
  """Writes the rows' parts into arrays; empty rows are padding."""
  shape = (len(rows), length)
  tokens, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  segments = np.full(shape, -1, np.int32)
  columns = np.zeros((len(rows), scored), np.int32)
  target_ids = np.zeros((len(rows), scored, SLOTS), np.int32)
  target_probs = np.zeros((len(rows), scored, SLOTS), np.float32)
  ce_weight = np.zeros((len(rows), scored), np.float32)
  row_ids = np.full((len(rows), scored), -1, np.int32)
  for b, row in enumerate(rows):
    items = [i for part in row for i in part.items]
    row_ids[b, : len(items)] = items
    end = slot = 0
    for ids, segment, position, i in _segments(encoded, chosen, row):
      begin, end = end, end + len(ids)
      tokens[b, begin:end], segments[b, begin:end] = ids, segment
      positions[b, begin:end] = position + np.arange(len(ids))
      if i is None:
        continue
      item, answer = encoded.items[i], encoded.items[i].answers[chosen[i]]
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


def _segments(
  encoded, chosen, row: Sequence[Part]
) -> Iterator[tuple[list[int], int, int, int | None]]:
  """(tokens, segment id, first position, item or None), left to right."""
  if not row:
    return
  prefix = encoded.prefixes[encoded.trunks[row[0].trunk].group]
  yield prefix, 0, 0, None
  for number, part in enumerate(row, start=1):
    trunk = encoded.trunks[part.trunk].tokens
    segment, position = number * BRANCHES, len(prefix)
    yield trunk, segment, position, None
    position += len(trunk)
    for branch, i in enumerate(part.items, start=1):
      ids = encoded.items[i].prompt + encoded.items[i].answers[chosen[i]][:-1]
      yield ids, segment + branch, position, i

"""Instruction rows in tokens, with the beginnings that they share.

A prefix is the messages before the last one. A trunk is the common beginning
of the last messages about one moment of an episode. An item is the rest of one
example; see `packing` for how they are laid out.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import InstructionExample

SLOTS = 8  # answers that one position can weigh


@dataclasses.dataclass(frozen=True)
class Item:
  """One example in tokens.

  Attributes:
    prompt: the last turn after its trunk, and the opening of the answer.
    answers: tokens of each answer, with or without the end of the turn.
    probs: f64[len(answers)], the target distribution.
    fork: tokens with which all answers begin; the next tells them apart.
    said: tokens of the rationale, with which all answers begin; 0 where they
      weigh as much as the answer after them.
  """

  prompt: list[int]
  answers: list[list[int]]
  probs: np.ndarray
  fork: int = 0
  said: int = 0

  def size(self, answer: int) -> int:
    """Columns of the branch with this answer."""
    return len(self.prompt) + len(self.answers[answer]) - 1


@dataclasses.dataclass(frozen=True)
class Trunk:
  """The common beginning of the rows about one moment.

  Attributes:
    group: index of its prefix.
    tokens: first tokens of their last turns; none where there is one row.
    items: indices of the rows.
  """

  group: int
  tokens: list[int]
  items: list[int]


@dataclasses.dataclass(frozen=True)
class Encoded:
  """A dataset in tokens: prefixes, trunks after them, items after those.

  Attributes:
    answer_weight: see `train.answer_weight`.
  """

  prefixes: list[list[int]]
  trunks: list[Trunk]
  items: list[Item]
  answer_weight: float = 1.0


def encode(
  examples: Sequence[InstructionExample],
  tokenizer: Tokenizer,
  length: int,
  train_end: bool = True,
  answer_weight: float = 1.0,
) -> Encoded:
  """Tokenises examples once, for packing in any order.

  Several answers become a soft target on the first token after what they have
  in common; of more than SLOTS, the SLOTS heaviest. Where two of them have that
  token in common, too, only the first answer is kept.

  Raises:
    ValueError: an example does not fit into `length` columns, or its weights
      do not fit its answers.
  """
  groups: dict[tuple[int, ...], int] = {}
  prefixes: list[list[int]] = []
  moments: dict[tuple, list[int]] = {}
  cache: dict[str, list[int]] = {}
  items = []
  for i, example in enumerate(examples):
    ids, before, _ = tokenizer.render_prompt(example.messages)
    prefix = tuple(ids[:before])
    if prefix not in groups:
      groups[prefix] = len(prefixes)
      prefixes.append(list(prefix))
    moment = (groups[prefix], example.episode, example.actions)
    moments.setdefault(moment, []).append(i)
    completions = example.completions
    for answer in completions:
      if answer not in cache:
        cache[answer] = _answer(answer, example, tokenizer, train_end)
    answers = [cache[a] for a in completions]
    said = _said(example, tokenizer) if answer_weight != 1 else 0
    item = _item(example, ids[before:], answers, said)
    need = before
    need += max(map(item.size, range(len(item.answers))))
    if need > length:
      raise ValueError(
        f"row {example.row_id} needs {need} columns ("
        f"{before} of prefix), length is {length}: set "
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
  return Encoded(prefixes, trunks, items, answer_weight)


def _item(
  example: InstructionExample,
  prompt: list[int],
  answers: list[list[int]],
  said: int,
) -> Item:
  """The example in tokens, without answers of weight 0."""
  weights = np.asarray(example.weights, np.float64)
  if len(weights) != len(example.answers) or not weights.sum() > 0:
    raise ValueError(
      f"row {example.row_id} has answers {example.answers} but weights "
      f"{example.weights}: give each answer one, with a positive sum"
    )
  heaviest = np.argsort(-weights, kind="stable")[:SLOTS]
  kept = np.sort(heaviest[weights[heaviest] > 0])
  answers = [answers[i] for i in kept]
  fork = len(_shared(answers))
  if len({tokens[fork] for tokens in answers}) < len(answers):
    kept, answers, fork = kept[:1], answers[:1], 0
  return Item(prompt, answers, weights[kept] / weights[kept].sum(), fork, said)


def _shared(sequences: Sequence[list[int]]) -> list[int]:
  """The longest common beginning of several sequences that none of them is."""
  if len(sequences) < 2:
    return []
  low, high = min(sequences), max(sequences)
  most = min(map(len, sequences)) - 1
  pairs = itertools.takewhile(
    lambda p: p[0] == p[1], zip(low, high, strict=False)
  )
  return low[: min(most, sum(1 for _ in pairs))]


def _said(example: InstructionExample, tokenizer: Tokenizer) -> int:
  """Tokens of the rationale and its stop; 0 for none."""
  said = example.said
  return len(tokenizer.encode_answer(f"{said}.")) - 1 if said else 0


def _answer(
  answer: str,
  example: InstructionExample,
  tokenizer: Tokenizer,
  train_end: bool,
) -> list[int]:
  """Tokens of an answer in the assistant's turn."""
  tokens = tokenizer.encode_answer(answer)
  if not tokens[:-1]:
    raise ValueError(
      f"row {example.row_id} has an empty answer: drop it or give it words"
    )
  return tokens if train_end else tokens[:-1]

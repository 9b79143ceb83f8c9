"""Scoring and sampling with shared prefixes, in a few fixed shapes.

All prompts that begin alike share one prefix: its keys and values are computed
once. What follows is packed into rows of a fixed length, each prompt a segment
of its own, so that hardly a column is padding and few shapes are compiled.
The jitted functions take the params: samplers with and without an adapter
share them.
"""

import collections
import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from glimo_jax.models import decoder, generation, lora
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Message

ROW = 128  # columns of a packed row
TOKENS = 1024  # columns of a full batch
PREFIX_STEP = 64  # prefixes are padded to multiples of it
PREFIXES = 16  # prefixes remembered
HEAD_CHUNK = 256  # positions whose logits exist at one time


@dataclasses.dataclass
class _Item:
  """Tokens to run and what to ask of them.

  Attributes:
    tokens: ids, following the prefix.
    positions: rotary positions.
    segments: None for a text that may share its row, or segment ids.
    columns: columns whose next token is asked for.
    targets: for each of them, the ids whose log p is wanted.
    answer: filled in: for each column, the log p of its targets.
  """

  tokens: list[int]
  positions: list[int]
  segments: list[int] | None
  columns: list[int]
  targets: list[list[int]]
  answer: list[np.ndarray] = dataclasses.field(default_factory=list)


@functools.partial(jax.jit, static_argnums=0)
def _log_probs(
  config,
  params,
  adapter,
  prefix,
  tokens,
  positions,
  segments,
  columns_N,
  targets_NxC,
):
  """f32[N, C]: log p of targets at flat columns of tokens [B, T]."""
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
    logits = decoder.logits(params, config, hidden)
    wanted = jnp.take_along_axis(logits, targets, axis=-1)
    return wanted - jax.nn.logsumexp(logits, axis=-1, keepdims=True)

  if len(columns_N) <= HEAD_CHUNK:
    return one((hidden_NxD, targets_NxC))
  chunks = len(columns_N) // HEAD_CHUNK
  split = jax.tree.map(
    lambda x: x.reshape(chunks, HEAD_CHUNK, -1), (hidden_NxD, targets_NxC)
  )
  return jax.lax.map(one, split).reshape(len(columns_N), -1)


@functools.partial(jax.jit, static_argnums=0)
def _prefill(config, params, adapter, tokens, length):
  return decoder.prefill(config, params, tokens, adapter, length)


_merge = jax.jit(lora.merge)


class Sampler:
  """A decoder that scores closed sets and writes text.

  Attributes:
    config, tokenizer, adapter: as given.
    weights: (params, adapter) as they are run: in float32 the adapter is
      merged into the params; in less that would round it away.
  """

  def __init__(
    self,
    config: decoder.DecoderConfig,
    params,
    tokenizer: Tokenizer,
    adapter: lora.Adapter | None = None,
  ):
    self.config, self.tokenizer = config, tokenizer
    self._base = params
    self._use(adapter)

  def _use(self, adapter: lora.Adapter | None) -> None:
    self.adapter = adapter
    if adapter and self._base["embed"].dtype == jnp.float32:
      self.weights = _merge(self._base, adapter), None
    else:
      self.weights = self._base, adapter
    self._prefixes: collections.OrderedDict[tuple[int, ...], decoder.Prefix]
    self._prefixes = collections.OrderedDict()

  def with_adapter(self, adapter: lora.Adapter | None) -> "Sampler":
    """The same base model under another adapter, or under none."""
    other = copy.copy(self)
    other._use(adapter)
    return other

  def score(
    self,
    prompts: Sequence[Sequence[Message]],
    choices: Sequence[Sequence[str]],
    progress: Callable[[int], None] | None = None,
  ) -> list[np.ndarray]:
    """Natural log p of each choice as the beginning of the answer.

    Args:
      prompts: chats that end before the assistant's turn.
      choices: for each prompt, the answers to score.
      progress: called with the number of prompts just finished.

    Returns:
      For each prompt f32[number of its choices].

    Raises:
      ValueError: lists of unlike length, or an empty choice.
    """
    if len(prompts) != len(choices):
      raise ValueError(
        f"{len(prompts)} prompts but {len(choices)} lists of choices: give one "
        "list for each prompt"
      )
    coded = [self._encode_choices(c) for c in choices]
    items: list[_Item | None] = [None] * len(prompts)
    for prefix_ids, rows in self._groups(prompts).items():
      start = len(prefix_ids)
      for index, ids in rows:
        items[index] = _closed_item(ids[start:], coded[index], start)
      self._run(prefix_ids, [items[i] for i, _ in rows], progress)
    return [_choice_scores(i, c) for i, c in zip(items, coded, strict=True)]

  def token_logprobs(
    self,
    ids: Sequence[int],
    window: int = 512,
    stride: int = 256,
    progress: Callable[[int], None] | None = None,
  ) -> np.ndarray:
    """f32[len(ids)]: log p of each token, in rolling windows.

    Each token is scored once, with at least window - stride tokens before it
    (the first windows excepted); the first of all follows the end-of-text
    token. As `loglikelihood_rolling` of lm-evaluation-harness.

    Args:
      ids: the text.
      window: tokens that the model sees at a time.
      stride: tokens scored by each window after the first.
      progress: called with the number of windows just finished.
    """
    if not 0 < stride <= window <= self.config.context:
      raise ValueError(
        f"window {window}, stride {stride}: need 0 < stride <= window <= "
        f"{self.config.context}, the model's context"
      )
    if not len(ids):
      return np.zeros(0, np.float32)
    inputs = [self.tokenizer.end_of_text, *ids[:-1]]
    items, done = [], 0
    while done < len(ids):
      end = min(len(ids), done + (stride if done else window))
      begin = max(0, end - window)
      items.append(
        _Item(
          tokens=list(inputs[begin:end]),
          positions=list(range(end - begin)),
          segments=[0] * (end - begin),
          columns=list(range(done - begin, end - begin)),
          targets=[[t] for t in ids[done:end]],
        )
      )
      done = end
    self._run((), items, progress, length=window)
    return np.concatenate([a for item in items for a in item.answer])

  def generate(
    self,
    prompts: Sequence[Sequence[Message]],
    max_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    progress: Callable[[int], None] | None = None,
  ) -> list[tuple[str, str, int]]:
    """Answers of the assistant.

    Args:
      prompts: chats that end before the assistant's turn.
      max_tokens: limit of an answer, its end-of-turn token counted.
      temperature: 0 takes the likeliest token.
      top_p: sample from the smallest set of tokens with this probability.
      stop: strings that end an answer; they are cut off.
      seeds: one for each prompt: the draws depend on nothing else.
      progress: called with the number of prompts just finished.

    Returns:
      (text, finish_reason, tokens) of each; the reason is stop or length.
    """
    settings = generation.Settings(max_tokens, temperature, top_p, tuple(stop))
    seeds = list(range(len(prompts)) if seeds is None else seeds)
    out: list[tuple[str, str, int]] = [("", "length", 0)] * len(prompts)
    for prefix_ids, rows in self._groups(prompts).items():
      rows = sorted(rows, key=lambda row: len(row[1]))
      prefix = self._prefix(prefix_ids)
      for batch in _split(rows, (16, 4, 1)):
        answers = generation.generate(
          self.config,
          *self.weights,
          self.tokenizer,
          prefix,
          [ids[len(prefix_ids) :] for _, ids in batch],
          [seeds[i] for i, _ in batch],
          settings,
        )
        for (index, _), answer in zip(batch, answers, strict=True):
          out[index] = answer
        if progress:
          progress(len(batch))
    return out

  def _encode_choices(self, choices: Sequence[str]) -> list[list[int]]:
    ids = [self.tokenizer.encode_plain(choice) for choice in choices]
    if not ids or not all(ids):
      raise ValueError(
        f"choices {list(choices)} are empty or hold an empty text: give at "
        "least one choice and a word for each"
      )
    return ids

  def _groups(self, prompts):
    """Prefix ids -> [(index, prompt ids)]; lone prompts have prefix ()."""
    groups = collections.defaultdict(list)
    for index, messages in enumerate(prompts):
      if not messages:
        raise ValueError(f"prompt {index} has no messages: give at least one")
      ids, _ = self.tokenizer.render_chat(messages, generation_prompt=True)
      shared, _ = self.tokenizer.render_chat(messages[:-1])
      shared = shared + self.tokenizer.header(messages[-1]["role"])
      groups[tuple(shared)].append((index, ids))
    lone = [
      key
      for key, rows in groups.items()
      if len(rows) == 1 and key not in self._prefixes
    ]
    for key in lone:  # a prefix of one use is cheaper inside its row
      groups[()].extend(groups.pop(key))
    return groups

  def _prefix(self, ids: tuple[int, ...]) -> decoder.Prefix | None:
    """The keys and values of `ids`, computed once and remembered."""
    if not ids:
      return None
    if ids not in self._prefixes:
      tokens = np.zeros(_round_up(len(ids), PREFIX_STEP), np.int32)
      tokens[: len(ids)] = ids
      self._prefixes[ids] = _prefill(
        self.config, *self.weights, tokens, np.int32(len(ids))
      )
    self._prefixes.move_to_end(ids)
    while len(self._prefixes) > PREFIXES:
      self._prefixes.popitem(last=False)
    return self._prefixes[ids]

  def _run(self, prefix_ids, items, progress, length: int | None = None):
    """Fills in the answers of items that follow one prefix."""
    prefix = self._prefix(prefix_ids)
    for rows in _rows(items, length):
      arrays = _arrays(rows)
      scores = np.asarray(
        _log_probs(self.config, *self.weights, prefix, *arrays)
      )
      done = 0
      for item in (item for row in rows.items for item in row):
        for targets in item.targets:
          item.answer.append(scores[done, : len(targets)])
          done += 1
      if progress:
        progress(sum(map(len, rows.items)))


def _round_up(n: int, step: int) -> int:
  return -(-n // step) * step


def _power(n: int) -> int:
  return 1 << max(0, n - 1).bit_length()


def _split(rows: list, sizes: Sequence[int]) -> Iterator[list]:
  """Parts of `rows` whose sizes are all of `sizes` (descending, to 1)."""
  while rows:
    size = next(s for s in sizes if s <= len(rows))
    yield rows[:size]
    rows = rows[size:]


def _closed_item(suffix, choices, start: int) -> _Item:
  """The suffix of one prompt with its choices behind it."""
  tokens = list(suffix)
  positions = list(range(start, start + len(suffix)))
  columns, targets = [len(suffix) - 1], [[choice[0] for choice in choices]]
  if all(len(choice) == 1 for choice in choices):
    return _Item(tokens, positions, None, columns, targets)
  segments = [0] * len(suffix)
  for number, choice in enumerate(choices, start=1):
    for offset, (token, following) in enumerate(itertools.pairwise(choice)):
      columns.append(len(tokens))
      targets.append([following])
      tokens.append(token)
      positions.append(start + len(suffix) + offset)
      segments.append(number)
  return _Item(tokens, positions, segments, columns, targets)


def _choice_scores(item: _Item, choices) -> np.ndarray:
  """f32[C] from the answers that `_closed_item` asked for."""
  scores = np.array(item.answer[0], np.float32)
  rest = iter(item.answer[1:])
  for number, choice in enumerate(choices):
    for _ in choice[1:]:
      scores[number] += next(rest)[0]
  return scores


@dataclasses.dataclass
class _Rows:
  length: int
  items: list[list[_Item]]  # of each row


def _rows(items: Sequence[_Item], length: int | None) -> Iterator[_Rows]:
  """Items packed into batches of rows, in few shapes."""
  items = sorted(items, key=lambda item: -len(item.tokens))
  free = [item for item in items if item.segments is None]
  alone = [[item] for item in items if item.segments is not None]
  if free:
    total = sum(len(item.tokens) for item in free)
    longest = len(free[0].tokens)
    size = ROW // 2 if total <= ROW // 2 else max(ROW, _power(longest))
    rows: list[list[_Item]] = []
    space: list[int] = []
    for item in free:  # first fit, longest first
      need = len(item.tokens)
      fits = (i for i, left in enumerate(space) if left >= need)
      i = next((i for i in fits if len(rows[i]) < size // 16), None)
      if i is None:
        rows.append([])
        space.append(size)
        i = -1
      rows[i].append(item)
      space[i] -= need
    for part in _split(rows, _batch_sizes(size)):
      yield _Rows(size, part)
  while alone:
    size = length or _round_up(len(alone[0][0].tokens), ROW // 4)
    part = next(_split(alone, _batch_sizes(size)))
    alone = alone[len(part) :]
    yield _Rows(size, part)


def _batch_sizes(length: int) -> list[int]:
  most = max(1, TOKENS // length)
  return sorted({most, max(1, most // 4), 1}, reverse=True)


def _arrays(rows: _Rows) -> tuple[np.ndarray, ...]:
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
      segments[here] = number if item.segments is None else item.segments
      columns += [r * rows.length + start + c for c in item.columns]
      targets += item.targets
      start += len(item.tokens)
  count = max(len(rows.items) * ROW // 16, _power(len(columns)))
  if count > HEAD_CHUNK:
    count = _round_up(len(columns), HEAD_CHUNK)
  width = max(4, _power(max(map(len, targets))))
  columns_N = np.zeros(count, np.int32)
  columns_N[: len(columns)] = columns
  targets_NxC = np.zeros((count, width), np.int32)
  for i, wanted in enumerate(targets):
    targets_NxC[i, : len(wanted)] = wanted
  return tokens, positions, segments, columns_N, targets_NxC

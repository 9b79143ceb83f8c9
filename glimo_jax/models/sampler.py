"""Scoring and sampling with shared prefixes, in a few fixed shapes.

All prompts that begin alike share one prefix: its keys and values are computed
once. What follows is packed into rows of a fixed length, each prompt a segment
of its own, so that hardly a column is padding and few shapes are compiled.
The jitted functions take the params: samplers with and without an adapter
share them.
"""

import collections
import copy
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from glimo_jax.models import caching, decoder, generation, lora
from glimo_jax.models import rows as rows_lib
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import Message

PREFIX_STEP = 64  # prefixes are padded to multiples of it
PREFIXES = 16  # prefixes remembered


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

  if len(columns_N) <= rows_lib.HEAD_CHUNK:
    return one((hidden_NxD, targets_NxC))
  chunks = len(columns_N) // rows_lib.HEAD_CHUNK
  split = jax.tree.map(
    lambda x: x.reshape(chunks, rows_lib.HEAD_CHUNK, -1),
    (hidden_NxD, targets_NxC),
  )
  return jax.lax.map(one, split).reshape(len(columns_N), -1)


@functools.partial(jax.jit, static_argnums=0)
def _prefill(config, params, adapter, tokens, length):
  return caching.prefill(config, params, tokens, adapter, length)


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
      ValueError: lists of unlike length, an empty choice or too many.
    """
    if len(prompts) != len(choices):
      raise ValueError(
        f"{len(prompts)} prompts but {len(choices)} lists of choices: give one "
        "list for each prompt"
      )
    coded = [self._encode_choices(c) for c in choices]
    items: list[rows_lib.Item | None] = [None] * len(prompts)
    for prefix_ids, rows in self._groups(prompts).items():
      start = len(prefix_ids)
      for index, ids in rows:
        items[index] = rows_lib.closed_item(ids[start:], coded[index], start)
      self._run(prefix_ids, [items[i] for i, _ in rows], progress)
    return [
      rows_lib.choice_scores(i, c) for i, c in zip(items, coded, strict=True)
    ]

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
        rows_lib.Item(
          tokens=list(inputs[begin:end]),
          positions=list(range(end - begin)),
          branches=[0] * (end - begin),
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
      for batch in rows_lib.split(rows, (16, 4, 1)):
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
      if len(ids) > self.config.context:
        raise ValueError(
          f"prompt {index} has {len(ids)} tokens but the model's context is "
          f"{self.config.context}: shorten its messages"
        )
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
      tokens = np.zeros(rows_lib.round_up(len(ids), PREFIX_STEP), np.int32)
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
    for rows in rows_lib.pack(items, length):
      arrays = rows_lib.arrays(rows)
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

"""Scores given texts and writes new ones, in a few fixed shapes.

Prompts that begin alike share one prefix: its keys and values are computed
once. The rest of each prompt is a segment in rows of a fixed length, so that
few columns are padding and few shapes are compiled. The jitted functions take
the params as an argument: samplers with and without an adapter share them.
"""

import collections
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from glimo_jax.models import generation, kv_cache, lora, scoring_rows
from glimo_jax.models.attention import Prefix
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.models.scoring_rows import RowBatch, ScoringItem
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import AnyArray, InShares, Message, alone

PyTree = Any
Ids = tuple[int, ...]

PREFIX_STEP = 64  # prefixes are padded to multiples of it
PREFIXES = 16  # prefixes that a sampler keeps


@functools.partial(jax.jit, static_argnums=0)
def _prefill(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  tokens: Int[AnyArray, " P"],
  length: Int[AnyArray, ""],
) -> Prefix:
  return kv_cache.prefill(config, params, tokens, adapter, length)


_merge = jax.jit(lora.merge)


def _keep_last(kept: collections.OrderedDict, key: Ids, value: Any) -> None:
  """Puts a prefix last, and drops the first of more than PREFIXES."""
  kept[key] = value
  kept.move_to_end(key)
  if len(kept) > PREFIXES:
    kept.popitem(last=False)


class Sampler:
  """A decoder that scores closed sets and writes text.

  Attributes:
    config, tokenizer, adapter: as given.
    weights: (params, adapter) in use; the adapter is merged into the params
      where that pays (`lora.worth_merging`).
    in_shares: divides the batches among processes that all ask alike.
  """

  def __init__(
    self,
    config: DecoderConfig,
    params: PyTree,
    tokenizer: Tokenizer,
    adapter: Adapter | None = None,
    in_shares: InShares = alone,
  ):
    self.config, self.tokenizer, self.in_shares = config, tokenizer, in_shares
    self._base = params
    self._use(adapter)

  def _use(self, adapter: Adapter | None) -> None:
    self.adapter = adapter
    if adapter and lora.worth_merging(self._base, adapter):
      self.weights = _merge(self._base, adapter), None
    else:
      self.weights = self._base, adapter
    self._prefixes: collections.OrderedDict[Ids, Prefix]
    self._prefixes = collections.OrderedDict()
    # The last ones that any process has used: the same list in all of them.
    self._used: collections.OrderedDict[Ids, None] = collections.OrderedDict()

  def with_adapter(self, adapter: Adapter | None) -> "Sampler":
    """The same base model with another adapter, or with none."""
    other = copy.copy(self)
    other._use(adapter)
    return other

  def score(
    self,
    prompts: Sequence[Sequence[Message]],
    choices: Sequence[Sequence[str]],
    progress: Callable[[int], None] | None = None,
  ) -> list[np.ndarray]:
    """Natural log p of each choice as the start of the answer.

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
    words = {word for some in choices for word in some}
    ids = {w: self.tokenizer.encode_answer(w)[:-1] for w in words}
    coded = [scoring_rows.ids_of(some, ids) for some in choices]
    items: dict[int, ScoringItem] = {}
    batches: list[tuple[Ids, RowBatch]] = []
    for prefix_ids, rows in self._groups(prompts).items():
      start = len(prefix_ids)
      here = {
        index: scoring_rows.closed_item(ids[start:], coded[index], start)
        for index, ids in rows
      }
      items |= here
      batches += [(prefix_ids, b) for b in scoring_rows.pack([*here.values()])]
    self._run(batches, progress)
    return [
      scoring_rows.choice_scores(items[index], coded[index])
      for index in range(len(prompts))
    ]

  def token_logprobs(
    self,
    ids: Sequence[int],
    window: int = 512,
    stride: int = 256,
    progress: Callable[[int], None] | None = None,
  ) -> np.ndarray:
    """f32[len(ids)]: log p of each token, in rolling windows.

    Each token is scored once, with at least window - stride tokens before it,
    or all of them. The first token follows the end-of-text token. The same as
    `loglikelihood_rolling` of lm-evaluation-harness.

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
    inputs = [self.tokenizer.start_of_text, *ids[:-1]]
    items, done = [], 0
    while done < len(ids):
      end = min(len(ids), done + (stride if done else window))
      begin = max(0, end - window)
      items.append(
        ScoringItem(
          tokens=list(inputs[begin:end]),
          positions=list(range(end - begin)),
          branches=[0] * (end - begin),
          columns=list(range(done - begin, end - begin)),
          targets=[[t] for t in ids[done:end]],
        )
      )
      done = end
    self._run([((), b) for b in scoring_rows.pack(items, window)], progress)
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
  ) -> list[generation.Answer]:
    """Writes the assistant's answers.

    Args:
      prompts: chats that end before the assistant's turn.
      max_tokens: limit of an answer, including its end-of-turn token.
      temperature: 0 takes the likeliest token.
      top_p: sample from the smallest set of tokens with this probability.
      stop: strings that end an answer; they are cut off.
      seeds: one for each prompt; it alone determines the sampled tokens.
      progress: called with the number of prompts just finished.

    Returns:
      (text, finish_reason, tokens) of each; the reason is stop or length.
    """
    settings = generation.GenerationSettings(
      max_tokens, temperature, top_p, tuple(stop)
    )
    seeds = list(range(len(prompts)) if seeds is None else seeds)
    out: list[generation.Answer] = [("", "length", 0)] * len(prompts)
    for prefix_ids, rows in self._groups(prompts).items():
      answers = generation.generate_all(
        self.config,
        *self.weights,
        self.tokenizer,
        lambda prefix_ids=prefix_ids: self._prefix(prefix_ids),
        [ids[len(prefix_ids) :] for _, ids in rows],
        [seeds[i] for i, _ in rows],
        settings,
        progress,
        self.in_shares,
      )
      for (index, _), answer in zip(rows, answers, strict=True):
        out[index] = answer
    return out

  def continue_ids(
    self,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    seeds: Sequence[int],
  ) -> list[generation.Answer]:
    """Continues token ids, which need not be chats; see `generate`."""
    return generation.generate_all(
      self.config, *self.weights, self.tokenizer, lambda: None, prompts, seeds,
      generation.GenerationSettings(max_tokens, temperature, 1.0, ()),
      in_shares=self.in_shares,
    )  # fmt: skip

  def _groups(
    self, prompts: Sequence[Sequence[Message]]
  ) -> Mapping[Ids, list[tuple[int, list[int]]]]:
    """Prefix ids -> [(index, prompt ids)]; () where nothing is shared."""
    groups: dict[Ids, list[tuple[int, list[int]]]]
    groups = collections.defaultdict(list)
    for index, messages in enumerate(prompts):
      if not messages:
        raise ValueError(f"prompt {index} has no messages: give at least one")
      ids, _, count = self.tokenizer.render_prompt(messages)
      if len(ids) > self.config.context:
        raise ValueError(
          f"prompt {index} has {len(ids)} tokens but the model's context is "
          f"{self.config.context}: shorten its messages"
        )
      groups[tuple(ids[:count])].append((index, ids))
    lone = [
      key
      for key, rows in groups.items()
      if len(rows) == 1 and key not in self._used
    ]
    for key in lone:  # a prefix of a single prompt is cheaper inside its row
      groups[()].extend(groups.pop(key))
    for key in filter(None, groups):
      _keep_last(self._used, key, None)
    return groups

  def _prefix(self, ids: Ids) -> Prefix | None:
    """Keys and values of a prefix; the last PREFIXES of them are kept."""
    if not ids:
      return None
    if ids not in self._prefixes:
      tokens = np.zeros(scoring_rows.round_up(len(ids), PREFIX_STEP), np.int32)
      tokens[: len(ids)] = ids
      self._prefixes[ids] = _prefill(
        self.config, *self.weights, tokens, np.int32(len(ids))
      )
    _keep_last(self._prefixes, ids, self._prefixes[ids])
    return self._prefixes[ids]

  def _run(
    self,
    batches: Sequence[tuple[Ids, RowBatch]],
    progress: Callable[[int], None] | None,
  ) -> None:
    """Computes the answers of all items after their prefixes, in place."""

    def work(i: int) -> np.ndarray:
      prefix, rows = self._prefix(batches[i][0]), batches[i][1]
      arrays = scoring_rows.arrays(rows)
      return np.asarray(
        scoring_rows.log_probs(self.config, *self.weights, prefix, *arrays)
      )

    found = self.in_shares(work, len(batches), scoring_rows.floats)
    for (_, rows), scores in zip(batches, found, strict=True):
      scoring_rows.give(rows, scores)
      if progress:
        progress(sum(map(len, rows.items)))

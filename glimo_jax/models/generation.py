"""Writes text token by token with a key-value cache."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Float, Int, UInt32

from glimo_jax.models import decoder, kv_cache
from glimo_jax.models.attention import (
  Cache,
  Prefix,
  attention_mask,
  with_prefix,
)
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.models.numerics.drawing import draw
from glimo_jax.models.scoring_rows import power_of_two
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import AnyArray, InShares, alone

Array = jax.Array
PyTree = Any
Answer = tuple[str, str, int]  # text, finish_reason (stop or length), tokens

STEP = 32  # lengths are padded to multiples of it
BATCH = 128  # most prompts that are continued together
READ = 32  # prompts that are read together, padded to the longest of them
GROW = 64  # columns by which a batch's cache grows: attention reads all
LEAST = 8  # rows of the smallest batch that unfinished rows are moved to
SHRINK = 4  # how much smaller it must be: each size is a program to compile
CACHE_BYTES = 2**31  # most bytes of the keys and values of a batch
CHUNK = 8  # tokens written between two searches for stop strings


@dataclasses.dataclass(frozen=True)
class GenerationSettings:
  """How to choose tokens and when to stop.

  Attributes:
    max_tokens: most tokens of an answer, its end included.
    temperature: the logits are divided by it; 0 takes the likeliest token.
    top_p: probability of the smallest set of tokens to sample from; 1 is all.
    stop: strings that end an answer; they are cut off.
  """

  max_tokens: int
  temperature: float
  top_p: float
  stop: tuple[str, ...]

  def __post_init__(self):
    if self.max_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
      raise ValueError(
        f"max_tokens {self.max_tokens}, temperature {self.temperature}, top_p "
        f"{self.top_p}: need max_tokens >= 1, temperature >= 0, 0 < top_p <= 1"
      )


@functools.partial(jax.jit, static_argnums=(0, 6))
def _open(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  prefix: Prefix | None,
  tokens_BxT: Int[AnyArray, "B T"],
  lengths_B: Int[AnyArray, " B"],
  size: int,
) -> tuple[Float[Array, "B V"], Cache]:
  """Reads the prompts: logits after each, and a cache of `size` columns."""
  start = prefix.length if prefix else jnp.int32(0)
  columns = jnp.arange(tokens_BxT.shape[1], dtype=jnp.int32)
  positions = jnp.broadcast_to(start + columns, tokens_BxT.shape)
  segments = jnp.where(columns < lengths_B[:, None], 0, -1)
  mask = attention_mask(segments, prefix)
  x, read = decoder.forward(
    config, params, tokens_BxT, positions, mask, adapter, prefix=prefix
  )
  last = decoder.final(config, params, x[jnp.arange(len(x)), lengths_B - 1])
  if config.local_layers:
    read = read.replace(positions=positions)
  return decoder.logits(params, last), kv_cache.widen(read, size)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=5)
def _write(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  prefix: Prefix | None,
  logits: Float[Array, "B V"],
  cache: Cache,
  lengths_B: Int[AnyArray, " B"],
  seeds_B: UInt32[AnyArray, " B"],
  plan: tuple[AnyArray, AnyArray, AnyArray, AnyArray],
) -> tuple[Int[Array, "B chunk"], Float[Array, "B V"], Cache]:
  """CHUNK more tokens.

  Args:
    config: sizes.
    params: weights.
    adapter: None for the base model.
    prefix: text that all rows begin with.
    logits: of the next token.
    cache: keys and values of what the rows hold so far.
    lengths_B: tokens of each prompt.
    seeds_B: of each row's draws.
    plan: cache column of the first written token, tokens written before,
      temperature and top_p.

  Returns:
    The tokens, the logits after them, the cache.
  """
  start = prefix.length if prefix else jnp.int32(0)
  first, offset, temperature, top_p = plan
  keys = jnp.arange(cache.v.shape[3])

  def body(carry, i):
    logits, cache = carry
    token = draw(logits, seeds_B, i, temperature, top_p)
    column = first + i
    seen = (keys >= first) & (keys <= column)
    mask = (seen | (keys < lengths_B[:, None]))[:, None]
    if prefix is not None:
      mask = with_prefix(mask, prefix)
    hidden, cache = kv_cache.extend(
      config, params, token[:, None], (start + lengths_B + i)[:, None], mask,
      cache, column, adapter=adapter, prefix=prefix,
    )  # fmt: skip
    return (decoder.logits(params, hidden[:, 0]), cache), token

  (logits, cache), tokens = jax.lax.scan(
    body, (logits, cache), offset + jnp.arange(CHUNK, dtype=jnp.int32)
  )
  return tokens.T, logits, cache


def generate(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  tokenizer: Tokenizer,
  prefix: Prefix | None,
  suffixes: Sequence[Sequence[int]],
  seeds: Sequence[int],
  settings: GenerationSettings,
) -> list[Answer]:
  """Writes an answer after each of B prompts.

  Args:
    config: sizes.
    params: weights.
    adapter: None for the base model.
    tokenizer: the model's.
    prefix: text that all prompts begin with; None for none.
    suffixes: token ids of the rest of each prompt, at least one.
    seeds: one for each prompt; it decides the sampled tokens.
    settings: how to choose tokens and when to stop.

  Returns:
    B answers.
  """
  lengths = np.array([len(s) for s in suffixes], np.int32)
  first = _padded(int(lengths.max()))
  most = first + _padded(settings.max_tokens)
  columns = min(first + GROW, most)
  opened = []
  for at in range(0, len(suffixes), READ):
    some = lengths[at : at + READ]
    tokens = np.zeros((len(some), _padded(int(some.max()))), np.int32)
    for row, suffix in zip(tokens, suffixes[at:], strict=False):
      row[: len(suffix)] = suffix
    opened.append(_open(config, params, adapter, prefix, tokens, some, columns))
  logits = jnp.concatenate([logits for logits, _ in opened])
  cache = kv_cache.join([cache for _, cache in opened])
  seeds_B = np.array([s % 2**32 for s in seeds], np.uint32)
  written: list[list[int]] = [[] for _ in suffixes]
  answers: list[Answer] = [("", "length", 0)] * len(suffixes)
  chance = np.float32(settings.temperature), np.float32(settings.top_p)
  rows = list(range(len(suffixes)))  # of the batch; copies may follow them
  for offset in range(0, settings.max_tokens, CHUNK):
    if first + offset == columns:
      columns = min(columns + GROW, most)
      cache = kv_cache.widen(cache, columns)
    plan = np.int32(first), np.int32(offset), *chance
    new, logits, cache = _write(
      config, params, adapter, prefix, logits, cache, lengths, seeds_B, plan
    )
    for row, ids in zip(rows, np.asarray(new), strict=False):
      written[row].extend(ids.tolist())
      answers[row] = finish(tokenizer, written[row], settings)
    going = [i for i, row in enumerate(rows) if answers[row][1] == "length"]
    if not going:
      break
    size = max(LEAST, power_of_two(len(going)))
    if size <= len(lengths) / SHRINK:  # the others have stopped
      kept = np.array(going + going[:1] * (size - len(going)))
      logits, cache = logits[kept], kv_cache.keep(cache, kept)
      lengths, seeds_B = lengths[kept], seeds_B[kept]
      rows = [rows[i] for i in going]
  return answers


def _padded(length: int) -> int:
  """The least multiple of STEP that holds `length` tokens."""
  return -(-length // STEP) * STEP


def _batch_size(config: DecoderConfig, length: int, dtype: DTypeLike) -> int:
  """Rows of `length` tokens whose keys and values are within CACHE_BYTES."""
  heads = 2 * config.layers * config.kv_heads * config.head_dim
  row = heads * length * np.dtype(dtype).itemsize
  return max(LEAST, min(BATCH, power_of_two(CACHE_BYTES // row + 1) // 2))


def generate_all(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  tokenizer: Tokenizer,
  prefix: Callable[[], Prefix | None],
  suffixes: Sequence[Sequence[int]],
  seeds: Sequence[int],
  settings: GenerationSettings,
  progress: Callable[[int], None] | None = None,
  in_shares: InShares = alone,
) -> list[Answer]:
  """Writes answers to any number of prompts, in batches of similar lengths.

  The last batch is padded with copies to a power of 2, so that few shapes are
  compiled.

  Args:
    config, params, adapter, tokenizer, suffixes, seeds, settings: as in
      `generate`.
    prefix: makes the text that all prompts begin with.
    progress: called with the number of answers just finished.
    in_shares: divides the batches among processes.

  Returns:
    One answer for each prompt, in order.
  """
  order = sorted(range(len(suffixes)), key=lambda i: len(suffixes[i]))
  longest = max(map(len, suffixes), default=0) + settings.max_tokens
  size = _batch_size(config, longest, params["embed"].dtype)
  batches = [order[at : at + size] for at in range(0, len(order), size)]

  def work(number: int) -> list[Answer]:
    some = batches[number]
    full = some + some[:1] * (power_of_two(len(some)) - len(some))
    return generate(
      config, params, adapter, tokenizer, prefix(),
      [suffixes[i] for i in full], [seeds[i] for i in full], settings,
    )  # fmt: skip

  out: list[Answer] = [("", "length", 0)] * len(suffixes)
  found = in_shares(work, len(batches))
  for some, answers in zip(batches, found, strict=True):
    for i, (text, reason, tokens) in zip(some, answers, strict=False):
      out[i] = text, reason, tokens
    if progress:
      progress(len(some))
  return out


def finish(
  tokenizer: Tokenizer, ids: Sequence[int], settings: GenerationSettings
) -> Answer:
  """The answer in the written ids: up to its end or its first stop string."""
  ids = list(ids[: settings.max_tokens])
  length = next((i for i, t in enumerate(ids) if t in tokenizer.ends), None)
  text = tokenizer.decode(ids[:length])
  cuts = [at for at in (text.find(s) for s in settings.stop if s) if at >= 0]
  if cuts:
    text = text[: min(cuts)]
    count = 1
    while not any(s in tokenizer.decode(ids[:count]) for s in settings.stop):
      count += 1
    return text, "stop", count
  if length is not None:
    return text, "stop", length + 1
  return text, "length", len(ids)

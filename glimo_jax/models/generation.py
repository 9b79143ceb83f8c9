"""Writes text token by token with a key-value cache."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt32

from glimo_jax.models import decoder, kv_cache
from glimo_jax.models.attention import MASKED, Cache, Prefix, with_prefix
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.types import AnyArray, InShares, alone

Array = jax.Array
PyTree = Any
Scalar = Float[AnyArray, ""]
Answer = tuple[str, str, int]  # text, finish_reason (stop or length), tokens

STEP = 32  # lengths are padded to multiples of it
BATCH = 32  # prompts that are continued together
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


def _top_p(
  logits_BxV: Float[Array, "B V"], top_p: Scalar
) -> Float[Array, "B V"]:
  """Masks logits outside the smallest set of tokens of probability `top_p`.

  "The Curious Case of Neural Text Degeneration", section 3.1,
  https://arxiv.org/abs/1904.09751. Bisection finds the least log p of the
  set: sorting a vocabulary costs ten times as much.
  """
  logp_BxV = jax.nn.log_softmax(logits_BxV, axis=-1)
  probs_BxV = jnp.exp(logp_BxV)

  def halve(_, bounds):
    low, high = bounds  # log p; the tokens above `low` are enough
    middle = (low + high) / 2
    kept = jnp.where(logp_BxV >= middle, probs_BxV, 0)
    enough = jnp.sum(kept, -1, keepdims=True) >= top_p
    return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

  high = jnp.max(logp_BxV, axis=-1, keepdims=True)
  low, _ = jax.lax.fori_loop(0, 32, halve, (high - 40, high))
  return jnp.where(logp_BxV >= low, logits_BxV, MASKED)


def draw(
  logits_BxV: Float[Array, "B V"],
  seeds_B: UInt32[AnyArray, " B"],
  step: Int[AnyArray, ""] | int,
  temperature: Scalar,
  top_p: Scalar,
) -> Int[Array, " B"]:
  """i32: the next tokens; a row's draw depends on its seed and step."""
  cold = temperature <= 0
  scaled = logits_BxV / jnp.where(cold, 1.0, temperature)
  scaled = jax.lax.cond(
    (top_p < 1) & ~cold, lambda x: _top_p(x, top_p), lambda x: x, scaled
  )

  def one(seed, logits):
    key = jax.random.fold_in(jax.random.key(seed), step)
    return jax.random.categorical(key, logits)

  sampled = jax.lax.cond(
    cold,
    lambda x: jnp.argmax(x, axis=-1),
    lambda x: jax.vmap(one)(seeds_B, x),
    scaled,
  )
  return sampled.astype(jnp.int32)


@functools.partial(jax.jit, static_argnums=(0, 6))
def _open(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter | None,
  prefix: Prefix | None,
  tokens_BxT: Int[AnyArray, "B T"],
  lengths_B: Int[AnyArray, " B"],
  space: int,
) -> tuple[Float[Array, "B V"], Cache]:
  """Reads the prompts: logits after each, and a cache with `space` left."""
  batch, length = tokens_BxT.shape
  start = prefix.length if prefix else jnp.int32(0)
  columns = jnp.arange(length, dtype=jnp.int32)
  positions = jnp.broadcast_to(start + columns, tokens_BxT.shape)
  keys = jnp.arange(length + space)
  causal = keys <= columns[:, None]
  mask = causal & (keys < lengths_B[:, None, None])
  if prefix is not None:
    mask = with_prefix(mask, prefix)
  cache = kv_cache.empty(config, batch, length + space, params["embed"].dtype)
  hidden, cache = kv_cache.extend(
    config, params, tokens_BxT, positions, mask, cache, jnp.int32(0),
    adapter=adapter, prefix=prefix,
  )  # fmt: skip
  last = hidden[jnp.arange(batch), lengths_B - 1]
  return decoder.logits(params, last), cache


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
  keys = jnp.arange(cache.k.shape[3])

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
  first = -(-int(lengths.max()) // STEP) * STEP
  tokens = np.zeros((len(suffixes), first), np.int32)
  for row, suffix in zip(tokens, suffixes, strict=True):
    row[: len(suffix)] = suffix
  space = -(-settings.max_tokens // STEP) * STEP
  logits, cache = _open(config, params, adapter, prefix, tokens, lengths, space)
  seeds_B = np.array([s % 2**32 for s in seeds], np.uint32)
  written: list[list[int]] = [[] for _ in suffixes]
  answers: list[Answer] = []
  chance = np.float32(settings.temperature), np.float32(settings.top_p)
  for offset in range(0, settings.max_tokens, CHUNK):
    plan = np.int32(first), np.int32(offset), *chance
    new, logits, cache = _write(
      config, params, adapter, prefix, logits, cache, lengths, seeds_B, plan
    )
    for row, ids in zip(written, np.asarray(new), strict=True):
      row.extend(ids.tolist())
    answers = [finish(tokenizer, row, settings) for row in written]
    if all(reason == "stop" for _, reason, _ in answers):
      break
  return answers


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
  batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]

  def work(number: int) -> list[Answer]:
    some = batches[number]
    full = some + some[:1] * ((1 << (len(some) - 1).bit_length()) - len(some))
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

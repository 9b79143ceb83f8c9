"""Writing text token by token with a key-value cache."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from glimo_jax.models import caching, decoder
from glimo_jax.models.attention import MASKED
from glimo_jax.models.tokenizer import Tokenizer

Array = jax.Array

STEP = 32  # lengths are padded to multiples of it
CHUNK = 8  # tokens written between two looks for stop strings


@dataclasses.dataclass(frozen=True)
class Settings:
  """How to choose tokens and when to stop; see `Sampler.generate`."""

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


def _top_p(logits_BxV: Array, top_p: Array) -> Array:
  """Logits outside the smallest set of probability `top_p` are masked.

  "The Curious Case of Neural Text Degeneration", section 3.1,
  https://arxiv.org/abs/1904.09751. The set's least log p is found by
  bisection: sorting a vocabulary costs ten times as much.
  """
  logp_BxV = jax.nn.log_softmax(logits_BxV, axis=-1)
  probs_BxV = jnp.exp(logp_BxV)

  def halve(_, bounds):
    low, high = bounds  # log p; the set above `low` suffices
    middle = (low + high) / 2
    mass = jnp.sum(
      jnp.where(logp_BxV >= middle, probs_BxV, 0), -1, keepdims=True
    )
    enough = mass >= top_p
    return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

  high = jnp.max(logp_BxV, axis=-1, keepdims=True)
  low, _ = jax.lax.fori_loop(0, 32, halve, (high - 40, high))
  return jnp.where(logp_BxV >= low, logits_BxV, MASKED)


def draw(logits_BxV, seeds_B, step, temperature, top_p) -> Array:
  """i32[B]: the next tokens; a row's draw depends on its seed and step."""
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
def _open(config, params, adapter, prefix, tokens_BxT, lengths_B, space):
  """Reads the prompts: (logits f32[B, V] after each, cache)."""
  batch, length = tokens_BxT.shape
  start = prefix.length if prefix else jnp.int32(0)
  columns = jnp.arange(length, dtype=jnp.int32)
  positions = jnp.broadcast_to(start + columns, tokens_BxT.shape)
  keys = jnp.arange(length + space)
  causal = keys <= columns[:, None]
  mask = causal & (keys < lengths_B[:, None, None])
  mask = _with_prefix(mask, prefix)
  cache = caching.empty(config, batch, length + space, params["embed"].dtype)
  hidden, cache = caching.extend(
    config,
    params,
    tokens_BxT,
    positions,
    mask,
    cache,
    jnp.int32(0),
    adapter=adapter,
    prefix=prefix,
  )
  last = hidden[jnp.arange(batch), lengths_B - 1]
  return decoder.logits(params, config, last), cache


def _with_prefix(mask_BxTxS: Array, prefix) -> Array:
  if prefix is None:
    return mask_BxTxS
  seen = jnp.arange(prefix.k.shape[1]) < prefix.length
  seen = jnp.broadcast_to(seen, (*mask_BxTxS.shape[:2], seen.size))
  return jnp.concatenate([seen, mask_BxTxS], axis=-1)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=5)
def _write(
  config, params, adapter, prefix, logits, cache, lengths_B, seeds_B, plan
):
  """CHUNK more tokens: (tokens i32[B, CHUNK], logits, cache)."""
  start = prefix.length if prefix else jnp.int32(0)
  first, offset, temperature, top_p = plan
  keys = jnp.arange(cache.k.shape[3])

  def body(carry, i):
    logits, cache = carry
    token = draw(logits, seeds_B, i, temperature, top_p)
    column = first + i
    seen = (keys >= first) & (keys <= column)
    mask = (seen | (keys < lengths_B[:, None]))[:, None]
    hidden, cache = caching.extend(
      config,
      params,
      token[:, None],
      (start + lengths_B + i)[:, None],
      _with_prefix(mask, prefix),
      cache,
      column,
      adapter=adapter,
      prefix=prefix,
    )
    return (decoder.logits(params, config, hidden[:, 0]), cache), token

  (logits, cache), tokens = jax.lax.scan(
    body, (logits, cache), offset + jnp.arange(CHUNK, dtype=jnp.int32)
  )
  return tokens.T, logits, cache


def generate(
  config: decoder.DecoderConfig,
  params,
  adapter,
  tokenizer: Tokenizer,
  prefix: decoder.Prefix | None,
  suffixes: Sequence[Sequence[int]],
  seeds: Sequence[int],
  settings: Settings,
) -> list[tuple[str, str, int]]:
  """(text, finish_reason, tokens) for each suffix behind the prefix."""
  lengths = np.array([len(s) for s in suffixes], np.int32)
  first = -(-int(lengths.max()) // STEP) * STEP
  tokens = np.zeros((len(suffixes), first), np.int32)
  for row, suffix in zip(tokens, suffixes, strict=True):
    row[: len(suffix)] = suffix
  space = -(-settings.max_tokens // STEP) * STEP
  logits, cache = _open(config, params, adapter, prefix, tokens, lengths, space)
  seeds_B = np.array([s % 2**32 for s in seeds], np.uint32)
  written: list[list[int]] = [[] for _ in suffixes]
  for offset in range(0, settings.max_tokens, CHUNK):
    plan = (
      np.int32(first),
      np.int32(offset),
      np.float32(settings.temperature),
      np.float32(settings.top_p),
    )
    new, logits, cache = _write(
      config,
      params,
      adapter,
      prefix,
      logits,
      cache,
      lengths,
      seeds_B,
      plan,
    )
    for row, ids in zip(written, np.asarray(new), strict=True):
      row.extend(ids.tolist())
    answers = [finish(tokenizer, row, settings) for row in written]
    if all(reason == "stop" for _, reason, _ in answers):
      break
  return answers


def finish(
  tokenizer: Tokenizer, ids: Sequence[int], settings: Settings
) -> tuple[str, str, int]:
  """What of the written ids counts: (text, finish_reason, tokens)."""
  ids = list(ids[: settings.max_tokens])
  ends = {tokenizer.end_of_turn, tokenizer.end_of_text}
  length = next((i for i, token in enumerate(ids) if token in ends), None)
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

"""Reading on from what was read: prefixes that rows share, caches that grow."""

from typing import Any

import jax
import jax.numpy as jnp

from glimo_jax.models import decoder
from glimo_jax.models.attention import attention_mask

Array = jax.Array
PyTree = Any


def prefill(
  config: decoder.DecoderConfig,
  params: PyTree,
  tokens: Array,
  adapter: PyTree | None = None,
  length: Array | None = None,
) -> decoder.Prefix:
  """Keys and values of `tokens` i32[P], to be shared by all rows of a batch.

  `length` i32[] is the number of tokens that count; the others are padding.
  """
  length = jnp.int32(tokens.shape[0] if length is None else length)
  columns = jnp.arange(tokens.shape[0], dtype=jnp.int32)[None]
  mask = attention_mask(jnp.where(columns < length, 0, -1))
  _, (k, v) = decoder.forward(
    config, params, tokens[None], columns, mask, adapter
  )
  return decoder.Prefix(k[:, 0].swapaxes(1, 2), v[:, 0].swapaxes(1, 2), length)


def empty(
  config: decoder.DecoderConfig, batch: int, size: int, dtype=jnp.float32
) -> decoder.Cache:
  """Room for `size` columns of `batch` rows."""
  shape = (config.layers, batch, config.kv_heads, size, config.head_dim)
  return decoder.Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def extend(
  config: decoder.DecoderConfig,
  params: PyTree,
  tokens: Array,
  positions: Array,
  mask: Array,
  cache: decoder.Cache,
  column: Array,
  *,
  adapter: PyTree | None = None,
  prefix: decoder.Prefix | None = None,
) -> tuple[Array, decoder.Cache]:
  """Continues the rows of `cache` by T tokens each.

  Args:
    config: sizes.
    params: weights.
    tokens, positions: i32[B, T].
    mask: bool[B, T, P + S] over prefix and cache columns.
    cache: what was said; it is carried through the scan, updated in place.
    column: i32[], the cache column of the first token.
    adapter: `lora.Adapter`, or None for the base model.
    prefix: what all rows begin with.

  Returns:
    f32[B, T, D] after the final norm, and the cache.
  """
  x, cache = decoder.forward(
    config,
    params,
    tokens,
    positions,
    mask,
    adapter,
    cache=cache,
    column=column,
    prefix=prefix,
  )
  return decoder.final(config, params, x), cache

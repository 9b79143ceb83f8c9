"""Continuing texts: prefixes that rows share, and a key-value cache."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from glimo_jax.models import decoder
from glimo_jax.models.attention import Cache, Mask, Prefix, attention_mask
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.types import AnyArray

Array = jax.Array
PyTree = Any


def prefill(
  config: DecoderConfig,
  params: PyTree,
  tokens: Int[AnyArray, " P"],
  adapter: Adapter | None = None,
  length: Int[AnyArray, ""] | None = None,
) -> Prefix:
  """Keys and values of a text that all rows of a batch begin with.

  Args:
    config: sizes.
    params: weights.
    tokens: the text, then padding.
    adapter: None for the base model.
    length: tokens of the text; None: there is no padding.
  """
  count = jnp.int32(tokens.shape[0]) if length is None else jnp.asarray(length)
  columns = jnp.arange(tokens.shape[0], dtype=jnp.int32)[None]
  mask = attention_mask(jnp.where(columns < count, 0, -1))
  _, read = decoder.forward(
    config, params, tokens[None], columns, mask, adapter
  )
  k, v = read.k[:, 0].transpose(0, 3, 1, 2), read.v[:, 0].swapaxes(1, 2)
  return Prefix(k, v, count)


def empty(
  config: DecoderConfig, batch: int, size: int, dtype: DTypeLike = jnp.float32
) -> Cache:
  """A cache with room for `size` columns of `batch` rows."""
  heads = (config.layers, batch, config.kv_heads)
  positions = jnp.zeros((batch, size), jnp.int32)
  return Cache(
    jnp.zeros((*heads, config.head_dim, size), dtype),
    jnp.zeros((*heads, size, config.head_dim), dtype),
    positions if config.local_layers else None,
  )


@functools.partial(jax.jit, static_argnums=1)
def widen(cache: Cache, size: int) -> Cache:
  """The cache with empty columns at its end, so that it has `size` of them."""
  more = size - cache.v.shape[3]
  return Cache(
    jnp.pad(cache.k, [(0, 0)] * 4 + [(0, more)]),
    jnp.pad(cache.v, [(0, 0)] * 3 + [(0, more), (0, 0)]),
    None
    if cache.positions is None
    else jnp.pad(cache.positions, [(0, 0), (0, more)]),
  )


def extend(
  config: DecoderConfig,
  params: PyTree,
  tokens: Int[AnyArray, "B T"],
  positions: Int[AnyArray, "B T"],
  mask: Mask,
  cache: Cache,
  column: Int[AnyArray, ""],
  *,
  adapter: Adapter | None = None,
  prefix: Prefix | None = None,
) -> tuple[Float[Array, "B T D"], Cache]:
  """Continues the rows of a cache by T tokens each.

  Args:
    config: sizes.
    params: weights.
    tokens: i32, the new tokens.
    positions: i32, rotary.
    mask: bool[B, T, P + S] over the columns of prefix and cache.
    cache: keys and values of the rows so far; updated in place under jit.
    column: the cache column of the first new token.
    adapter: None for the base model.
    prefix: text that all rows begin with.

  Returns:
    f32 states after the final norm, and the cache.
  """
  x, cache = decoder.forward(
    config,
    params,
    tokens,
    positions,
    mask,
    adapter,
    prefix=prefix,
    cache=cache,
    column=jnp.asarray(column),
  )
  return decoder.final(config, params, x), cache


@jax.jit
def keep(cache: Cache, rows: Int[AnyArray, " R"]) -> Cache:
  """The cache of some rows of the batch, in this order."""
  positions = cache.positions
  return Cache(
    cache.k[:, rows],
    cache.v[:, rows],
    None if positions is None else positions[rows],
  )


@jax.jit
def join(caches: Sequence[Cache]) -> Cache:
  """One cache with the rows of several, which have equal columns."""
  some = [cache.positions for cache in caches if cache.positions is not None]
  return Cache(
    jnp.concatenate([cache.k for cache in caches], axis=1),
    jnp.concatenate([cache.v for cache in caches], axis=1),
    jnp.concatenate(some) if some else None,
  )

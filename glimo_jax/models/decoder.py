"""The decoder-only transformer, its layers stacked and scanned.

Params are described in `parameters`; axes in names as in `layers`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from glimo_jax import mesh as mesh_lib
from glimo_jax.models.attention import (
  Cache,
  Mask,
  Prefix,
  Sight,
  attention_mask,
  sight_of,
)
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.layers import Block, gathered, rms_norm
from glimo_jax.models.lora import Adapter
from glimo_jax.models.numerics import products, stacks
from glimo_jax.models.numerics import remat as remat_lib
from glimo_jax.types import AnyArray

Array = jax.Array
PyTree = Any
Tokens = Int[AnyArray, "B T"]
States = Float[Array, "B T D"]


def head(params: PyTree) -> Float[Array, "V D"]:
  """The output matrix; it may be the embedding's."""
  return params.get("head", params["embed"])


def logits(
  params: PyTree, hidden: Float[AnyArray, "*rows D"]
) -> Float[Array, "*rows V"]:
  """f32 logits of `hidden`, the state after the final norm."""
  return products.logits(hidden, head(params))


def embed(
  config: DecoderConfig, params: PyTree, tokens: Tokens
) -> Float[Array, "B T D"]:
  """The residual stream before the first layer."""
  tokens = mesh_lib.constrain(jnp.asarray(tokens), "data")
  x = mesh_lib.constrain(params["embed"][tokens], "data", None, "embed")
  x = mesh_lib.constrain(x, "batch")
  scale = config.embed_scale
  return x if scale == 1 else x * jnp.asarray(scale, x.dtype)


def _layers(
  config: DecoderConfig,
  params: PyTree,
  x: States,
  sight: Sight,
  span: tuple[int, int],
  *,
  adapter: Adapter | None = None,
  prefix: Prefix | None = None,
  cache: Cache | None = None,
  column: Array | None = None,
  remat: str = "dots",
) -> tuple[States, Cache]:
  """Runs layers span = (start, stop).

  Returns:
    The residual stream, and the keys and values of x in these layers; with a
    cache, the whole cache with those written into it.
  """
  block = Block(config)
  scale = adapter.scale if adapter else 1.0
  layers = params["layers"]
  # A part of the stack is indexed: slicing would copy it.
  indexed = span != (0, config.layers) or products.widens(x.dtype)

  def body(carry: tuple[Array, Any], xs: Any) -> tuple[Any, Any]:
    x, cache = carry
    i, kind, layer, low, past = xs
    rope, mask = sight.at(kind)
    if indexed:
      layer = stacks.layer(layers, i)
    layer = gathered(config, layer)
    x = mesh_lib.constrain(x, "batch")
    room = (cache.k, cache.v, i, column) if cache else None
    # flax: the type of `apply` is that of any module.
    x, k, v = block.apply(  # pyright: ignore[reportAssignmentType]
      {"params": layer},
      x,
      rope,
      mask,
      adapter=low,
      scale=scale,
      prefix=past,
      cache=room,
    )
    if cache is None:
      return (x, None), Cache(k, v)  # pyright: ignore[reportArgumentType]
    return (x, cache.replace(k=k, v=v)), None

  if cache is None:
    body = remat_lib.remat(body, remat)
  xs = (
    jnp.arange(*span),
    sight.kinds(span),
    None if indexed else layers,
    adapter.weights if adapter else None,
    (prefix.k[slice(*span)], prefix.v[slice(*span)]) if prefix else None,
  )
  (x, continued), read = jax.lax.scan(body, (x, cache), xs)
  # A scan without a cache carries None; the checker cannot tell.
  kv = read if continued is None else continued
  return x, kv  # pyright: ignore[reportReturnType]


def forward(
  config: DecoderConfig,
  params: PyTree,
  tokens: Tokens,
  positions: Tokens,
  mask: Mask,
  adapter: Adapter | None = None,
  *,
  prefix: Prefix | None = None,
  cache: Cache | None = None,
  column: Array | None = None,
  remat: str = "dots",
) -> tuple[States, Cache]:
  """The residual stream after all layers, and the keys and values.

  Args:
    config: sizes.
    params: weights.
    tokens: i32.
    positions: i32, rotary.
    mask: bool[B, T, P + S], which keys each token sees.
    adapter: None for the base model.
    prefix: text that all rows begin with.
    cache: keys and values of the rows so far, to be continued.
    column: i32[], the cache column of the first token.
    remat: what the backward pass recomputes, of `remat.POLICIES`.

  Returns:
    The stream, and the continued cache, or one of these T tokens.
  """
  if cache is not None and cache.positions is not None:
    written = jax.lax.dynamic_update_slice(
      cache.positions, jnp.asarray(positions), (0, jnp.asarray(column))
    )
    cache = cache.replace(positions=written)
  run = functools.partial(
    _layers,
    config,
    params,
    sight=sight_of(config, positions, mask, prefix=prefix, cache=cache),
    prefix=prefix,
    column=column,
    remat=remat,
  )
  x = embed(config, params, tokens)
  if adapter is None or adapter.first_layer == 0:
    span = (0, config.layers)
    return run(x, span=span, adapter=adapter, cache=cache)
  first = adapter.first_layer
  x, low = run(x, span=(0, first), cache=cache)
  upper = (first, config.layers)
  if cache is not None:
    return run(x, span=upper, adapter=adapter, cache=low)
  x, high = run(x, span=upper, adapter=adapter)
  return x, jax.tree.map(lambda *kv: jnp.concatenate(kv), low, high)


def final(config: DecoderConfig, params: PyTree, x: States) -> States:
  """f32: the residual stream `x` after the final norm."""
  weight, shift = params["norm"], config.norm_shift
  return rms_norm(x, weight, config.norm_eps, shift).astype(jnp.float32)


def frozen_activations(
  config: DecoderConfig,
  params: PyTree,
  first: int,
  tokens: Tokens,
  positions: Tokens,
  segment_ids: Tokens,
) -> States:
  """The base model's residual stream before layer `first`.

  Training an adapter from layer `first` on leaves it as it is.
  """
  x = embed(config, params, tokens)
  if first:
    sight = sight_of(config, positions, attention_mask(segment_ids))
    x, _ = _layers(config, params, x, sight, (0, first))
  return x


def hidden_states(
  config: DecoderConfig,
  params: PyTree,
  tokens: Tokens,
  positions: Tokens,
  segment_ids: Tokens,
  *,
  adapter: Adapter | None = None,
  prefix: Prefix | None = None,
  activations: Float[AnyArray, "B T D"] | None = None,
  remat: str = "dots",
) -> States:
  """f32: states after the final norm.

  Args:
    config: sizes.
    params: weights, in the dtype to compute in.
    tokens: i32.
    positions: i32, rotary; after a prefix they start at its length.
    segment_ids: i32, which tokens see each other; see `types.Batch`.
    adapter: None for the base model.
    prefix: text that all rows begin with.
    activations: the `frozen_activations` at the adapter's first layer, if
      known; not together with a prefix.
    remat: what the backward pass recomputes, of `remat.POLICIES`.
  """
  mask = attention_mask(segment_ids, prefix)
  if activations is None or adapter is None:
    x, _ = forward(
      config,
      params,
      tokens,
      positions,
      mask,
      adapter,
      prefix=prefix,
      remat=remat,
    )
  else:
    x, _ = _layers(
      config,
      params,
      jnp.asarray(activations),
      sight_of(config, positions, mask),
      (adapter.first_layer, config.layers),
      adapter=adapter,
      remat=remat,
    )
  return final(config, params, x)


def hidden_pair(
  config: DecoderConfig,
  params: PyTree,
  adapter: Adapter,
  tokens: Tokens,
  positions: Tokens,
  segment_ids: Tokens,
  *,
  activations: Float[AnyArray, "B T D"] | None = None,
  remat: str = "dots",
) -> tuple[States, States]:
  """States of the policy (with adapter) and of the reference (without).

  The layers below the adapter's first are computed once, or not at all where
  `activations` holds their output (`frozen_activations`). Gradients reach the
  adapter only: the shared layers and the reference are constants.

  Returns:
    policy, reference: f32, after the final norm.
  """
  params = jax.lax.stop_gradient(params)
  first = adapter.first_layer
  if activations is None:
    activations = frozen_activations(
      config, params, first, tokens, positions, segment_ids
    )
  x = jax.lax.stop_gradient(jnp.asarray(activations))
  sight = sight_of(config, positions, attention_mask(segment_ids))
  run = functools.partial(_layers, config, params, sight=sight)
  upper = (first, config.layers)
  policy, _ = run(x, span=upper, adapter=adapter, remat=remat)
  reference, _ = run(x, span=upper)
  reference = jax.lax.stop_gradient(final(config, params, reference))
  return final(config, params, policy), reference

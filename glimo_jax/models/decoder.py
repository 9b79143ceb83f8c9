"""The decoder-only transformer, its layers stacked and scanned.

Params: {"embed": [V, D], "layers": {name: [n, ...]}, "norm": [D]} and, where
the output matrix is not the embedding's, "head": [V, D]. Axes in names as in
`layers`.
"""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from glimo_jax.models.attention import SAVED, attention_mask
from glimo_jax.models.layers import (
  Block,
  DecoderConfig,
  RopeScaling,
  rms_norm,
  rotary,
)

__all__ = ["DecoderConfig", "RopeScaling"]  # and all defined here

Array = jax.Array
PyTree = Any


@flax.struct.dataclass
class Prefix:
  """Keys and values of one text that all rows of a batch begin with.

  Attributes:
    k, v: [layers, P, K, H]; columns from `length` on are padding.
    length: i32[], where the positions of what follows start.
  """

  k: Array
  v: Array
  length: Array


@flax.struct.dataclass
class Cache:
  """Keys and values of a batch that is being continued: [layers, B, K, S, H]"""

  k: Array
  v: Array


def init(key: Array, config: DecoderConfig, dtype=jnp.float32) -> PyTree:
  """Random params, for tests and for training from nothing.

  Tokens have unit length; the last state has sqrt(D), so that a logit reaches
  sqrt(D) and a frozen output matrix can still be sure of a word among many.
  """
  layer_key, embed_key, head_key = jax.random.split(key, 3)
  x = jnp.zeros((1, 1, config.dim))
  rope = rotary(config, jnp.zeros((1, 1), jnp.int32))
  mask = jnp.ones((1, 1, 1), bool)

  def layer(key):
    return Block(config).init(key, x, rope, mask)["params"]

  shape, deviation = (config.vocab_size, config.dim), config.dim**-0.5
  params = {
    "embed": deviation * jax.random.normal(embed_key, shape),
    "layers": jax.vmap(layer)(jax.random.split(layer_key, config.layers)),
    "norm": jnp.ones(config.dim),
  }
  if not config.tied:
    params["head"] = deviation * jax.random.normal(head_key, shape)
  return jax.tree.map(lambda p: p.astype(dtype), params)


def param_specs(config: DecoderConfig) -> PyTree:
  """Logical axes of each array of params, for `mesh.spec`."""
  into = {"q": "heads", "k": "heads", "v": "heads", "gate": "mlp", "up": "mlp"}
  layers = {name: ("layers", "embed", axis) for name, axis in into.items()}
  layers |= {"o": ("layers", "heads", "embed")}
  layers |= {"down": ("layers", "mlp", "embed")}
  layers |= {"attn_norm": ("layers", None), "mlp_norm": ("layers", None)}
  specs = {"embed": ("vocab", "embed"), "layers": layers, "norm": (None,)}
  return specs if config.tied else specs | {"head": ("vocab", "embed")}


def head(params: PyTree) -> Array:
  """[V, D]: the output matrix, which may be the embedding's."""
  return params.get("head", params["embed"])


def logits(params: PyTree, config: DecoderConfig, hidden: Array) -> Array:
  """f32[..., V] of `hidden` [..., D], the state after the final norm."""
  del config
  w = head(params)
  return jnp.einsum(
    "...d,vd->...v",
    hidden.astype(w.dtype),
    w,
    preferred_element_type=jnp.float32,
  )


def _layers(
  config,
  params,
  x,
  rope,
  mask,
  span,
  *,
  adapter=None,
  prefix=None,
  cache=None,
  column=None,
  remat=False,
):
  """Layers span = (start, stop): (x, their k and v stacked, or the cache)."""
  block = Block(config)
  scale = adapter.scale if adapter else 1.0
  layers = params["layers"]
  at = functools.partial(jax.lax.dynamic_index_in_dim, keepdims=False)
  whole = span == (0, config.layers)

  def body(carry, xs):
    x, cache = carry
    i, layer, low, past = xs
    if not whole:  # a part of the stack is indexed: slicing would copy it
      layer = jax.tree.map(lambda p: at(p, i), layers)
    room = (cache.k, cache.v, i, column) if cache else None
    x, k, v = block.apply(
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
      return (x, None), (k, v)
    return (x, Cache(k, v)), None

  if cache is None:
    keep = jax.checkpoint_policies.save_only_these_names(SAVED)
    keep = None if remat else keep
    body = jax.checkpoint(body, policy=keep, prevent_cse=False)
  xs = (
    jnp.arange(*span),
    layers if whole else None,
    adapter.weights if adapter else None,
    (prefix.k[slice(*span)], prefix.v[slice(*span)]) if prefix else None,
  )
  (x, cache), kv = jax.lax.scan(body, (x, cache), xs)
  return x, kv if cache is None else cache


def forward(
  config, params, tokens, positions, mask, adapter=None, cache=None, **options
):
  """The residual stream after all layers, and what was read.

  Args:
    config: sizes.
    params: weights.
    tokens, positions: i32[B, T].
    mask: bool[B, T, P + S], which keys each token sees.
    adapter: `lora.Adapter`, or None for the base model.
    cache: what was said before, to be continued; or None.
    **options: those of `_layers`: prefix, column of the cache, remat.

  Returns:
    [B, T, D], and (k, v) [layers, B, K, T, H] each, or the cache continued.
  """
  run = functools.partial(
    _layers, config, params, rope=rotary(config, positions), mask=mask
  )
  x = params["embed"][tokens]
  if adapter is None or adapter.first_layer == 0:
    span = (0, config.layers)
    return run(x, span=span, adapter=adapter, cache=cache, **options)
  first = adapter.first_layer
  x, low = run(x, span=(0, first), cache=cache, **options)
  x, high = run(
    x,
    span=(first, config.layers),
    adapter=adapter,
    cache=low if cache else None,
    **options,
  )
  if cache is None:
    high = jax.tree.map(lambda *kv: jnp.concatenate(kv), low, high)
  return x, high


def final(config: DecoderConfig, params: PyTree, x: Array) -> Array:
  """f32[B, T, D]: the residual stream `x` after the final norm."""
  return rms_norm(x, params["norm"], config.norm_eps).astype(jnp.float32)


def lower_states(
  config: DecoderConfig,
  params: PyTree,
  first: int,
  tokens: Array,
  positions: Array,
  segment_ids: Array,
) -> Array:
  """[B, T, D]: the residual stream before layer `first`, of the base model."""
  x = params["embed"][tokens]
  if first:
    rope, mask = rotary(config, positions), attention_mask(segment_ids)
    x, _ = _layers(config, params, x, rope, mask, (0, first))
  return x


def hidden_states(
  config: DecoderConfig,
  params: PyTree,
  tokens: Array,
  positions: Array,
  segment_ids: Array,
  *,
  adapter: PyTree | None = None,
  prefix: Prefix | None = None,
  lower: Array | None = None,
  remat: bool = False,
) -> Array:
  """f32[B, T, D]: states after the final norm.

  Args:
    config: sizes.
    params: weights, in the dtype to compute in.
    tokens: i32[B, T].
    positions: i32[B, T], rotary; behind a prefix they start at its length.
    segment_ids: i32[B, T], who sees whom; see `types.Batch`.
    adapter: `lora.Adapter`, or None for the base model.
    prefix: what all rows begin with.
    lower: the `lower_states` at the adapter's first layer, if known; without a
      prefix.
    remat: recompute activations in the backward pass: far less memory.
  """
  mask = attention_mask(segment_ids, prefix)
  options = dict(adapter=adapter, prefix=prefix, remat=remat)
  if lower is None:
    x, _ = forward(config, params, tokens, positions, mask, **options)
  else:
    upper = (adapter.first_layer, config.layers)
    rope = rotary(config, positions)
    x, _ = _layers(config, params, lower, rope, mask, upper, **options)
  return final(config, params, x)


def hidden_pair(
  config: DecoderConfig,
  params: PyTree,
  adapter: PyTree,
  tokens: Array,
  positions: Array,
  segment_ids: Array,
  *,
  lower: Array | None = None,
  remat: bool = False,
) -> tuple[Array, Array]:
  """States of the policy (with adapter) and of the reference (without).

  The layers below the adapter's first are computed once, or not at all where
  `lower` brings what they make (`lower_states`). Gradients reach the adapter
  only: the shared layers and the reference are constants.

  Returns:
    policy, reference: f32[B, T, D] each, after the final norm.
  """
  params = jax.lax.stop_gradient(params)
  first = adapter.first_layer
  x = lower
  if x is None:
    x = lower_states(config, params, first, tokens, positions, segment_ids)
  x = jax.lax.stop_gradient(x)
  mask = attention_mask(segment_ids)
  run = functools.partial(
    _layers, config, params, rope=rotary(config, positions), mask=mask
  )
  upper = (first, config.layers)
  policy, _ = run(x, span=upper, adapter=adapter, remat=remat)
  reference, _ = run(x, span=upper)
  reference = jax.lax.stop_gradient(final(config, params, reference))
  return final(config, params, policy), reference

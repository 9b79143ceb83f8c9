"""Attention masks, and grouped-query attention with its own backward pass.

Axes in names: B rows, T columns, S keys, P prefix columns, K key-value heads,
G query heads of each of them, H head size.
"GQA", section 2.2, https://arxiv.org/abs/2305.13245.
"""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Bool, Float, Int

from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.numerics import fused_attention
from glimo_jax.models.numerics.products import einsum
from glimo_jax.models.numerics.remat import SAVED
from glimo_jax.models.rotary import Rope, rotary
from glimo_jax.types import BRANCHES, AnyArray

Array = jax.Array
Queries = Float[Array, "B K G T H"]
Keys = Float[Array, "B K S H"]
Mask = Bool[AnyArray, "B T S"]

BLOCK = 256  # queries that attend at a time
MASKED = np.float32(-1e30)  # finite, so that a row without keys stays finite


class Prefix(flax.struct.PyTreeNode):
  """Keys and values of one text that all rows of a batch begin with.

  Attributes:
    k, v: [layers, P, K, H]; columns from `length` on are padding.
    length: i32[], tokens of the text; the rows' positions start there.
  """

  k: Array
  v: Array
  length: Array


class Cache(flax.struct.PyTreeNode):
  """Keys and values of the rows of a batch.

  Attributes:
    k: [layers, B, K, H, S]; one query reads it three times as fast as v's
      order on a CPU.
    v: [layers, B, K, S, H].
    positions: i32[B, S], rotary, of each column; None where no layer is local.
  """

  k: Array
  v: Array
  positions: Array | None = None


def attention_mask(
  segments_BxT: Int[AnyArray, "B T"], prefix: Prefix | None = None
) -> Bool[Array, "B T S"]:
  """Which keys each query sees; see `types.Batch` for the segments.

  Args:
    segments_BxT: segment of each token; -1 is padding.
    prefix: a prefix that every row continues, or None.

  Returns:
    bool[B, T, P + T].
  """
  length = segments_BxT.shape[1]
  query, key = segments_BxT[:, :, None], segments_BxT[:, None, :]
  causal = np.tril(np.ones((length, length), bool))
  trunk = query - query % BRANCHES
  mask = (key == 0) | (key == trunk) | (key == query)
  mask = jnp.asarray(mask & causal & (key != -1))
  return mask if prefix is None else with_prefix(mask, prefix)


def with_prefix(
  mask: Bool[Array, "B T S"], prefix: Prefix
) -> Bool[Array, "B T PS"]:
  """The mask with P columns before it: the prefix, seen by all queries."""
  seen = jnp.arange(prefix.k.shape[1]) < prefix.length
  seen = jnp.broadcast_to(seen, (*mask.shape[:2], seen.size))
  return jnp.concatenate([seen, mask], axis=-1)


def within_window(
  mask: Mask,
  positions: Int[AnyArray, "B T"],
  key_positions: Int[AnyArray, "B S"],
  window: int,
) -> Mask:
  """The mask without keys that lie `window` tokens or more before the query.

  Distances are those of positions: along one text through the segments of a
  row, whatever columns lie between.
  """
  distance = positions[:, :, None] - key_positions[:, None, :]
  return mask & (distance < window)


@dataclasses.dataclass(frozen=True)
class Sight:
  """Rotary angles and mask of each kind of layer; see `sight_of`.

  Attributes:
    options: (rope, mask) of each kind.
    of_layer: the kind of each layer.
  """

  options: list[tuple[Rope, Mask]]
  of_layer: list[int]

  def kinds(self, span: tuple[int, int]) -> Array | None:
    """i32: the kind of each layer of a span; None where there is one kind."""
    if len(self.options) == 1:
      return None
    return jnp.asarray(self.of_layer[slice(*span)], jnp.int32)

  def at(self, kind: Array | None) -> tuple[Rope, Mask]:
    """What a layer of this kind sees."""
    if kind is None:
      return self.options[0]
    return jax.tree.map(lambda *x: jnp.stack(x)[kind], *self.options)


def sight_of(
  config: DecoderConfig,
  positions: Int[AnyArray, "B T"],
  mask: Mask,
  *,
  prefix: Prefix | None = None,
  cache: Cache | None = None,
) -> Sight:
  """What the layers see, computed once for each kind of layer.

  Args:
    config: kinds of the layers.
    positions: i32, rotary, of the tokens.
    mask: bool[B, T, P + S] of layers that see every token before.
    prefix: text that all rows begin with.
    cache: where the keys are those of a cache, with the positions written.
  """
  kinds = list(dict.fromkeys(config.layer_kinds))
  near = mask
  if config.local_layers:
    keys = jnp.asarray(positions if cache is None else cache.positions)
    if prefix is not None:
      shape = (keys.shape[0], prefix.k.shape[1])
      shared = jnp.broadcast_to(jnp.arange(shape[1], dtype=keys.dtype), shape)
      keys = jnp.concatenate([shared, keys], axis=1)
    near = within_window(mask, positions, keys, config.window)
  options = [
    (rotary(config, positions, kind), near if kind.local else mask)
    for kind in kinds
  ]
  return Sight(options, [kinds.index(kind) for kind in config.layer_kinds])


def behind(
  prefix: Float[Array, "P K H"], x: Float[Array, "B K S H"]
) -> Float[Array, "B K PS H"]:
  """Keys or values x with those of the shared prefix before each row's."""
  shared = prefix.swapaxes(0, 1)
  shared = jnp.broadcast_to(shared, (x.shape[0], *shared.shape))
  return jnp.concatenate([shared, x], axis=2)


def attend(
  q: Queries,
  k: Keys,
  v: Keys,
  mask: Mask,
  prefix: tuple[Array, Array] | None = None,
) -> Queries:
  """Grouped-query attention, head-major, under a causal mask.

  By a fused kernel where the machine has one (`fused_attention`), else by
  `blockwise`.

  Args:
    q: queries, already divided by sqrt(H).
    k: keys.
    v: values.
    mask: query t may see no key beyond S - T + t.
    prefix: keys and values [P, K, H] that all rows see before their own; the
      mask begins with them.
  """
  if prefix is not None and q.shape[3] == 1:
    return _attend_once(q, k, v, mask, prefix)
  if prefix is not None:
    k, v = behind(prefix[0], k), behind(prefix[1], v)
  kernel = fused_attention.implementation(q, k)
  if kernel is not None:
    y = fused_attention.attend(q, k, v, mask, kernel)
    return checkpoint_name(y, SAVED)
  return blockwise(q, k, v, mask)


def blockwise(q: Queries, k: Keys, v: Keys, mask: Mask) -> Queries:
  """The same as `attend`, on any machine.

  Long texts are computed in blocks of queries. Each block reads the keys up to
  its own end only, so that most hidden keys are never multiplied.
  """
  length, before = q.shape[3], k.shape[2] - q.shape[3]
  if length <= BLOCK:
    return _attend(q, k, v, mask)
  out = []
  for start in range(0, length, BLOCK):
    end = min(start + BLOCK, length)
    keys = np.s_[:, :, : before + end]
    part = mask[:, start:end, : before + end]
    out.append(_attend(q[:, :, :, start:end], k[keys], v[keys], part))
  return jnp.concatenate(out, axis=3)


def _attend_once(
  q: Queries, k: Keys, v: Keys, mask: Mask, prefix: tuple[Array, Array]
) -> Queries:
  """One query a row. The prefix is read for all rows, not copied into each."""
  shared_k, shared_v = prefix
  shared = einsum("bkgth,pkh->bkgtp", q, shared_k)
  s = jnp.concatenate([shared, einsum("bkgth,bksh->bkgts", q, k)], axis=-1)
  s = jnp.where(mask[:, None, None], s, MASKED)
  e = jnp.exp(s - jnp.max(s, axis=-1, keepdims=True))
  total = jnp.sum(e, axis=-1, keepdims=True)
  e = e.astype(v.dtype)
  count = len(shared_k)
  y = einsum("bkgtp,pkh->bkgth", e[..., :count], shared_v)
  y = y + einsum("bkgts,bksh->bkgth", e[..., count:], v)
  return (y / total).astype(v.dtype)


def _scores(q: Queries, k: Keys, mask: Mask) -> Float[Array, "B K G T S"]:
  """f32 scores, those of hidden keys at MASKED."""
  s = einsum("bkgth,bksh->bkgts", q, k)
  return jnp.where(mask[:, None, None], s, MASKED)


@jax.custom_vjp
def _attend(q: Queries, k: Keys, v: Keys, mask: Mask) -> Queries:
  return _attend_forward(q, k, v, mask)[0]


def _attend_forward(
  q: Queries, k: Keys, v: Keys, mask: Mask
) -> tuple[Queries, tuple[Any, ...]]:
  s = _scores(q, k, mask)
  peak = jnp.max(s, axis=-1, keepdims=True)
  e = jnp.exp(s - peak)
  total = jnp.sum(e, axis=-1, keepdims=True)
  y = einsum("bkgts,bksh->bkgth", e.astype(v.dtype), v) / total
  y = checkpoint_name(y.astype(v.dtype), SAVED)
  norm = checkpoint_name(peak + jnp.log(total), SAVED)
  return y, (q, k, v, mask, y, norm)


def _attend_backward(
  saved: tuple[Any, ...], dy: Queries
) -> tuple[Queries, Keys, Keys, None]:
  """Recomputes the probabilities from the saved normaliser.

  "FlashAttention-2", section 3.1.2, https://arxiv.org/abs/2307.08691. The
  order of the operands leaves the wide arrays untransposed.
  """
  q, k, v, mask, y, norm = saved
  p = jnp.exp(_scores(q, k, mask) - norm)
  dp = einsum("bkgth,bksh->bkgts", dy, v)
  inner = jnp.sum((dy * y).astype(jnp.float32), axis=-1, keepdims=True)
  ds = (p * (dp - inner)).astype(q.dtype)
  dq = einsum("bkgts,bksh->bkgth", ds, k).astype(q.dtype)
  dk = einsum("bkgth,bkgts->bkhs", q, ds).swapaxes(2, 3).astype(k.dtype)
  dv = einsum("bkgth,bkgts->bkhs", dy, p.astype(v.dtype)).swapaxes(2, 3)
  return dq, dk, dv.astype(v.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)

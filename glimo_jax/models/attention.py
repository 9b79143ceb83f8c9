"""Who sees whom, and grouped-query attention with its own backward pass.

Axes in names: B rows, T columns, S keys, P prefix, K key-value heads, G query
heads for each of them, H head size. "GQA", https://arxiv.org/abs/2305.13245.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from glimo_jax.types import BRANCHES

Array = jax.Array

BLOCK = 256  # queries that attend at a time
SAVED = "linear"  # what the backward pass does not compute again
MASKED = np.float32(-1e30)  # finite, so that a row without keys stays finite
_dot = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)


def attention_mask(segments_BxT: Array, prefix=None) -> Array:
  """bool[B, T, P + T]: which keys each query sees (see types.Batch).

  `prefix` is a `decoder.Prefix`, seen by all, or None.
  """
  length = segments_BxT.shape[1]
  query, key = segments_BxT[:, :, None], segments_BxT[:, None, :]
  causal = np.tril(np.ones((length, length), bool))
  trunk = query - query % BRANCHES
  mask = (key == 0) | (key == trunk) | (key == query)
  mask &= causal & (key != -1)
  if prefix is None:
    return mask
  seen = jnp.arange(prefix.k.shape[1]) < prefix.length
  seen = jnp.broadcast_to(seen, (*segments_BxT.shape, seen.size))
  return jnp.concatenate([seen, mask], axis=-1)


def attend(q, k, v, mask) -> Array:
  """Grouped-query attention, head-major, under a causal mask.

  Long texts are done in blocks of queries, each against the keys up to its
  own end only: what the causal mask hides is mostly not computed.

  Args:
    q: [B, K, G, T, H], already divided by sqrt(H).
    k, v: [B, K, S, H].
    mask: bool[B, T, S]; query t sees no key beyond S - T + t.

  Returns:
    [B, K, G, T, H].
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


def _scores(q, k, mask):
  """f32[B, K, G, T, S], the hidden ones at MASKED."""
  s = _dot("bkgth,bksh->bkgts", q, k)
  return jnp.where(mask[:, None, None], s, MASKED)


@jax.custom_vjp
def _attend(q, k, v, mask):
  return _attend_forward(q, k, v, mask)[0]


def _attend_forward(q, k, v, mask):
  s = _scores(q, k, mask)
  peak = jnp.max(s, axis=-1, keepdims=True)
  e = jnp.exp(s - peak)
  total = jnp.sum(e, axis=-1, keepdims=True)
  y = _dot("bkgts,bksh->bkgth", e.astype(v.dtype), v) / total
  y = checkpoint_name(y.astype(v.dtype), SAVED)
  norm = checkpoint_name(peak + jnp.log(total), SAVED)
  return y, (q, k, v, mask, y, norm)


def _attend_backward(saved, dy):
  """Probabilities are computed again from the saved normaliser.

  "FlashAttention-2", section 3.1.2, https://arxiv.org/abs/2307.08691, in the
  order of operands that leaves the wide arrays untransposed.
  """
  q, k, v, mask, y, norm = saved
  p = jnp.exp(_scores(q, k, mask) - norm)
  dp = _dot("bkgth,bksh->bkgts", dy, v)
  inner = jnp.sum((dy * y).astype(jnp.float32), axis=-1, keepdims=True)
  ds = (p * (dp - inner)).astype(q.dtype)
  dq = _dot("bkgts,bksh->bkgth", ds, k).astype(q.dtype)
  dk = _dot("bkgth,bkgts->bkhs", q, ds).swapaxes(2, 3).astype(k.dtype)
  dv = _dot("bkgth,bkgts->bkhs", dy, p.astype(v.dtype)).swapaxes(2, 3)
  return dq, dk, dv.astype(v.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)

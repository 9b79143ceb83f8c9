"""Attention in one kernel, which never writes the scores to memory.

NVIDIA GPUs have such a kernel in cuDNN. "FlashAttention-2",
https://arxiv.org/abs/2307.08691. Axes in names: B rows, T columns, S keys,
K key-value heads, G query heads of each of them, H head size.
"""

from typing import Literal

import jax
from jaxtyping import Bool, Float

from glimo_jax.types import AnyArray

Array = jax.Array
Implementation = Literal["cudnn", "xla"]  # of `jax.nn.dot_product_attention`
Queries = Float[Array, "B K G T H"]
Keys = Float[Array, "B K S H"]

LEAST = 128  # queries: of fewer the scores are small
WIDEST = 128  # H; wider heads need a newer GPU than the oldest with the kernel


def implementation(q: Queries, k: Keys) -> Implementation | None:
  """The kernel that this machine has for arrays like these, or None.

  Decided while a program is traced. cuDNN's needs a GPU from Ampere on, 16-bit
  floats, and, for the gradient under a mask, even T and S.
  """
  if jax.default_backend() != "gpu":
    return None
  device = jax.local_devices()[0]
  length, size = q.shape[-2:]
  fits = (
    "nvidia" in device.device_kind.lower()
    and float(device.compute_capability) >= 8.0
    and q.dtype in ("bfloat16", "float16")
    and length >= LEAST
    and length % 2 == k.shape[2] % 2 == 0
    and size <= WIDEST
    and size % 8 == 0
  )
  return "cudnn" if fits else None


def attend(
  q: Queries,
  k: Keys,
  v: Keys,
  mask: Bool[AnyArray, "B T S"],
  implementation: Implementation,
) -> Queries:
  """Attention under any mask; see `attention.attend`, which it equals."""
  batch, kv_heads, group, length, size = q.shape
  heads = q.reshape(batch, kv_heads * group, length, size).swapaxes(1, 2)
  y = jax.nn.dot_product_attention(
    heads,
    k.swapaxes(1, 2),
    v.swapaxes(1, 2),
    mask=jax.numpy.asarray(mask)[:, None],
    scale=1.0,  # q is divided already
    implementation=implementation,
  )
  return y.swapaxes(1, 2).reshape(q.shape)

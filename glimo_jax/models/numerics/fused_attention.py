"""Attention in one kernel, which never writes the scores to memory.

NVIDIA GPUs have such a kernel in cuDNN. "FlashAttention-2",
https://arxiv.org/abs/2307.08691. Axes in names: B rows, T columns, S keys,
K key-value heads, G query heads of each of them, H head size.
"""

import functools
import logging
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from glimo_jax.types import AnyArray

_log = logging.getLogger(__name__)
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
  return "cudnn" if fits and works("cudnn", size) else None


@functools.cache
def works(implementation: Implementation, size: int) -> bool:
  """Whether a kernel has the plain implementation's values and gradients.

  Tried once in a process, on a small packed row: a kernel that this machine
  cannot run, or that sees hidden keys, is not used, and a warning says so.

  Args:
    implementation: the kernel.
    size: of the heads.
  """
  rng = np.random.default_rng(0)
  inputs = rng.normal(size=(4, 1, 2, 2, LEAST, size)).astype(np.float32)
  text = np.arange(LEAST) // 40
  mask = np.tril(text[:, None] == text)[None]

  @functools.partial(jax.jit, static_argnums=0)
  def slopes(kernel, inputs):
    q, k, v, dy = inputs.astype(jnp.bfloat16)
    q = q * jnp.asarray(size**-0.5, q.dtype)
    attended = functools.partial(attend, mask=mask, implementation=kernel)
    y, back = jax.vjp(attended, q, k[:, :, 0], v[:, :, 0])
    return jax.tree.map(lambda x: x.astype(jnp.float32), (y, *back(dy)))

  try:
    # The plain implementation's gradient mixes bfloat16 and float32.
    with jax.ensure_compile_time_eval(), jax.numpy_dtype_promotion("standard"):
      both = slopes(implementation, inputs), slopes("xla", inputs)
      apart = max(
        float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))
        for a, b in zip(*both, strict=True)
      )
  except (NotImplementedError, RuntimeError, ValueError) as error:
    _log.warning("no %s attention, which fails here: %s", implementation, error)
    return False
  exact = apart < 0.03  # bfloat16 has 8 bits
  if not exact:
    _log.warning("no %s attention, which is %.2g off", implementation, apart)
  return exact


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
    mask=jnp.asarray(mask)[:, None],
    scale=1.0,  # q is divided already
    implementation=implementation,
  )
  return y.swapaxes(1, 2).reshape(q.shape)

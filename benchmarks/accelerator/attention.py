"""The fused kernel against our own attention: largest differences and speed.

Both get bfloat16; ours in float32 is the truth of both. Without a GPU, the
plain implementation of `jax.nn.dot_product_attention` stands for cuDNN's.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator import parts
from glimo_jax.models import attention
from glimo_jax.models.numerics import fused_attention


def measure(tiny: bool) -> Iterator[parts.Row]:
  """Rows of rows that hold one text, packed ones, and a window."""
  batch, length, size = (1, 128, 16) if tiny else (4, 2048, 128)
  keys = jax.random.split(jax.random.key(0), 4)
  q = jax.random.normal(keys[0], (batch, 8, 4, length, size)) / size**0.5
  k, v = jax.random.normal(keys[1], (2, batch, 8, length, size))
  weight = jax.random.normal(keys[2], q.shape)
  low = [x.astype(jnp.bfloat16) for x in (q, k, v)]
  kernel = fused_attention.implementation(*low[:2]) or "xla"
  columns = np.broadcast_to(np.arange(length), (batch, length))
  one = attention.attention_mask(np.zeros_like(columns))
  masks = {
    "one text": one,
    "packed": attention.attention_mask(256 * (1 + columns * 8 // length)),
    "window": attention.within_window(one, columns, columns, length // 4),
  }

  ours = attention.blockwise
  fused = functools.partial(fused_attention.attend, implementation=kernel)
  for name, mask in masks.items():
    exact = slopes(ours, weight, mask)(*(x.astype(jnp.float32) for x in low))
    for side, attend in ((kernel, fused), ("ours", ours)):
      run = slopes(attend, weight, mask)
      apart = jax.tree.map(_apart, run(*low), exact)
      worst = max(jax.tree.leaves(apart))
      yield parts.Row("attention", f"{side}, {name}", worst, "error, relative")
      took = parts.seconds(lambda run=run: run(*low), 3)
      yield parts.Row("attention", f"{side}, {name}", 1e3 * took, "ms")


def slopes(attend, weight, mask):
  """A jitted function: the output, and the gradients of <weight, output>."""

  def run(*qkv):
    y, gradients = jax.vjp(lambda *x: attend(*x, mask), *qkv)
    return y, gradients(weight.astype(y.dtype))

  return jax.jit(run)


def _apart(x, exact) -> float:
  """Root of the mean squared error, over that of the exact values."""
  error = x.astype(jnp.float32) - exact
  return float(jnp.sqrt(jnp.mean(error**2) / jnp.mean(exact**2)))


if __name__ == "__main__":
  parts.run(measure)

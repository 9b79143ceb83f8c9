"""Draws the next token of each row from the logits."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, UInt32

from glimo_jax.models.attention import MASKED
from glimo_jax.types import AnyArray

Array = jax.Array
Scalar = Float[AnyArray, ""]


def _top_p(
  logits_BxV: Float[Array, "B V"], top_p: Scalar
) -> Float[Array, "B V"]:
  """Masks logits outside the smallest set of tokens of probability `top_p`.

  "The Curious Case of Neural Text Degeneration", section 3.1,
  https://arxiv.org/abs/1904.09751. Bisection finds the least log p of the
  set: sorting a vocabulary costs ten times as much.
  """
  logp_BxV = jax.nn.log_softmax(logits_BxV, axis=-1)
  probs_BxV = jnp.exp(logp_BxV)

  def halve(_, bounds):
    low, high = bounds  # log p; the tokens above `low` are enough
    middle = (low + high) / 2
    kept = jnp.where(logp_BxV >= middle, probs_BxV, 0)
    enough = jnp.sum(kept, -1, keepdims=True) >= top_p
    return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

  high = jnp.max(logp_BxV, axis=-1, keepdims=True)
  low, _ = jax.lax.fori_loop(0, 32, halve, (high - 40, high))
  return jnp.where(logp_BxV >= low, logits_BxV, MASKED)


def draw(
  logits_BxV: Float[Array, "B V"],
  seeds_B: UInt32[AnyArray, " B"],
  step: Int[AnyArray, ""] | int,
  temperature: Scalar,
  top_p: Scalar,
) -> Int[Array, " B"]:
  """i32: the next tokens; a row's draw depends on its seed and step."""
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

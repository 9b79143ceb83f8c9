"""Rotary positions: pairs of features turn with the position of a token.

Axes in names: B rows, T columns, K key-value heads, G query heads of each of
them, H head size. "RoFormer", https://arxiv.org/abs/2104.09864.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glimo_jax.models.decoder_config import ORDINARY, DecoderConfig, LayerKind
from glimo_jax.types import AnyArray

Array = jax.Array
Rope = tuple[Float[Array, "B T half"], Float[Array, "B T half"]]  # cos, sin


def inverse_frequencies(
  config: DecoderConfig, local: bool = False
) -> np.ndarray:
  """f32[H/2]: rotary angle of one position, per pair of features.

  Args:
    config: base and scaling.
    local: of the local layers, which may have a base of their own.
  """
  apart = local and config.local_rope_theta is not None
  theta = config.local_rope_theta if apart else config.rope_theta
  half = np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim
  freq = (1.0 / np.float32(theta) ** half).astype(np.float32)
  if apart:
    return freq
  if config.rope_factors is not None:
    freq = freq / np.asarray(config.rope_factors, np.float32)
  scaling = config.rope_scaling
  if scaling is None:
    return freq
  if scaling.kind == "linear":
    return (freq / scaling.factor).astype(np.float32)
  # Long waves are stretched by `factor`, short ones kept, between: blended.
  turns = scaling.original_context * freq / (2 * np.pi)
  low, high = scaling.low_freq_factor, scaling.high_freq_factor
  keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
  return (freq * (keep + (1 - keep) / scaling.factor)).astype(np.float32)


def rotary(
  config: DecoderConfig,
  positions: Int[AnyArray, "B T"],
  kind: LayerKind = ORDINARY,
) -> Rope:
  """Cosines and sines of the rotary angles at `positions`.

  In layers that are not rotated the angles are 0.
  """
  frequencies = inverse_frequencies(config, kind.local)
  if not kind.rotated:
    frequencies = np.zeros_like(frequencies)
  angles = positions[..., None].astype(jnp.float32) * frequencies
  return jnp.cos(angles), jnp.sin(angles)


def rotate(x: Float[Array, "B K *G T H"], rope: Rope) -> Array:
  """x with each pair of features turned by the angle of its position."""
  cos, sin = rope
  shape = (cos.shape[0], *(1,) * (x.ndim - 3), *cos.shape[1:])
  cos, sin = cos.reshape(shape), sin.reshape(shape)
  a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  out = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return out.astype(x.dtype)

"""One layer of the decoder: RMSNorm, rotary GQA attention, SwiGLU.

Every linear map may carry a low-rank adapter. Axes in names: B rows,
T columns, S keys, P prefix columns, D model, K key-value heads, G query heads
of each of them, H head size.
"Llama 2", section 2.2, https://arxiv.org/abs/2307.09288; "GQA",
https://arxiv.org/abs/2305.13245; "RoFormer", https://arxiv.org/abs/2104.09864.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Float, Int

from glimo_jax.models.attention import SAVED, Mask, attend
from glimo_jax.types import AnyArray

Array = jax.Array
Rope = tuple[Float[Array, "B T half"], Float[Array, "B T half"]]  # cos, sin
Low = Mapping[str, Mapping[str, Array]]  # a layer's adapter: name -> a, b


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """Llama 3.x stretching of the rotary wavelengths."""

  factor: float = 8.0
  low_freq_factor: float = 1.0
  high_freq_factor: float = 4.0
  original_context: int = 8192  # tokens


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """Sizes of a decoder, and the options in which model families differ."""

  vocab_size: int
  dim: int
  layers: int
  heads: int
  kv_heads: int
  head_dim: int
  mlp_dim: int
  rope_theta: float = 10000.0
  norm_eps: float = 1e-5
  context: int = 8192  # tokens
  tied: bool = True  # the output matrix is the embedding
  rope_scaling: RopeScaling | None = None
  rope_factors: tuple[float, ...] | None = None  # divide the frequencies
  family: str = "llama"  # see models.families

  def __post_init__(self):
    if self.heads % self.kv_heads:
      raise ValueError(
        f"{self.heads} heads are not divisible by {self.kv_heads} key-value "
        "heads: set kv_heads to a divisor of heads"
      )

  @property
  def linear_shapes(self) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of each linear map of a layer."""
    q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
    return {
      "q": (self.dim, q),
      "k": (self.dim, kv),
      "v": (self.dim, kv),
      "o": (q, self.dim),
      "gate": (self.dim, self.mlp_dim),
      "up": (self.dim, self.mlp_dim),
      "down": (self.mlp_dim, self.dim),
    }


@dataclasses.dataclass(frozen=True)
class Parameter:
  """Shape of an array of params, and its logical axes (`mesh.RULES`)."""

  shape: tuple[int, ...]
  axes: tuple[str | None, ...]


def parameters(config: DecoderConfig) -> dict[str, Parameter]:
  """Name -> shape and axes of every array of one layer."""
  linear = config.linear_shapes
  arrays = {n: Parameter(linear[n], ("embed", "heads")) for n in "qkv"}
  arrays["o"] = Parameter(linear["o"], ("heads", "embed"))
  for name in ("gate", "up"):
    arrays[name] = Parameter(linear[name], ("embed", "mlp"))
  arrays["down"] = Parameter(linear["down"], ("mlp", "embed"))
  for name in ("attn_norm", "mlp_norm"):
    arrays[name] = Parameter((config.dim,), (None,))
  return arrays


def inverse_frequencies(config: DecoderConfig) -> np.ndarray:
  """f32[H/2]: rotary angle of one position, per pair of features."""
  half = np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim
  freq = (1.0 / np.float32(config.rope_theta) ** half).astype(np.float32)
  if config.rope_factors is not None:
    freq = freq / np.asarray(config.rope_factors, np.float32)
  scaling = config.rope_scaling
  if scaling is None:
    return freq
  # Long waves are stretched by `factor`, short ones kept, between: blended.
  turns = scaling.original_context * freq / (2 * np.pi)
  low, high = scaling.low_freq_factor, scaling.high_freq_factor
  keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
  return (freq * (keep + (1 - keep) / scaling.factor)).astype(np.float32)


def rotary(config: DecoderConfig, positions: Int[AnyArray, "B T"]) -> Rope:
  """Cosines and sines of the rotary angles at `positions`."""
  angles = positions[..., None].astype(jnp.float32) * inverse_frequencies(
    config
  )
  return jnp.cos(angles), jnp.sin(angles)


def rms_norm(
  x: Float[Array, "*rows D"], weight: Float[AnyArray, " D"], eps: float
) -> Float[Array, "*rows D"]:
  """x over its root mean square, in f32, times `weight`; x's dtype."""
  x32 = x.astype(jnp.float32)
  scale = jax.lax.rsqrt(jnp.mean(x32 * x32, -1, keepdims=True) + eps)
  return (x32 * scale * weight.astype(jnp.float32)).astype(x.dtype)


def matmul(
  x: Float[Array, "*rows i"], w: Float[Array, "i o"]
) -> Float[Array, "*rows o"]:
  """x w with f32 accumulation, in x's dtype."""
  return jnp.matmul(x, w, preferred_element_type=jnp.float32).astype(x.dtype)


@jax.custom_vjp
def adapted(
  x: Float[Array, "*rows i"],
  w: Float[Array, "i o"],
  a: Float[Array, "i r"],
  b: Float[Array, "r o"],
) -> Float[Array, "*rows o"]:
  """x (w + a b): a linear map and its low-rank update; w is a constant.

  In float32 the product a b is added to the weights: this costs less than a
  second path for the activations. In lower precision it would be rounded
  away, so it has its own path. The gradients of x, a and b are written so that
  no wide array is transposed.
  """
  if w.dtype == jnp.float32:
    return matmul(x, w + matmul(a, b))
  return matmul(x, w) + matmul(matmul(x, a), b)


def _adapted_forward(
  x: Array, w: Array, a: Array, b: Array
) -> tuple[Array, tuple[Array, ...]]:
  return adapted(x, w, a, b), (x, w, a, b)


def _adapted_backward(
  saved: tuple[Array, ...], dy: Array
) -> tuple[Array, None, Array, Array]:
  x, w, a, b = saved
  flat_x, flat_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
  dz = matmul(flat_dy, b.T)
  db = matmul(matmul(flat_x, a).T, flat_dy)
  da = matmul(dz.T, flat_x).T
  if w.dtype == jnp.float32:
    dx = matmul(flat_dy, (w + matmul(a, b)).T)
  else:
    dx = matmul(flat_dy, w.T) + matmul(dz, a.T)
  return dx.reshape(x.shape), None, da, db


adapted.defvjp(_adapted_forward, _adapted_backward)


def _behind(
  prefix: Float[Array, "P K H"], x: Float[Array, "B K S H"]
) -> Float[Array, "B K PS H"]:
  """x with the shared prefix before each row."""
  shared = prefix.swapaxes(0, 1)
  shared = jnp.broadcast_to(shared, (x.shape[0], *shared.shape))
  return jnp.concatenate([shared, x], axis=2)


def _rotate(x: Float[Array, "B K *G T H"], rope: Rope) -> Array:
  """x with each pair of features turned by the angle of its position."""
  cos, sin = rope
  shape = (cos.shape[0], *(1,) * (x.ndim - 3), *cos.shape[1:])
  cos, sin = cos.reshape(shape), sin.reshape(shape)
  a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  out = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return out.astype(x.dtype)


class Block(nn.Module):
  """One layer of the decoder."""

  config: DecoderConfig

  @nn.compact
  def __call__(
    self,
    x: Float[Array, "B T D"],
    rope: Rope,
    mask: Mask,
    *,
    adapter: Low | None = None,
    scale: float = 1.0,
    prefix: tuple[Array, Array] | None = None,
    cache: tuple[Any, ...] | None = None,
  ) -> tuple[Float[Array, "B T D"], Array, Array]:
    """Applies the layer to the residual stream.

    Args:
      x: the residual stream.
      rope: cos and sin of the positions.
      mask: bool[B, T, P + S].
      adapter: name of a linear map -> {"a": [in, r], "b": [r, out]}.
      scale: factor of their product.
      prefix: this layer's (k, v) of the shared prefix, each [P, K, H].
      cache: (k, v, layer, column) with k, v [layers, B, K, S, H]: this layer
        writes its keys from `column` on, and attention reads all S columns.
        Without a cache the keys are those of x.

    Returns:
      The residual stream, then k and v of x [B, K, T, H], or the cache's.
    """
    c = self.config
    shapes = c.linear_shapes
    batch, length, _ = x.shape
    kv, group = c.kv_heads, c.heads // c.kv_heads

    def linear(name: str, x: Array) -> Array:
      w = self.param(name, nn.initializers.normal(0.02), shapes[name])
      if not adapter or name not in adapter:
        return checkpoint_name(matmul(x, w), SAVED)
      a, b = adapter[name]["a"], scale * adapter[name]["b"]
      y = adapted(x, w, a.astype(x.dtype), b.astype(x.dtype))
      return checkpoint_name(y, SAVED)

    def norm(name: str, x: Array) -> Array:
      weight = self.param(name, nn.initializers.ones, (c.dim,))
      return rms_norm(x, weight, c.norm_eps)

    h = norm("attn_norm", x)
    q = linear("q", h).reshape(batch, length, kv, group, c.head_dim)
    k = linear("k", h).reshape(batch, length, kv, c.head_dim)
    v = linear("v", h).reshape(batch, length, kv, c.head_dim)
    q, k, v = q.transpose(0, 2, 3, 1, 4), k.swapaxes(1, 2), v.swapaxes(1, 2)
    q = _rotate(q, rope) * jnp.asarray(c.head_dim**-0.5, x.dtype)
    k = _rotate(k, rope)
    keys, values = k, v
    if cache is not None:  # written, then read: so XLA updates it in place
      all_k, all_v, layer, column = cache
      at = (layer, 0, 0, column, 0)
      k = jax.lax.dynamic_update_slice(all_k, k[None], at)
      v = jax.lax.dynamic_update_slice(all_v, v[None], at)
      keys, values = k[layer], v[layer]
    if prefix is not None:
      keys, values = _behind(prefix[0], keys), _behind(prefix[1], values)
    y = attend(q, keys, values, mask)
    y = y.transpose(0, 3, 1, 2, 4).reshape(batch, length, -1)
    x = x + linear("o", y)
    h = norm("mlp_norm", x)
    h = nn.silu(linear("gate", h)) * linear("up", h)
    return x + linear("down", h), k, v

"""One layer of the decoder: RMSNorm, rotary GQA attention, a gated MLP.

Every linear map may carry a low-rank adapter. Axes in names: B rows,
T columns, S keys, P prefix columns, D model, K key-value heads, G query heads
of each of them, H head size.
"Llama 2", section 2.2, https://arxiv.org/abs/2307.09288; "GQA",
https://arxiv.org/abs/2305.13245; "RoFormer", https://arxiv.org/abs/2104.09864.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Float

from glimo_jax import mesh as mesh_lib
from glimo_jax.models.attention import Mask, attend
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.numerics.products import adapted, matmul
from glimo_jax.models.numerics.remat import SAVED
from glimo_jax.models.rotary import Rope, rotate
from glimo_jax.types import AnyArray

Array = jax.Array
_ACTIVATION = {
  "silu": nn.silu,
  "gelu_tanh": functools.partial(nn.gelu, approximate=True),
}
Low = Mapping[str, Mapping[str, Array]]  # a layer's adapter: name -> a, b


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
  for name in config.biases:
    arrays[f"{name}_bias"] = Parameter(linear[name][1:], arrays[name].axes[1:])
  for name, size in config.norm_sizes.items():
    axis = "heads" if size not in (config.dim, config.head_dim) else None
    arrays[name] = Parameter((size,), (axis,))
  return arrays


def gathered(
  config: DecoderConfig, layer: Mapping[str, Array]
) -> dict[str, Array]:
  """A layer's arrays with their `embed` axis whole on each device.

  Without this the partitioner may keep the weights split and gather the
  activations of all rows instead.
  """
  arrays = parameters(config)
  return {
    name: mesh_lib.constrain(
      x, *(None if a == "embed" else a for a in arrays[name].axes)
    )
    for name, x in layer.items()
  }


def rms_norm(
  x: Float[Array, "*rows D"],
  weight: Float[AnyArray, " D"],
  eps: float,
  shift: float = 0.0,
) -> Float[Array, "*rows D"]:
  """x over its root mean square, in f32, times shift + weight; x's dtype."""
  x32 = x.astype(jnp.float32)
  scale = jax.lax.rsqrt(jnp.mean(x32 * x32, -1, keepdims=True) + eps)
  weight32 = weight.astype(jnp.float32)
  weight32 = weight32 + shift if shift else weight32
  return (x32 * scale * weight32).astype(x.dtype)


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
      cache: (k, v, layer, column) with k and v as in `Cache`: this layer writes
        its keys from `column` on, and attention reads all S columns. Without a
        cache the keys are those of x.

    Returns:
      The residual stream, then k [B, K, H, T] and v [B, K, T, H] of x, or those
      of the cache.
    """
    c = self.config
    linear = functools.partial(self._linear, adapter=adapter, scale=scale)
    h = self._norm("attn_norm", x) if c.pre_norm else x
    q, k, v = self._queries_keys_values(h, linear, rope)
    keys, values, k = k, v, k.swapaxes(2, 3)
    if cache is not None:  # written, then read: so XLA updates it in place
      all_k, all_v, layer, column = cache
      at, across = (layer, 0, 0, column, 0), (layer, 0, 0, 0, column)
      k = jax.lax.dynamic_update_slice(all_k, k[None], across)
      v = jax.lax.dynamic_update_slice(all_v, v[None], at)
      keys, values = k[layer].swapaxes(2, 3), v[layer]
    y = attend(q, keys, values, mask, prefix)
    y = y.transpose(0, 3, 1, 2, 4).reshape(*x.shape[:2], -1)
    y = linear("o", y)
    x = x + (self._norm("attn_post_norm", y) if c.post_norm else y)
    h = self._norm("mlp_norm", x) if c.pre_norm else x
    h = _ACTIVATION[c.activation](linear("gate", h)) * linear("up", h)
    y = linear("down", h)
    return x + (self._norm("mlp_post_norm", y) if c.post_norm else y), k, v

  def _queries_keys_values(
    self, h: Array, linear: Callable[[str, Array], Array], rope: Rope
  ) -> tuple[Array, Array, Array]:
    """q [B, K, G, T, H], scaled; k and v [B, K, T, H]; turned by `rope`."""
    c = self.config
    batch, length, _ = h.shape
    kv, group = c.kv_heads, c.heads // c.kv_heads

    def heads(name: str, *shape: int) -> Array:
      y = linear(name, h)
      normed = bool(c.qk_norm) and name != "v"
      if normed and c.qk_norm == "whole":
        y = self._norm(f"{name}_norm", y)
      y = y.reshape(batch, length, *shape, c.head_dim)
      if normed and c.qk_norm == "head":
        y = self._norm(f"{name}_norm", y)
      return y

    q, k, v = heads("q", kv, group), heads("k", kv), heads("v", kv)
    q, k, v = q.transpose(0, 2, 3, 1, 4), k.swapaxes(1, 2), v.swapaxes(1, 2)
    scale = c.head_dim**-0.5 if c.query_scale is None else c.query_scale
    return rotate(q, rope) * jnp.asarray(scale, h.dtype), rotate(k, rope), v

  def _linear(
    self, name: str, x: Array, adapter: Low | None, scale: float
  ) -> Array:
    """The linear map `name`, with its adapter and its bias."""
    shape = self.config.linear_shapes[name]
    w = self.param(name, nn.initializers.normal(0.02), shape)
    if not adapter or name not in adapter:
      y = matmul(x, w)
    else:
      a, b = adapter[name]["a"], scale * adapter[name]["b"]
      y = adapted(x, w, a, b)
    if name in self.config.biases:
      y = y + self.param(f"{name}_bias", nn.initializers.zeros, shape[1:])
    return checkpoint_name(y, SAVED)

  def _norm(self, name: str, x: Array) -> Array:
    """RMSNorm over the last axis."""
    c = self.config
    one = nn.initializers.constant(1.0 - c.norm_shift)
    weight = self.param(name, one, x.shape[-1:])
    return rms_norm(x, weight, c.norm_eps, c.norm_shift)

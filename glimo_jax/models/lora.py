"""Low-rank adapters: y = x W + scale (x A) B, with scale = alpha / rank.

"LoRA: Low-Rank Adaptation of Large Language Models", section 4.1,
https://arxiv.org/abs/2106.09685. A starts as PEFT starts it, B at zero, so
that an adapter changes nothing until it is trained.
"""

import dataclasses
import math

import flax.struct
import jax
import jax.numpy as jnp

from glimo_jax.models.decoder import DecoderConfig

Array = jax.Array

TARGETS = ("q", "k", "v", "o", "gate", "up", "down")


@dataclasses.dataclass(frozen=True)
class LoraConfig:
  """What is adapted and how strongly.

  Attributes:
    rank: inner size of the product.
    alpha: the product is multiplied by alpha / rank.
    targets: linear maps that are adapted, of TARGETS.
    first_layer: layers below it stay as they are (and are computed once for
      policy and reference).
  """

  rank: int = 16
  alpha: float = 32.0
  targets: tuple[str, ...] = TARGETS
  first_layer: int = 15

  def __post_init__(self):
    if self.rank < 1:
      raise ValueError(f"LoRA rank {self.rank} is below 1: set a positive rank")
    if not self.alpha > 0:
      raise ValueError(f"LoRA alpha {self.alpha} must be positive: raise it")
    unknown = sorted(set(self.targets) - set(TARGETS))
    if unknown or not self.targets:
      raise ValueError(
        f"LoRA targets {list(self.targets)}: unknown {unknown}; name at least "
        f"one of {list(TARGETS)}"
      )


@flax.struct.dataclass
class Adapter:
  """The trainable weights.

  Attributes:
    weights: target -> {"a": f32[n, in, r], "b": f32[n, r, out]}, n the layers
      from `first_layer` on.
    first_layer: the first adapted layer.
    scale: what the product is multiplied by.
  """

  weights: dict[str, dict[str, Array]]
  first_layer: int = flax.struct.field(pytree_node=False)
  scale: float = flax.struct.field(pytree_node=False)


def init(key: Array, config: LoraConfig, decoder: DecoderConfig) -> Adapter:
  """A ~ U(-1/sqrt(in), 1/sqrt(in)) as in PEFT, B = 0; float32.

  Raises:
    ValueError: `first_layer` leaves no layer to adapt.
  """
  layers = decoder.layers - config.first_layer
  if not 0 < layers <= decoder.layers:
    raise ValueError(
      f"first_layer {config.first_layer} adapts no layer of a model of "
      f"{decoder.layers}: set it between 0 and {decoder.layers - 1}"
    )
  keys = jax.random.split(key, len(config.targets))
  weights = {}
  for target_key, target in zip(keys, config.targets, strict=True):
    size_in, size_out = decoder.linear_shapes[target]
    bound = 1.0 / math.sqrt(size_in)
    shape = (layers, size_in, config.rank)
    weights[target] = {
      "a": jax.random.uniform(target_key, shape, minval=-bound, maxval=bound),
      "b": jnp.zeros((layers, config.rank, size_out)),
    }
  return Adapter(weights, config.first_layer, config.alpha / config.rank)


def merge(params, adapter: Adapter):
  """Params with the low-rank products added; their dtype is kept."""
  layers = dict(params["layers"])
  for target, low in adapter.weights.items():
    full = layers[target]
    delta = adapter.scale * jnp.einsum("nir,nro->nio", low["a"], low["b"])
    upper = full[adapter.first_layer :].astype(jnp.float32) + delta
    layers[target] = full.at[adapter.first_layer :].set(
      upper.astype(full.dtype)
    )
  return {**params, "layers": layers}


def count(adapter: Adapter) -> int:
  """Number of trainable numbers."""
  return sum(leaf.size for leaf in jax.tree.leaves(adapter))

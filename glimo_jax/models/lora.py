"""Low-rank adapters: y = x W + scale (x A) B, with scale = alpha / rank.

"LoRA: Low-Rank Adaptation of Large Language Models", section 4.1,
https://arxiv.org/abs/2106.09685. A starts with PEFT's distribution and B at
zero, so that an adapter changes nothing until it is trained.
"""

import dataclasses
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from glimo_jax import fields
from glimo_jax.models.decoder_config import DecoderConfig

Array = jax.Array
PyTree = Any

TARGETS = ("q", "k", "v", "o", "gate", "up", "down")
MERGED_BYTES = 2**32  # of the adapted maps; a merged copy of more is not kept


@dataclasses.dataclass(frozen=True)
class LoraConfig:
  """Which linear maps are adapted, and how strongly.

  Attributes:
    rank: inner size of the product A B.
    alpha: the product is multiplied by alpha / rank.
    targets: names of the adapted linear maps, of TARGETS.
    first_layer: the first adapted layer. The layers below it stay frozen, and
      are computed once, for the tuned and the base model together.
  """

  rank: int = 16
  alpha: float = 32.0
  targets: tuple[str, ...] = TARGETS
  first_layer: int = 15

  def __post_init__(self):
    fields.check_ranges(self, "lora.", at_least={"rank": 1}, above={"alpha": 0})
    for target in self.targets:
      fields.check_known("lora.targets", target, TARGETS)
    if not self.targets:
      raise ValueError(
        f"lora.targets is empty: name at least one of {list(TARGETS)}"
      )


class Adapter(flax.struct.PyTreeNode):
  """The trainable weights.

  Attributes:
    weights: target -> {"a": f32[n, in, r], "b": f32[n, r, out]}, n the layers
      from `first_layer` on.
    first_layer: the first adapted layer.
    scale: alpha / rank, the factor of the product.
  """

  weights: dict[str, dict[str, Array]]
  first_layer: int = flax.struct.field(pytree_node=False)
  scale: float = flax.struct.field(pytree_node=False)


def init(
  key: PRNGKeyArray, config: LoraConfig, decoder: DecoderConfig
) -> Adapter:
  """A new adapter in float32: A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0.

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


def merge(params: PyTree, adapter: Adapter) -> PyTree:
  """Params with the low-rank products added, in their own dtype."""
  layers = dict(params["layers"])
  for target, low in adapter.weights.items():
    full = layers[target]
    delta = adapter.scale * jnp.einsum("nir,nro->nio", low["a"], low["b"])
    upper = full[adapter.first_layer :].astype(jnp.float32) + delta
    layers[target] = full.at[adapter.first_layer :].set(
      upper.astype(full.dtype)
    )
  return {**params, "layers": layers}


def worth_merging(params: PyTree, adapter: Adapter) -> bool:
  """Whether a merged copy of the adapted maps beside the base pays.

  It saves adding the product at each use. Below float32 merging would round the
  product away, and a large copy takes too much memory.
  """
  maps = [params["layers"][target] for target in adapter.weights]
  small = sum(w.nbytes for w in maps) <= MERGED_BYTES
  return small and all(w.dtype == jnp.float32 for w in maps)


def count(adapter: Adapter) -> int:
  """Number of trainable weights."""
  return sum(leaf.size for leaf in jax.tree.leaves(adapter))

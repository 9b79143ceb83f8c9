"""The arrays of a decoder: their shapes, their sharding, random values.

Params: {"embed": [V, D], "layers": {name: [layers, ...]}, "norm": [D]}, and
"head": [V, D] where the output matrix is not the embedding's. Linear maps are
[in, out].
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import DTypeLike

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import layers
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.layers import Parameter
from glimo_jax.models.rotary import rotary

PyTree = Any
Path = tuple[str, ...]


def table(config: DecoderConfig) -> dict[Path, Parameter]:
  """Path -> shape and logical axes of every array of params."""
  vocab = Parameter((config.vocab_size, config.dim), ("vocab", "embed"))
  arrays = {("embed",): vocab, ("norm",): Parameter((config.dim,), (None,))}
  if not config.tied:
    arrays[("head",)] = vocab
  stacked = {
    ("layers", name): Parameter(
      (config.layers, *array.shape), ("layers", *array.axes)
    )
    for name, array in layers.parameters(config).items()
  }
  return {**arrays, **stacked}


def nested(arrays: Mapping[Path, Any]) -> dict[str, Any]:
  """Params from values by path."""
  params: dict[str, Any] = {"layers": {}}
  for path, array in arrays.items():
    (params["layers"] if path[0] == "layers" else params)[path[-1]] = array
  return params


def shardings(config: DecoderConfig, mesh: Mesh) -> PyTree:
  """The NamedSharding of each array of params."""
  return nested(
    {
      path: mesh_lib.sharding(mesh, *array.axes)
      for path, array in table(config).items()
    }
  )


def init(
  key: jax.Array, config: DecoderConfig, dtype: DTypeLike = jnp.float32
) -> PyTree:
  """Random params, for tests and for training from nothing.

  Embeddings have unit length and the last state has length sqrt(D): a logit
  reaches sqrt(D), so that even with a frozen output matrix the model can give
  one word among many nearly all probability.
  """
  layer_key, embed_key, head_key = jax.random.split(key, 3)
  x = jnp.zeros((1, 1, config.dim))
  rope = rotary(config, jnp.zeros((1, 1), jnp.int32))
  mask = jnp.ones((1, 1, 1), bool)

  def layer(key):
    return layers.Block(config).init(key, x, rope, mask)["params"]

  shape, deviation = (config.vocab_size, config.dim), config.dim**-0.5
  params = {
    "embed": deviation * jax.random.normal(embed_key, shape),
    "layers": jax.vmap(layer)(jax.random.split(layer_key, config.layers)),
    "norm": jnp.ones(config.dim) - config.norm_shift,
  }
  if not config.tied:
    params["head"] = deviation * jax.random.normal(head_key, shape)
  return jax.tree.map(lambda p: p.astype(dtype), params)


def placed(
  key: jax.Array, config: DecoderConfig, dtype: DTypeLike, mesh: Mesh | None
) -> PyTree:
  """`init`, each array drawn on the devices that hold it."""
  if mesh is None:
    return init(key, config, dtype)
  places = shardings(config, mesh)
  alone = jax.process_count() == 1
  draw = jax.jit(
    init, static_argnums=(1, 2), out_shardings=places if alone else None
  )
  drawn = draw(key, config, dtype)
  if alone:
    return drawn
  # Each process has drawn all on a device of its own, and keeps its part.
  return jax.tree.map(mesh_lib.from_host, jax.device_get(drawn), places)

"""Mesh axes and the one table from logical to mesh axes.

Only `pipeline` and `launch` make a Mesh; other modules are given one.
"""

import contextlib
import math
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXES = ("data", "fsdp", "tensor")

# Logical axis of an array -> mesh axes that may hold it.
RULES = {
  "batch": ("data", "fsdp"),
  "data": "data",  # the batch of an array that also has a split `embed`
  "vocab": "tensor",
  "embed": "fsdp",
  "heads": "tensor",
  "mlp": "tensor",
  "rank": None,
  "layers": None,
  "length": None,
}


def make(data: int = -1, fsdp: int = 1, tensor: int = 1) -> Mesh:
  """A mesh over all devices; one size may be -1: it takes the rest.

  Raises:
    ValueError: the sizes do not multiply to the number of devices.
  """
  sizes = [data, fsdp, tensor]
  devices = jax.devices()
  if sizes.count(-1) > 1:
    raise ValueError(f"mesh {sizes} has several -1: set at most one")
  if -1 in sizes:
    known = math.prod(s for s in sizes if s != -1)
    sizes[sizes.index(-1)] = max(1, len(devices) // known)
  if math.prod(sizes) != len(devices):
    raise ValueError(
      f"mesh data x fsdp x tensor = {sizes} needs {math.prod(sizes)} devices, "
      f"{len(devices)} are here: set --config.mesh to sizes of that product"
    )
  return Mesh(np.asarray(devices).reshape(sizes), AXES)


def spec(*logical: str | None) -> PartitionSpec:
  """The PartitionSpec of an array with these logical axes."""
  return PartitionSpec(*(None if a is None else RULES[a] for a in logical))


def sharding(mesh: Mesh, *logical: str | None) -> NamedSharding:
  """The NamedSharding of an array with these logical axes."""
  return NamedSharding(mesh, spec(*logical))


def use(mesh: Mesh) -> contextlib.AbstractContextManager[Any]:
  """Within it, `constrain` lays arrays over this mesh."""
  return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def constrain(x: jax.Array, *logical: str | None) -> jax.Array:
  """x, laid over the mesh in use by its logical axes; x if none is in use."""
  if jax.sharding.get_abstract_mesh().empty:
    return x
  return jax.lax.with_sharding_constraint(x, spec(*logical))


def on_one_device(tree: Any) -> Any:
  """The arrays of the first device, where each device holds them whole.

  Arrays that are split over devices stay as they are.
  """
  if not all(x.is_fully_replicated for x in jax.tree.leaves(tree)):
    return tree
  return jax.tree.map(lambda x: x.addressable_data(0), tree)


def check_batch(batch: int, mesh: Mesh) -> None:
  """Raises ValueError if the mesh cannot divide the batch's rows."""
  ways = mesh.shape["data"] * mesh.shape["fsdp"]
  if batch % ways:
    raise ValueError(
      f"batch {batch} is not divisible by data x fsdp = {ways}: set "
      f"--config.train.batch to a multiple of {ways}"
    )

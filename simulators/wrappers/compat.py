"""Shims for other packages; each names the version that makes it needless."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

PyTree = Any


def install_device_put_replicated() -> None:
  """Adds `jax.device_put_replicated`, which jax 0.10 removed.

  brax's PPO (0.14.2 and before) calls it to copy its training state to each
  device for `pmap`. Delete this shim with the first brax above 0.14.2 whose
  `brax.training.pmap.bcast_local_devices` no longer calls it.
  """
  if hasattr(jax, "device_put_replicated"):
    return

  def device_put_replicated(tree: PyTree, devices: Sequence[Any]) -> PyTree:
    """A copy on each device, stacked on a new leading axis."""
    mesh = jax.sharding.Mesh(devices, "replica")
    spec = jax.sharding.PartitionSpec("replica")
    sharding = jax.sharding.NamedSharding(mesh, spec)

    def put(x: ArrayLike) -> jax.Array:
      x = jnp.asarray(x)
      copies = jnp.broadcast_to(x[None], (len(devices), *x.shape))
      return jax.device_put(copies, sharding)

    return jax.tree.map(put, tree)

  jax.device_put_replicated = device_put_replicated

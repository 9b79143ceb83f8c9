"""Shims for other people's releases, each naming the version that ends it."""

import jax
import jax.numpy as jnp


def install_device_put_replicated() -> None:
  """Gives back `jax.device_put_replicated`, which jax 0.10 removed.

  brax's PPO (0.14.2 and before) calls it to copy its training state to each
  device for `pmap`. To be deleted with the first brax above 0.14.2 whose
  `brax.training.pmap.bcast_local_devices` no longer calls it.
  """
  if hasattr(jax, "device_put_replicated"):
    return

  def device_put_replicated(tree, devices):
    """A copy on each device, stacked on a new leading axis."""
    mesh = jax.sharding.Mesh(devices, "replica")
    spec = jax.sharding.PartitionSpec("replica")
    sharding = jax.sharding.NamedSharding(mesh, spec)

    def put(x):
      x = jnp.asarray(x)
      copies = jnp.broadcast_to(x[None], (len(devices), *x.shape))
      return jax.device_put(copies, sharding)

    return jax.tree.map(put, tree)

  jax.device_put_replicated = device_put_replicated

"""Processes, the mesh of their devices, and the table of logical axes.

Only `Resources` and `launch` make a Mesh; other modules are given one. All
processes of a run execute the same program. Process 0, the first, writes.
"""

import contextlib
import hashlib
import math
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
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


def connect(address: str) -> None:
  """Joins the other processes of a run, before any other use of JAX.

  Args:
    address: "auto" where the cluster tells it (Slurm, GKE, TPU VMs, Open MPI),
      else "HOST:PORT,N,I": where process 0 listens, the number of processes,
      and the number of this one, from 0.

  Raises:
    ValueError: not such an address, or no cluster is detected.
  """
  # Its SIGTERM handler would swallow the signal outside of trainings.
  jax.config.update("jax_enable_preemption_service", False)
  if address == "auto":
    try:
      jax.distributed.initialize()
    except ValueError as error:
      raise ValueError(
        "--distributed=auto finds no cluster here (Slurm, GKE, TPU VMs, Open "
        "MPI): give --distributed=HOST:PORT,N,I, process I of N"
      ) from error
    return
  parts = address.split(",")
  host, _, port = parts[0].rpartition(":")
  numbers = [port, *parts[1:]]
  if len(parts) != 3 or not host or not all(map(str.isdecimal, numbers)):
    raise ValueError(
      f"--distributed={address!r} must be auto or HOST:PORT,N,I, such as "
      "10.0.0.1:8476,2,0 for the first of two processes"
    )
  count, number = int(parts[1]), int(parts[2])
  if number >= count or not 0 < int(port) < 2**16:
    raise ValueError(
      f"--distributed={address!r} names process {number} of {count} and port "
      f"{port}: processes are numbered from 0, ports end at 65535"
    )
  jax.distributed.initialize(parts[0], count, number)


def is_first() -> bool:
  """Whether this is process 0: the one that writes and logs."""
  return jax.process_index() == 0


def check_same(settings: str) -> None:
  """Raises ValueError where the settings are not those of process 0.

  All processes call it.
  """
  digest = np.frombuffer(hashlib.sha256(settings.encode()).digest(), np.uint8)
  if np.any(multihost_utils.broadcast_one_to_all(digest) != digest):
    raise ValueError(
      f"process {jax.process_index()} has other settings than process 0: start "
      "all processes with the same --config, --workdir and other flags"
    )


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


def from_host(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
  """An array that every process holds whole, placed; each places its part."""
  return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)


def use(mesh: Mesh) -> contextlib.AbstractContextManager[Any]:
  """Within it, `constrain` lays arrays over this mesh."""
  return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def constrain(x: jax.Array, *logical: str | None) -> jax.Array:
  """x, laid over the mesh in use by its logical axes; x if none is in use."""
  if jax.sharding.get_abstract_mesh().empty:
    return x
  return jax.lax.with_sharding_constraint(x, spec(*logical))


def local() -> Mesh:
  """A mesh over the devices of this process, which splits the model."""
  devices = np.asarray(jax.local_devices())
  return Mesh(devices.reshape(1, -1, 1), AXES)


def within_process(tree: Any) -> bool:
  """Whether this process can use the arrays without the other processes."""
  return all(
    x.is_fully_addressable or x.is_fully_replicated
    for x in jax.tree.leaves(tree)
  )


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

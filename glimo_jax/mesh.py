"""Processes, the mesh of their devices, and the table of logical axes.

`Resources` makes the Mesh of a run, `config.check` one to check sizes; other
modules are given one. All processes of a run execute the same program, and
process 0, the first, writes. Other work is divided into pieces (`Shares`).
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXES = ("data", "fsdp", "tensor")
T = TypeVar("T")
_ROUND = 16  # most pieces of a process between two exchanges of results
_SMALL = 1 << 15  # bytes of a result that a single exchange carries

# Logical axis of an array -> mesh axes that may hold it.
RULES = {
  "batch": ("data", "fsdp"),
  "data": "data",  # batch of arrays whose `embed` is split over `fsdp`
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


class Shares:
  """Divides work among the processes of a run; see `types.InShares`.

  All processes make the same calls in the same order, and get the same results.
  One process does a piece, and all get its result. The pieces are those of a
  run in one process, and so are the results, to the last bit. A piece must not
  share out work itself.

  Attributes:
    index: number of this process, from 0.
    count: number of processes.
  """

  def __init__(self):
    self.index, self.count = jax.process_index(), jax.process_count()
    self._done = 0
    self._busy = False

  @property
  def is_first(self) -> bool:
    """Whether this is the process that writes what all have made."""
    return self.index == 0

  def __call__(
    self,
    work: Callable[[int], T],
    count: int,
    read: Callable[[Any], T] = lambda result: result,
  ) -> Iterator[T]:
    """Yields the results of pieces 0, 1, ...; process i of N does i, i + N, ...

    Args:
      work: does piece i, and shares out no work itself.
      count: number of pieces.
      read: restores a result from its JSON; not called with one process.

    Raises:
      RuntimeError: a piece shares out work, or processes make other calls.
      ConnectionError: another process is gone.
    """
    if self.count == 1:
      yield from map(work, range(count))
      return
    for start in range(0, count, _ROUND * self.count):
      pieces = range(start, min(count, start + _ROUND * self.count))
      own = self._do(work, pieces[self.index :: self.count])
      results = self.gather(own)
      sizes = [len(pieces[i :: self.count]) for i in range(self.count)]
      done = [len(r) if isinstance(r, list) else None for r in results]
      if done != sizes:
        raise RuntimeError(
          f"processes did {done} pieces of work, not {sizes}: start all with "
          "the same code, on machines of one kind"
        )
      for i in range(len(pieces)):
        yield read(results[i % self.count][i // self.count])

  def _do(self, work: Callable[[int], T], pieces: range) -> list[T]:
    self._check_free()
    self._busy = True
    try:
      own = [work(i) for i in pieces]
    finally:
      self._busy = False
    self._done += len(own)
    return own

  def _check_free(self) -> None:
    """An error while a piece is done: the others do not make the same call."""
    if self._busy:
      raise RuntimeError("a piece of shared work shares out work itself")

  def gather(self, value: Any) -> list[Any]:
    """All values in order; through JSON if several: tuples become lists."""
    self._check_free()
    return [value] if self.count == 1 else self._gathered(value)

  def _gathered(self, value: Any) -> list[Any]:
    data = json.dumps(value, default=plain).encode()
    data = len(data).to_bytes(8, "little") + data
    parts = _exchanged(data, _SMALL)
    sizes = [8 + int.from_bytes(part[:8], "little") for part in parts]
    if max(sizes) > _SMALL:  # few lengths, so that few programs are compiled
      longest = 1 << (max(sizes) - _SMALL - 1).bit_length()
      rest = _exchanged(data[_SMALL:], longest)
      parts = [part + more for part, more in zip(parts, rest, strict=True)]
    return [
      json.loads(part[8:size]) for part, size in zip(parts, sizes, strict=True)
    ]

  def tally(self) -> list[int]:
    """Pieces that each process has done since the last tally."""
    done, self._done = self._done, 0
    return self.gather(done)

  def agreed(self, value: T) -> T:
    """Process 0's value, for all processes: such as whether a file exists."""
    return self.gather(value)[0]


def _exchanged(data: bytes, length: int) -> list[bytes]:
  """The first bytes of the data of each process, filled up to `length`.

  Raises:
    ConnectionError: a process is gone.
  """
  padded = np.zeros(length, np.uint8)
  padded[: len(data)] = np.frombuffer(data[:length], np.uint8)
  try:
    parts = multihost_utils.process_allgather(padded)
  except (RuntimeError, ValueError) as error:
    raise ConnectionError(
      "the exchange with the other processes failed, probably because one has "
      "ended: see its output, and start all again; the run continues from its "
      f"files ({str(error)[:400]})"
    ) from error
  return [part.tobytes() for part in np.asarray(parts)]


def plain(value: Any) -> Any:
  """For JSON: an array as lists, a dataclass as an object."""
  return value.tolist() if hasattr(value, "tolist") else vars(value)


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
  """A context in which `constrain` shards arrays over this mesh."""
  return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def constrain(x: jax.Array, *logical: str | None) -> jax.Array:
  """x, sharded by its logical axes over the mesh in use; x if none is."""
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

"""A SUMO process that is steered over TraCI.

A process for each simulation, not `libsumo`: libsumo holds one simulation a
process, and brings a build of Arrow that differs from the one of pyarrow.
"""

import os
import socket
import subprocess
import time
import weakref
from collections.abc import Sequence
from typing import Any

_ALWAYS = (
  "--step-length", "0.1", "--no-step-log", "--no-warnings",
  "--duration-log.disable", "--xml-validation", "never", "--thread-rngs", "1",
  "--time-to-teleport", "-1",
  "--collision.check-junctions", "--collision.mingap-factor", "0",
  "--save-state.transportables",
)  # fmt: skip
_TRIES = 3  # another program may take a port before SUMO does
_PATIENCE = 30.0  # s until SUMO must answer


class Process:
  """Starts SUMO at the first `load`, and ends it with this object.

  Attributes:
    traci: the connection, of `traci.connection.Connection`.
  """

  def __init__(self) -> None:
    self._sumo: subprocess.Popen | None = None
    self.traci: Any = None

  def load(self, options: Sequence[str]) -> Any:
    """Begins a simulation; returns the connection.

    Args:
      options: SUMO's, such as `-n NETWORK -r ROUTES`.

    Raises:
      ModuleNotFoundError: SUMO is not installed.
      RuntimeError: SUMO did not start.
    """
    options = [*_ALWAYS, *options]
    if self.traci is None:
      self._start(options)
    else:
      self.traci.load(options)
    return self.traci

  def _start(self, options: Sequence[str]) -> None:
    traci, program = modules()[0], binary("sumo")
    for _ in range(_TRIES):
      port = _free_port()
      process = subprocess.Popen(
        [program, *options, "--remote-port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
      )
      end = time.monotonic() + _PATIENCE
      while process.poll() is None and time.monotonic() < end:
        try:
          # A single try prints nothing.
          connected = traci.connect(port, numRetries=0, proc=process)
        except traci.exceptions.FatalTraCIError:
          time.sleep(0.02)
          continue
        self._sumo, self.traci = process, connected
        weakref.finalize(self, _end, process, connected)
        return
      process.kill()
      process.wait()
    raise RuntimeError(
      f"{program} did not answer in {_TRIES} tries: run it by hand with "
      f"{' '.join(options)} to see why"
    )


def modules() -> tuple[Any, Any]:
  """The packages `traci` and `sumo`.

  Raises:
    ModuleNotFoundError: one is not installed.
  """
  try:
    import sumo
    import traci
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      f"{error.name} is not installed: pip install 'glimo-jax[worlds]'"
    ) from error
  return traci, sumo


def binary(name: str) -> str:
  """The path of one of SUMO's programs."""
  return os.path.join(modules()[1].SUMO_HOME, "bin", name)


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    return probe.getsockname()[1]


def _end(process: subprocess.Popen, connection: Any) -> None:
  """Ends a SUMO process without waiting for its simulation."""
  process.kill()
  process.wait()
  connection._socket.close()

"""Stops a training in good order when its machine is about to be taken away.

Slurm, Kubernetes and clouds send SIGTERM some time before they kill; Slurm also
SIGUSR1, where one asks for it.
"""

import signal
from collections.abc import Callable
from types import FrameType

import jax
import numpy as np
from jax.experimental import multihost_utils

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_EVERY = 5  # steps between two times that several processes ask each other


class Preempted(Exception):
  """The training was asked to stop; its last step is saved."""


class Preemption:
  """Within its block, a signal to stop only sets a flag.

  Signals can be caught in the main thread only: in others they kill as ever.
  """

  def __init__(self):
    self._asked = False
    self._before: dict[int, Callable | int | None] = {}

  def __enter__(self) -> "Preemption":
    try:
      for number in _SIGNALS:
        self._before[number] = signal.signal(number, self._catch)
    except ValueError:  # not the main thread
      pass
    return self

  def __exit__(self, *_) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def reached(self, step: int) -> bool:
    """Whether to stop after this step; the same in all processes.

    All processes call it after every step; one that was asked stops all.
    """
    if jax.process_count() == 1:
      return self._asked
    if step % _EVERY:
      return False
    asked = multihost_utils.process_allgather(np.array(self._asked))
    return bool(np.any(asked))

  def _catch(self, number: int, frame: FrameType | None) -> None:
    del number, frame
    self._asked = True

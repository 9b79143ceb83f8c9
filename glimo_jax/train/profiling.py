"""Traces a few steps of a training with JAX's profiler."""

import pathlib
from typing import Any

import jax

from glimo_jax.files import PathLike

FOLDER = "profile"
AFTER = 2  # steps before the first traced one: they compile


class Profiler:
  """Traces some steps, for TensorBoard's profile plugin, XProf or Perfetto."""

  def __init__(self, workdir: PathLike, start: int, steps: int):
    """Traces nothing yet.

    Args:
      workdir: of the training; the trace goes to its folder `profile`.
      start: steps taken before this call of the training.
      steps: number of steps to trace; 0 for none.
    """
    self._folder = pathlib.Path(workdir) / FOLDER
    self._first = start + AFTER
    self._end = self._first + steps
    self._on = False

  def before(self, step: int, results: Any) -> None:
    """Starts or ends the trace where it is time.

    Args:
      step: steps taken so far; the next one is about to be dispatched.
      results: of the step before; they are waited for where the trace ends.
    """
    if step == self._first < self._end:
      jax.profiler.start_trace(str(self._folder))
      self._on = True
    elif step == self._end and self._on:
      jax.block_until_ready(results)
      self.close()

  def close(self) -> None:
    """Ends the trace, if there is one."""
    if self._on:
      jax.profiler.stop_trace()
    self._on = False

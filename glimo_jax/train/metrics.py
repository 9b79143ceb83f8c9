"""Metrics of a training run: metrics.jsonl, and a bar or log lines."""

import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import tqdm

from glimo_jax import files
from glimo_jax.files import PathLike

FILE = "metrics.jsonl"


def read(folder: PathLike) -> list[dict[str, Any]]:
  """The metrics of all steps so far, oldest first."""
  path = pathlib.Path(folder) / FILE
  if not path.exists():
    return []
  lines = path.read_text().splitlines(keepends=True)
  # A killed run may leave half a line at the end.
  return [json.loads(line) for line in lines if line.endswith("\n")]


class History:
  """Keeps each step's metrics and writes nothing, as all processes but one do.

  Attributes:
    history: the metrics of all steps so far, oldest first.
  """

  def __init__(self, folder: PathLike, start: int):
    """Reads the metrics of the steps up to `start` from a run's folder."""
    self.history = [line for line in read(folder) if line["step"] <= start]
    self._last = time.monotonic()

  def write(self, phase: str, step: int, values: dict[str, float]) -> None:
    """Adds one step; `values` are its metrics, `tokens` among them."""
    now = time.monotonic()
    seconds, self._last = now - self._last, now
    line = {"phase": phase, "step": step, **values, "seconds": seconds}
    self.history.append(line)

  def close(self) -> None:
    """Ends the reporting."""


class Reporter(History):
  """Writes each step's metrics to metrics.jsonl and shows progress.

  A terminal shows a bar with rate and time left. Elsewhere `log` takes a line
  every `log_every` steps. TensorBoard's event files are optional.
  """

  def __init__(
    self,
    folder: PathLike,
    start: int,
    total: int,
    log_every: int,
    log: Callable[[str], None],
    tensorboard: bool = False,
  ):
    """Opens the file, and drops the lines of steps beyond `start`."""
    super().__init__(folder, start)
    folder = pathlib.Path(folder)
    kept = "".join(json.dumps(line) + "\n" for line in self.history)
    files.write_text(folder / FILE, kept)
    self._file = (folder / FILE).open("a")
    self._log, self._every, self._total = log, log_every, total
    self._mark, self._tokens = (start, self._last), 0.0
    terminal = sys.stderr.isatty()
    self._bar = tqdm.tqdm(total=total, initial=start, disable=not terminal)
    self._events = None
    if tensorboard:
      import tensorboardX

      self._events = tensorboardX.SummaryWriter(str(folder), purge_step=start)

  def write(self, phase: str, step: int, values: dict[str, float]) -> None:
    """Writes one step; `values` are its metrics, `tokens` among them."""
    super().write(phase, step, values)
    self._file.write(json.dumps(self.history[-1]) + "\n")
    self._file.flush()
    if self._events is not None:
      for name, value in values.items():
        self._events.add_scalar(name, value, step)
    self._bar.set_description(phase, refresh=False)
    self._bar.set_postfix_str(_brief(values), refresh=False)
    self._bar.update()
    self._tokens += values["tokens"]
    if step % self._every == 0 or step == self._total:
      now = self._last
      pace = (now - self._mark[1]) / (step - self._mark[0])
      rate = self._tokens / max(now - self._mark[1], 1e-9)
      left = (self._total - step) * pace / 60
      self._mark, self._tokens = (step, now), 0.0
      if self._bar.disable:
        self._log(
          f"{phase} {step}/{self._total}: {_brief(values)} | "
          f"{pace:.2f} s/step, {rate:.0f} tokens/s, {left:.1f} min left"
        )

  def close(self) -> None:
    """Closes the files and the bar."""
    self._file.close()
    self._bar.close()
    if self._events is not None:
      self._events.close()


def _brief(values: dict[str, float]) -> str:
  names = ("loss", "ce", "kl", "accuracy")
  return ", ".join(f"{name} {values[name]:.4f}" for name in names)

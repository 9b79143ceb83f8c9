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
from glimo_jax.train import throughput

FILE = "metrics.jsonl"
_DRAWN = 400  # points of a curve


def read(folder: PathLike) -> list[dict[str, Any]]:
  """The metrics of all steps so far, oldest first."""
  path = pathlib.Path(folder) / FILE
  if not path.exists():
    return []
  lines = path.read_text().splitlines(keepends=True)
  # A killed run may leave half a line at the end.
  return [json.loads(line) for line in lines if line.endswith("\n")]


def curves(folder: PathLike) -> list[dict[str, Any]]:
  """Phase, step, loss, ce and kl of at most 400 steps, for a picture."""
  steps = read(folder)
  every = -(-len(steps) // _DRAWN) or 1
  return [
    {
      name: round(value, 5) if isinstance(value, float) else value
      for name in ("phase", "step", "loss", "ce", "kl")
      if (value := step.get(name)) is not None
    }
    for step in steps[::every]
  ]


class History:
  """Keeps each step's metrics and writes nothing, as all processes but one do.

  Attributes:
    history: the metrics of all steps so far, oldest first.
  """

  def __init__(self, folder: PathLike, start: int, peak: float | None = None):
    """Reads the metrics of the steps up to `start` from a run's folder.

    Args:
      folder: of the run.
      start: steps taken so far.
      peak: FLOP/s that the devices can reach together; None: not known, and
        there is no `mfu`.
    """
    self.history = [line for line in read(folder) if line["step"] <= start]
    self._last, self._peak = time.monotonic(), peak

  def write(
    self, phase: str, step: int, values: dict[str, float], flops: float = 0.0
  ) -> None:
    """Adds one step, with its speed.

    Args:
      phase: of the training.
      step: its number, from 1.
      values: its metrics, `tokens` among them.
      flops: of the step; see `throughput`.
    """
    now = time.monotonic()
    seconds, self._last = max(now - self._last, 1e-9), now
    speed = {
      "seconds": seconds,
      "tokens_per_s": values["tokens"] / seconds,
      "peak_gib": throughput.peak_gib(),
    }
    if self._peak:
      speed["mfu"] = flops / seconds / self._peak
    self.history.append({"phase": phase, "step": step, **values, **speed})

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
    peak: float | None = None,
  ):
    """Opens the file, and drops the lines of steps beyond `start`."""
    super().__init__(folder, start, peak)
    folder = pathlib.Path(folder)
    kept = "".join(json.dumps(line) + "\n" for line in self.history)
    files.write_text(folder / FILE, kept)
    self._file = (folder / FILE).open("a")
    self._log, self._every, self._total = log, log_every, total
    self._mark, self._tokens, self._flops = (start, self._last), 0.0, 0.0
    terminal = sys.stderr.isatty()
    self._bar = tqdm.tqdm(total=total, initial=start, disable=not terminal)
    self._events = None
    if tensorboard:
      import tensorboardX

      self._events = tensorboardX.SummaryWriter(str(folder), purge_step=start)

  def write(
    self, phase: str, step: int, values: dict[str, float], flops: float = 0.0
  ) -> None:
    """Writes one step; see `History.write`."""
    super().write(phase, step, values, flops)
    line = self.history[-1]
    self._file.write(json.dumps(line) + "\n")
    self._file.flush()
    if self._events is not None:
      for name in sorted(line.keys() - {"phase", "step"}):
        self._events.add_scalar(name, line[name], step)
    self._bar.set_description(phase, refresh=False)
    self._bar.set_postfix_str(_brief(values), refresh=False)
    self._bar.update()
    self._tokens += values["tokens"]
    self._flops += flops
    if step % self._every == 0 or step == self._total:
      now = self._last
      seconds = max(now - self._mark[1], 1e-9)
      pace = seconds / (step - self._mark[0])
      mfu = self._flops / seconds / self._peak if self._peak else None
      speed = (
        f"{pace:.2f} s/step, {self._tokens / seconds:.0f} tokens/s, "
        + (f"MFU {mfu:.1%}, " if mfu is not None else "")
        + f"{(self._total - step) * pace / 60:.1f} min left"
      )
      self._mark, self._tokens, self._flops = (step, now), 0.0, 0.0
      if self._bar.disable:
        self._log(f"{phase} {step}/{self._total}: {_brief(values)} | {speed}")

  def close(self) -> None:
    """Closes the files and the bar."""
    self._file.close()
    self._bar.close()
    if self._events is not None:
      self._events.close()


def _brief(values: dict[str, float]) -> str:
  names = ("loss", "ce", "kl", "accuracy")
  return ", ".join(f"{name} {values[name]:.4f}" for name in names)

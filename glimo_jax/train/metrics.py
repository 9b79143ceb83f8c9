"""What a run tells of itself: a file of lines, a bar or log lines."""

import json
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import tqdm

FILE = "metrics.jsonl"


def read(folder) -> list[dict[str, Any]]:
  """The metrics of every step told so far, oldest first."""
  path = pathlib.Path(folder) / FILE
  if not path.exists():
    return []
  lines = path.read_text().splitlines(keepends=True)
  # A killed run may leave half a line at the end.
  return [json.loads(line) for line in lines if line.endswith("\n")]


class Reporter:
  """Writes each step's metrics to metrics.jsonl and shows progress.

  On a terminal a bar with rate and time left; elsewhere a line through `log`
  every `log_every` steps. Event files for TensorBoard if asked.
  """

  def __init__(
    self,
    folder,
    start: int,
    total: int,
    log_every: int,
    log: Callable[[str], None],
    tensorboard: bool = False,
  ):
    """Opens the file, without what steps beyond `start` have written."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    self.history = [line for line in read(folder) if line["step"] <= start]
    kept = "".join(json.dumps(line) + "\n" for line in self.history)
    partial = folder / f"{FILE}.partial"
    partial.write_text(kept)
    partial.replace(folder / FILE)
    self._file = (folder / FILE).open("a")
    self._log, self._every, self._total = log, log_every, total
    self._last = time.monotonic()
    self._mark, self._tokens = (start, self._last), 0.0
    terminal = sys.stderr.isatty()
    self._bar = tqdm.tqdm(total=total, initial=start, disable=not terminal)
    self._events = None
    if tensorboard:
      import tensorboardX

      self._events = tensorboardX.SummaryWriter(str(folder), purge_step=start)

  def write(self, stage: str, step: int, values: dict[str, float]) -> None:
    """Tells of one step; `values` holds the step's numbers and `tokens`."""
    now = time.monotonic()
    seconds, self._last = now - self._last, now
    line = {"stage": stage, "step": step, **values, "seconds": seconds}
    self.history.append(line)
    self._file.write(json.dumps(line) + "\n")
    self._file.flush()
    if self._events is not None:
      for name, value in values.items():
        self._events.add_scalar(name, value, step)
    self._bar.set_description(stage, refresh=False)
    self._bar.set_postfix_str(_brief(values), refresh=False)
    self._bar.update()
    self._tokens += values["tokens"]
    if step % self._every == 0 or step == self._total:
      pace = (now - self._mark[1]) / (step - self._mark[0])
      rate = self._tokens / max(now - self._mark[1], 1e-9)
      left = (self._total - step) * pace / 60
      self._mark, self._tokens = (step, now), 0.0
      if self._bar.disable:
        self._log(
          f"{stage} {step}/{self._total}: {_brief(values)} | "
          f"{pace:.2f} s/step, {rate:.0f} tokens/s, {left:.1f} min left"
        )

  def close(self) -> None:
    self._file.close()
    self._bar.close()
    if self._events is not None:
      self._events.close()


def finite(values: dict[str, float]) -> bool:
  return all(math.isfinite(value) for value in values.values())


def _brief(values: dict[str, float]) -> str:
  names = ("loss", "ce", "kl", "accuracy")
  return ", ".join(f"{name} {values[name]:.4f}" for name in names)

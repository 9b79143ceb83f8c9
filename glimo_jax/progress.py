"""Progress of long work: a bar on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from typing import ClassVar

import tqdm

_log = logging.getLogger(__name__)

_EVERY_S = 15.0  # seconds between log lines


class Progress:
  """Called with (done, total); shows rate and time left.

  Attributes:
    silent: whether nothing is shown, as in all processes but the first.
  """

  silent: ClassVar[bool] = False

  def __init__(self, name: str):
    self._name = name
    self._start = self._shown = time.monotonic()
    self._bar: tqdm.tqdm | None = None

  def __call__(self, done: int, total: int) -> None:
    if self.silent:
      return
    if sys.stderr.isatty():
      if self._bar is None:
        self._bar = tqdm.tqdm(total=total, desc=self._name)
      self._bar.update(done - self._bar.n)
      if done >= total:
        self._bar.close()
      return
    now = time.monotonic()
    if done < total and now - self._shown < _EVERY_S:
      return
    self._shown = now
    rate = done / max(now - self._start, 1e-9)
    left = (total - done) / rate / 60 if rate else float("inf")
    _log.info(
      "%s: %d of %d, %.1f/s, %.1f min left",
      self._name, done, total, rate, left,
    )  # fmt: skip

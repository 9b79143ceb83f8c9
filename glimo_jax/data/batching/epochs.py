"""Endless epochs of batches, whose position is two numbers.

These are not grain's iterators: an epoch draws a whole *packing* of rows, or a
cut through a text, from (seed, epoch), and not only an order.
"""

import abc
import hashlib
from typing import Any

import numpy as np

from glimo_jax.types import Batch, BatchIterator


class Epochs(abc.ABC):
  """Epochs that are drawn each time, or return the batches of the first.

  A subclass defines what an epoch draws, and its batches.
  """

  def __init__(self, seed: int, data: bytes, redraw: bool):
    """Draws the first epoch.

    Args:
      seed: of all epochs.
      data: identifies the rows or the text.
      redraw: draw each epoch; else the batches of the first epoch return in
        another order.
    """
    self._seed, self._redraw = seed, redraw
    self._digest = hashlib.sha256(data).hexdigest()[:16]
    self._begin(0)

  @abc.abstractmethod
  def _draw(self, rng: np.random.Generator) -> int:
    """Draws an epoch, and returns its number of batches."""

  @abc.abstractmethod
  def _batch(self, number: int) -> Batch:
    """A batch of the epoch drawn last."""

  def _begin(self, epoch: int) -> None:
    rng = np.random.default_rng([self._seed, epoch])
    if epoch and not self._redraw:
      self._order = rng.permutation(len(self))
    else:
      self._order = np.arange(self._draw(rng))
    self._epoch, self._index = epoch, 0

  def __len__(self) -> int:
    """Batches of the current epoch."""
    return len(self._order)

  def __next__(self) -> tuple[Batch, ...]:
    if self._index == len(self):
      self._begin(self._epoch + 1)
    number = int(self._order[self._index])
    self._index += 1
    return (self._batch(number),)

  def get_state(self) -> dict[str, Any]:
    """The position: epoch, index in it, and a hash of the data."""
    return {"epoch": self._epoch, "index": self._index, "data": self._digest}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes to a position.

    Raises:
      ValueError: it was saved over other data.
    """
    if state["data"] != self._digest:
      raise ValueError(
        f"the position was saved over data {state['data']}, but the data is "
        f"{self._digest}: train in another --workdir, or restore the old data"
      )
    self._begin(state["epoch"])
    self._index = state["index"]


class _Zipped:
  def __init__(self, parts: tuple[BatchIterator, ...]):
    self._parts = parts

  def __next__(self) -> tuple[Batch, ...]:
    return tuple(batch for part in self._parts for batch in next(part))

  def get_state(self) -> dict[str, Any]:
    return {"parts": [part.get_state() for part in self._parts]}

  def set_state(self, state: dict[str, Any]) -> None:
    for part, saved in zip(self._parts, state["parts"], strict=True):
      part.set_state(saved)


def zip_batches(*parts: BatchIterator) -> BatchIterator:
  """One iterator whose step is the batches of all parts."""
  return _Zipped(parts)

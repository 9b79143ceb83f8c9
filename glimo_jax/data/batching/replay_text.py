"""Endless, resumable batches of plain text, for the KL to the base model."""

import numpy as np
import numpy.typing as npt

from glimo_jax.data.batching.epochs import Epochs
from glimo_jax.types import Batch


class ReplayBatches(Epochs):
  """Endless windows of plain text: every token is in the KL, none in the CE.

  Each epoch cuts the text at another offset, or returns the first batches of
  the first epoch in another order.
  """

  def __init__(
    self,
    token_ids: npt.ArrayLike,
    rows: int,
    length: int,
    seed: int = 0,
    *,
    returning: int | None = None,
  ):
    """Takes the text.

    Args:
      token_ids: i32[n].
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of the offsets and orders.
      returning: most batches of an epoch, the same in each; None cuts the
        text at another offset in each epoch.

    Raises:
      ValueError: the text is too short for one batch.
    """
    self._ids = np.asarray(token_ids, np.int32)
    self._rows, self._length = rows, length
    self._windows = len(self._ids) // length - 1  # at any offset
    self._batches = self._windows // rows
    if self._batches < 1:
      raise ValueError(
        f"replay text of {len(self._ids)} tokens is too short for {rows} rows "
        f"of {length}: give at least {(rows + 1) * length} tokens"
      )
    if returning is not None:
      self._batches = min(returning, self._batches)
    super().__init__(seed, self._ids.tobytes(), redraw=returning is None)

  def _draw(self, rng: np.random.Generator) -> int:
    offset = rng.integers(self._length)
    self._starts = offset + rng.permutation(self._windows) * self._length
    return self._batches

  def _batch(self, number: int) -> Batch:
    begin = number * self._rows
    starts = self._starts[begin : begin + self._rows]
    shape = (self._rows, self._length)
    columns = np.broadcast_to(np.arange(self._length, dtype=np.int32), shape)
    return Batch(
      tokens=self._ids[starts[:, None] + columns],
      positions=columns.copy(),
      segment_ids=np.ones(shape, np.int32),
      scored=columns.copy(),
      target_ids=np.zeros((*shape, 1), np.int32),
      target_probs=np.zeros((*shape, 1), np.float32),
      ce_weight=np.zeros(shape, np.float32),
      kl_weight=np.ones(shape, np.float32),
      row_ids=(starts[:, None] // self._length).astype(np.int32),
    )

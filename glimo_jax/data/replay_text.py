"""Endless, resumable batches of plain text that hold a model to its base."""

import numpy as np

from glimo_jax.data.epochs import Epochs
from glimo_jax.types import Batch


class ReplayBatches(Epochs):
  """Endless windows of plain text, every token leashed and none learned.

  Each epoch cuts the text at another offset, or goes through the first
  batches of the first one in another order.
  """

  def __init__(
    self,
    token_ids,
    rows: int,
    length: int,
    seed: int = 0,
    *,
    returning: int | None = None,
  ):
    """Takes i32[n] `token_ids`.

    Args:
      token_ids: the text.
      rows: B, rows of a batch.
      length: T, columns of a row.
      seed: of the offsets and orders.
      returning: how many batches, at most, come back in each epoch; None cuts
        each epoch anew.

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
    super().__init__(seed, self._ids.tobytes(), anew=returning is None)

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

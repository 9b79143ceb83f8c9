"""What the frozen layers make of a batch, kept for when it comes back.

Below the adapter's first layer training changes nothing, so that the residual
stream there depends on a batch's tokens alone. Where batches return in each
epoch (`TaskBatches(repack=False)`, `ReplayBatches(returning=n)`), it is
computed once.
"""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax.models import decoder
from glimo_jax.types import Batch

Array = jax.Array
PyTree = Any


class LowerStates:
  """Gives batches their `lower`, and remembers it while there is room."""

  def __init__(
    self,
    config: decoder.DecoderConfig,
    params: PyTree,
    first_layer: int,
    gib: float,
  ):
    """Keeps at most `gib` GiB; nothing where no layer or no room is.

    Args:
      config: sizes of the model.
      params: base weights, laid over the devices.
      first_layer: the adapter's.
      gib: room for what is kept.
    """
    self._params = params
    self._active = first_layer > 0 and gib > 0
    self._room = int(gib * 2**30)  # bytes left
    self._kept: dict[bytes, Array] = {}
    self._compute = _computation(config, first_layer)

  def __call__(self, batches: Sequence[Batch]) -> tuple[Batch, ...]:
    """The batches, told their lower states."""
    if not self._active:
      return tuple(batches)
    return tuple(batch.replace(lower=self._of(batch)) for batch in batches)

  def _of(self, batch: Batch) -> Array:
    inputs = (batch.tokens, batch.positions, batch.segment_ids)
    key = _digest(inputs)
    if key in self._kept:
      return self._kept[key]
    # The same computation whether it is kept or not: a resumed run, which
    # begins with nothing kept, comes to the same bits.
    lower = self._compute(self._params, *inputs)
    if lower.nbytes <= self._room:
      self._room -= lower.nbytes
      self._kept[key] = lower
    return lower


@functools.lru_cache(maxsize=8)
def _computation(config: decoder.DecoderConfig, first_layer: int):
  def compute(params, *inputs):
    return decoder.lower_states(config, params, first_layer, *inputs)

  return jax.jit(compute)


def _digest(arrays: Sequence[Array]) -> bytes:
  """Of the parts of some arrays that this process holds."""
  out = hashlib.sha256()
  for array in arrays:
    for shard in array.addressable_shards:
      out.update(np.asarray(shard.data).tobytes())
  return out.digest()

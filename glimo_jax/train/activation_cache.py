"""Cache of the frozen layers' output, for batches that repeat every epoch.

Training does not change the layers below the first adapted layer. Their output
depends only on a batch's tokens. If the same batches repeat in every epoch
(`TaskBatches(repack=False)`, `ReplayBatches(returning=n)`), it is computed
once.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from glimo_jax.models import decoder
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.types import AnyArray, Batch

Array = jax.Array
PyTree = Any

frozen_activations = jax.jit(decoder.frozen_activations, static_argnums=(0, 2))


class ActivationCache:
  """Adds `Batch.activations`, and keeps them while there is room."""

  def __init__(
    self, config: DecoderConfig, params: PyTree, first_layer: int, gib: float
  ):
    """Makes an empty cache.

    Args:
      config: sizes of the model.
      params: base weights, laid over the devices.
      first_layer: the adapter's first layer; 0 leaves nothing to keep.
      gib: room in GiB; 0 leaves batches as they are.
    """
    self._config, self._params, self._first = config, params, first_layer
    self._active = first_layer > 0 and gib > 0
    self._room = int(gib * 2**30)  # bytes left
    self._kept: dict[bytes, Array] = {}

  def __call__(self, batches: Sequence[Batch]) -> tuple[Batch, ...]:
    """The batches, with their activations."""
    if not self._active:
      return tuple(batches)
    return tuple(
      batch.replace(activations=self._of(batch)) for batch in batches
    )

  def _of(self, batch: Batch) -> Array:
    inputs = (batch.tokens, batch.positions, batch.segment_ids)
    key = _digest(inputs)
    if key in self._kept:
      return self._kept[key]
    # The same computation whether the result is kept or not: a resumed run,
    # which starts with an empty cache, gets the same bits.
    computed = frozen_activations(
      self._config, self._params, self._first, *inputs
    )
    if computed.nbytes <= self._room:
      self._room -= computed.nbytes
      self._kept[key] = computed
    return computed


def _digest(arrays: Sequence[AnyArray]) -> bytes:
  """Hash of the parts of some arrays that this process holds."""
  out = hashlib.sha256()
  for array in arrays:
    assert isinstance(array, jax.Array)  # placed on the mesh
    for shard in array.addressable_shards:
      out.update(np.asarray(shard.data).tobytes())
  return out.digest()

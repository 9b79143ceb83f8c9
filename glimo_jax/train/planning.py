"""The compiled train step of given sizes, made without any array.

Its `memory_analysis` says what a step takes on each device, and its text which
arrays the devices exchange, for models and meshes of any size.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.typing import DTypeLike

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import lora, parameters
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import LoraConfig
from glimo_jax.train import placement, step
from glimo_jax.train.step import StepConfig
from glimo_jax.types import Batch, TrainState

PyTree = Any


def compiled_step(
  config: StepConfig,
  decoder_config: DecoderConfig,
  lora_config: LoraConfig,
  mesh: Mesh,
  *,
  rows: int,
  length: int,
  scored: int,
  dtype: DTypeLike,
) -> jax.stages.Compiled:
  """A step on one batch whose positions have both CE and KL.

  Args:
    config: how to train.
    decoder_config, lora_config: sizes.
    mesh: devices.
    rows: of the batch, over all devices.
    length: columns of a row.
    scored: positions of a row with a loss.
    dtype: of the base.
  """
  key = jax.random.key(0)
  everywhere = mesh_lib.sharding(mesh)

  def state() -> TrainState:
    adapter = lora.init(key, lora_config, decoder_config)
    return placement.init_state(config, adapter, mesh)

  batch = empty_batch(rows, length, scored)
  params = jax.eval_shape(lambda: parameters.init(key, decoder_config, dtype))
  return step.train_step.lower(
    _laid(jax.eval_shape(state), everywhere),
    jax.tree.map(_laid, params, parameters.shardings(decoder_config, mesh)),
    (_laid(batch, mesh_lib.sharding(mesh, "batch")),),
    np.float32(0),
    config=config,
    decoder_config=decoder_config,
    mesh=mesh,
    terms=((True, True),),
  ).compile()


def _laid(tree: PyTree, sharding: NamedSharding) -> PyTree:
  """Shapes and dtypes of the arrays, laid over a mesh."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )


def empty_batch(rows: int, length: int, scored: int) -> Batch:
  """An empty batch, for its shapes."""
  whole, some = (rows, length), (rows, scored)
  return Batch(
    tokens=np.zeros(whole, np.int32),
    positions=np.zeros(whole, np.int32),
    segment_ids=np.zeros(whole, np.int32),
    scored=np.zeros(some, np.int32),
    target_ids=np.zeros((*some, 1), np.int32),
    target_probs=np.zeros((*some, 1), np.float32),
    ce_weight=np.zeros(some, np.float32),
    kl_weight=np.zeros(some, np.float32),
    row_ids=np.zeros((rows, 1), np.int32),
  )

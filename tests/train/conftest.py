"""A tiny random model with random data."""

import types

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import decoder, lora, parameters
from glimo_jax.types import Batch

VOCAB, LENGTH = 96, 16


class Rows:
  """Random ragged task rows (and replay rows), a function of the index."""

  def __init__(self, rows=8, replay=0, seed=0):
    self.rows, self.replay, self.seed, self.index = rows, replay, seed, 0

  def __next__(self):
    rng = np.random.default_rng([self.seed, self.index])
    self.index += 1
    task = self._batch(rng, self.rows)
    if not self.replay:
      return (task,)
    text = self._batch(rng, self.replay)
    return task, text.replace(
      ce_weight=np.zeros_like(text.ce_weight),
      kl_weight=np.ones_like(text.kl_weight),
    )

  def get_state(self):
    return {"index": self.index}

  def set_state(self, state):
    self.index = state["index"]

  def _batch(self, rng, rows, scored=5, slots=2):
    shape = (rows, LENGTH)
    probs = rng.random((rows, scored, slots)).astype(np.float32)
    first = np.arange(rows)[:, None] + rows * (self.index - 1)
    ids = rng.integers(0, VOCAB - 1, (rows, scored, 1))
    columns = [rng.permutation(LENGTH)[:scored] for _ in range(rows)]
    return Batch(
      tokens=rng.integers(0, VOCAB, shape, np.int32),
      positions=np.broadcast_to(np.arange(LENGTH, dtype=np.int32), shape),
      segment_ids=np.ones(shape, np.int32),
      scored=np.stack(columns).astype(np.int32),
      target_ids=np.concatenate([ids, ids + 1], -1).astype(np.int32),
      target_probs=probs / probs.sum(-1, keepdims=True),
      ce_weight=(np.arange(scored) <= first % scored).astype(np.float32),
      kl_weight=np.zeros((rows, scored), np.float32),
      row_ids=first.astype(np.int32),
    )


def make_tiny():
  """config, params, adapter (untrained), moved (adapter with B not 0)."""
  config = decoder.DecoderConfig(
    vocab_size=VOCAB,
    dim=32,
    layers=3,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_dim=64,
  )
  keys = jax.random.split(jax.random.key(0), 3)
  params = jax.jit(parameters.init, static_argnums=1)(keys[0], config)
  # Weights large enough for the layers to matter and for large gradients,
  # and tokens of 0.1 a dimension, so that float32 is precise enough.
  params["layers"] = jax.tree.map(lambda p: 5 * p, params["layers"])
  params["embed"] *= 0.1 * config.dim**0.5
  low = lora.LoraConfig(rank=4, alpha=8.0, first_layer=1)
  adapter = jax.jit(lora.init, static_argnums=(1, 2))(keys[1], low, config)
  leaves, tree = jax.tree.flatten(adapter)
  noise = jax.random.split(keys[2], len(leaves))
  moved = tree.unflatten(
    x + 0.1 * jax.random.normal(k, x.shape)
    for x, k in zip(leaves, noise, strict=True)
  )
  return types.SimpleNamespace(
    config=config, params=params, adapter=adapter, moved=moved
  )


def first_device():
  """A mesh of one device on any machine."""
  devices = np.asarray(jax.devices()[:1]).reshape(1, 1, 1)
  return Mesh(devices, mesh_lib.AXES)


@pytest.fixture(scope="session")
def tiny():
  return make_tiny()


@pytest.fixture(scope="session")
def rows():
  return Rows


@pytest.fixture(scope="session")
def one_device():
  return first_device()

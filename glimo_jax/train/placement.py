"""Lays a run's state, base params and batches over the devices of a mesh."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import parameters
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.train import losses, step
from glimo_jax.train.step import StepConfig, Terms
from glimo_jax.types import KL_TERMS, Batch, TrainState

PyTree = Any


def init_state(config: StepConfig, adapter: Adapter, mesh: Mesh) -> TrainState:
  """The state before the first step, on every device of the mesh."""
  # A copy: the first step donates it, and the caller keeps the original.
  adapter = jax.tree.map(functools.partial(jnp.array, copy=True), adapter)
  state = TrainState(
    step=jnp.zeros((), jnp.int32),
    adapter=adapter,
    opt_state=step.optimizer(config).init(adapter),  # pyright: ignore[reportArgumentType] (optax names no pytrees)
    key=jax.random.key(config.seed),
    multipliers=jnp.ones(len(KL_TERMS), jnp.float32),
  )
  # A typed key cannot go to the devices of another process; its bits can.
  bits, kind = jax.random.key_data(state.key), jax.random.key_impl(state.key)
  everywhere = mesh_lib.sharding(mesh)
  state, bits = jax.device_put((state.replace(key=None), bits), everywhere)
  return state.replace(key=jax.random.wrap_key_data(bits, impl=kind))


def place_params(params: PyTree, config: DecoderConfig, mesh: Mesh) -> PyTree:
  """The base params, laid over the mesh; what lies so is not copied."""
  return jax.device_put(params, parameters.shardings(config, mesh))


def with_terms(
  batch: Batch, config: StepConfig
) -> tuple[Batch, tuple[bool, bool]]:
  """The batch with the weights of its KL, and whether it has CE and KL."""
  batch = losses.mask_kl(batch, config.kl_tokens)
  return batch, (
    bool(np.any(batch.ce_weight > 0)),
    config.kl_coef > 0 and bool(np.any(batch.kl_weight > 0)),
  )


def place_batches(
  batches: Sequence[Batch], config: StepConfig, mesh: Mesh
) -> tuple[tuple[Batch, ...], Terms]:
  """Sets the tokens of the KL, and lays the rows over the mesh.

  All processes give the same rows; each keeps those of its devices.

  Returns:
    The batches that have a term, and the terms of each.

  Raises:
    ValueError: mesh or accumulation cannot divide the rows, or no batch has a
      term.
  """
  placed, terms = [], []
  for batch in batches:
    batch, term = with_terms(batch, config)
    if not any(term):
      continue
    rows = batch.tokens.shape[0]
    mesh_lib.check_batch(rows, mesh)
    ways = mesh.shape["data"] * mesh.shape["fsdp"] * config.accumulate
    if rows % ways:
      raise ValueError(
        f"batch {rows} is not divisible by data x fsdp x accumulate = {ways}: "
        f"set --config.train.batch to a multiple of {ways}"
      )
    sharding = mesh_lib.sharding(mesh, "batch")

    place = functools.partial(mesh_lib.from_host, sharding=sharding)
    placed.append(jax.tree.map(place, batch))
    terms.append(term)
  if not placed:
    raise ValueError(
      "the batches of a step have nothing to learn: give task rows, or replay "
      "text with kl_coef above 0"
    )
  return tuple(placed), tuple(terms)

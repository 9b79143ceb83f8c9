"""Functions over a chunk of moments, each compiled once."""

import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from glimo_jax.types import Array, Experience, PyTree


@functools.lru_cache
def batched(world: Any, method: str, axes: tuple) -> Callable:
  """A world's method over a chunk of states, compiled once.

  Args:
    world: a `simulators.base.World`.
    method: its name.
    axes: of the arguments, as `jax.vmap` takes them.
  """
  return jax.jit(jax.vmap(getattr(world, method), axes))


def row_of(tree: PyTree, j: int) -> PyTree:
  """Row j of numpy leaves; others, such as PRNG keys, stay whole."""
  return jax.tree.map(lambda x: x[j] if isinstance(x, np.ndarray) else x, tree)


def moment_hash(e: Experience) -> int:
  """A hash of the moment, the same at any place in a batch."""
  content = (e.variant, e.level_hash, e.seed, e.actions)
  return zlib.crc32(repr(content).encode())


@jax.jit
def moment_keys(seed: int, hashes: Array) -> Array:
  """PRNG keys of moments, from their hashes u32[n]: key[n]."""
  key = jax.random.key(seed)
  return jax.vmap(lambda data: jax.random.fold_in(key, data))(hashes)

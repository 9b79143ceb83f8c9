"""Layers of arrays that are stacked over layers."""

from typing import Any

import jax

from glimo_jax.models.numerics import products

PyTree = Any


def layer(stack: PyTree, number: jax.Array) -> PyTree:
  """One layer of stacked arrays, inside a loop over layers.

  XLA's CPU backend reads bfloat16 as float32. It would widen the whole stack
  before the loop: a second copy of the model, of twice its size. The barrier
  makes the stack a value of this turn of the loop, so that only the layer that
  is read is widened.
  """
  if any(products.widens(x.dtype) for x in jax.tree.leaves(stack)):
    stack, number = jax.lax.optimization_barrier((stack, number))
  return jax.tree.map(
    lambda x: jax.lax.dynamic_index_in_dim(x, number, keepdims=False), stack
  )

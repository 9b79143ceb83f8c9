"""Products of arrays in float32 or bfloat16, always summed in float32.

A GPU and a TPU multiply bfloat16 with a float32 result. XLA's CPU backend has
no such product: there the operands are widened first, which is exact.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Float

from glimo_jax.types import AnyArray

Array = jax.Array
DTYPES = ("float32", "bfloat16")  # in which a frozen model may be held


def widens(dtype: DTypeLike) -> bool:
  """Whether the backend computes in float32 what is given in `dtype`."""
  return jax.default_backend() == "cpu" and np.dtype(dtype) != np.float32


def _operands(*arrays: AnyArray) -> list[Array]:
  """The arrays in the dtype in which the backend multiplies them."""
  return [
    jnp.asarray(x, jnp.float32 if widens(x.dtype) else x.dtype) for x in arrays
  ]


def einsum(equation: str, *arrays: AnyArray) -> Array:
  """f32: jnp.einsum of arrays of one dtype."""
  wide = jnp.float32
  return jnp.einsum(equation, *_operands(*arrays), preferred_element_type=wide)


def matmul(
  x: Float[Array, "*rows i"], w: Float[Array, "i o"]
) -> Float[Array, "*rows o"]:
  """x w with f32 accumulation, in x's dtype."""
  return _matmul(x, w) if w.dtype != jnp.float32 else _rounded(x, w)


def _exact(x: Array, w: Array) -> Array:
  """f32: x w."""
  return jnp.matmul(*_operands(x, w), preferred_element_type=jnp.float32)


def _rounded(x: Array, w: Array) -> Array:
  return _exact(x, w).astype(x.dtype)


# The rule that JAX derives would multiply float32 with bfloat16.
_matmul = jax.custom_vjp(_rounded)


def _matmul_backward(
  saved: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
  x, w = saved
  dw = einsum("ni,no->io", *(a.reshape(-1, a.shape[-1]) for a in (x, dy)))
  return _rounded(dy, w.T), dw.astype(w.dtype)


_matmul.defvjp(lambda x, w: (_rounded(x, w), (x, w)), _matmul_backward)


@jax.custom_vjp
def adapted(
  x: Float[Array, "*rows i"],
  w: Float[Array, "i o"],
  a: Float[Array, "i r"],
  b: Float[Array, "r o"],
) -> Float[Array, "*rows o"]:
  """x (w + a b): a linear map and its low-rank update; w is a constant.

  In float32 the product a b is added to the weights: this costs less than a
  second path for the activations. In lower precision it would be rounded
  away, so it has its own path: a and b are float32, and enter the products in
  w's dtype. Their gradients are float32. The gradients of x, a and b are
  written so that no wide array is transposed.
  """
  if w.dtype == jnp.float32:
    return matmul(x, w + matmul(a, b))
  low, back = a.astype(x.dtype), b.astype(x.dtype)
  return matmul(x, w) + matmul(matmul(x, low), back)


def _adapted_forward(
  x: Array, w: Array, a: Array, b: Array
) -> tuple[Array, tuple[Array, ...]]:
  return adapted(x, w, a, b), (x, w, a, b)


def _adapted_backward(
  saved: tuple[Array, ...], dy: Array
) -> tuple[Array, None, Array, Array]:
  x, w, a, b = saved
  flat_x, flat_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
  low, back = a.astype(x.dtype), b.astype(x.dtype)
  dz = matmul(flat_dy, back.T)
  db = _exact(matmul(flat_x, low).T, flat_dy)
  da = _exact(dz.T, flat_x).T
  if w.dtype == jnp.float32:
    dx = matmul(flat_dy, (w + matmul(a, b)).T)
  else:
    dx = matmul(flat_dy, w.T) + matmul(dz, low.T)
  return dx.reshape(x.shape), None, da.astype(a.dtype), db.astype(b.dtype)


adapted.defvjp(_adapted_forward, _adapted_backward)


def logits(
  hidden: Float[AnyArray, "*rows D"], head: Float[AnyArray, "V D"]
) -> Float[Array, "*rows V"]:
  """f32: the output matrix times the final states, in the matrix's dtype."""
  hidden = hidden.astype(head.dtype)
  if head.dtype == jnp.float32:
    return einsum("...d,vd->...v", hidden, head)
  return _low_logits(hidden, head)


_low_logits = jax.custom_vjp(functools.partial(einsum, "...d,vd->...v"))


def _logits_backward(
  head: AnyArray, dy: Float[Array, "*rows V"]
) -> tuple[Array, None]:
  """The gradient of `hidden`; the head is a constant."""
  dx = einsum("...v,vd->...d", dy.astype(head.dtype), head)
  return dx.astype(head.dtype), None


_low_logits.defvjp(
  lambda hidden, head: (_low_logits(hidden, head), head), _logits_backward
)

"""Products in bfloat16 are those of float32, rounded, with their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models.numerics import products, stacks

LOW = jnp.bfloat16


def normal(*shape):
  """f32, of values that bfloat16 holds exactly."""
  values = np.random.default_rng(sum(shape)).normal(size=shape)
  return jnp.asarray(values, LOW).astype(jnp.float32)


def value_and_gradients(function, cast, x, w, *others):
  """In f32; x and w are cast, as the base's dtype asks."""
  inputs = (x.astype(cast), w.astype(cast), *others)
  y, pull = jax.vjp(function, *inputs)
  gradients = pull(normal(*y.shape).astype(y.dtype))
  assert [g.dtype for g in gradients] == [i.dtype for i in inputs]
  return y, gradients


@pytest.mark.parametrize(
  ("function", "shapes", "constant"),
  [
    (products.matmul, [(3, 5, 32), (32, 48)], False),
    (products.logits, [(3, 5, 32), (48, 32)], True),
    (products.adapted, [(3, 5, 32), (32, 48), (32, 4), (4, 48)], True),
  ],
  ids=["matmul", "logits", "adapted"],
)
def test_bfloat16_is_float32_rounded(function, shapes, constant):
  """Also where XLA has no such product of its own, as on CPU."""
  arrays = [normal(*shape) for shape in shapes]
  want, exact = value_and_gradients(function, jnp.float32, *arrays)
  got, low = jax.jit(
    lambda *a: value_and_gradients(function, LOW, *a)
  )(*arrays)  # fmt: skip
  assert got.dtype == (jnp.float32 if function is products.logits else LOW)
  for i, (a, b) in enumerate(zip((want, *exact), (got, *low), strict=True)):
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    if i == 2 and constant:  # the gradient of w
      assert not b.any()
    else:
      assert np.linalg.norm(a - b) < 0.01 * np.linalg.norm(a)


@pytest.mark.parametrize("dtype", [jnp.float32, LOW])
def test_a_layer_of_a_stack_is_its_slice(dtype):
  stack = {"a": normal(3, 4, 5).astype(dtype), "b": normal(3, 2).astype(dtype)}
  for i in range(3):
    got = jax.jit(stacks.layer)(stack, jnp.int32(i))
    jax.tree.map(np.testing.assert_array_equal, got, {
      name: array[i] for name, array in stack.items()
    })  # fmt: skip

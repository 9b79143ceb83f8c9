"""A base in bfloat16: half the memory, and nearly the same training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.config import ModelConfig
from glimo_jax.models import lora, parameters
from glimo_jax.train import losses, placement, step
from glimo_jax.train.step import StepConfig

CONFIG = StepConfig(warmup=1, chunk=16, kl_coef=0.5, eps=1e-4)


@pytest.fixture(scope="module")
def bases(tiny):
  """The tiny model in float32 and bfloat16, with linear maps of usual size."""
  layers = {
    name: array / 5 if name in tiny.config.linear_shapes else array
    for name, array in tiny.params["layers"].items()
  }
  exact = {**tiny.params, "layers": layers}
  return exact, jax.tree.map(lambda p: p.astype(jnp.bfloat16), exact)


def loss_and_gradients(tiny, params, adapter, data, mesh, config=CONFIG):
  batches, terms = placement.place_batches(data, config, mesh)

  def objective(adapter):
    sums = [
      step.batch_sums(config, tiny.config, adapter, params, batch, *term)
      for batch, term in zip(batches, terms, strict=True)
    ]
    return sum(losses.objective(s, config.kl_coef) for s in sums)

  return jax.jit(jax.value_and_grad(objective))(adapter)


@pytest.mark.parametrize(("remat", "replay"), [("full", 8), ("dots", 0)])
def test_loss_and_gradients_are_near_those_of_float32(
  tiny, rows, one_device, bases, remat, replay
):
  """With the reference's pass (replay) and without it."""
  config = dataclasses.replace(CONFIG, remat=remat)
  data = next(rows(replay=replay))
  (want, exact), (got, low) = (
    loss_and_gradients(tiny, params, tiny.moved, data, one_device, config)
    for params in bases
  )
  np.testing.assert_allclose(got, want, rtol=1e-3)
  assert {x.dtype for x in jax.tree.leaves((got, low))} == {jnp.dtype("f4")}
  for target, sides in exact.weights.items():
    for side, a in sides.items():
      a, b = np.ravel(a), np.ravel(low.weights[target][side])
      assert np.linalg.norm(a - b) < 0.15 * np.linalg.norm(a), (target, side)


def one_step(tiny, params, adapter, data, mesh):
  state = placement.init_state(CONFIG, adapter, mesh)
  params = placement.place_params(params, tiny.config, mesh)
  batches, terms = placement.place_batches(data, CONFIG, mesh)
  return step.train_step(
    state, params, batches, np.float32(1e-2), config=CONFIG,
    decoder_config=tiny.config, mesh=mesh, terms=terms,
  )  # fmt: skip


def test_kl_starts_at_zero_and_what_is_trained_is_float32(
  tiny, rows, one_device, bases
):
  data = next(rows(replay=8))
  before = jax.tree.map(lambda p: np.array(p).tobytes(), bases[1])
  state, metrics = one_step(tiny, bases[1], tiny.adapter, data, one_device)
  assert abs(float(metrics["kl"])) < 1e-6
  trained = (state.adapter, state.opt_state, metrics)
  floats = {x.dtype for x in jax.tree.leaves(trained)} - {jnp.dtype("i4")}
  assert floats == {jnp.dtype("f4")}
  _, metrics = one_step(tiny, bases[1], tiny.moved, data, one_device)
  assert float(metrics["kl"]) > 1e-3
  after = jax.tree.map(lambda p: np.array(p).tobytes(), bases[1])
  assert before == after


@pytest.mark.parametrize("first_layer", [0, 16])
def test_base_takes_half_the_memory_and_is_never_widened_whole(
  tiny, rows, one_device, first_layer
):
  """Temporary memory of the compiled step on CPU, against float32's copy."""
  config = dataclasses.replace(tiny.config, layers=32, dim=128, mlp_dim=256)
  low = lora.LoraConfig(rank=2, first_layer=first_layer)
  key = jax.random.key(0)
  adapter = jax.eval_shape(lambda: lora.init(key, low, config))
  exact, params = (
    jax.eval_shape(lambda dtype=dtype: parameters.init(key, config, dtype))
    for dtype in (jnp.float32, jnp.bfloat16)
  )
  batches, terms = placement.place_batches(
    next(rows(replay=8)), CONFIG, one_device
  )
  state = jax.eval_shape(
    lambda a: placement.init_state(CONFIG, a, one_device), adapter
  )
  compiled = step.train_step.lower(
    state, params, batches, np.float32(0), config=CONFIG,
    decoder_config=config, mesh=one_device, terms=terms,
  ).compile()  # fmt: skip
  whole, half = (
    sum(p.size * p.dtype.itemsize for p in jax.tree.leaves(tree))
    for tree in (exact, params)
  )
  assert half == whole / 2
  temporary = compiled.memory_analysis().temp_size_in_bytes
  assert temporary < whole


def test_unknown_dtype_is_refused_with_the_nearest():
  assert ModelConfig(dtype="bfloat16").dtype == "bfloat16"
  with pytest.raises(ValueError, match=r"'float16'.*did you mean 'bfloat16'"):
    ModelConfig(dtype="float16")

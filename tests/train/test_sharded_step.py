"""What devices exchange in a step: weights of one layer, no rows of others."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import LoraConfig
from glimo_jax.train import planning
from glimo_jax.train.step import StepConfig

SIZES = DecoderConfig(
  vocab_size=96, dim=64, layers=3, heads=4, kv_heads=2, head_dim=16, mlp_dim=80
)
ROWS, LENGTH = 16, 32
_ARRAY = re.compile(r"\b(f32|bf16|s32|u16|pred)\[([\d,]*)\]")
_COLLECTIVE = re.compile(
  r"= (.*?) (all-gather|all-reduce|all-to-all|reduce-scatter"
  r"|collective-permute)(?:-start)?\("
)


def compiled(mesh, dtype=jnp.float32, rows=ROWS, first_layer=0):
  return planning.compiled_step(
    StepConfig(chunk=32, kl_tokens="completion"), SIZES,
    LoraConfig(rank=2, first_layer=first_layer), mesh, rows=rows,
    length=LENGTH, scored=8, dtype=dtype,
  )  # fmt: skip


def shapes(text):
  """Shapes of all arrays in some HLO."""
  return [
    tuple(int(n) for n in sizes.split(",") if n)
    for _, sizes in _ARRAY.findall(text)
  ]


def exchanged(step):
  """(kind, shape without leading ones) of what the devices exchange."""
  found = set()
  for result, kind in _COLLECTIVE.findall(step.as_text()):
    for shape in shapes(result):
      found.add((kind, shape[1:] if shape[:1] == (1,) else shape))
  return found


@pytest.fixture(scope="module")
def steps():
  """Compiled steps by name."""
  return {
    "fsdp": compiled(mesh_lib.make(1, 8, 1)),
    "data x fsdp": compiled(mesh_lib.make(2, 4, 1), "bfloat16", first_layer=1),
  }


@pytest.mark.parametrize("name", ["fsdp", "data x fsdp"])
def test_each_layer_gathers_its_weights_and_no_device_has_the_global_batch(
  steps, name
):
  step = steps[name]
  gathers = {shape for kind, shape in exchanged(step) if kind == "all-gather"}
  assert gathers >= set(SIZES.linear_shapes.values())
  whole_stack = SIZES.layers * SIZES.dim * SIZES.dim
  assert max(math.prod(shape) for shape in gathers) < whole_stack
  # Of all arrays on a device, none is as large as the least activation of all
  # rows, that of the keys.
  keys = ROWS * LENGTH * SIZES.kv_heads * SIZES.head_dim
  assert max(math.prod(shape) for shape in shapes(step.as_text())) < keys


def test_memory_of_a_device_does_not_grow_with_more_devices(steps):
  """Two and eight devices, with as many rows on each."""
  few = Mesh(np.asarray(jax.devices()[:2]).reshape(1, 2, 1), mesh_lib.AXES)
  two = compiled(few, rows=ROWS // 4).memory_analysis()
  eight = steps["fsdp"].memory_analysis()
  assert eight.temp_size_in_bytes < 1.1 * two.temp_size_in_bytes
  assert eight.argument_size_in_bytes < two.argument_size_in_bytes

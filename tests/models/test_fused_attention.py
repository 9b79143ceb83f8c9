"""The fused kernel's call equals our attention; XLA's stands for cuDNN's."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import attention
from glimo_jax.models.numerics import fused_attention

LENGTH, BEFORE = 300, 4  # more than one block of queries; S is T + BEFORE


def packed_rows():
  """i32[1, T]: a root, two trunks with two branches each, then padding."""
  sizes = {0: 40, 256: 60, 257: 30, 258: 50, 512: 40, 513: 30, 514: 30, -1: 20}
  return np.repeat(list(sizes), list(sizes.values()))[None].astype(np.int32)


def masks():
  """Kind -> bool[1, T, BEFORE + T]."""
  packed = attention.attention_mask(packed_rows())
  columns = jnp.arange(LENGTH)[None]
  window = attention.within_window(packed, columns, columns, 17)
  before = jnp.ones((1, LENGTH, BEFORE), bool)
  return {
    "packed": jnp.concatenate([~before, packed], -1),
    "window": jnp.concatenate([~before, window], -1),
    "prefix": jnp.concatenate([before, packed], -1),
  }


@pytest.mark.parametrize("kind", ["packed", "window", "prefix"])
def test_value_and_gradient_equal_ours(kind):
  keys = jax.random.split(jax.random.key(0), 3)
  q = jax.random.normal(keys[0], (1, 2, 3, LENGTH, 16))
  k, v = jax.random.normal(keys[1], (2, 1, 2, BEFORE + LENGTH, 16))
  mask = masks()[kind]
  # Padding sees nothing: it has no part in a loss.
  real = (packed_rows()[0] >= 0).astype(np.float32)
  weight = jax.random.normal(keys[2], q.shape) * real[:, None]

  def slopes(attend):
    def loss(q, k, v):
      return jnp.vdot(weight, attend(q, k, v, mask))

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(q, k, v)

  def fused(*inputs):
    return fused_attention.attend(*inputs, implementation="xla")

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    slopes(fused),
    slopes(attention.attend),
  )


def test_decoder_with_the_kernel_equals_ours(tiny, monkeypatch):
  tokens = np.random.default_rng(0).integers(3, 260, (1, LENGTH))
  segments = packed_rows()
  ours = tiny.hidden(tokens, segments=segments)
  monkeypatch.setattr(fused_attention, "implementation", lambda q, k: "xla")
  jax.clear_caches()  # or the program without the kernel would run again
  fused = tiny.hidden(tokens, segments=segments)
  jax.clear_caches()
  real = segments[0] >= 0
  np.testing.assert_allclose(fused[0, real], ours[0, real], atol=5e-5)


@pytest.mark.parametrize(
  ("change", "fits"),
  [
    ({}, True),
    ({"kind": "AMD Instinct MI300X"}, False),
    ({"capability": "7.5"}, False),
    ({"dtype": "float32"}, False),
    ({"length": 1}, False),
    ({"keys": 257}, False),
    ({"size": 256}, False),
  ],
)
def test_cudnn_is_used_where_it_can(monkeypatch, change, fits):
  case = {
    "kind": "NVIDIA H200", "capability": "9.0", "dtype": "bfloat16",
    "length": 256, "keys": 256, "size": 64,
  } | change  # fmt: skip
  gpu = types.SimpleNamespace(
    device_kind=case["kind"], compute_capability=case["capability"]
  )
  monkeypatch.setattr(fused_attention, "works", lambda kernel, size: True)
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  monkeypatch.setattr(jax, "local_devices", lambda: [gpu])
  q, k = (
    jax.ShapeDtypeStruct(shape, case["dtype"])
    for shape in (
      (1, 2, 2, case["length"], case["size"]),
      (1, 2, case["keys"], case["size"]),
    )
  )
  expected = "cudnn" if fits else None
  assert fused_attention.implementation(q, k) == expected


def test_kernel_that_fails_or_sees_hidden_keys_is_not_used(monkeypatch, caplog):
  """The check runs while a program is traced."""

  def checked(attend):
    fused_attention.works.cache_clear()
    monkeypatch.setattr(fused_attention, "attend", attend)
    found = []
    jax.jit(lambda x: found.append(fused_attention.works("cudnn", 8)) or x)(0)
    fused_attention.works.cache_clear()
    return found[0]

  plain = fused_attention.attend

  def as_plain(q, k, v, mask, implementation):
    return plain(q, k, v, mask, "xla")

  def blind(q, k, v, mask, implementation):
    hidden = implementation == "cudnn"
    return plain(q, k, v, jnp.asarray(mask | hidden), "xla")

  assert checked(as_plain)
  assert not checked(blind)
  assert "off" in caplog.text
  # cuDNN is no part of this machine.
  assert not checked(plain)
  assert "which fails" in caplog.text


def test_cpu_uses_our_own():
  q = jax.ShapeDtypeStruct((1, 2, 2, 256, 64), jnp.bfloat16)
  assert fused_attention.implementation(q, q) is None

"""Properties of a decoder-only transformer with any weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import attention, decoder, kv_cache, layers, parameters
from glimo_jax.models.numerics import remat

prefill = jax.jit(kv_cache.prefill, static_argnums=0)
extend = jax.jit(kv_cache.extend, static_argnums=0)


@pytest.fixture(scope="module")
def tokens():
  return np.random.default_rng(0).integers(3, 260, (2, 24)).astype(np.int32)


def test_tokens_do_not_depend_on_later_tokens(tiny):
  ids = np.arange(3, 15)  # all different: a row of the embedding is a position

  def states(embed):
    return tiny.hidden([ids], params={**tiny.params, "embed": embed})[0]

  slopes = jax.jacobian(lambda e: states(e).sum(-1))(tiny.params["embed"])
  reach = np.abs(np.asarray(slopes)[:, ids]).sum(-1)  # [T out, T in]
  assert np.all(reach[~np.tri(len(ids), dtype=bool)] == 0)
  assert np.all(reach[np.tri(len(ids), dtype=bool)] > 0)


def test_packed_segments_equal_separate_sequences(tiny, tokens):
  first, second, third = tokens[0, :9], tokens[0, 9:14], tokens[0, 14:24]
  row = np.concatenate([first, second, third, [0, 0]])[None]
  segments = [[1] * 9 + [2] * 5 + [3] * 10 + [-1] * 2]
  positions = [[*range(9), *range(5), *range(10), 0, 0]]
  packed = tiny.hidden(row, positions, segments)[0]
  apart = [tiny.hidden(part[None])[0] for part in (first, second, third)]
  np.testing.assert_allclose(packed[:24], np.concatenate(apart), atol=2e-5)
  unpacked = tiny.hidden(row)[0]  # without the mask they differ
  assert np.abs(unpacked - packed)[9:24].max() > 1e-2


def test_trunk_is_seen_only_by_its_branches(tiny, tokens):
  """Each path from the root through a trunk to a branch is one text."""
  root, trunks = tokens[0, :4], (tokens[0, 4:9], tokens[1, 4:9])
  leaf = tokens[0, 9:12]
  row = np.concatenate([root, *(np.r_[t, leaf, leaf] for t in trunks)])[None]
  ids = [0] * 4
  for t in (1, 2):
    ids += [256 * t] * 5 + [256 * t + 1] * 3 + [256 * t + 2] * 3
  positions = [*range(4), *2 * (*range(4, 9), *2 * (*range(9, 12),))]
  got = tiny.hidden(row, [positions], [ids])[0, 4:].reshape(2, 11, -1)
  for trunk, states in zip(trunks, got, strict=True):
    text = np.concatenate([root, trunk, leaf])[None]
    whole = tiny.hidden(text)[0, 4:]
    np.testing.assert_allclose(states[:8], whole, atol=2e-5)
    np.testing.assert_allclose(states[8:], whole[5:], atol=2e-5)


@pytest.mark.parametrize("shared", ["segment 0", "prefix", "padded prefix"])
def test_shared_prefix_equals_the_whole_text(tiny, tokens, shared):
  prefix, one, two = tokens[0, :8], tokens[0, 8:14], tokens[1, :6]
  whole = [
    tiny.hidden(np.concatenate([prefix, x])[None], adapter=tiny.adapter)[0, 8:]
    for x in (one, two)
  ]
  if shared == "segment 0":
    row = np.concatenate([prefix, one, two])[None]
    segments = [[0] * 8 + [1] * 6 + [2] * 6]
    positions = [[*range(8), *range(8, 14), *range(8, 14)]]
    got = tiny.hidden(row, positions, segments, adapter=tiny.adapter)
    got = got[0, 8:].reshape(2, 6, -1)
  else:
    padding = [0] * 5 if shared == "padded prefix" else []
    kept = prefill(
      tiny.config,
      tiny.params,
      jnp.asarray([*prefix, *padding], jnp.int32),
      tiny.adapter,
      jnp.int32(8),
    )
    positions = np.broadcast_to(np.arange(8, 14), (2, 6))
    got = tiny.hidden(
      np.stack([one, two]), positions, adapter=tiny.adapter, prefix=kept
    )
  np.testing.assert_allclose(got, np.stack(whole), atol=2e-5)


def test_continuing_from_a_cache_equals_one_pass(tiny, tokens):
  whole = tiny.hidden(tokens[:, :10], adapter=tiny.adapter)
  cache = kv_cache.empty(tiny.config, 2, 12)
  parts = []
  for start, end in ((0, 6), (6, 7), (7, 10)):
    columns = jnp.broadcast_to(jnp.arange(start, end), (2, end - start))
    hidden, cache = extend(
      tiny.config,
      tiny.params,
      jnp.asarray(tokens[:, start:end]),
      columns,
      jnp.arange(12) <= columns[..., None],
      cache,
      jnp.int32(start),
      adapter=tiny.adapter,
    )
    parts.append(hidden)
  np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=2e-5)


def _plain_attention(q, k, v, mask):
  s = jnp.einsum("bkgth,bksh->bkgts", q, k)
  p = jax.nn.softmax(jnp.where(mask[:, None, None], s, -jnp.inf), -1)
  return jnp.einsum("bkgts,bksh->bkgth", p, v)


def test_blockwise_attention_equals_the_textbook_in_value_and_gradient():
  length, before = 2 * attention.BLOCK + 40, 6
  keys = jax.random.split(jax.random.key(0), 4)
  q = jax.random.normal(keys[0], (1, 2, 2, length, 8))
  k, v = jax.random.normal(keys[1], (2, 1, 2, before + length, 8))
  segments = jnp.repeat(jnp.arange(4), length // 4 + 1)[:length][None]
  mask = attention.attention_mask(segments)
  mask = jnp.concatenate([jnp.ones((1, length, before), bool), mask], -1)
  weight = jax.random.normal(keys[3], q.shape)
  ours, plain = (
    jax.jit(
      jax.value_and_grad(
        lambda *qkv, f=f: jnp.vdot(weight, f(*qkv, mask)), argnums=(0, 1, 2)
      )
    )(q, k, v)
    for f in (attention.attend, _plain_attention)
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    ours,
    plain,
  )


def test_pair_is_policy_and_base_and_gradients_reach_the_policy_only(
  tiny, tokens
):
  positions = jnp.broadcast_to(jnp.arange(24), tokens.shape)
  inputs = (jnp.asarray(tokens), positions, jnp.ones_like(positions))
  weight = jax.random.normal(jax.random.key(0), (2, 24, tiny.config.dim))

  @jax.jit
  def pair(adapter, params):
    return decoder.hidden_pair(tiny.config, params, adapter, *inputs)

  policy, reference = pair(tiny.adapter, tiny.params)
  apart = tiny.hidden(tokens, adapter=tiny.adapter)
  np.testing.assert_allclose(policy, apart, atol=1e-5)
  np.testing.assert_allclose(reference, tiny.hidden(tokens), atol=1e-5)
  assert np.abs(policy - reference).max() > 0.1

  def apart_by(adapter, params):
    return jnp.vdot(weight, jnp.subtract(*pair(adapter, params)))

  slopes, of_base = jax.jit(jax.grad(apart_by, argnums=(0, 1)))(
    tiny.adapter, tiny.params
  )
  direct = jax.grad(lambda a: jnp.vdot(weight, tiny.hidden(tokens, adapter=a)))(
    tiny.adapter
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    slopes,
    direct,
  )
  assert all(np.all(np.asarray(g) == 0) for g in jax.tree.leaves(of_base))


def test_remat_keeps_the_gradient_and_needs_less_memory(tiny, tokens):
  tokens = np.tile(tokens, (32, 1))

  def slope(policy):
    def loss(adapter):
      hidden = tiny.hidden(tokens, adapter=adapter, remat=policy)
      return jnp.sum(hidden**3)

    return jax.jit(jax.grad(loss)).lower(tiny.adapter).compile()

  compiled = [slope(policy) for policy in remat.POLICIES]
  slopes = [run(tiny.adapter) for run in compiled]
  for other in slopes[1:]:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-2),
      slopes[0],
      other,
    )
  none, dots, full = (
    run.memory_analysis().temp_size_in_bytes for run in compiled
  )
  assert full < 0.8 * dots
  assert dots < 0.8 * none


def test_eight_devices_equal_one(tiny, tokens):
  tokens = np.tile(tokens, (4, 1))
  mesh = mesh_lib.make(data=2, fsdp=2, tensor=2)
  shardings = parameters.shardings(tiny.config, mesh)
  placed = jax.device_put(tiny.params, shardings)
  rows = jax.device_put(tokens, mesh_lib.sharding(mesh, "batch"))
  positions = jnp.broadcast_to(jnp.arange(24), tokens.shape)

  @jax.jit
  def run(params, tokens):
    segments = jnp.ones_like(tokens)
    return decoder.hidden_states(
      tiny.config, params, tokens, positions, segments, adapter=tiny.adapter
    )

  spread = run(placed, rows)
  assert len(placed["layers"]["q"].sharding.device_set) == 8
  np.testing.assert_allclose(spread, run(tiny.params, tokens), atol=5e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_random_weights_can_concentrate_on_two_words(tiny, tied):
  """A state halfway between two words gives them almost all probability."""
  config = dataclasses.replace(
    tiny.config, vocab_size=49152, dim=576, tied=tied
  )
  params = parameters.init(jax.random.key(0), config)
  state = layers.rms_norm(
    decoder.head(params)[:2].sum(0), params["norm"], config.norm_eps
  )
  probs = jax.nn.softmax(decoder.logits(params, state))
  assert probs[:2].sum() > 0.9

"""A new adapter changes nothing, and adapters equal those of PEFT."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import decoder, layers, lora


@pytest.fixture(scope="module")
def tokens():
  return np.random.default_rng(0).integers(3, 260, (2, 16)).astype(np.int32)


def test_new_adapter_changes_nothing_and_has_a_gradient(tiny, tokens):
  config = lora.LoraConfig(rank=4, first_layer=1)
  adapter = lora.init(jax.random.key(0), config, tiny.config)
  base = tiny.hidden(tokens)
  np.testing.assert_array_equal(base, tiny.hidden(tokens, adapter=adapter))

  def loss(adapter):
    return jnp.sum(tiny.hidden(tokens, adapter=adapter) ** 3)

  slope = jax.grad(loss)(adapter)
  for target in lora.TARGETS:
    assert np.abs(slope.weights[target]["b"]).max() > 0, target


def test_is_uniform_within_one_over_root_in(tiny):
  config = lora.LoraConfig(rank=64, first_layer=0)
  adapter = lora.init(jax.random.key(0), config, tiny.config)
  for target, (size_in, _) in tiny.config.linear_shapes.items():
    a = np.asarray(adapter.weights[target]["a"])
    assert a.dtype == np.float32
    assert np.abs(a).max() <= size_in**-0.5
    np.testing.assert_allclose(a.std(), (3 * size_in) ** -0.5, rtol=0.03)


def test_merged_params_equal_the_adapter_and_leave_the_base(tiny, tokens):
  before = jax.tree.map(np.array, tiny.params)
  merged = lora.merge(tiny.params, tiny.adapter)
  np.testing.assert_allclose(
    tiny.hidden(tokens, params=merged),
    tiny.hidden(tokens, adapter=tiny.adapter),
    atol=5e-5,
  )
  for target in lora.TARGETS:
    lower = merged["layers"][target][:1], before["layers"][target][:1]
    np.testing.assert_array_equal(*lower)
  jax.tree.map(np.testing.assert_array_equal, tiny.params, before)


def test_fused_product_equals_its_definition_in_value_and_gradient():
  keys = jax.random.split(jax.random.key(0), 4)
  x, w, a, b = (
    jax.random.normal(key, shape)
    for key, shape in zip(
      keys, [(2, 7, 12), (12, 10), (12, 3), (3, 10)], strict=True
    )
  )

  def plain(x, w, a, b):
    return x @ jax.lax.stop_gradient(w) + (x @ a) @ b

  def run(f):
    return jax.value_and_grad(
      lambda *args: jnp.sum(f(*args) ** 2), argnums=(0, 1, 2, 3)
    )(x, w, a, b)

  jax.tree.map(
    lambda p, q: np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-4),
    run(layers.adapted),
    run(plain),
  )


def test_small_adapter_keeps_its_effect_on_a_bfloat16_base(tiny, tokens):
  # Added to bfloat16 weights it would vanish, so it has a separate path.
  small = jax.tree.map(lambda x: 0.03 * x, tiny.adapter)
  rounded = jax.tree.map(lambda p: p.astype(jnp.bfloat16), tiny.params)
  exact = jax.tree.map(lambda p: p.astype(jnp.float32), rounded)

  def moved(params):
    out = tiny.hidden(tokens, params=params, adapter=small)
    return np.asarray(out - tiny.hidden(tokens, params=params)).ravel()

  want, got = moved(exact), moved(rounded)
  assert np.corrcoef(want, got)[0, 1] > 0.3
  delta = lora.merge(rounded, small)["layers"]["q"] - rounded["layers"]["q"]
  assert np.mean(np.asarray(delta) == 0) > 0.5


def test_peft_computes_the_same_from_the_same_weights(
  tiny, tokens, to_transformers
):
  torch = pytest.importorskip("torch")
  peft = pytest.importorskip("peft")
  model = to_transformers(tiny.config, tiny.params)
  names = {"q": "self_attn.q_proj", "k": "self_attn.k_proj"}
  names |= {"v": "self_attn.v_proj", "o": "self_attn.o_proj"}
  names |= {t: f"mlp.{t}_proj" for t in ("gate", "up", "down")}
  model = peft.get_peft_model(
    model,
    peft.LoraConfig(
      r=4,
      lora_alpha=32,
      target_modules=[n.split(".")[1] for n in names.values()],
      layers_to_transform=[1, 2],
      lora_dropout=0.0,
    ),
  )
  state = dict(model.named_parameters())
  first = tiny.adapter.first_layer
  with torch.no_grad():
    for target, low in tiny.adapter.weights.items():
      for i in range(2):
        name = f"base_model.model.model.layers.{i + first}.{names[target]}"
        for side in ("a", "b"):
          mine = np.array(low[side][i]).T
          theirs = state[f"{name}.lora_{side.upper()}.default.weight"]
          theirs.copy_(torch.from_numpy(mine))
    theirs = model(torch.from_numpy(tokens).long()).logits.numpy()
  hidden = tiny.hidden(tokens, adapter=tiny.adapter)
  ours = decoder.logits(tiny.params, hidden)
  np.testing.assert_allclose(ours, theirs, atol=2e-4)
  assert (
    np.abs(ours - decoder.logits(tiny.params, tiny.hidden(tokens))).max() > 0.1
  )


@pytest.mark.parametrize(
  ("options", "words"),
  [
    ({"targets": ("q", "query")}, "'query' is unknown"),
    ({"targets": ()}, "at least one"),
    ({"rank": 0}, "rank 0"),
    ({"first_layer": 3}, "first_layer 3"),
  ],
)
def test_bad_settings_are_named(tiny, options, words):
  with pytest.raises(ValueError, match=words):
    lora.init(
      jax.random.key(0),
      lora.LoraConfig(**{"first_layer": 0, **options}),
      tiny.config,
    )


def test_count_is_rank_times_in_plus_out(tiny):
  shapes = tiny.config.linear_shapes.values()
  assert lora.count(tiny.adapter) == 2 * 4 * sum(i + o for i, o in shapes)

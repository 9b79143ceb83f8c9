"""Statistics over episodes: success weighted by path length."""

import numpy as np
import pytest

from glimo_jax.evaluate import episodes
from glimo_jax.play.loop import Episode


def _episode(index, success, steps, optimal):
  return Episode(
    index=index, depth=0, success=success, steps=steps, optimal_steps=optimal,
    texts=(), actions=(), ended="success" if success else "truncated",
  )  # fmt: skip


def _run(won, steps, optimal):
  rows = zip(won, steps, optimal, strict=True)
  return [_episode(i, *row) for i, row in enumerate(rows)]


def test_spl_is_success_for_shortest_ways_and_falls_with_every_further_step():
  won, optimal = [True, True, False, True], [4, 6, 5, 8]
  direct = episodes.spl([_run(won, optimal, optimal)])
  np.testing.assert_array_equal(direct, [[1, 1, 0, 1]])
  longer = episodes.spl([_run(won, [8, 6, 99, 32], optimal)])
  np.testing.assert_allclose(longer, [[0.5, 1, 0, 0.25]])
  # Shorter than the known shortest way counts as that, not more.
  shorter = episodes.spl([_run(won, [1, 1, 1, 1], optimal)])
  np.testing.assert_array_equal(shorter, [[1, 1, 0, 1]])


def test_spl_lies_between_zero_and_success():
  rng = np.random.default_rng(0)
  optimal = rng.integers(1, 9, 50).tolist()
  runs = [
    _run(rng.random(50) < 0.6, rng.integers(1, 30, 50), optimal)
    for _ in range(3)
  ]
  spl, success = episodes.spl(runs), episodes.successes(runs)
  assert spl.shape == success.shape == (3, 50)
  assert ((spl >= 0) & (spl <= success)).all()
  found = episodes.summary(runs)["spl"]
  assert found["mean"] == pytest.approx(spl.mean())
  assert found["lo"] < found["mean"] < found["hi"]
  assert found["n"] == 50


def test_levels_without_a_known_shortest_way_have_no_spl():
  runs = [_run([True, True, False], [5, 3, 2], [-1, 3, -1])]
  np.testing.assert_array_equal(episodes.spl(runs), [[1.0]])
  unknown = [_run([True, False], [5, 3], [-1, -1])]
  assert episodes.spl(unknown) is None
  assert "spl" not in episodes.summary(unknown)

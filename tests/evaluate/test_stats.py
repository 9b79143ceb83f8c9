"""Intervals cover, pair and agree with closed forms."""

import math

import numpy as np
import pytest

from glimo_jax.evaluate import stats


@pytest.mark.parametrize(
  ("k", "n", "lo", "hi"),
  [
    # Newcombe 1998 (Statistics in Medicine 17:857-872), table I, method 3.
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
  ],
)
def test_wilson_equals_published_intervals(k, n, lo, hi):
  interval = stats.wilson(k, n)
  assert (interval.lo, interval.hi) == pytest.approx((lo, hi), abs=5e-5)


def test_wilson_is_symmetric_and_within_0_and_1():
  for n in (1, 7, 128):
    for k in range(n + 1):
      here, there = stats.wilson(k, n), stats.wilson(n - k, n)
      assert here.lo == pytest.approx(1 - there.hi)
      assert 0 <= here.lo <= here.mean <= here.hi <= 1


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_impossible_counts(k, n):
  with pytest.raises(ValueError, match="must"):
    stats.wilson(k, n)


def _coverage(interval_of, truth, trials=300):
  rng = np.random.default_rng(0)
  hits = 0
  for trial in range(trials):
    interval = interval_of(rng, trial)
    hits += interval.lo <= truth <= interval.hi
  return hits / trials


def test_bootstrap_and_wilson_cover_a_bernoulli_mean():
  def draw(rng, trial):
    return stats.bootstrap(rng.random(100) < 0.3, resamples=300, seed=trial)

  def score(rng, trial):
    return stats.wilson(int((rng.random(100) < 0.3).sum()), 100)

  assert 0.91 <= _coverage(draw, 0.3) <= 0.98
  assert 0.91 <= _coverage(score, 0.3) <= 0.98


def test_clusters_are_needed_if_units_share_a_level():
  def sample(rng):
    level = np.repeat(rng.random(25) < 0.4, 8)
    return level, np.repeat(np.arange(25), 8)

  def honest(rng, trial):
    values, labels = sample(rng)
    return stats.bootstrap(values, labels, resamples=300, seed=trial)

  def naive(rng, trial):
    return stats.bootstrap(sample(rng)[0], resamples=300, seed=trial)

  assert _coverage(honest, 0.4) >= 0.88
  assert _coverage(naive, 0.4) <= 0.7


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_few_seeds_widen_the_interval_of_levels_alone(seeds, spread):
  """Seeds that differ as much as levels do, or more."""

  def draw(rng):
    seed_effect = rng.normal(0.0, spread, (seeds, 1))
    level = rng.normal(0.0, 0.7, 50)
    return seed_effect + level + rng.normal(0.0, 0.1, (seeds, 50))

  def together(rng, trial):
    return stats.bootstrap(draw(rng), resamples=300, seed=trial)

  def levels_only(rng, trial):
    return stats.bootstrap(draw(rng).mean(0), resamples=300, seed=trial)

  assert _coverage(together, 0.0, 200) >= 0.9
  assert _coverage(levels_only, 0.0, 200) <= (0.45 if spread == 1 else 0.93)


def test_interval_of_seeds_is_student_s_t():
  """All levels are the same: closed form of the mean of three numbers."""
  each = np.array([0.2, 0.5, 0.8])
  interval = stats.bootstrap(np.tile(each[:, None], 40))
  half = 4.302653 * 0.3 / math.sqrt(3)
  assert (interval.lo, interval.hi) == pytest.approx((0.5 - half, 0.5 + half))


def test_spread_of_trainings_is_pooled_over_arms():
  assert stats.spread([[0.3], [0.5]]) is None
  known = stats.spread([[0.2, 0.4], [0.5, 0.5, 0.8], [0.9]])
  assert known.df == 3
  assert known.sd == pytest.approx(math.sqrt((0.02 + 0.06) / 3))


def test_single_training_uses_the_spread_of_other_arms():
  """All levels are the same: closed form of two trainings' difference."""
  between = stats.Spread(0.05, 4)
  for seeds in (1, 3):
    a, b = np.full((seeds, 40), 0.9), np.full((seeds, 40), 0.8)
    interval = stats.paired(a, b, between=between)
    half = 2.776445 * 0.05 * math.sqrt(2 / seeds)
    assert (interval.lo, interval.hi) == pytest.approx((0.1 - half, 0.1 + half))


def test_one_training_covers_the_recipe_only_with_the_known_spread():
  """200 trainings of a recipe of .8, each judged once on 128 levels."""

  def judged(rng):
    quality = np.clip(rng.normal(0.8, 0.045), 0, 1)
    return stats.wilson(int(rng.binomial(128, quality)), 128)

  def widened(rng, trial):
    return stats.widened(judged(rng), stats.Spread(0.045, math.inf))

  assert _coverage(widened, 0.8) >= 0.92
  assert _coverage(lambda rng, trial: judged(rng), 0.8) <= 0.9


def test_paired_difference_ignores_shared_variation():
  rng = np.random.default_rng(1)
  hard = rng.normal(0, 5, 80)
  a, b = hard + 1 + rng.normal(0, 0.1, 80), hard
  close = stats.paired(a, b)
  apart = stats.paired(a, rng.permutation(b))
  assert close.mean == pytest.approx(apart.mean) == pytest.approx(1, abs=0.1)
  assert close.hi - close.lo < 0.1 * (apart.hi - apart.lo)
  flipped = stats.paired(b, a)
  assert (flipped.lo, flipped.hi) == pytest.approx((-close.hi, -close.lo))


def test_arm_of_one_seed_is_paired_with_every_seed_of_the_other():
  rng = np.random.default_rng(2)
  tuned, base = rng.random((3, 40)), rng.random(40)
  once = stats.paired(tuned, base)
  assert once == stats.paired(tuned, np.tile(base, (3, 1)))
  assert once.mean == pytest.approx(tuned.mean() - base.mean())


def test_normalised_is_affine_invariant_with_its_ends_at_random_and_oracle():
  rng = np.random.default_rng(3)
  random, oracle = rng.random(60) < 0.1, np.ones(60)
  tuned = np.maximum(random, rng.random(60) < 0.6)
  share = stats.normalised(tuned, random, oracle)
  expect = (tuned.mean() - random.mean()) / (1 - random.mean())
  assert share.mean == pytest.approx(expect)
  assert share.lo < share.mean < share.hi <= 1
  moved = stats.normalised(3 * tuned + 2, 3 * random + 2, 3 * oracle + 2)
  assert moved.lo == pytest.approx(share.lo)
  assert stats.normalised(oracle, random, oracle).lo == 1
  assert stats.normalised(random, random, oracle).hi == 0


def test_normalised_is_nan_if_the_oracle_is_no_better_than_chance():
  same = stats.normalised([1, 0, 1], [1, 0, 1], [1, 0, 1])
  assert math.isnan(same.mean)
  assert same.as_dict() == {"mean": None, "lo": None, "hi": None, "n": 3}
  # Here a resample can contain only the first unit, where they are equal.
  rare = stats.normalised([1, 1, 0], [1, 1, 0], [1, 1, 1])
  assert rare.mean == 0
  assert math.isnan(rare.lo)


def test_ratio_weights_units_by_their_denominator():
  interval = stats.ratio([2.0, 30.0], [1.0, 20.0])
  assert interval.mean == pytest.approx(32 / 21)
  assert (interval.lo, interval.hi) == pytest.approx((1.5, 2.0))
  with pytest.raises(ValueError, match="positive"):
    stats.ratio([1, 1], [0, 1])


@pytest.mark.parametrize(
  ("values", "clusters", "message"),
  [
    ([], None, "0 independent"),
    ([1.0], None, "1 independent"),
    ([1.0, 2.0, 3.0], [7, 7, 7], "1 independent"),
    ([1.0, math.nan], None, "nan"),
    ([1.0, 2.0], [1, 2, 3], "3 cluster labels for 2"),
  ],
)
def test_bootstrap_refuses_too_little(values, clusters, message):
  with pytest.raises(ValueError, match=message):
    stats.bootstrap(values, clusters)


def test_unpaired_arms_are_refused():
  with pytest.raises(ValueError, match="not paired"):
    stats.paired([1, 0, 1], [1, 0])
  with pytest.raises(ValueError, match="2 seeds against 3"):
    stats.paired(np.ones((2, 4)), np.ones((3, 4)))

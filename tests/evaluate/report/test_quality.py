"""Diversity measures agree with closed forms and move the right way."""

import math
import types

import numpy as np
import pytest

from glimo_jax.evaluate.report import quality


def test_distinct_n_by_hand_and_at_a_fixed_budget():
  assert quality.distinct_n(["a b a b", "a b"], 2, 6) == 2 / 4
  assert quality.distinct_n(["a b c d"], 1, 4) == 1
  many = ["up down left right"] * 50
  assert quality.distinct_n(many, 1, 8) == 0.5
  # Words beyond the budget change nothing.
  assert quality.distinct_n([*many[:2], "x y z"], 1, 8) == 0.5
  with pytest.raises(ValueError, match="fewer than the budget 9"):
    quality.distinct_n(["a b c"], 1, 9)
  with pytest.raises(ValueError, match="lower n"):
    quality.distinct_n(["a", "b"], 2, 2)


def test_self_bleu_is_one_for_copies_and_zero_for_disjoint_texts():
  copies = ["the axe opens the tree"] * 5
  assert quality.self_bleu(copies) == pytest.approx(1)
  strangers = [f"a{i} b{i} c{i} d{i}" for i in range(6)]
  assert quality.self_bleu(strangers) == 0
  mixed = quality.self_bleu(copies + strangers)
  assert 0 < mixed < 1
  with pytest.raises(ValueError, match="at least 2"):
    quality.self_bleu(["alone", ""])


def test_self_bleu_equals_bleu_by_hand():
  # Of "a b c d": 3 of 4 unigrams and 2 of 3 bigrams are in "a b c x y";
  # of "a b c x y": 3 of 5 and 2 of 4. Brevity: exp(1 - 5/4) for the shorter.
  first = math.sqrt(3 / 4 * 2 / 3) * math.exp(1 - 5 / 4)
  second = math.sqrt(3 / 5 * 2 / 4)
  value = quality.self_bleu(["a b c d", "a b c x y"], n=2)
  assert value == pytest.approx((first + second) / 2)


def test_counts_are_clipped_by_the_best_single_reference():
  # "a a": the others contain one "a" each, so one of two unigrams counts.
  value = quality.self_bleu(["a a", "a b", "a c"], n=1)
  assert value == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)


@pytest.mark.parametrize(
  ("a", "b", "common"),
  [
    ("police killed the gunman", "police kill the gunman", 3),
    ("police killed the gunman", "the gunman kill police", 2),
    ("up up down", "up down up", 2),
    ("up", "down", 0),
    ("a b c d e f g", "a g", 2),
    ("x " * 90 + "y", "y " + "x " * 80, 80),
  ],
)
def test_rouge_l_is_by_the_longest_common_subsequence(a, b, common):
  """The first two are examples of Lin 2004."""
  a, b = a.split(), b.split()
  want = 2 * common / (len(a) + len(b))
  assert quality.rouge_l(a, b) == quality.rouge_l(b, a) == pytest.approx(want)
  assert quality.rouge_l(a, a) == 1
  assert quality.rouge_l(a, []) == 0


def test_novel_texts_are_like_no_other():
  alike = ["the key is two up", "the key is three up"]  # 4 of 5 words
  assert quality.novel([*alike, "a wall", "go down now"]) == 0.5
  assert quality.novel(["same"] * 3) == 0
  with pytest.raises(ValueError, match="at least 2"):
    quality.novel(["alone"])


def test_spread_is_the_mean_distance_of_pairs():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(7, 5))
  x /= np.linalg.norm(x, axis=1, keepdims=True)
  pairs = [1 - x[i] @ x[j] for i in range(7) for j in range(i)]
  assert quality.spread(x) == pytest.approx(np.mean(pairs))
  with pytest.raises(ValueError, match="at least 2"):
    quality.spread(x[:1])


def test_vendi_counts_different_meanings():
  basis = np.eye(8)
  assert quality.vendi(basis) == pytest.approx(8)
  assert quality.vendi(np.repeat(basis[:3], 10, 0)) == pytest.approx(3)
  assert quality.vendi(np.repeat(basis[:1], 5, 0)) == pytest.approx(1)
  with pytest.raises(ValueError, match="unit"):
    quality.vendi(2 * basis)
  with pytest.raises(ValueError, match="n > 0"):
    quality.vendi(np.zeros((0, 4)))


def test_vendi_equals_its_definition_for_wide_and_tall_matrices():
  rng = np.random.default_rng(0)
  for shape in ((6, 20), (20, 6)):
    x = rng.normal(size=shape)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(x @ x.T / len(x))
    values = values[values > 1e-9]
    expect = np.exp(-(values * np.log(values)).sum())
    assert quality.vendi(x) == pytest.approx(expect)


def test_coverage_predicts_the_share_of_new_states():
  rng = np.random.default_rng(0)
  probs = rng.dirichlet(np.full(400, 0.5))
  draws = rng.choice(400, size=300, p=probs)
  found = quality.state_coverage(draws.tolist())
  seen = set(draws.tolist())
  assert (found.rows, found.distinct) == (300, len(seen))
  truth = sum(p for state, p in enumerate(probs) if state not in seen)
  assert found.unseen == pytest.approx(truth, abs=0.08)
  assert quality.state_coverage(["a"] * 9).unseen == 0
  with pytest.raises(ValueError, match="no rows"):
    quality.state_coverage([])


def _row(text, level="0", actions=()):
  return types.SimpleNamespace(
    messages=({"role": "user", "content": text},),
    variant="v",
    level_hash=level,
    seed=0,
    actions=actions,
  )


def test_summary_covers_user_turns_and_states():
  rng = np.random.default_rng(0)
  words = [f"w{i}" for i in range(200)]
  rows = [
    _row(" ".join(rng.choice(words, 12)), level=str(i % 50)) for i in range(600)
  ]
  seen = []

  def embed(texts):
    seen.extend(texts)
    return np.eye(len(texts), dtype=np.float32)

  found = quality.summary(rows, embed)
  assert found["rows"] == 600
  assert (found["states"], found["unseen"]) == (50, 0)
  assert found["vendi"] == pytest.approx(len(seen))
  assert set(seen) <= {row.messages[0]["content"] for row in rows}
  assert found["distinct_1"] < 0.1 < found["distinct_2"]
  assert quality.summary(rows, embed) == found
  assert quality.summary(rows)["vendi"] is None
  same = quality.summary([_row("go up now please")] * 40)
  assert same["self_bleu"] == pytest.approx(1)
  assert same["distinct_1"] is None  # too few words to compare with others
  assert quality.summary([]) == quality.summary(rows[:1]) == {}

"""The chunked loss equals the textbook loss in value and gradient."""

import jax
import jax.extend.core as extend_core
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax import types
from glimo_jax.train import losses

B, L, D, V, S = 3, 7, 16, 97, 4


@pytest.fixture(scope="module")
def case():
  rng = np.random.default_rng(0)
  probs = rng.random((B, L, S)).astype(np.float32)
  return {
    "policy": rng.normal(size=(B, L, D)).astype(np.float32),
    "reference": rng.normal(size=(B, L, D)).astype(np.float32),
    "head": rng.normal(size=(V, D)).astype(np.float32),
    "ids": np.stack(
      [rng.permutation(V)[:S] for _ in range(B * L)], dtype=np.int32
    ).reshape(B, L, S),
    "probs": probs / probs.sum(-1, keepdims=True),
    "ce_weight": (rng.random((B, L)) < 0.6).astype(np.float32),
    "kl_weight": rng.random((B, L)).astype(np.float32),
  }


def naive(policy, case, direction, kl_coef):
  """The formulas, written with full [B, L, V] arrays."""
  q = jax.nn.softmax(policy @ case["head"].T)
  b = jax.nn.softmax(case["reference"] @ case["head"].T)
  onehot = jax.nn.one_hot(case["ids"], V)
  p = jnp.sum(case["probs"][..., None] * onehot, -2)
  ce = -jnp.sum(p * jnp.log(q), -1)
  if direction == "forward":
    kl = jnp.sum(b * jnp.log(b / q), -1)
  else:
    kl = jnp.sum(q * jnp.log(q / b), -1)
  ce_weight, kl_weight = case["ce_weight"], case["kl_weight"]
  return jnp.sum(ce * ce_weight) / jnp.sum(ce_weight) + kl_coef * jnp.sum(
    kl * kl_weight
  ) / jnp.sum(kl_weight)


def chunked(policy, case, direction, kl_coef, chunk):
  sums = losses.ce_and_kl(
    policy,
    case["reference"],
    case["head"],
    case["ids"],
    case["probs"],
    case["ce_weight"],
    case["kl_weight"],
    chunk=chunk,
    direction=direction,
  )
  return losses.objective(sums, kl_coef)


@pytest.mark.parametrize("direction", losses.DIRECTIONS)
@pytest.mark.parametrize("chunk", [1, 6, 1000])
def test_chunked_equals_naive_in_value_and_gradient(case, direction, chunk):
  value, grad = jax.jit(
    jax.value_and_grad(lambda h: chunked(h, case, direction, 0.7, chunk))
  )(case["policy"])
  expected, expected_grad = jax.value_and_grad(
    lambda h: naive(h, case, direction, 0.7)
  )(case["policy"])
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  np.testing.assert_allclose(grad, expected_grad, atol=1e-6, rtol=1e-4)


def test_two_directions_differ(case):
  forward = chunked(case["policy"], case, "forward", 1.0, 8)
  reverse = chunked(case["policy"], case, "reverse", 1.0, 8)
  assert abs(float(forward - reverse)) > 1e-2


@pytest.mark.parametrize("direction", losses.DIRECTIONS)
def test_kl_of_equal_models_is_exactly_zero(case, direction):
  case = {**case, "reference": case["policy"]}

  def kl(policy):
    args = (case[k] for k in ("ids", "probs", "ce_weight", "kl_weight"))
    return losses.ce_and_kl(
      policy,
      case["reference"],
      case["head"],
      *args,
      chunk=4,
      direction=direction,
    ).kl

  value, grad = jax.value_and_grad(kl)(case["policy"])
  assert float(value) == 0.0
  np.testing.assert_allclose(grad, 0.0, atol=1e-5)


def test_soft_target_is_the_expectation_of_hard_targets(case):
  def ce(ids, probs):
    return losses.ce_and_kl(
      case["policy"],
      None,
      case["head"],
      ids,
      probs,
      np.ones((B, L), np.float32),
      case["kl_weight"],
    ).ce

  slot = [
    ce(case["ids"][..., s : s + 1], np.ones((B, L, 1), np.float32))
    for s in range(S)
  ]
  probs = np.broadcast_to(np.float32([0.4, 0.3, 0.2, 0.1]), (B, L, S))
  expected = 0.4 * slot[0] + 0.3 * slot[1] + 0.2 * slot[2] + 0.1 * slot[3]
  np.testing.assert_allclose(ce(case["ids"], probs), expected, rtol=1e-5)


def sizes(jaxpr):
  """Sizes of all arrays that a jaxpr computes, including inner jaxprs."""
  for equation in jaxpr.eqns:
    yield from (v.aval.size for v in equation.outvars)
    for inner in extend_core.jaxprs_in_params(equation.params):
      yield from sizes(inner)


def test_no_array_holds_all_logits(case):
  """The largest array is one chunk's logits or the head."""
  grad = jax.grad(lambda h: chunked(h, case, "forward", 1.0, 6))
  largest = max(sizes(jax.make_jaxpr(grad)(case["policy"]).jaxpr))
  assert largest <= 6 * V
  assert largest < B * L * V
  naive_grad = jax.grad(lambda h: naive(h, case, "forward", 1.0))
  assert max(sizes(jax.make_jaxpr(naive_grad)(case["policy"]).jaxpr)) >= (
    B * L * V
  )


def test_absent_terms_are_not_computed(case):
  args = [case[k] for k in ("ids", "probs", "ce_weight", "kl_weight")]
  no_kl = losses.ce_and_kl(case["policy"], None, case["head"], *args)
  assert float(no_kl.kl) == float(no_kl.kl_weight) == 0.0
  no_ce = losses.ce_and_kl(
    case["policy"], case["reference"], case["head"], *args, with_ce=False
  )
  assert float(no_ce.ce) == float(no_ce.ce_weight) == 0.0
  both = losses.ce_and_kl(
    case["policy"], case["reference"], case["head"], *args
  )
  np.testing.assert_allclose(both.ce, no_kl.ce, rtol=1e-6)
  np.testing.assert_allclose(both.kl, no_ce.kl, rtol=1e-6)


def test_correct_counts_any_target_with_probability(case):
  best = np.argmax(case["policy"] @ case["head"].T, -1)
  ids = np.stack([best, (best + 1) % V], -1).astype(np.int32)
  ones = np.ones((B, L), np.float32)

  def correct(probs):
    probs = np.broadcast_to(np.float32(probs), ids.shape)
    return losses.ce_and_kl(
      case["policy"], None, case["head"], ids, probs, ones, ones
    ).correct

  assert float(correct([0.5, 0.5])) == B * L
  assert float(correct([0.0, 1.0])) == 0


def test_bad_options_are_refused(case):
  with pytest.raises(ValueError, match="direction 'sideways'"):
    chunked(case["policy"], case, "sideways", 1.0, 8)
  with pytest.raises(ValueError, match="chunk 0"):
    chunked(case["policy"], case, "forward", 1.0, 0)


@pytest.fixture
def task():
  """Two rows of six columns; the second row ends in padding."""
  segments = np.int32([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, -1, -1]])
  return types.Batch(
    tokens=np.arange(12, dtype=np.int32).reshape(2, 6),
    positions=np.zeros((2, 6), np.int32),
    segment_ids=segments,
    scored=np.int32([[3, 5, 0], [3, 0, 0]]),
    target_ids=np.int32([[[7], [8], [0]], [[9], [0], [0]]]),
    target_probs=np.float32([[[1], [1], [0]], [[1], [0], [0]]]),
    ce_weight=np.float32([[1, 1, 0], [1, 0, 0]]),
    kl_weight=np.zeros((2, 3), np.float32),
    row_ids=np.int32([[0, 1], [2, -1]]),
  )


def test_kl_on_replay_excludes_task_rows(task):
  assert not losses.mask_kl(task, "replay").kl_weight.any()
  text = task.replace(
    ce_weight=np.zeros((2, 3), np.float32),
    kl_weight=np.ones((2, 3), np.float32),
  )
  assert losses.mask_kl(text, "replay").kl_weight.all()
  assert not losses.mask_kl(text, "completion").kl_weight.any()


def test_kl_on_completion_covers_what_ce_scores(task):
  masked = losses.mask_kl(task, "completion")
  np.testing.assert_array_equal(masked.kl_weight, task.ce_weight)


def test_kl_on_all_covers_every_token_and_keeps_the_ce(task):
  masked = losses.mask_kl(task, "all")
  np.testing.assert_array_equal(
    masked.kl_weight, np.float32(task.segment_ids >= 0)
  )
  assert masked.ce_weight.sum() == task.ce_weight.sum()
  found = {
    (row, int(masked.scored[row, i]), int(masked.target_ids[row, i, 0]))
    for row, i in zip(*np.nonzero(masked.ce_weight), strict=True)
  }
  assert found == {(0, 3, 7), (0, 5, 8), (1, 3, 9)}
  with pytest.raises(ValueError, match="kl_tokens 'some'"):
    losses.mask_kl(task, "some")

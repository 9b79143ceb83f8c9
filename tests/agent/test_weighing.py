"""What costs say of actions: closed forms."""

import numpy as np
import pytest

from glimo_jax.agent import weighing

INF = np.inf


@pytest.mark.parametrize(
  ("costs", "best"),
  [
    ((3.0, 2.0, 2.0, 5.0), (1, 2)),
    ((3.0, 2.0004, 2.0, INF), (1, 2)),  # rounding is no difference
    ((INF, INF), ()),
  ],
)
def test_the_best_are_those_of_least_finite_cost(costs, best):
  assert weighing.best_actions(np.array(costs, np.float32)) == best


def test_without_a_scale_the_best_alone_weigh_and_all_the_same():
  costs = np.array([3.0, 2.0, 2.0, INF], np.float32)
  assert weighing.weigh(costs, 0.0) == {1: 0.5, 2: 0.5}
  assert weighing.weigh(np.full(3, INF, np.float32), 0.0) == {}
  assert weighing.weigh(np.full(3, INF, np.float32), 1.0) == {}


def test_weights_fall_with_regret_the_best_first():
  costs = np.array([3.0, 2.0, 7.0, 2.0, INF], np.float32)
  weights = weighing.weigh(costs, 1.0)
  assert list(weights) == [1, 3, 0]  # 7 weighs exp(-5), less than a twentieth
  share = np.exp(-1.0)
  np.testing.assert_allclose(
    list(weights.values()), np.array([1, 1, share]) / (2 + share)
  )
  assert list(weighing.weigh(costs, 10.0)) == [1, 3, 0, 2]


def test_all_that_are_best_stay_however_many_they_are():
  assert len(weighing.weigh(np.zeros(40, np.float32), 1.0)) == 40


def test_a_lapse_costs_the_mean_beyond_the_best_of_what_is_legal():
  costs = np.array([[4.0, 2.0, 9.0], [2.0, 500.0, INF], [INF, INF, INF]])
  legal = np.array([[True, True, False], [True, True, True], [True] * 3])
  np.testing.assert_allclose(
    weighing.lapse_cost(costs, legal), [1.0, (0 + 100 + 100) / 3, 0.0]
  )
  assert weighing.lapse_cost(costs[0], np.zeros(3, bool)) == 0

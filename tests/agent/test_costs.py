"""Right actions and target weights from costs: closed forms."""

import numpy as np
import pytest

from glimo_jax.agent import costs as costs_lib

INF = np.inf


@pytest.mark.parametrize(
  ("costs", "best"),
  [
    ((3.0, 2.0, 2.0, 5.0), (1, 2)),
    ((3.0, 2.0004, 2.0, INF), (1, 2)),  # rounding is no difference
    ((INF, INF), ()),
  ],
)
def test_best_actions_have_the_least_finite_cost(costs, best):
  assert costs_lib.best_actions(np.array(costs, np.float32)) == best


def test_best_actions_share_the_weight_without_a_scale():
  costs = np.array([3.0, 2.0, 2.0, INF], np.float32)
  assert costs_lib.target_weights(costs, 0.0) == {1: 0.5, 2: 0.5}
  assert costs_lib.target_weights(np.full(3, INF, np.float32), 0.0) == {}
  assert costs_lib.target_weights(np.full(3, INF, np.float32), 1.0) == {}


def test_weights_decrease_with_regret():
  costs = np.array([3.0, 2.0, 7.0, 2.0, INF], np.float32)
  weights = costs_lib.target_weights(costs, 1.0)
  assert list(weights) == [1, 3, 0]  # 7 weighs exp(-5), less than a twentieth
  share = np.exp(-1.0)
  np.testing.assert_allclose(
    list(weights.values()), np.array([1, 1, share]) / (2 + share)
  )
  assert list(costs_lib.target_weights(costs, 10.0)) == [1, 3, 0, 2]


def test_all_best_actions_are_kept():
  assert len(costs_lib.target_weights(np.zeros(40, np.float32), 1.0)) == 40


def test_random_action_costs_the_mean_regret_of_legal_actions():
  costs = np.array([[4.0, 2.0, 9.0], [2.0, 500.0, INF], [INF, INF, INF]])
  legal = np.array([[True, True, False], [True, True, True], [True] * 3])
  np.testing.assert_allclose(
    costs_lib.random_action_regret(costs, legal),
    [1.0, (0 + 100 + 100) / 3, 0.0],
  )
  assert costs_lib.random_action_regret(costs[0], np.zeros(3, bool)) == 0

"""Search labels: confirmed by replay, never below the oracle, often equal."""

import functools

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout, search

# A search ignores the time limit, so the levels have none that matters.
WORLD = simulators.make(
  "agentworld", horizon=60, detour=0, budget=0.0, sides=(5,), larger=()
)
N = 48
WIDTH, DEPTH = 256, 60


@functools.cache
def _pool():
  return WORLD.pool("train", N)


def _search(variant, width=WIDTH):
  params = WORLD.params(variant)
  levels = _pool().take(np.arange(N))
  seeds = np.arange(N)
  states = rollout.replay(
    WORLD, params, levels, seeds, np.zeros((N, 1), int), np.zeros(N, int)
  )
  found = search.search(WORLD, params, states, jax.random.key(0), width, DEPTH)
  cost = jax.vmap(WORLD.oracle, (0, None))(states, params)
  return params, levels, seeds, found, np.asarray(cost)


@pytest.mark.parametrize("variant", ["real", "imperfect/slippery(0.3)"])
def test_every_plan_succeeds_by_replay_in_exactly_its_cost(variant):
  params, levels, seeds, found, _ = _search(variant)
  cost = np.asarray(found.cost)
  row, first = np.nonzero(np.isfinite(cost))
  assert len(row) > N
  plans = np.asarray(found.plans)[row, first]
  lengths = cost[row, first].astype(int)
  np.testing.assert_array_equal(plans[:, 0], first)
  np.testing.assert_array_equal((plans >= 0).sum(-1), lengths)

  def after(steps):
    return rollout.replay(
      WORLD,
      params,
      jax.tree.map(lambda x: x[row], levels),
      seeds[row],
      np.maximum(plans, 0),
      steps,
    )

  assert np.asarray(after(lengths).metrics["success"]).all()
  assert not np.asarray(after(lengths - 1).metrics["success"]).any()


def test_costs_are_upper_bounds_of_the_oracle_and_mostly_equal():
  *_, found, oracle = _search("real")
  cost = np.asarray(found.cost)
  assert (cost >= oracle).all()
  assert np.isfinite(cost).mean() >= 0.95
  assert (cost == oracle).mean() >= 0.9


def test_states_with_different_histories_are_the_same_situation():
  """Otherwise walks never meet, and a blocked move looks like a move."""
  params, pool = WORLD.params(), _pool()
  stays = 0
  for n in range(8):
    level = jax.tree.map(lambda x, n=n: x[n], pool.levels)
    first = WORLD.reset(jax.random.key(n), params, level)
    for action in range(len(WORLD.actions)):
      then = WORLD.step(first, action, params)
      moved = (then.env_state.agent != first.env_state.agent).any()
      same = search._bucket(WORLD, then) == search._bucket(WORLD, first)
      assert bool(moved) != bool(same)
      stays += not moved
  assert 0 < stays < 32


def test_walks_that_meet_share_their_results():
  """Walk 0: a -> b -> c, lost. Walk 1: d -> b -> success by action 3."""
  a, b, c, d, end = 5, 6, 7, 8, 9
  buckets = np.array([[a, d], [b, b], [c, end]])
  actions = np.array([[1, 2], [0, 3]])
  won = np.array([[False, False], [False, True]])
  table = search._hindsight(buckets, actions, won, np.ones_like(won))
  assert [int(table[x]) for x in (a, b, c, d, end)] == [1, 3, -1, 2, -1]


def test_search_follows_the_true_dynamics_under_wrong_rules():
  *_, found, oracle = _search("imperfect/wrong-rules(1.0)")
  cost = np.asarray(found.cost)
  assert np.isinf(oracle).all(-1).any(), "all levels solvable: no test"
  assert (cost >= oracle).all()


def test_search_without_walks_is_refused():
  with pytest.raises(ValueError, match="width 0 and depth 60 must be"):
    _search("real", width=0)

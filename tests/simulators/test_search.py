"""Search labels: true by replay, never too good, and often the best."""

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout, search

WORLD = simulators.make("agentworld", horizon=60)
N = 48
WIDTH, DEPTH = 48, 48


def _search(variant, split="train", width=WIDTH):
  params = WORLD.params(variant)
  levels = WORLD.pool(split, N).take(np.arange(N))
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


def test_costs_bound_the_oracle_from_above_and_mostly_meet_its_choice():
  *_, found, oracle = _search("real")
  cost = np.asarray(found.cost)
  assert (cost >= oracle).all()
  solved = np.isfinite(cost).any(-1)
  assert solved.mean() >= 0.9, solved.mean()
  chosen = cost.argmin(-1)[:, None]
  best = np.take_along_axis(oracle, chosen, 1)[:, 0] == oracle.min(-1)
  share = best[solved].mean()
  print(f"solved {solved.mean():.3f}, optimal action {share:.3f}")
  assert share >= 0.8, share


def test_hindsight_finds_more_than_its_walks_alone_would_with_less():
  """Costs shrink or stay as walks are added: more to learn from."""
  few = _search("real", width=4)[-2].cost
  many = _search("real", width=WIDTH)[-2].cost
  few, many = (np.minimum(x, DEPTH + 1.0).mean() for x in (few, many))
  assert many < few


def test_under_wrong_rules_only_what_really_works_is_found():
  *_, found, oracle = _search("imperfect/wrong-rules(1.0)")
  cost = np.asarray(found.cost)
  assert np.isinf(oracle).all(-1).any(), "all levels solvable: no test"
  assert (cost >= oracle).all()


def test_a_search_without_walks_is_refused():
  with pytest.raises(ValueError, match="width 0 and depth 48 must be"):
    _search("real", width=0)

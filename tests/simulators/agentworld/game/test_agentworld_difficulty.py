"""Step budgets and detours: what makes a level hard, computed a second way."""

import functools
import itertools

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout
from simulators.agentworld.config import Config
from simulators.agentworld.reference import Game


@pytest.fixture(scope="module")
def solved(world, pool, usual, val):
  """(world's config, level, its shortest solution) of some levels."""
  out = []
  for made, drawn, count in ((world, pool, 12), (usual, val, 24)):
    params = made.params()
    for i in range(count):
      game = Game.from_level(drawn.take(i), params)
      out.append((made.config, drawn.take(i), _solution(game)))
  return out


def _solution(game):
  """The games of a shortest solution, the first and the last included."""
  games = [game]
  while not games[-1].done:
    games.append(games[-1].step(games[-1].optimal()[0]))
  return games


def _straight(games) -> int:
  """Rows plus columns from stop to stop: tool, what it opens, tool, ..."""
  start, here, total = games[0], games[0].agent, 0
  for before, after in itertools.pairwise(games):
    for e in after.opened - before.opened:
      cell, kind = start.elements[e]
      (tool,) = (
        t for t, k in enumerate(start.tools) if (k, kind) in start.opens
      )
      lay = start.lying[tool]
      total += _apart(here, lay) + _apart(lay, cell)
      here = cell
  return total + _apart(here, start.goal)


def _apart(one, other):
  return abs(one[0] - other[0]) + abs(one[1] - other[1])


def test_shortest_solution_is_longer_than_the_straight_way(solved):
  detours = {0: [], 2: []}
  for config, _, games in solved:
    detours[config.detour].append(len(games) - 1 - _straight(games))
  assert min(detours[2]) >= 2
  assert min(detours[0]) == 0  # no fewer steps than rows and columns


def test_more_detour_is_a_smaller_pool():
  """The levels of a world with detours are some of those without."""
  one, other = (
    simulators.make("agentworld", detour=detour, sides=(6,)).pool("train", n)
    for detour, n in ((4, 4), (0, 48))
  )
  shared = set(one.hashes.tolist()) & set(other.hashes.tolist())
  assert shared
  steps = np.asarray(one.levels.limit)
  assert steps.min() > np.asarray(other.levels.limit).min()


def test_limit_is_the_budget_of_the_shortest_solution(solved):
  for config, level, games in solved:
    steps = len(games) - 1
    assert level.limit == min(config.horizon, int(1.25 * steps) + 1)
    assert level.limit >= steps


@pytest.mark.parametrize(
  ("fields", "steps", "limit"),
  [
    ({}, 8, 11),
    ({}, 9, 12),
    ({}, 38, 40),  # the horizon
    ({"budget": 1.0}, 8, 9),
    ({"budget": 2.0}, 8, 17),
    ({"budget": 0.0}, 8, 40),
  ],
)
def test_budget_in_steps(fields, steps, limit):
  assert Config(**fields).limit(steps) == limit


def test_world_without_a_budget_has_the_horizon_alone(pool):
  config = {"size": 8, "sides": (5, 6, 7), "larger": (8,), "deeper": (3,)}
  free = simulators.make("agentworld", **config, detour=0, budget=0.0)
  same = free.pool("test", 6, (0, 1, 2))
  np.testing.assert_array_equal(same.hashes, pool.hashes[:6])
  assert (same.levels.limit == free.config.horizon).all()


@functools.cache
def _pacing():
  """A policy that goes to and fro, so that few episodes end in success."""
  return lambda key, state, params: (state.obs.time + 2) % 2 + 2


def test_episode_is_cut_off_exactly_at_its_limit(usual, val):
  """Unless it has ended; the observation names the limit."""
  n, steps = 64, usual.config.horizon
  played = rollout.rollout(
    usual, usual.params(), val.levels, np.arange(n), _pacing(),
    jax.random.key(0), steps,
  )  # fmt: skip
  states = jax.device_get(played.states.replace(env_state=None))
  limit = np.asarray(val.levels.limit)
  np.testing.assert_array_equal(states.obs.limit, np.tile(limit, (41, 1)).T)
  lost = ~states.terminated[:, -1]
  assert lost.sum() > n / 2
  for t in range(steps + 1):
    np.testing.assert_array_equal(
      states.truncated[lost, t], t >= limit[lost], str(t)
    )
  np.testing.assert_array_equal(np.asarray(played.lengths)[lost], limit[lost])


def test_oracle_succeeds_within_every_budget(usual, val):
  played = rollout.rollout(
    usual, usual.params(), val.levels, np.arange(64),
    rollout.oracle_policy(usual), jax.random.key(0), usual.config.horizon,
  )  # fmt: skip
  assert np.asarray(played.success).all()
  lengths, limit = np.asarray(played.lengths), np.asarray(val.levels.limit)
  np.testing.assert_array_equal(
    np.minimum(usual.config.horizon, (1.25 * lengths).astype(int) + 1), limit
  )

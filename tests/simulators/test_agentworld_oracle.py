"""The relaxed cost-to-go is the one that a plain search finds."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulators.agentworld import oracle

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _neighbours(level, opens, state):
  """The four states after each move, by the rules as one would tell them."""
  (row, column), held, opened = state
  for down, right in MOVES:
    cell = (row + down, column + right)
    size = len(level.wall)
    if not (0 <= cell[0] < size and 0 <= cell[1] < size):
      yield state
      continue
    if level.wall[cell]:
      yield state
      continue
    now_held, now_opened, shut = held, opened, False
    for j, at in enumerate(level.element_at):
      if tuple(at) == cell and j not in opened:
        kind = level.element_kind[j]
        shut = not any(opens[level.tool_kind[i], kind] for i in held)
        now_opened = opened | {j}
    for i, at in enumerate(level.tool_at):
      if tuple(at) == cell:
        now_held = held | {i}
    yield state if shut else (cell, now_held, now_opened)


def _search(level, opens, start):
  """Steps from `start` to the goal, breadth first; inf if there is no way."""
  queue, seen = collections.deque([(start, 0)]), {start}
  while queue:
    state, steps = queue.popleft()
    if state[0] == tuple(level.goal):
      return steps
    for after in _neighbours(level, opens, state):
      if after not in seen:
        seen.add(after)
        queue.append((after, steps + 1))
  return math.inf


@pytest.mark.parametrize("variant", ["real", "imperfect/wrong-rules(0.5)"])
def test_costs_equal_a_plain_search(world, pool, large, walk, variant):
  """Also under wrong rules, where some levels cannot be solved."""
  params = world.params(variant)
  opens = np.asarray(params.opens)
  unsolvable = 0
  for levels in (pool, large):
    states, _ = walk(params, levels.levels, chance=0.5)
    states = jax.tree.map(
      lambda x: x[:12:3, :9].reshape(36, *x.shape[2:]), states
    )
    costs = np.asarray(
      jax.jit(jax.vmap(world.oracle, (0, None)))(states, params)
    )
    env = jax.device_get(states.env_state.replace(key=None))
    for i in range(36):
      level = jax.tree.map(lambda x, i=i: x[i], env.level)
      state = (
        tuple(int(x) for x in env.agent[i]),
        frozenset(np.flatnonzero(env.held[i])),
        frozenset(np.flatnonzero(env.opened[i])),
      )
      found = [
        1 + _search(level, opens, after)
        for after in _neighbours(level, opens, state)
      ]
      np.testing.assert_array_equal(costs[i], found)
      unsolvable += all(math.isinf(x) for x in found)
  assert (unsolvable > 0) == (variant != "real")


@pytest.fixture(scope="module")
def costs(world):
  """costs(states, params): from one table a level, over [T, n] states."""

  def run(states, params):
    levels = jax.tree.map(lambda x: x[0], states.env_state.level)
    tables = jax.vmap(world.solve, (0, None))(levels, params)
    lookup = jax.vmap(world.lookup, (0, 0, None))
    return jax.vmap(lookup, (None, 0, None))(tables, states, params)

  return jax.jit(run)


def test_one_table_serves_every_state_of_a_level(world, pool, walk, costs):
  params = world.params("imperfect/wrong-rules(0.5)")
  states, _ = walk(params, pool.levels, chance=0.5)
  alone = jax.jit(jax.vmap(world.oracle, (0, None)))
  some = jax.tree.map(lambda x: x[:12:3, :9].reshape(36, *x.shape[2:]), states)
  table = np.asarray(costs(states, params))[:12:3, :9].reshape(36, 4)
  np.testing.assert_array_equal(table, alone(some, params))
  assert np.isinf(table).any()


def test_the_best_cost_falls_by_one_a_step(world, pool, walk, costs):
  """Bellman: along a shortest way the cost-to-go is what is left of it."""
  params = world.params("imperfect/swapped(3)")
  states, _ = walk(params, pool.levels, chance=0.0)
  best = np.asarray(costs(states, params)).min(-1)
  over = np.asarray(jnp.cumsum(states.terminated, axis=0) > 0)
  going = ~over[:-1] & ~over[1:]
  np.testing.assert_array_equal(best[1:][going], best[:-1][going] - 1)
  assert (best[:-1][~over[:-1] & over[1:]] == 1).all()


def test_a_dearer_element_costs_that_much_more(world, pool):
  """Every solution of a chain opens it all, at whatever price."""
  params = world.params()
  closed = jnp.zeros(3, bool)

  def cost(level, price):
    table = oracle.solve(level, params, jnp.full(3, price))
    return oracle.value(table, level.agent, closed, closed)

  cost = jax.jit(jax.vmap(cost, (0, None)))
  levels = pool.levels
  dear, plain = cost(levels, 101.0), cost(levels, 1.0)
  np.testing.assert_array_equal(dear, np.asarray(plain) + 100 * pool.depths)

"""The cost-to-go of the oracle equals that of a plain search."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulators.agentworld.game import oracle
from simulators.agentworld.types import Place
from simulators.agentworld.vocabulary import GOALS

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _cells(grid):
  return {tuple(cell) for cell in np.argwhere(grid).tolist()}


class _Puzzle:
  """One level under the rules in words, with sets and tuples."""

  def __init__(self, level, opens, hazards):
    self.size, self.walls = len(level.wall), _cells(level.wall)
    self.hazards = _cells(level.hazard) if hazards else set()
    self.goal, self.asked = tuple(level.goal), GOALS[level.goal_kind]
    self.thing = int(level.goal_thing)
    self.tools = [tuple(x) for x in level.tool_at.tolist()]
    self.elements = [tuple(x) for x in level.element_at.tolist()]
    kinds = level.tool_kind, level.element_kind
    self.fits = opens[kinds[0][:, None], kinds[1][None]]

  def barred(self, cell):
    inside = 0 <= cell[0] < self.size and 0 <= cell[1] < self.size
    return not inside or cell in self.walls

  def won(self, state):
    cell, held, opened, boxes = state
    return {
      "reach": cell == self.goal,
      "take": self.thing in held,
      "open": self.thing in opened,
      "bring": cell == self.goal and self.thing in held,
      "push": self.goal in boxes,
    }[self.asked]

  def after(self, state, move):
    (row, column), held, opened, boxes = state
    cell = (row + move[0], column + move[1])
    beyond = (cell[0] + move[0], cell[1] + move[1])
    closed = {at for j, at in enumerate(self.elements) if j not in opened}
    if self.barred(cell):
      return state
    if cell in boxes:
      if self.barred(beyond) or beyond in {*boxes, *self.hazards, *closed}:
        return state
      boxes = tuple(beyond if box == cell else box for box in boxes)
    for j, at in enumerate(self.elements):
      if at == cell and j not in opened:
        if not any(self.fits[i, j] for i in held):
          return state
        opened = opened | {j}
    held = held | {i for i, at in enumerate(self.tools) if at == cell}
    return cell, held, opened, boxes

  def search(self, start):
    """Fewest steps, breadth first; inf if there is no solution."""
    queue, seen = collections.deque([(start, 0)]), {start}
    while queue:
      state, steps = queue.popleft()
      if state[0] in self.hazards:
        continue
      if self.won(state):
        return steps
      for move in MOVES:
        after = self.after(state, move)
        if after not in seen:
          seen.add(after)
          queue.append((after, steps + 1))
    return math.inf


@pytest.mark.parametrize("variant", ["real", "imperfect/wrong-rules(0.5)"])
def test_costs_equal_a_plain_search(world, pool, large, rich, walk, variant):
  """Also under wrong rules, where some levels cannot be solved."""
  params = world.params(variant)
  opens, hopeless = np.asarray(params.opens), 0
  for levels in (pool, large, rich):
    states, _ = walk(params, levels.levels, chance=0.5)
    over = np.asarray(jnp.cumsum(states.terminated, axis=0) > 0)
    rows = np.argwhere(~over[:12:3, :12])[:36]
    states = jax.tree.map(
      lambda x, rows=rows: x[rows[:, 0] * 3, rows[:, 1]], states
    )
    costs = np.asarray(
      jax.jit(jax.vmap(world.oracle, (0, None)))(states, params)
    )
    env = jax.device_get(states.env_state.replace(key=None))
    for i in range(len(rows)):
      level = jax.tree.map(lambda x, i=i: x[i], env.level)
      puzzle = _Puzzle(level, opens, bool(params.hazardous))
      state = (
        tuple(env.agent[i].tolist()),
        frozenset(np.flatnonzero(env.held[i])),
        frozenset(np.flatnonzero(env.opened[i])),
        tuple(tuple(box) for box in env.boxes[i].tolist()),
      )
      found = [1 + puzzle.search(puzzle.after(state, move)) for move in MOVES]
      np.testing.assert_array_equal(costs[i], found)
      hopeless += all(math.isinf(x) for x in found)
  assert hopeless > 0 or variant == "real"


def test_place_numbers_are_unique(rich, pool):
  for level in (rich.take(0), pool.take(1)):
    codes = jnp.arange(0, oracle.states(level), 37)
    places = jax.vmap(oracle.place_of, (0, None))(codes, level)
    again = jax.vmap(oracle.number, (0, None))(places, level.wall.shape[-1])
    np.testing.assert_array_equal(again, codes)


def test_regret_is_the_number_of_wasted_steps(world, pool):
  """None on a shortest path; two for a step aside and back; inf if lost."""
  params, level = world.params(), pool.take(0)
  state = world.reset(jax.random.key(0), params, level)
  table = world.solve(level, params)
  step, plan = jax.jit(world.step), []
  here = state
  while not here.done:
    plan.append(int(world.lookup(table, here, params).argmin()))
    here = step(here, jnp.int32(plan[-1]), params)
  regret = jax.jit(oracle.regret)
  best = regret(state, jnp.array(plan), params, table)
  assert float(best) == 0.0
  longer = jnp.array([*plan, 0, 1, -1])
  assert float(regret(state, longer, params, table)) == 0.0
  costs = world.lookup(table, state, params)
  for action in range(4):
    wasted = regret(state, jnp.array([action]), params, table)
    assert float(wasted) == float(costs[action] - costs.min())
  cell = np.array(level.agent) + MOVES[plan[0]]
  deadly = np.zeros_like(level.wall)
  deadly[tuple(cell)] = True
  trapped = world.reset(jax.random.key(0), params, level.replace(hazard=deadly))
  assert np.isinf(float(regret(trapped, jnp.array(plan), params)))
  walled = np.ones_like(level.wall)
  walled[tuple(level.agent)] = walled[tuple(level.goal)] = False
  shut_in = world.reset(jax.random.key(0), params, level.replace(wall=walled))
  assert np.isinf(float(regret(shut_in, jnp.array(plan), params)))


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


def test_best_cost_decreases_by_one_per_step(world, pool, walk, costs):
  """Bellman: on a shortest path the cost-to-go is its remaining length."""
  params = world.params("imperfect/swapped(3)")
  states, _ = walk(params, pool.levels, chance=0.0)
  best = np.asarray(costs(states, params)).min(-1)
  over = np.asarray(jnp.cumsum(states.terminated, axis=0) > 0)
  going = ~over[:-1] & ~over[1:]
  np.testing.assert_array_equal(best[1:][going], best[:-1][going] - 1)
  assert (best[:-1][~over[:-1] & over[1:]] == 1).all()


def test_price_of_an_element_is_added_to_the_cost(world, pool):
  """Every solution of a chain opens all elements, at any price."""
  params = world.params()
  closed = jnp.zeros(3, bool)

  def cost(level, price):
    table = oracle.solve(level, params, jnp.full(3, price))
    start = Place(level.agent, closed, closed, level.box_at)
    return oracle.value(table, start)

  cost = jax.jit(jax.vmap(cost, (0, None)))
  levels = pool.levels
  dear, plain = cost(levels, 101.0), cost(levels, 1.0)
  np.testing.assert_array_equal(dear, np.asarray(plain) + 100 * pool.depths)

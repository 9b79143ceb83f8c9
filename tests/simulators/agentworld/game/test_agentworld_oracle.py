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
  """One level under the rules in words, with sets and tuples.

  A state is (cell, floor, opened, boxes): `floor` holds (cell, tool) for each
  tool that lies somewhere.
  """

  def __init__(self, level, params):
    self.size, self.walls = len(level.wall), _cells(level.wall)
    self.hazards = _cells(level.hazard) if params.hazardous else set()
    self.goal, self.asked = tuple(level.goal), GOALS[level.goal_kind]
    self.thing, self.one_hand = int(level.goal_thing), bool(params.one_hand)
    self.slots = [tuple(x) for x in level.tool_at.tolist()]
    self.elements = [tuple(x) for x in level.element_at.tolist()]
    kinds = level.tool_kind, level.element_kind
    self.fits = np.asarray(params.opens)[kinds[0][:, None], kinds[1][None]]

  def held(self, floor):
    return set(range(len(self.slots))) - {tool for _, tool in floor}

  def state(self, env, i):
    """The state of row i of a batch."""
    floor = {
      (self.slots[slot], tool)
      for tool, slot in enumerate(env.slot[i].tolist())
      if slot >= 0
    }
    return (
      tuple(env.agent[i].tolist()),
      frozenset(floor),
      frozenset(np.flatnonzero(env.opened[i])),
      tuple(tuple(box) for box in env.boxes[i].tolist()),
    )

  def barred(self, cell):
    inside = 0 <= cell[0] < self.size and 0 <= cell[1] < self.size
    return not inside or cell in self.walls

  def won(self, state):
    cell, floor, opened, boxes = state
    held = self.held(floor)
    return {
      "reach": cell == self.goal,
      "take": self.thing in held,
      "open": self.thing in opened,
      "bring": cell == self.goal and self.thing in held,
      "push": self.goal in boxes,
    }[self.asked]

  def after(self, state, move):
    (row, column), floor, opened, boxes = state
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
        if not any(self.fits[i, j] for i in self.held(floor)):
          return state
        opened = opened | {j}
    found = {(at, tool) for at, tool in floor if at == cell}
    if found:
      put = {(cell, tool) for tool in self.held(floor)} if self.one_hand else {}
      floor = (floor - found).union(put)
    return cell, floor, opened, boxes

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


@pytest.mark.parametrize(
  "variant", ["real", "imperfect/many-hands", "imperfect/wrong-rules(0.5)"]
)
def test_costs_equal_a_plain_search(world, pool, large, rich, walk, variant):
  """One hand and many, boxes, five goals, levels that cannot be solved."""
  params = world.params(variant)
  hopeless, holding, put_down = 0, 0, 0
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
      puzzle = _Puzzle(level, params)
      state = puzzle.state(env, i)
      found = [1 + puzzle.search(puzzle.after(state, move)) for move in MOVES]
      np.testing.assert_array_equal(costs[i], found)
      hopeless += all(math.isinf(x) for x in found)
    holding += (env.slot < 0).any(-1).sum()
    moved = (env.slot >= 0) & (env.slot != np.arange(3))
    put_down += moved.any(-1).sum()
  assert hopeless > 0 or variant != "imperfect/wrong-rules(0.5)"
  assert holding > 0
  assert (put_down > 0) == bool(params.one_hand)


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
  slots, closed = jnp.arange(3, dtype=jnp.int32), jnp.zeros(3, bool)

  def cost(level, price):
    table = oracle.solve(level, params, jnp.full(3, price))
    start = Place(level.agent, slots, closed, level.box_at)
    return oracle.value(table, start)

  cost = jax.jit(jax.vmap(cost, (0, None)))
  levels = pool.levels
  dear, plain = cost(levels, 101.0), cost(levels, 1.0)
  np.testing.assert_array_equal(dear, np.asarray(plain) + 100 * pool.depths)


def test_one_hand_makes_some_ways_longer_and_none_shorter(world, pool):
  """A tool that is put down must be fetched again."""

  def cost(level, params):
    state = world.reset(jax.random.key(0), params, level)
    return jnp.min(world.oracle(state, params))

  one, many = (
    jax.jit(jax.vmap(cost, (0, None)))(pool.levels, world.params(variant))
    for variant in ("real", "imperfect/many-hands")
  )
  assert (one >= many).all()
  assert (one > many).any()

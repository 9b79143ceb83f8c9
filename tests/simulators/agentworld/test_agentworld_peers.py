"""MiniGrid's own DoorKey levels: optimal lengths equal MiniGrid's."""

import collections
import functools

import jax
import numpy as np
import pytest
from minigrid import envs

import simulators
from simulators.agentworld import minigrid, reference
from simulators.agentworld.game import oracle
from simulators.agentworld.types import Place

REAL = simulators.make("agentworld").params("real")
SEEDS = 200
# Side -> mean, least and greatest length over seeds 0-199 of MiniGrid 3.2.0.
LENGTHS = {5: (9.68, 7, 14), 6: (12.14, 8, 19), 8: (16.57, 9, 25)}
FIRST_OF_8 = (17, 19, 20, 16, 12)  # seeds 0-4


@functools.cache
def _solved(side):
  """Environments, stacked levels, places and tables of all seeds."""
  made = []
  for seed in range(SEEDS):
    env = envs.DoorKeyEnv(size=side)
    env.reset(seed=seed)
    env.gen_obs = lambda: None  # unused, and rendering is slow
    made.append(env)
  levels, places = jax.tree.map(
    lambda *leaves: np.stack(leaves), *map(minigrid.transcribe, made)
  )
  tables = jax.jit(jax.vmap(minigrid.solve, (0, None)))(levels, REAL)
  return made, levels, places, tables


@functools.cache
def _lengths(side):
  _, levels, places, tables = _solved(side)
  costs = jax.vmap(minigrid.costs, (0, 0, None, 0))
  return np.asarray(jax.jit(costs)(tables, levels, REAL, places)).min(-1)


@pytest.mark.parametrize("side", LENGTHS)
def test_optimal_lengths_equal_those_of_minigrid(side):
  lengths = _lengths(side)
  mean, least, greatest = LENGTHS[side]
  assert lengths.mean() == pytest.approx(mean, abs=0.0051)  # to two decimals
  assert (lengths.min(), lengths.max()) == (least, greatest)
  if side == 8:
    np.testing.assert_array_equal(lengths[:5], FIRST_OF_8)


@pytest.mark.parametrize("side", LENGTHS)
def test_best_moves_solve_each_level_in_minigrid(side):
  """No move is wasted: MiniGrid gives its reward after exactly that many."""
  made, levels, places, tables = _solved(side)
  costs = jax.jit(jax.vmap(minigrid.costs, (0, 0, None, 0)))
  move = jax.jit(jax.vmap(minigrid.move, (0, None, 0, 0)))
  plan = []
  for _ in range(LENGTHS[side][2]):
    best = np.asarray(costs(tables, levels, REAL, places)).argmin(-1)
    places = move(levels, REAL, places, best)
    plan.append(best)
  for seed, env in enumerate(made):
    env.reset(seed=seed)
    ended, steps = False, 0
    while not ended and steps < len(plan):
      ended = _play(env, int(plan[steps][seed]))
      steps += 1
    assert ended
    assert steps == _lengths(side)[seed]


def _play(env, action):
  """Takes one of `minigrid.MOVES`; returns whether it reached the goal."""
  actions = env.actions
  if action == minigrid.ACT:
    ahead = env.grid.get(*env.front_pos)
    picks = ahead is not None and ahead.type == "key"
    return env.step(actions.pickup if picks else actions.toggle)[2]
  return env.step((actions.left, actions.right, actions.forward)[action])[2]


@pytest.mark.parametrize(
  ("side", "seeds"), [(5, range(20)), (6, range(8)), (8, range(5))]
)
def test_search_in_minigrid_finds_no_shorter_path(side, seeds):
  """Breadth first through `step` with all six actions, including drop."""
  made = _solved(side)[0]
  found = [_search(made[seed], seed) for seed in seeds]
  np.testing.assert_array_equal(found, _lengths(side)[list(seeds)])


def _search(env, seed):
  """Fewest steps to the goal by MiniGrid's own rules."""
  env.reset(seed=seed)
  cells = [env.grid.get(x, y) for y in range(env.height)
           for x in range(env.width)]  # fmt: skip
  key = next(c for c in cells if c is not None and c.type == "key")
  door = next(c for c in cells if c is not None and c.type == "door")

  def read():
    lies = None if env.carrying else tuple(int(x) for x in key.cur_pos)
    at = tuple(int(x) for x in env.agent_pos)
    return at, int(env.agent_dir), lies, door.is_open, door.is_locked

  def write(state):
    if not env.carrying:
      env.grid.set(*key.cur_pos, None)
    env.agent_pos, env.agent_dir, lies, door.is_open, door.is_locked = state
    env.carrying = None if lies else key
    if lies:
      env.grid.set(*lies, key)
      key.cur_pos = np.array(lies)
    env.step_count = 0

  start = read()
  queue, seen = collections.deque([(start, 0)]), {start}
  while queue:
    state, steps = queue.popleft()
    for action in range(env.actions.toggle + 1):
      write(state)
      if env.step(action)[2]:
        return steps + 1
      after = read()
      if after not in seen:
        seen.add(after)
        queue.append((after, steps + 1))
  return None


@pytest.mark.parametrize("side", LENGTHS)
def test_agentworld_moves_need_no_more_steps(side):
  """The oracle and a plain search agree on levels of another simulator."""
  _, levels, _, _ = _solved(side)

  def walk(level):
    table = oracle.solve(level, REAL)
    slot, closed = np.zeros(1, np.int32), np.zeros(1, bool)
    start = Place(level.agent, slot, closed, level.box_at)
    return oracle.value(table, start)

  ours = np.asarray(jax.jit(jax.vmap(walk))(levels))
  for seed in range(SEEDS):
    level = jax.tree.map(lambda x, seed=seed: x[seed], levels)
    assert ours[seed] == min(reference.Game.from_level(level, REAL).costs())
  assert (ours <= _lengths(side)).all()
  assert (ours < _lengths(side)).any()


def test_level_with_other_objects_is_refused():
  from minigrid.core.world_object import Lava

  env = envs.DoorKeyEnv(size=8)
  env.reset(seed=0)
  env.grid.set(1, 1, Lava())
  with pytest.raises(ValueError, match="lava at row 1, column 1"):
    minigrid.transcribe(env)

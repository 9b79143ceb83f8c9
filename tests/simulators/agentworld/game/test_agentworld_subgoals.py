"""What comes next is what the way needs, by table and by plain search."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld import reference
from simulators.agentworld.game import goals, subgoals
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import GOALS

ROWS = 24


@pytest.fixture(scope="module")
def small():
  return simulators.make("agentworld", size=5, sides=(5,), larger=())


def _hall(world, tools, elements, goal=(1, 4), kind=goals.REACH):
  """A hall of two rows and five columns; the agent starts at its left end.

  Tools and elements are {cell: kind}; those that are not given are put into
  the corners of a closed room below.
  """
  wall = np.ones((5, 5), bool)
  wall[:2] = wall[3:, :] = False
  wall[3, 3:] = True
  pairs = world.config.pairs
  spare = [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2)]
  left = [k for k in range(8) if k not in tools.values()]
  other = [k for k in range(8) if k not in elements.values()]
  tools, elements = dict(tools), dict(elements)
  for kinds, free in ((tools, left), (elements, other)):
    while len(kinds) < pairs:
      kinds[spare.pop()] = free.pop()

  def numbers(values):
    return np.array(list(values), np.int32)

  return jax.tree.map(
    jnp.asarray,
    Level(
      wall=wall, hazard=np.zeros_like(wall), agent=numbers((0, 0)),
      goal=numbers(goal), goal_kind=np.int32(kind), goal_thing=np.int32(0),
      tool_kind=numbers(tools.values()), tool_at=numbers(tools),
      element_kind=numbers(elements.values()), element_at=numbers(elements),
      box_at=np.zeros((0, 2), np.int32), side=np.int32(5),
      depth=np.int32(0), limit=np.int32(40),
    ),
  )  # fmt: skip


def _names(world, level):
  params = world.params("real")
  state = world.reset(jax.random.key(0), params, level)
  chain = _indices(jax.jit(subgoals.chain)(state, params))
  game = reference.Game.from_level(level, params)
  assert reference.chain(game) == chain
  return [world.subgoals[index] for index in chain]


def _indices(chain):
  """The indices of a chain; what fills it comes last."""
  found = [index for index in chain.tolist() if index >= 0]
  assert chain.tolist()[: len(found)] == found
  return found


def test_tool_is_next_only_where_the_way_needs_it(small):
  # The ax (kind 0) lies on the way; the tree (kind 0) closes the hall or not.
  tree = {(0, 3): 0, (1, 3): 1}
  barred = _hall(small, {(0, 1): 0}, tree)
  assert _names(small, barred) == ["ax", "tree", "goal"]
  aside = _hall(small, {(0, 1): 0}, {})
  assert _names(small, aside) == ["goal"]


def test_element_comes_after_its_tool_and_asked_things_come_last(small):
  level = _hall(small, {(0, 0): 0}, {(0, 3): 0, (1, 3): 1})
  params = small.params("real")
  state = small.reset(jax.random.key(0), params, level)
  held = state.env_state.replace(slot=state.env_state.slot.at[0].set(-1))
  state = state.replace(env_state=held)
  chain = _indices(jax.jit(subgoals.chain)(state, params))
  assert [small.subgoals[index] for index in chain] == ["tree", "goal"]
  take = _hall(small, {(1, 2): 3}, {}, goal=(1, 2), kind=goals.TAKE)
  assert _names(small, take) == ["torch"]


def test_no_way_has_no_subgoal(small):
  closed = _hall(small, {}, {(0, 3): 0, (1, 3): 1})
  assert _names(small, closed) == []


@pytest.mark.parametrize(
  "options",
  [
    {"size": 5, "sides": (5,), "larger": ()},
    {
      "size": 5, "sides": (5,), "larger": (), "boxes": 1, "hazards": 2,
      "goals": GOALS, "deeper": (1,),
    },
  ],
)  # fmt: skip
def test_chains_equal_the_reference(options):
  world = simulators.make("agentworld", **options)
  params = world.params("imperfect/swapped(1)")
  depths = world.depths("train")
  pool = world.pool("train", ROWS, depths)
  keys = jax.random.split(jax.random.key(0), ROWS)
  state = jax.vmap(world.reset, (0, None, 0))(keys, params, pool.levels)
  found = jax.jit(jax.vmap(world.chain, (0, None)))
  step = jax.jit(jax.vmap(world.step, (0, 0, None)))
  rng, names = np.random.default_rng(0), set()
  for _ in range(4):
    chains = np.asarray(found(state, params))
    env = jax.device_get(dataclasses.replace(state.env_state, key=None))
    for row in np.flatnonzero(~np.asarray(state.done)).tolist():
      one = jax.tree.map(lambda x, row=row: x[row], env)
      game = reference.Game.from_state(one, params)
      chain = _indices(chains[row])
      assert reference.chain(game) == chain
      names.update(world.subgoals[index] for index in chain)
    state = step(state, rng.integers(4, size=ROWS).astype(np.int32), params)
  assert len(names) > 3

"""MiniGrid's moves on five stored levels; MiniGrid itself is not needed."""

import jax
import numpy as np

import simulators
from simulators.agentworld import minigrid
from simulators.agentworld.game import goals
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import REAL_ELEMENTS, REAL_TOOLS

REAL = simulators.make("agentworld").params("real")
# DoorKey-8x8, seeds 0-4: # wall, K key, D door, G goal, and where one faces.
DRAWN = """
######## ######## ######## ######## ########
#....#.# #.KD...# #....#.# #^...#.# #...#..#
#....D.# #..#...# #....#.# #....#.# #.v.#..#
#....#.# #..#...# #^...D.# #....#.# #...#..#
#..v.#.# #..#...# #....#.# #.K..#.# #..KD..#
#...K#.# #..#...# #....#.# #....D.# #...#..#
#....#G# #^.#..G# #..K.#G# #....#G# #...#.G#
######## ######## ######## ######## ########
"""
LENGTHS = (17, 19, 20, 16, 12)
FACING = ">v<^"


def _read(rows):
  """(level, start) of one drawing."""
  grid = np.array([list(row) for row in rows])

  def at(letter):
    return np.argwhere(grid == letter)[0].astype(np.int32)

  facing = next(i for i, letter in enumerate(FACING) if (grid == letter).any())
  agent = at(FACING[facing])
  level = Level(
    wall=grid == "#",
    hazard=np.zeros(grid.shape, bool),
    agent=agent,
    goal=at("G"),
    goal_kind=np.int32(goals.REACH),
    goal_thing=np.int32(0),
    tool_kind=np.array([REAL_TOOLS.index("key")], np.int32),
    tool_at=at("K")[None],
    element_kind=np.array([REAL_ELEMENTS.index("door")], np.int32),
    element_at=at("D")[None],
    box_at=np.zeros((0, 2), np.int32),
    side=np.int32(len(grid)),
    depth=np.int32(1),
    limit=np.int32(640),
  )
  none = np.zeros(1, bool)
  return level, minigrid.Pose(agent, np.int32(facing), none, none)


def _all():
  rows = [line.split() for line in DRAWN.split("\n") if line]
  read = [_read(rows) for rows in zip(*rows, strict=True)]
  return jax.tree.map(lambda *leaves: np.stack(leaves), *read)


def _costs(levels, places, params):
  tables = jax.jit(jax.vmap(minigrid.solve, (0, None)))(levels, params)
  costs = jax.jit(jax.vmap(minigrid.costs, (0, 0, None, 0)))
  return np.asarray(costs(tables, levels, params, places))


def test_lengths_equal_those_of_minigrid():
  levels, places = _all()
  costs = _costs(levels, places, REAL)
  np.testing.assert_array_equal(costs.min(-1), LENGTHS)


def test_undone_turn_costs_at_most_two_moves():
  """Turning back and forth costs two: all costs are within two of the best."""
  levels, places = _all()
  costs = _costs(levels, places, REAL)
  turned = costs[:, [minigrid.LEFT, minigrid.RIGHT]]
  assert (turned <= costs.min(-1)[:, None] + 2).all()
  opposite = places._replace(facing=(places.facing + 2) % 4)
  gap = np.abs(_costs(levels, opposite, REAL).min(-1) - costs.min(-1))
  assert gap.max() <= 2


def test_no_path_exists_without_the_right_key():
  levels, places = _all()
  shut = REAL.replace(opens=np.zeros_like(REAL.opens))
  assert np.isinf(_costs(levels, places, shut)).all()


def test_key_must_be_picked_up_before_its_cell_is_entered():
  """Seed 4, left of the key, facing it: forward is blocked, act takes it."""
  levels, places = _all()
  level = jax.tree.map(lambda x: x[4], levels)
  place = jax.tree.map(lambda x: x[4], places)
  place = place._replace(
    agent=np.array([4, 2], np.int32), facing=np.int32(FACING.index(">"))
  )
  move = jax.jit(minigrid.move)
  stays = move(level, REAL, place, minigrid.FORWARD)
  np.testing.assert_array_equal(stays.agent, [4, 2])
  assert not stays.held.any()
  takes = move(level, REAL, place, minigrid.ACT)
  np.testing.assert_array_equal(takes.agent, [4, 2])
  assert takes.held.all()
  walks = move(level, REAL, takes, minigrid.FORWARD)
  np.testing.assert_array_equal(walks.agent, [4, 3])
  before = move(level, REAL, walks, minigrid.FORWARD)
  np.testing.assert_array_equal(before.agent, [4, 3])
  opens = move(level, REAL, walks, minigrid.ACT)
  assert opens.opened.all()
  through = move(level, REAL, opens, minigrid.FORWARD)
  np.testing.assert_array_equal(through.agent, [4, 4])

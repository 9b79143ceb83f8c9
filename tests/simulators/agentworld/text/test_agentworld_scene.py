"""Scenes hold what is perceived, and nothing that a path search finds."""

import collections
import dataclasses

import jax
import numpy as np
import pytest

from simulators.agentworld.config import Config
from simulators.agentworld.text.describe import describe
from simulators.agentworld.text.scene import YOURS, scenes
from tests.simulators.agentworld.arranged import (
  WORLDS,
  around,
  arrange,
  by_hand,
  look,
  named_rooms,
)

ROWS = 150  # moments of each arranged world


@pytest.fixture(scope="module")
def starts(world, pool):
  """The first observation of each level of the pool, on the host."""
  reset = jax.jit(jax.vmap(world.reset, (0, None, 0)))
  keys = jax.random.split(jax.random.key(0), len(pool))
  return jax.device_get(reset(keys, world.params(), pool.levels).obs)


@pytest.fixture(scope="module", params=range(len(WORLDS)))
def arranged(request):
  """Moments with walls anywhere, and so with many rooms."""
  return jax.device_get(look(*arrange(WORLDS[request.param], ROWS)))[0]


def test_rooms_are_pieces_of_floor(arranged):
  """By a second flood fill; the agent's room is `yours`, whatever its name."""
  several, many = 0, 0
  for i, scene in enumerate(scenes(arranged, 1)):
    rooms, here = named_rooms(arranged, i), arranged.agent[i]
    mine = rooms(here)
    assert scene.between == (tuple(mine) if len(mine) > 1 else ())
    several += len(mine) > 1
    goal = (scene.goal,) if scene.goal else ()
    for thing in (*goal, *scene.tools, *scene.elements):
      names = set(rooms(here + np.array(thing.at)))
      many += len(names) > 2
      if len(mine) == 1 and mine[0] in names:
        names = names - set(mine) | {YOURS}
        assert thing.rooms[0] == YOURS
      assert set(thing.rooms) == names
      assert len(thing.rooms) == len(names)
  assert several + many > 0


def test_elements_of_the_chain_are_doors_between_two_rooms(pool, starts):
  """Distractors stand in one room, or in a corner of none."""
  for i, scene in enumerate(scenes(starts, 1)):
    count = collections.Counter(len(it.rooms) for it in scene.elements)
    assert count[2] == pool.depths[i]
    assert set(count) <= {0, 1, 2}
    assert scene.between == ()
    of_agent = [it for it in scene.elements if it.rooms[:1] == (YOURS,)]
    assert of_agent or not pool.depths[i]
    rooms = {room for it in scene.elements for room in it.rooms}
    assert len(rooms | {YOURS}) == pool.depths[i] + 1


def test_eleventh_room_has_no_name():
  """Twelve cells without neighbours; the agent is in the last one."""
  wall = np.ones((7, 7), bool)
  cells = [(r, c) for r in (0, 2, 4, 6) for c in (0, 3, 6)]
  for cell in cells:
    wall[cell] = False
  obs = by_hand(
    wall=wall, agent=cells[11], goal=cells[9],
    tools={"ax": cells[0], "key": cells[10], "pick": cells[4]}, held=(),
    elements={"tree": (1, 0), "door": (3, 3), "rock": (5, 6)},
    needs=("ax", "key", "pick"), opened=(),
  )  # fmt: skip
  (scene,) = scenes(obs, 1)
  assert scene.goal.rooms == ("J",)
  tools = {thing.word: thing.rooms for thing in scene.tools}
  assert tools == {"ax": ("A",), "key": (), "pick": ("E",)}
  elements = {thing.word: thing.rooms for thing in scene.elements}
  assert elements == {"tree": ("A", "D"), "door": ("E", "H"), "rock": ("I",)}


def _edit(obs, i, rng, sight):
  """Row i with one wall more or less that the agent cannot perceive.

  The wall is more than `sight` steps away, holds nothing, and changes no room
  of any thing. None if there is no such cell.
  """
  here = tuple(obs.agent[i].tolist())
  things = [obs.goal[i], *obs.tool_at[i], *obs.element_at[i], *obs.boxes[i]]
  things += [*np.argwhere(obs.hazard[i])]
  near = {here, *around(here)}
  for _ in range(sight - 1):
    near |= {end for cell in near for end in around(cell)}
  taken = {*near, *(tuple(c.tolist()) for c in things)}
  side = int(obs.side[i])
  free = [
    (r, c) for r in range(side) for c in range(side) if (r, c) not in taken
  ]
  before = [named_rooms(obs, i)(c) for c in [here, *things]]
  for k in rng.permutation(len(free)):
    wall = obs.wall[i].copy()
    wall[free[k]] ^= True
    row = jax.tree.map(lambda x: x[i : i + 1], obs).replace(wall=wall[None])
    if [named_rooms(row, 0)(c) for c in [here, *things]] == before:
      return row
  return None


def _written(obs, rendering, sight=1):
  return describe(obs, Config(rendering=rendering, sight=sight))


@pytest.mark.parametrize("sight", [1, 2])
def test_walls_out_of_sight_change_no_text_but_change_the_way(starts, sight):
  """Some of these walls lie on shortest ways: a path search would tell."""
  rng, changed, edited = np.random.default_rng(0), 0, 0
  for _ in range(4):
    for i in range(len(starts.agent)):
      row, other = jax.tree.map(lambda x, i=i: x[i : i + 1], starts), None
      other = _edit(starts, i, rng, sight)
      if other is None:
        continue
      edited += 1
      for rendering in ("plain", "compact"):
        assert _written(row, rendering, sight) == _written(
          other, rendering, sight
        )
      changed += _steps(row) != _steps(other)
  assert edited > 100
  assert changed > 10


def _steps(obs):
  """Steps from the agent to each cell, through elements, around walls."""
  wall, start = obs.wall[0], tuple(obs.agent[0].tolist())
  steps, queue = {start: 0}, collections.deque([start])
  while queue:
    cell = queue.popleft()
    for there in around(cell):
      inside = min(there) >= 0 and max(there) < len(wall)
      if inside and not wall[there] and there not in steps:
        steps[there] = steps[cell] + 1
        queue.append(there)
  targets = [obs.goal[0], *obs.tool_at[0]]
  return [steps.get(tuple(c.tolist())) for c in targets]


def test_what_elements_need_is_not_in_the_text(arranged):
  """It stands in the rules; the hints repeat it."""
  other = dataclasses.replace(arranged, needs=np.roll(arranged.needs, 1, 1))
  for rendering in ("plain", "compact"):
    assert _written(arranged, rendering) == _written(other, rendering)
  assert _written(arranged, "hints") != _written(other, "hints")


def test_steps_taken_are_not_in_the_text(starts):
  later = starts.replace(time=starts.time + 5)
  for rendering in ("plain", "compact"):
    assert _written(starts, rendering) == _written(later, rendering)

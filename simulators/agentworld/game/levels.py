"""Generates AgentWorld's puzzles, solvable by construction.

A level of depth d is a row of d + 1 rooms between straight walls. Each wall has
one gap. An element closes the gap, and the tool that opens it lies in the room
before it, so the way to the goal opens exactly d elements in order. The other
pairs are distractors: their tools and elements stand in free cells. `pools`
keeps only levels whose shortest solution opens d elements and no more. A tool
to take or bring lies in the last room, and so does the first box of a push
level. An element to open closes the last wall. Other boxes and hazards stand
anywhere.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.game import goals, layout
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import GOALS, KINDS, OOD_KINDS

Array = jax.Array


def _dice(key: Array, *shapes: tuple[int, ...]) -> list[Array]:
  """Uniform numbers of each shape from one draw.

  Each separate draw costs half a second of compile time on a CPU.
  """
  sizes = [math.prod(shape) for shape in shapes]
  parts = jnp.split(jax.random.uniform(key, (sum(sizes),)), np.cumsum(sizes))
  return [
    part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)
  ]


def _ranks(chance: Array) -> Array:
  """i32[n]: 0..n-1 in random order, from f32[n].

  Sorting would do the same, but takes a second to compile.
  """
  return jnp.sum(chance[:, None] > chance, axis=1, dtype=jnp.int32)


def _kinds(chance: Array, depth: Array, novel: Array, pairs: int) -> Array:
  """i32[pairs]: distinct kinds, those of the chain first."""
  usual = KINDS - OOD_KINDS
  common = _ranks(chance[:usual])[:pairs]
  rare = jnp.resize(usual + _ranks(chance[usual:]), (pairs,))
  return jnp.where(novel & (jnp.arange(pairs) < depth), rare, common)


def _turn(chance: Array, level: Level) -> Level:
  """The level under one of its eight rotations and mirror images."""
  swap, flip_row, flip_column = chance < 0.5
  end = level.side - 1

  def there(cell: Array) -> Array:
    cell = jnp.where(swap, cell[..., ::-1], cell)
    flip = jnp.stack([flip_row, flip_column])
    return jnp.where(flip, end - cell, cell)

  size = level.wall.shape[0]
  row, column = jnp.indices((size, size))
  inside = (row < level.side) & (column < level.side)
  old_row = jnp.where(flip_row, end - row, row)
  old_column = jnp.where(flip_column, end - column, column)

  def turned(cells: Array) -> Array:
    return jnp.where(
      swap, cells[old_column, old_row], cells[old_row, old_column]
    )

  return dataclasses.replace(
    level,
    wall=turned(level.wall) | ~inside,
    hazard=turned(level.hazard) & inside,
    agent=there(level.agent),
    goal=there(level.goal),
    tool_at=there(level.tool_at),
    element_at=there(level.element_at),
    box_at=there(level.box_at),
  )


def generate(
  key: Array,
  depth: Array,
  side: Array,
  config: Config,
  novel: Array | bool = False,
) -> tuple[Level, Array, Array]:
  """Draws one level; vmap over keys, depths and sides.

  Args:
    key: PRNG key.
    depth: i32[], 0 to config.pairs - 1; see MIN_SIDE.
    side: i32[], 5..config.size.
    config: sizes and counts.
    novel: bool[], whether the chain uses the kinds kept for `ood-chain`.

  Returns:
    level: the puzzle.
    ok: bool[], whether everything had room and all free cells are connected
      (boxes ignored).
    straight: i32[], rows plus columns from stop to stop of the chain: each tool
      of it, then the gap that it opens, and last what is asked for.
  """
  size, pairs = config.size, config.pairs
  longest = pairs - 1
  ways = layout.ways(size, longest)
  more_walls = config.walls
  walls, cells, spare, kinds, order, turn = _dice(
    key,
    (len(ways),),
    (longest + 2 + 2 * pairs + more_walls, size, size),
    (),
    (KINDS,),
    (pairs,),
    (3,),
  )
  chances = iter(cells)
  row, column = jnp.indices((size, size))
  inside = (row < side) & (column < side)

  # Rooms: walls in columns with one gap each; the end turns the level.
  walls_at = layout.walls_at(walls, depth, side, ways, size)
  room = functools.reduce(
    jnp.add, [(column > at).astype(jnp.int32) for at in walls_at]
  )
  between = functools.reduce(jnp.logical_or, [column == at for at in walls_at])
  wall = ~inside | between
  gaps = []
  for at in walls_at:
    gap, _ = layout.pick(next(chances), inside & (column == at))
    gaps.append(gap)
  gaps = jnp.stack(gaps)  # gaps of absent walls are never used
  chain = jnp.arange(pairs) < depth
  free = ~wall
  ok = jnp.ones((), bool)

  def place(mask: Array, chances: Iterator[Array] = chances) -> Array:
    nonlocal free, ok
    cell, found = layout.pick(next(chances), free & mask)
    free = free.at[cell[0], cell[1]].set(False)
    ok &= found
    return cell

  asked = goals.draw(key, depth, config)
  ok &= asked.possible

  # The chain: agent first, each tool in the room before its gap, goal last.
  agent = place(room == 0)
  goal = place(room == depth)
  tool_at = jnp.stack([
    place(
      (room == i) | (~chain[i] & ((room == depth) | ~asked.is_taken(i)))
    )
    for i in range(pairs)
  ])  # fmt: skip
  element_at = []
  for i in range(pairs):
    stand, found = layout.pick(next(chances), free)
    gap = gaps[min(i, longest - 1)]
    cell = jnp.where(chain[i], gap, stand)
    ok &= chain[i] | found
    free = free.at[cell[0], cell[1]].set(False)
    element_at.append(cell)
  element_at = jnp.stack(element_at)
  in_gap = chain[:, None, None] & layout.mark(element_at, size)
  wall &= ~jnp.any(in_gap, axis=0)

  # Single walls in the rooms, rather between two stops than elsewhere: half
  # of the most, or more.
  stops = layout.stops(agent, tool_at, element_at, chain)
  between = layout.between([*stops, (goal, jnp.ones((), bool))], row, column)
  count = more_walls // 2 + jnp.floor(
    spare * (more_walls - more_walls // 2 + 1)
  )
  for i in range(more_walls):
    cell, found = layout.pick(
      next(chances) + jnp.where(between, 0.5, 0.0), free
    )
    built = found & (i < count)
    wall = wall.at[cell[0], cell[1]].max(built)
    free = free.at[cell[0], cell[1]].min(~built)

  # Boxes and hazards use a separate draw: levels without them stay the same.
  hazard = jnp.zeros((size, size), bool)
  box_at = []
  if config.boxes or config.hazards:
    cells, count = _dice(
      jax.random.fold_in(key, 1),
      (config.boxes + config.hazards, size, size),
      (),
    )
    chances = iter(cells)
    for i in range(config.boxes):
      last_room = (room == depth) | (asked.kind != GOALS.index("push"))
      box_at.append(place(last_room | (i > 0), chances))
    for i in range(config.hazards):
      cell, found = layout.pick(next(chances), free)
      put = found & (i < jnp.floor(count * (config.hazards + 1)))
      hazard = hazard.at[cell[0], cell[1]].max(put)
      free = free.at[cell[0], cell[1]].min(~put)
  obstacle = jnp.any(
    ~chain[:, None, None] & layout.mark(element_at, size), axis=0
  )
  ok &= layout.connected(~wall & ~obstacle & ~hazard, agent)

  goal = jnp.select(
    [asked.kind == GOALS.index("take"), asked.kind == GOALS.index("open")],
    [tool_at[asked.thing], element_at[asked.thing]],
    goal,
  )
  bring = asked.kind == goals.BRING
  straight = layout.straight(
    [*stops, (tool_at[asked.thing], bring), (goal, jnp.ones((), bool))]
  )
  kind = _kinds(kinds, depth, jnp.asarray(novel), pairs)
  order = _ranks(order)
  level = Level(
    wall=wall,
    hazard=hazard,
    agent=agent,
    goal=goal,
    goal_kind=asked.kind,
    goal_thing=jnp.where(
      asked.has_thing, jnp.argmax(order == asked.thing), 0
    ).astype(jnp.int32),
    tool_kind=kind[order],
    tool_at=tool_at[order],
    element_kind=kind[order],
    element_at=element_at[order],
    box_at=jnp.stack(box_at) if box_at else jnp.zeros((0, 2), jnp.int32),
    side=jnp.asarray(side, jnp.int32),
    depth=jnp.asarray(depth, jnp.int32),
    limit=jnp.asarray(config.horizon, jnp.int32),  # `pools` knows better
  )
  return _turn(turn, level), ok, straight

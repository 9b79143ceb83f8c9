"""AgentWorld's puzzles: generated, solvable by construction, split by hash.

A level of depth d is a chain of d + 1 rooms behind straight full walls. Each
wall has one gap, closed by an element, and the tool that opens it lies in the
room before it: so the way to the goal opens exactly d elements, in order. The
pairs that are left over are distractors: their tools lie about, their elements
stand about as obstacles. `pools` keeps those levels whose shortest solution
indeed opens d elements and no more.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.types import KINDS, OOD_KINDS, Config, Level

Array = jax.Array

MAX_DEPTH = 2
MIN_SIDE = (5, 5, 6)  # side that a depth needs


def _pick(chance: Array, mask: Array) -> tuple[Array, Array]:
  """The True cell of `mask` bool[S, S] of most chance, and if there is one."""
  chance = jnp.where(mask, chance, -1.0)
  index = jnp.argmax(chance.reshape(-1))
  cell = jnp.stack([index // mask.shape[1], index % mask.shape[1]])
  return cell.astype(jnp.int32), jnp.any(mask)


def _dice(key: Array, *shapes: tuple[int, ...]) -> list[Array]:
  """Uniform numbers of each shape from one draw.

  On a CPU every separate draw takes XLA half a second to compile.
  """
  sizes = [math.prod(shape) for shape in shapes]
  parts = jnp.split(jax.random.uniform(key, (sum(sizes),)), np.cumsum(sizes))
  return [
    part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)
  ]


def _ways(size: int) -> np.ndarray:
  """i32[W, MAX_DEPTH]: columns that walls can have; `size` where none.

  Every room is left at least one column.
  """
  none = size
  ways = [(none, none)]
  ways += [(a, none) for a in range(1, size - 1)]
  ways += [(a, b) for a in range(1, size) for b in range(a + 2, size - 1)]
  return np.array(ways, np.int32)


def _walls_at(chance: Array, depth: Array, side: Array, size: int) -> Array:
  """i32[MAX_DEPTH]: the way of most chance f32[W] among those that fit."""
  ways = _ways(size)
  count = np.sum(ways < size, axis=1)
  last = np.max(np.where(ways < size, ways, 0), axis=1)
  fits = (count == depth) & (last <= side - 2)
  return jnp.asarray(ways)[jnp.argmax(jnp.where(fits, chance, -1.0))]


def flood(free: Array, start: Array) -> Array:
  """bool[S, S]: cells that walking reaches from bool[S, S] through `free`."""

  def spread(carry):
    wet, _ = carry
    pad = jnp.pad(wet, 1)
    near = pad[:-2, 1:-1] | pad[2:, 1:-1] | pad[1:-1, :-2] | pad[1:-1, 2:]
    new = wet | (near & free)
    return new, jnp.any(new != wet)

  wet, _ = jax.lax.while_loop(
    lambda carry: carry[1], spread, (start, jnp.ones((), bool))
  )
  return wet


def _connected(free: Array, start: Array) -> Array:
  """bool[]: walking from the cell `start` i32[2] reaches all of `free`."""
  first = jnp.zeros_like(free).at[start[0], start[1]].set(True) & free
  return jnp.all(flood(free, first) == free)


def _ranks(chance: Array) -> Array:
  """i32[n]: 0..n-1 in random order, from f32[n].

  Sorting would do as well, and takes XLA a second to compile.
  """
  return jnp.sum(chance[:, None] > chance, axis=1, dtype=jnp.int32)


def _kinds(chance: Array, depth: Array, novel: Array, pairs: int) -> Array:
  """i32[pairs]: distinct kinds, the chain's first."""
  usual = KINDS - OOD_KINDS
  common = _ranks(chance[:usual])[:pairs]
  rare = jnp.resize(usual + _ranks(chance[usual:]), pairs)
  return jnp.where(novel & (jnp.arange(pairs) < depth), rare, common)


def _turn(chance: Array, level: Level) -> Level:
  """The level under one of the eight rotations and mirror images."""
  swap, flip_row, flip_column = chance < 0.5
  end = level.side - 1

  def there(cell):
    cell = jnp.where(swap, cell[..., ::-1], cell)
    flip = jnp.stack([flip_row, flip_column])
    return jnp.where(flip, end - cell, cell)

  size = level.wall.shape[0]
  row, column = jnp.indices((size, size))
  inside = (row < level.side) & (column < level.side)
  old_row = jnp.where(flip_row, end - row, row)
  old_column = jnp.where(flip_column, end - column, column)
  wall = jnp.where(
    swap, level.wall[old_column, old_row], level.wall[old_row, old_column]
  )
  return level.replace(
    wall=wall | ~inside,
    agent=there(level.agent),
    goal=there(level.goal),
    tool_at=there(level.tool_at),
    element_at=there(level.element_at),
  )


def generate(
  key: Array,
  depth: Array,
  side: Array,
  config: Config,
  novel: Array | bool = False,
) -> tuple[Level, Array]:
  """Draws one level; vmap over keys, depths and sides.

  Args:
    key: PRNG key.
    depth: i32[], 0..2; depth 2 needs side 6 or more.
    side: i32[], 5..config.size.
    config: sizes and counts.
    novel: bool[], chain of kinds that other splits never show.

  Returns:
    level: the puzzle.
    ok: bool[], all had room and everything free is connected.
  """
  size, pairs = config.size, config.pairs
  walls, cells, spare, kinds, order, turn = _dice(
    key,
    (len(_ways(size)),),
    (2 * MAX_DEPTH + 3 + 2 * pairs, size, size),
    (),
    (KINDS,),
    (pairs,),
    (3,),
  )
  chances = iter(cells)
  row, column = jnp.indices((size, size))
  inside = (row < side) & (column < side)

  # Rooms: walls in columns, one gap each; turned at random at the end.
  walls_at = _walls_at(walls, depth, side, size)
  room = sum((column > at).astype(jnp.int32) for at in walls_at)
  between = functools.reduce(jnp.logical_or, [column == at for at in walls_at])
  wall = ~inside | between
  gaps = []
  for at in walls_at:
    gap, _ = _pick(next(chances), inside & (column == at))
    gaps.append(gap)
  gaps = jnp.stack(gaps)  # those of absent walls are never used
  chain = jnp.arange(pairs) < depth
  free = ~wall
  ok = jnp.ones((), bool)

  def place(mask):
    nonlocal free, ok
    cell, found = _pick(next(chances), free & mask)
    free = free.at[cell[0], cell[1]].set(False)
    ok &= found
    return cell

  # The chain: agent first, each tool one room before its gap, goal last.
  agent = place(room == 0)
  goal = place(room == depth)
  tool_at = jnp.stack([place((room == i) | ~chain[i]) for i in range(pairs)])
  element_at = []
  for i in range(pairs):
    stand, found = _pick(next(chances), free)
    gap = gaps[min(i, MAX_DEPTH - 1)]
    cell = jnp.where(chain[i], gap, stand)
    ok &= chain[i] | found
    free = free.at[cell[0], cell[1]].set(False)
    element_at.append(cell)
  element_at = jnp.stack(element_at)
  in_gap = chain[:, None, None] & _mark(element_at, size)
  wall &= ~jnp.any(in_gap, axis=0)

  # A few walls more, where the rooms have any to spare.
  most = jnp.asarray(MAX_DEPTH + 2 - depth, jnp.float32)
  for i in range(MAX_DEPTH + 1):
    cell, found = _pick(next(chances), free)
    built = found & (i < jnp.floor(spare * most))
    wall = wall.at[cell[0], cell[1]].max(built)
    free = free.at[cell[0], cell[1]].min(~built)
  obstacle = jnp.any(~chain[:, None, None] & _mark(element_at, size), axis=0)
  ok &= _connected(~wall & ~obstacle, agent)

  kind = _kinds(kinds, depth, jnp.asarray(novel), pairs)
  order = _ranks(order)
  level = Level(
    wall=wall,
    agent=agent,
    goal=goal,
    tool_kind=kind[order],
    tool_at=tool_at[order],
    element_kind=kind[order],
    element_at=element_at[order],
    side=jnp.asarray(side, jnp.int32),
    depth=jnp.asarray(depth, jnp.int32),
  )
  return _turn(turn, level), ok


def _mark(cells: Array, size: int) -> Array:
  """bool[P, S, S]: True at each of `cells` i32[P, 2]."""
  row, column = jnp.indices((size, size))
  return (row == cells[:, 0, None, None]) & (column == cells[:, 1, None, None])

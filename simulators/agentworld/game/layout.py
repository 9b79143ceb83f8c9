"""Where things of a new level go: walls, stops, cells; used by `levels`."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Stop = tuple[Array, Array]  # (cell i32[2], whether the agent goes there)


def pick(chance: Array, mask: Array) -> tuple[Array, Array]:
  """(cell of `mask` bool[S, S] with the greatest chance, whether any)."""
  chance = jnp.where(mask, chance, -1.0)
  index = jnp.argmax(chance.reshape(-1))
  cell = jnp.stack([index // mask.shape[1], index % mask.shape[1]])
  return cell.astype(jnp.int32), jnp.any(mask)


def ways(size: int, most: int) -> np.ndarray:
  """i32[W, most]: all choices of columns for up to `most` walls.

  `size` stands for an absent wall. Every room keeps at least one column.
  """
  out = [
    (*columns, *[size] * (most - count))
    for count in range(most + 1)
    for columns in itertools.combinations(range(1, size - 1), count)
    if all(b - a > 1 for a, b in itertools.pairwise(columns))
  ]
  return np.array(out, np.int32)


def walls_at(
  chance: Array, depth: Array, side: Array, ways: np.ndarray, size: int
) -> Array:
  """i32[most]: the row of `ways` with the greatest chance f32[W] that fits."""
  count = np.sum(ways < size, axis=1)
  last = np.max(np.where(ways < size, ways, 0), axis=1)
  fits = (count == depth) & (last <= side - 2)
  return jnp.asarray(ways)[jnp.argmax(jnp.where(fits, chance, -1.0))]


def flood(free: Array, start: Array) -> Array:
  """bool[S, S]: cells reached from `start` bool[S, S] through `free` cells."""

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


def connected(free: Array, start: Array) -> Array:
  """bool[]: whether all `free` cells are reached from `start` i32[2]."""
  first = jnp.zeros_like(free).at[start[0], start[1]].set(True) & free
  return jnp.all(flood(free, first) == free)


def stops(agent: Array, tools: Array, gaps: Array, chain: Array) -> list[Stop]:
  """The agent, then each tool of the chain and the gap that it opens."""
  out = [(agent, jnp.ones((), bool))]
  for i, pair in enumerate(zip(tools, gaps, strict=True)):
    out += [(cell, chain[i]) for cell in pair]
  return out


def straight(stops: list[Stop]) -> Array:
  """i32[]: rows plus columns from stop to stop."""
  here, total = stops[0][0], jnp.zeros((), jnp.int32)
  for cell, counts in stops[1:]:
    total += jnp.where(counts, jnp.sum(jnp.abs(cell - here)), 0)
    here = jnp.where(counts, cell, here)
  return total


def between(stops: list[Stop], row: Array, column: Array) -> Array:
  """bool[S, S]: cells in the rectangle of two successive stops."""
  here, out = stops[0][0], jnp.zeros_like(row, bool)
  for cell, counts in stops[1:]:
    low, high = jnp.minimum(here, cell), jnp.maximum(here, cell)
    inside = (row >= low[0]) & (row <= high[0])
    inside &= (column >= low[1]) & (column <= high[1])
    out |= counts & inside
    here = jnp.where(counts, cell, here)
  return out


def mark(cells: Array, size: int) -> Array:
  """bool[P, S, S]: True at each of `cells` i32[P, 2]."""
  row, column = jnp.indices((size, size))
  return (row == cells[:, 0, None, None]) & (column == cells[:, 1, None, None])

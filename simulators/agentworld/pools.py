"""Levels in splits: the same on every call, and no level in two of them.

A level belongs to one split for ever: by its shift (kinds, side, depth) and by
a hash that rotations, mirror images and renamed kinds leave alone.
"""

import functools
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld import oracle
from simulators.agentworld.levels import MAX_DEPTH, MIN_SIDE, generate
from simulators.agentworld.types import KINDS, Config, Level, Params
from simulators.base import SPLITS, LevelPool, check_split

Array = jax.Array

MIN_STEPS = 3  # of the shortest solution: nearer goals teach nothing
BUCKETS = 16  # of the canonical hash, dealt to the splits below
# split -> buckets, sides, default depths. `ood-size` is set apart by its side
# and takes every bucket.
_DEALT = {
  "train": (range(10), (5, 6), (0, 1)),
  "val": (range(10, 12), (5, 6), (0, 1)),
  "test": (range(12, 14), (5, 6), (0, 1)),
  "ood-chain": (range(14, 15), (5, 6), (1,)),
  "ood-depth": (range(15, 16), (5, 6), (2,)),
  "ood-size": (range(BUCKETS), (7,), (0, 1)),
}
_CANDIDATES = 1024  # drawn at a time
_CHECKED = 128  # solved at a time
_PATIENCE = 50  # batches without a single level


def hashes(levels: Level) -> np.ndarray:
  """uint64[n]: equal where levels differ by a turn, mirror or renaming only.

  A level is written as a byte a cell, kinds numbered by first appearance; the
  least of its eight turned forms is hashed.

  Args:
    levels: numpy leaves with a leading axis n.
  """
  out = np.zeros(len(levels.side), np.uint64)
  for side in np.unique(levels.side):
    rows = np.flatnonzero(levels.side == side)
    grid = _cells(_rows(levels, rows), int(side))
    turned = [np.rot90(grid, turns, (1, 2)) for turns in range(4)]
    turned += [form.swapaxes(1, 2) for form in turned]
    forms = [_renamed(form.reshape(len(rows), -1)) for form in turned]
    for i, row in enumerate(rows):
      least = min(form[i].tobytes() for form in forms)
      digest = hashlib.blake2b(least, digest_size=8).digest()
      out[row] = int.from_bytes(digest, "big")
  return out


def _rows(levels: Level, rows: np.ndarray) -> Level:
  return jax.tree.map(lambda x: x[rows], levels)


_TOOL, _ELEMENT = 8, 8 + KINDS  # codes of kind 0 in `_cells`


def _cells(levels: Level, side: int) -> np.ndarray:
  """uint8[n, side, side]: 0 free, 1 wall, 2 agent, 3 goal, tools, elements."""
  grid = levels.wall[:, :side, :side].astype(np.uint8)
  row = np.arange(len(grid))
  for code, at in ((2, levels.agent), (3, levels.goal)):
    grid[row, at[:, 0], at[:, 1]] = code
  for i in range(levels.tool_kind.shape[1]):
    for first, kind, at in (
      (_TOOL, levels.tool_kind, levels.tool_at),
      (_ELEMENT, levels.element_kind, levels.element_at),
    ):
      grid[row, at[:, i, 0], at[:, i, 1]] = first + kind[:, i]
  return grid


def _renamed(cells: np.ndarray) -> np.ndarray:
  """Kinds numbered by first appearance in each row of `cells` uint8[n, L]."""
  kind = np.where(cells >= _TOOL, (cells - _TOOL) % KINDS, KINDS)
  shown = kind[:, None, :] == np.arange(KINDS)[:, None]  # [n, KINDS, L]
  first = np.where(shown.any(-1), shown.argmax(-1), cells.shape[1])
  order = np.argsort(np.argsort(first, axis=1, kind="stable"), axis=1)
  order = np.pad(order, ((0, 0), (0, 1)))  # free cells and the like
  new = np.take_along_axis(order, kind.astype(np.int64), axis=1)
  renamed = cells - kind + new
  return np.where(cells >= _TOOL, renamed, cells).astype(np.uint8)


@functools.partial(jax.jit, static_argnums=(3,))
def _candidates(key, depth, sides, config, novel):
  """A batch of levels of one depth, sides drawn from `sides` i32[k]."""
  side_key, key = jax.random.split(key)
  chance = jax.random.bits(side_key, (_CANDIDATES,), jnp.uint32)
  side = sides[(chance % len(sides)).astype(jnp.int32)]
  keys = jax.random.split(key, _CANDIDATES)
  draw = functools.partial(generate, config=config, novel=novel)
  return jax.vmap(draw, in_axes=(0, None, 0))(keys, depth, side)


@jax.jit
def _measure(levels: Level) -> tuple[Array, Array]:
  """(steps, most elements opened) of the shortest solutions, batched.

  Each opening is 1/64 cheaper than a step: too little to make a detour pay,
  enough to show in the cost of a shortest solution that opens more.
  """
  same = jnp.eye(KINDS, dtype=bool)
  unused = jnp.zeros(())
  names = jnp.arange(KINDS)
  params = Params(names, names, same, same, unused, unused)

  def one(level):
    cheap = jnp.full(level.tool_kind.shape, 1.0 - 1.0 / 64.0)
    table = oracle.solve(level, params, cheap)
    closed = jnp.zeros(level.tool_kind.shape, bool)
    return oracle.value(table, level.agent, closed, closed)

  cost = jax.vmap(one)(levels)
  steps = jnp.ceil(cost)
  return steps, jnp.round((steps - cost) * 64.0)


def _stream(split: str, depth: int, config: Config):
  """Yields (hash, level) of one split and depth, for ever, always the same."""
  buckets, sides, _ = _DEALT[split]
  sides = [s for s in sides if MIN_SIDE[depth] <= s <= config.size]
  key = jax.random.fold_in(jax.random.key(SPLITS.index(split)), depth)
  seen = set()
  for batch in itertools.count():
    if batch > _PATIENCE and not seen:
      raise RuntimeError(
        f"no {split} level of depth {depth} in {batch * _CANDIDATES} draws"
      )
    drawn = _candidates(
      jax.random.fold_in(key, batch),
      depth,
      jnp.asarray(np.resize(sides, 2)),
      config,
      split == "ood-chain",
    )
    levels, ok = jax.device_get(drawn)
    levels = _rows(levels, ok)
    names = hashes(levels)
    mine = np.flatnonzero(np.isin(names % BUCKETS, list(buckets)))
    for start in range(0, len(mine), _CHECKED):
      rows = mine[start : start + _CHECKED]
      full = np.resize(rows, _CHECKED)  # one shape, one compile
      steps, opened = jax.device_get(_measure(_rows(levels, full)))
      good = (steps >= MIN_STEPS) & (steps <= config.horizon)
      good &= opened == depth
      for i in np.flatnonzero(good[: len(rows)]):
        name = int(names[rows[i]])
        if name not in seen:
          seen.add(name)
          yield name, _rows(levels, rows[i])


def pool(
  split: str, size: int, depths=None, config: Config | None = None
) -> LevelPool:
  """`size` levels of a split, the same on every call.

  Depths take turns. A longer pool starts with the shorter one. No level is in
  two splits, nor twice in one.

  Args:
    split: one of SPLITS.
    size: number of levels.
    depths: chain depths; by default 0 and 1 for train, val, test and ood-size,
      1 for ood-chain, 2 for ood-depth.
    config: sizes and counts.

  Raises:
    ValueError: for an unknown split, or depths that it cannot have.
  """
  config = config or Config()
  check_split(split, SPLITS)
  if size < 1:
    raise ValueError(f"a pool of {size} levels is empty: ask for at least 1")
  _, sides, default = _DEALT[split]
  depths = default if depths is None else tuple(int(d) for d in depths)
  lowest = int(split == "ood-chain")
  wrong = [d for d in depths if not lowest <= d <= MAX_DEPTH]
  if wrong or not depths or len(set(depths)) < len(depths):
    raise ValueError(
      f"depths {depths} of {split}: give distinct depths in "
      f"{lowest}..{MAX_DEPTH}"
    )
  for depth in depths:
    room = [s for s in sides if MIN_SIDE[depth] <= s <= config.size]
    if not room:
      raise ValueError(
        f"{split} at depth {depth} has sides {sides} of which none lies in "
        f"{MIN_SIDE[depth]}..{config.size}: set config.size to {max(sides)}"
      )
  streams = {depth: _stream(split, depth, config) for depth in depths}
  return LevelPool.draw(split, streams, size)

"""Levels in splits: the same on every call, and no level in two of them.

Within a Config a level belongs to one split: by its shift (kinds, side, depth)
and by a hash that rotations, mirror images and renamed kinds leave alone. What
is `ood-size` in one Config may be trained on in another.
"""

import dataclasses
import functools
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld import goals, oracle, variants
from simulators.agentworld.levels import generate
from simulators.agentworld.types import (
  KINDS,
  MIN_SIDE,
  MIN_STEPS,
  OOD_KINDS,
  Config,
  Level,
  Place,
)
from simulators.base import SPLITS, LevelPool, check_size, check_split

Array = jax.Array

BUCKETS = 16  # of the canonical hash, dealt to the splits below
# split -> buckets; `ood-size` is set apart by its sides, takes every bucket.
_DEALT = {
  "train": range(10),
  "val": range(10, 12),
  "test": range(12, 14),
  "ood-chain": range(14, 15),
  "ood-depth": range(15, 16),
  "ood-size": range(BUCKETS),
}
_CANDIDATES = 1024  # drawn at a time
_SOLVED = 2**20  # states solved at a time
_CROPPED = 2**16  # states from which each side is solved in an array of its own
_PATIENCE = 50  # batches on end without a single new level


def hashes(levels: Level) -> np.ndarray:
  """uint64[n]: equal where levels differ by a turn, mirror or renaming only.

  A level is written as a byte a cell, kinds numbered by first appearance, and
  what it asks for behind them; the least of its eight turned forms is hashed.

  Args:
    levels: numpy leaves with a leading axis n.
  """
  out = np.zeros(len(levels.side), np.uint64)
  groups = np.stack([levels.side, levels.goal_kind], -1)
  for side, goal in np.unique(groups, axis=0):
    rows = np.flatnonzero((groups == (side, goal)).all(-1))
    some = _rows(levels, rows)
    grid, asked = _cells(some, int(side)), _asked(some, int(goal))
    turned = [np.rot90(grid, turns, (1, 2)) for turns in range(4)]
    turned += [form.swapaxes(1, 2) for form in turned]
    forms = [
      _renamed(np.concatenate([form.reshape(len(rows), -1), asked], 1))
      for form in turned
    ]
    for i, row in enumerate(rows):
      least = min(form[i].tobytes() for form in forms)
      digest = hashlib.blake2b(least, digest_size=8).digest()
      out[row] = int.from_bytes(digest, "big")
  return out


def _rows(levels: Level, rows: np.ndarray) -> Level:
  return jax.tree.map(lambda x: x[rows], levels)


_HAZARD, _BOX, _TOOL = 4, 5, 8  # codes in `_cells`; tools begin at kind 0
_ELEMENT = _TOOL + KINDS


def _cells(levels: Level, side: int) -> np.ndarray:
  """uint8[n, side, side]: 0 free, 1 wall, 2 agent, 3 goal, and the codes."""
  grid = levels.wall[:, :side, :side].astype(np.uint8)
  grid[levels.hazard[:, :side, :side]] = _HAZARD
  row = np.arange(len(grid))
  for code, at in ((2, levels.agent), (3, levels.goal)):
    grid[row, at[:, 0], at[:, 1]] = code
  for i in range(levels.box_at.shape[1]):
    grid[row, levels.box_at[:, i, 0], levels.box_at[:, i, 1]] = _BOX
  for i in range(levels.tool_kind.shape[1]):
    for first, kind, at in (
      (_TOOL, levels.tool_kind, levels.tool_at),
      (_ELEMENT, levels.element_kind, levels.element_at),
    ):
      grid[row, at[:, i, 0], at[:, i, 1]] = first + kind[:, i]
  return grid


def _asked(levels: Level, goal: int) -> np.ndarray:
  """uint8[n, 2]: the goal's kind and thing; nothing where it is `reach`."""
  row, thing = np.arange(len(levels.side)), levels.goal_thing
  code = {
    goals.REACH: None,
    goals.TAKE: _TOOL + levels.tool_kind[row, thing],
    goals.OPEN: _ELEMENT + levels.element_kind[row, thing],
    goals.BRING: _TOOL + levels.tool_kind[row, thing],
    goals.PUSH: 0 * row,
  }[goal]
  if code is None:
    return np.zeros((len(row), 0), np.uint8)
  return np.stack([0 * row + goal, code], -1).astype(np.uint8)


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
  params = variants.parse("real")

  def one(level):
    closed = jnp.zeros(level.tool_kind.shape, bool)
    start = Place(level.agent, closed, closed, level.box_at)
    cheap = jnp.full(level.tool_kind.shape, 1.0 - 1.0 / 64.0)
    return oracle.value(oracle.solve(level, params, cheap), start)

  cost = jax.vmap(one)(levels)
  steps = jnp.ceil(cost)
  return steps, jnp.round((steps - cost) * 64.0)


def _solutions(levels: Level, rows: np.ndarray, config: Config):
  """Yields `_measure` of levels[rows] one by one, some solved ahead together.

  Where levels have many states, those of a side are solved by themselves in an
  array of that side. The answers are the same.
  """
  known = {}  # row -> (steps, opened)
  for n, row in enumerate(rows.tolist()):
    if row not in known:
      alike, side = rows[n:], config.size
      if config.states > _CROPPED:
        side = int(levels.side[row])
        alike = alike[levels.side[alike] == side]
      states = side ** (2 + 2 * config.boxes) * 4**config.pairs
      count = max(1, min(128, _SOLVED // states))
      new = [r for r in alike.tolist() if r not in known][:count]
      some = _rows(levels, np.resize(new, count))  # one shape, one compile
      some = some.replace(
        wall=some.wall[:, :side, :side], hazard=some.hazard[:, :side, :side]
      )
      steps, opened = jax.device_get(_measure(some))
      known.update(zip(new, zip(steps, opened, strict=True), strict=False))
    yield known.pop(row)


def _stream(split: str, depth: int, sides: list[int], config: Config):
  """Yields (hash, level) of one split and depth, for ever, always the same."""
  key = jax.random.fold_in(jax.random.key(SPLITS.index(split)), depth)
  seen, last = set(), 0  # the batch that brought the last level
  for batch in itertools.count():
    if batch - last > _PATIENCE:
      raise ValueError(
        f"{split} has {len(seen)} levels of depth {depth} and no more in "
        f"{(batch - last) * _CANDIDATES} draws: ask for fewer, or raise "
        f"horizon={config.horizon} or the sides {sorted(set(sides))}"
      )
    drawn = _candidates(
      jax.random.fold_in(key, batch),
      depth,
      jnp.asarray(np.resize(sides, max(2, len(sides)))),
      config,
      split == "ood-chain",
    )
    levels, ok = jax.device_get(drawn)
    levels = _rows(levels, ok)
    names = hashes(levels)
    mine = np.flatnonzero(np.isin(names % BUCKETS, list(_DEALT[split])))
    measured = _solutions(levels, mine, config)
    for row, (steps, opened) in zip(mine, measured, strict=True):
      name = int(names[row])
      good = MIN_STEPS <= steps <= config.horizon and opened == depth
      if good and name not in seen:
        seen.add(name)
        last = batch
        yield name, _rows(levels, row)


def _possible(split: str, config: Config) -> tuple[int, ...]:
  """The chain depths that a split can have."""
  first = int(split == "ood-chain" or config.goals == ("open",))
  if split == "ood-depth":
    return tuple(d for d in config.deeper if d >= first)
  last = OOD_KINDS if split == "ood-chain" else config.pairs - 1
  return tuple(range(first, min([last + 1, *config.deeper])))


def _sides(split: str, depth: int, config: Config) -> list[int]:
  """The sides of a split's levels of one depth; the least if none will do."""
  sides = config.larger if split == "ood-size" else config.sides
  roomy = [s for s in sides if MIN_SIDE[depth] <= s <= config.size]
  return roomy or [MIN_SIDE[depth]] * (split == "ood-depth")


def depths_of(split: str, depths, config: Config) -> tuple[int, ...]:
  """The chain depths of a pool: those asked for, or else the split's own.

  Raises:
    ValueError: for an unknown split, or depths that it cannot have.
  """
  check_split(split, SPLITS)
  can = _possible(split, config)
  if depths is None:
    depths = can if split == "ood-depth" else can[: 1 + (can[:1] == (0,))]
  depths = tuple(int(d) for d in depths)
  distinct = set(depths)
  if not depths or len(distinct) < len(depths) or not distinct <= set(can):
    raise ValueError(
      f"depths {depths} of {split}: give distinct ones of {can}; deeper="
      f"{config.deeper} are kept for ood-depth, and pairs={config.pairs} allow "
      f"up to {config.pairs - 1}"
    )
  for depth in depths:
    if not _sides(split, depth, config):
      raise ValueError(
        f"{split} at depth {depth} needs a side of {MIN_SIDE[depth]} or more "
        f"and at most size={config.size}: set sides, larger or size"
      )
  _roomy(split, depths, config)
  return depths


def _roomy(split: str, depths: tuple[int, ...], config: Config) -> Config:
  """The config with as many pairs and as large an array as the split needs."""
  if split != "ood-depth":
    return config
  return dataclasses.replace(
    config,
    pairs=max(config.pairs, 1 + max(depths)),
    size=max(config.size, *(MIN_SIDE[depth] for depth in depths)),
  )


def pool(
  split: str, size: int, depths=None, config: Config | None = None
) -> LevelPool:
  """`size` levels of a split, the same on every call.

  Depths take turns. A longer pool starts with the shorter one. No level is in
  two splits, nor twice in one. `ood-depth` brings as many pairs and as large
  an array as its depths need, other splits those of `config`.

  Args:
    split: one of SPLITS.
    size: number of levels.
    depths: chain depths; by default 0 and 1, 1 for ood-chain, `config.deeper`
      for ood-depth.
    config: sizes and counts.

  Raises:
    ValueError: for an unknown split, or depths that it cannot have.
  """
  config = config or Config()
  depths = depths_of(split, depths, config)
  check_size(size)
  config = _roomy(split, depths, config)
  streams = {
    d: _stream(split, d, _sides(split, d, config), config) for d in depths
  }
  return LevelPool.draw(split, streams, size)

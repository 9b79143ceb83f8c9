"""Pools of levels: the same on every call, and no level in two splits.

Within one Config a level belongs to one split, decided by its shift (kinds,
side, depth) and by a hash that ignores rotations, mirror images and kinds. A
level of `ood-size` in one Config may be a training level in another.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld import variants
from simulators.agentworld.config import MIN_SIDE, MIN_STEPS, Config
from simulators.agentworld.game import hashing, oracle
from simulators.agentworld.game.levels import generate
from simulators.agentworld.types import Level, Place
from simulators.agentworld.vocabulary import OOD_KINDS
from simulators.base import LevelPool, check_size, check_split

Array = jax.Array

SPLITS = ("train", "val", "test", "ood-chain", "ood-size", "ood-depth")
BUCKETS = 16  # of the canonical hash
_SERIES = 3  # of all pools; raised when the levels of `test` are worn out
# split -> its buckets. `ood-size` differs by its sides and takes all buckets.
_BUCKETS_OF = {
  "train": range(10),
  "val": range(10, 12),
  "test": range(12, 14),
  "ood-chain": range(14, 15),
  "ood-depth": range(15, 16),
  "ood-size": range(BUCKETS),
}
_CANDIDATES = 1024  # drawn at a time
_SOLVED = 2**20  # states solved at a time
_CROPPED = 2**16  # states above which each side is solved in its own array
_PATIENCE = 50  # successive batches without a single new level


@functools.partial(jax.jit, static_argnums=(3,))
def _candidates(
  key: Array, depth: Array, sides: Array, config: Config, novel: bool
) -> tuple[Level, Array, Array]:
  """A batch of (level, ok, straight) of one depth; sides from i32[k]."""
  side_key, key = jax.random.split(key)
  chance = jax.random.bits(side_key, (_CANDIDATES,), jnp.uint32)
  side = sides[(chance % len(sides)).astype(jnp.int32)]
  keys = jax.random.split(key, _CANDIDATES)
  draw = functools.partial(generate, config=config, novel=novel)
  return jax.vmap(draw, in_axes=(0, None, 0))(keys, depth, side)


@functools.partial(jax.jit, static_argnames="one_hand")
def _measure(levels: Level, one_hand: bool) -> tuple[Array, Array]:
  """(steps, most elements opened) of the shortest solutions, batched.

  Each opening is 1/64 cheaper than a step. That is too little to pay for a
  detour, but the cost of a shortest solution shows how many it opens.
  """
  params = variants.parse("real", one_hand)

  def one(level: Level) -> Array:
    closed = jnp.zeros(level.tool_kind.shape, bool)
    slots = jnp.arange(len(closed), dtype=jnp.int32)
    start = Place(level.agent, slots, closed, level.box_at)
    cheap = jnp.full(level.tool_kind.shape, 1.0 - 1.0 / 64.0)
    return oracle.value(oracle.solve(level, params, cheap), start)

  cost = jax.vmap(one)(levels)
  steps = jnp.ceil(cost)
  return steps, jnp.round((steps - cost) * 64.0)


def _solutions(
  levels: Level, rows: np.ndarray, config: Config
) -> Iterator[tuple[float, float]]:
  """Yields `_measure` of levels[rows] one by one; solves them in groups.

  Levels with many states are grouped by side and solved in an array of that
  side. The results are the same.
  """
  known = {}  # row -> (steps, opened)
  for n, row in enumerate(rows.tolist()):
    if row not in known:
      alike, side = rows[n:], config.size
      if config.states > _CROPPED:
        side = int(levels.side[row])
        alike = alike[levels.side[alike] == side]
      states = side ** (2 + 2 * config.boxes) * oracle.masks(config.pairs)
      count = max(1, min(128, _SOLVED // states))
      new = [r for r in alike.tolist() if r not in known][:count]
      some = hashing.take(
        levels, np.resize(new, count)
      )  # one shape, one compile
      some = dataclasses.replace(
        some,
        wall=some.wall[:, :side, :side],
        hazard=some.hazard[:, :side, :side],
      )
      steps, opened = jax.device_get(_measure(some, config.one_hand))
      known.update(zip(new, zip(steps, opened, strict=True), strict=False))
    yield known.pop(row)


def _stream(
  split: str, depth: int, sides: list[int], config: Config
) -> Iterator[tuple[int, Level]]:
  """Yields (hash, level) of one split and depth without end."""
  key = jax.random.fold_in(jax.random.key(_SERIES), SPLITS.index(split))
  key = jax.random.fold_in(key, depth)
  # Worlds that differ in other fields share one compiled program.
  drawn_by = Config(
    size=config.size,
    pairs=config.pairs,
    boxes=config.boxes,
    hazards=config.hazards,
    goals=config.goals,
    walls=config.walls,
  )
  seen, last = set(), 0  # last: the latest batch with a new level
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
      drawn_by,
      split == "ood-chain",
    )
    levels, ok, straight = jax.device_get(drawn)
    levels, straight = hashing.take(levels, ok), straight[ok]
    names = hashing.hashes(levels)
    mine = np.flatnonzero(np.isin(names % BUCKETS, list(_BUCKETS_OF[split])))
    measured = _solutions(levels, mine, config)
    for row, (steps, opened) in zip(mine, measured, strict=True):
      name = int(names[row])
      good = MIN_STEPS <= steps <= config.horizon and opened == depth
      good &= steps - int(straight[row]) >= config.detour
      if good and name not in seen:
        seen.add(name)
        last = batch
        level = hashing.take(levels, np.asarray(row))
        limit = np.asarray(config.limit(steps), np.int32)
        yield name, dataclasses.replace(level, limit=limit)


def _possible(split: str, config: Config) -> tuple[int, ...]:
  """The chain depths that a split can have."""
  first = int(split == "ood-chain" or config.goals == ("open",))
  if split == "ood-depth":
    return tuple(d for d in config.deeper if d >= first)
  last = OOD_KINDS if split == "ood-chain" else config.pairs - 1
  return tuple(range(first, min([last + 1, *config.deeper])))


def _sides(split: str, depth: int, config: Config) -> list[int]:
  """Sides of a split's levels of one depth; `ood-depth` always has one."""
  sides = config.larger if split == "ood-size" else config.sides
  roomy = [s for s in sides if MIN_SIDE[depth] <= s <= config.size]
  return roomy or [MIN_SIDE[depth]] * (split == "ood-depth")


def depths_of(
  split: str, depths: Sequence[int] | None, config: Config
) -> tuple[int, ...]:
  """The chain depths of a pool: `depths` if given, else the split's default.

  Raises:
    ValueError: for an unknown split, or depths that it cannot have.
  """
  check_split(split, SPLITS)
  can = _possible(split, config)
  if depths is None:  # depth 0 asks for no plan
    depths = tuple(depth for depth in can if depth) or can
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
  """The config with the pairs and the array size that the split needs."""
  if split != "ood-depth":
    return config
  return dataclasses.replace(
    config,
    pairs=max(config.pairs, 1 + max(depths)),
    size=max(config.size, *(MIN_SIDE[depth] for depth in depths)),
  )


def pool(
  split: str,
  size: int,
  depths: Sequence[int] | None = None,
  config: Config | None = None,
) -> LevelPool:
  """`size` levels of a split, the same on every call.

  Depths take turns. A longer pool starts with the shorter one. No level is in
  two splits or twice in one. `ood-depth` uses as many pairs and as large an
  array as its depths need; other splits use those of `config`.

  Args:
    split: one of SPLITS.
    size: number of levels.
    depths: chain depths; by default all from 1 up that the split can have.
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

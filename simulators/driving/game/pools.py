"""Pools of scenes: the same on each call, and no scene in two splits."""

import functools
import hashlib
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from simulators.base import LevelPool, check_size, check_split
from simulators.driving.game.scenes import SHIFTS, generate
from simulators.driving.types import FAMILIES, Array, Config, Level

# split -> buckets of the hash, shift. A shifted scene may take any bucket,
# because its hash includes the shift.
_SPLITS = {
  "train": (range(10), "usual"),
  "val": (range(10, 12), "usual"),
  "test": (range(12, 16), "usual"),
  "ood-layout": (range(16), "layout"),
  "ood-density": (range(16), "density"),
  "ood-mix": (range(16), "mix"),
}
SPLITS = tuple(_SPLITS)
BUCKETS = 16
_BATCH = 64  # scenes drawn at a time


def hashes(levels: Level, shift: str) -> np.ndarray:
  """uint64[n]: equal for scenes equal to a decimetre, cars in any order."""
  out = np.zeros(len(levels.family), np.uint64)
  fields = ("family", "length", "bend", "lanes", "goal", "start", "lane",
            "ramp", "cross", "signal", "walk", "walker")  # fmt: skip
  cars = ("road", "at", "at_lane", "wish", "size", "braking")
  for i in range(len(out)):
    scene = [np.round(10.0 * getattr(levels, f)[i]).tobytes() for f in fields]
    there = levels.there[i]
    rows = [np.round(10.0 * getattr(levels, f)[i][there]) for f in cars]
    scene += sorted(np.column_stack(rows).astype(np.float32).tolist())
    text = repr((shift, scene)).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    out[i] = int.from_bytes(digest, "big")
  return out


@functools.partial(jax.jit, static_argnums=(3,))
def _scenes(key: Array, family: Array, shift: Array, config: Config) -> Level:
  keys = jax.random.split(key, _BATCH)
  draw = functools.partial(generate, config=config)
  return jax.vmap(draw, (0, None, None))(keys, family, shift)


def _stream(
  split: str, family: int, config: Config
) -> Iterator[tuple[int, Level]]:
  """Yields (hash, level) of one split and family, without end."""
  buckets, shift = _SPLITS[split]
  key = jax.random.fold_in(jax.random.key(SPLITS.index(split)), family)
  seen: set[int] = set()
  batch = 0
  while True:
    drawn = jax.device_get(
      _scenes(
        jax.random.fold_in(key, batch), family, SHIFTS.index(shift), config
      )
    )
    batch += 1
    for i, name in enumerate(hashes(drawn, shift)):
      if int(name % BUCKETS) in buckets and int(name) not in seen:
        seen.add(int(name))
        yield int(name), jax.tree.map(lambda x, i=i: x[i], drawn)


def depths_of(split: str, depths: Sequence[int] | None) -> tuple[int, ...]:
  """The families of a pool: `depths`, or all where that is None.

  Raises:
    ValueError: the split or a family is unknown.
  """
  check_split(split, SPLITS)
  known = range(len(FAMILIES))
  families = tuple(known if depths is None else (int(d) for d in depths))
  distinct = set(families)
  if (
    not families or len(distinct) < len(families) or not distinct <= set(known)
  ):
    raise ValueError(
      f"depths {families} must be distinct families: give numbers in "
      f"0..{len(FAMILIES) - 1}, for {', '.join(FAMILIES)}"
    )
  return families


def pool(
  split: str,
  size: int,
  depths: Sequence[int] | None = None,
  config: Config | None = None,
) -> LevelPool:
  """`size` scenes of a split, the same on each call; families take turns.

  A longer pool starts with the shorter one. No scene is in two splits.

  Args:
    split: one of SPLITS.
    size: number of scenes.
    depths: families, as indices into FAMILIES; by default all.
    config: sizes and counts.

  Raises:
    ValueError: the split or a family is unknown, or the pool is empty.
  """
  config = config or Config()
  families = depths_of(split, depths)
  check_size(size)
  streams = {family: _stream(split, family, config) for family in families}
  return LevelPool.draw(split, streams, size)

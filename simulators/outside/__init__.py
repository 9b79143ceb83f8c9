"""Worlds of other authors, put in words: MiniGrid, BabyAI, highway-env."""

from simulators import fields
from simulators.gym_world import GymTextWorld, Narrator
from simulators.outside.highway_roads import ROADS, Highway
from simulators.outside.minigrid_levels import LEVELS, MiniGrid

__all__ = ["WORLDS", "make", "narrator"]

WORLDS = (*LEVELS, *ROADS)


def narrator(name: str) -> Narrator:
  """How one of WORLDS is created, described and parsed.

  Raises:
    ValueError: the name is unknown; the nearest is given.
  """
  if name not in WORLDS:
    raise ValueError(fields.unknown("outside world", name, WORLDS))
  return MiniGrid(name) if name in LEVELS else Highway(name)


def make(name: str, first_seed: int = 0) -> GymTextWorld:
  """One of WORLDS as texts; level i is its episode of seed first_seed + i.

  Raises:
    ValueError: the name is unknown; the nearest is given.
    ModuleNotFoundError: its package is not installed.
  """
  return GymTextWorld(narrator(name), first_seed)

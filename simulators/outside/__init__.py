"""Worlds of other authors in words: MiniGrid, BabyAI, highway-env, SUMO."""

from simulators import fields
from simulators.gym_world import GymTextWorld, Narrator
from simulators.outside.highway_roads import ROADS, Highway
from simulators.outside.minigrid_levels import LEVELS, MiniGrid
from simulators.outside.sumo import SCENES, Sumo

__all__ = ["WORLDS", "make", "narrator"]

WORLDS = (*LEVELS, *ROADS, *SCENES)


def narrator(name: str, rendering: str = "plain") -> Narrator:
  """How one of WORLDS is created, described and parsed.

  Args:
    name: of the world.
    rendering: `plain` or `compact`; only SUMO's texts have the second.

  Raises:
    ValueError: the name is unknown; the nearest is given.
  """
  if name not in WORLDS:
    raise ValueError(fields.unknown("outside world", name, WORLDS))
  if name in SCENES:
    return Sumo(name, rendering)
  return MiniGrid(name) if name in LEVELS else Highway(name)


def make(
  name: str, first_seed: int = 0, rendering: str = "plain"
) -> GymTextWorld:
  """One of WORLDS as texts; level i is its episode of seed first_seed + i.

  Raises:
    ValueError: the name is unknown; the nearest is given.
    ModuleNotFoundError: its package is not installed.
  """
  return GymTextWorld(narrator(name, rendering), first_seed)

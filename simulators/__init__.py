"""Cheap simulators, imperfect by dial: `make(name)` gives a world.

world = simulators.make("agentworld", size=7)
params = world.params("imperfect/swapped(1)")
pool = world.pool("train", 64)
"""

import dataclasses
import difflib
import importlib

from simulators.base import World

__all__ = ["WORLDS", "make"]

# name -> module of the world's face, imported when asked for
WORLDS = {
  "agentworld": "simulators.agentworld.world",
  "driving": "simulators.driving.world",
}
# type of a field -> what it may be given as
_ALSO = {float: (float, int), tuple: (tuple, list)}


def make(name: str, **config) -> World:
  """The world called `name`, with the fields of its Config as keywords.

  Raises:
    ValueError: for an unknown world or field, naming the nearest one, or a
      value of another type.
  """
  if name not in WORLDS:
    raise ValueError(_unknown("world", name, WORLDS))
  face = importlib.import_module(WORLDS[name])
  fields = {
    field.name: field.default for field in dataclasses.fields(face.Config)
  }
  for field, value in config.items():
    if field not in fields:
      raise ValueError(_unknown(f"field of {name}", field, fields))
    kind = type(fields[field])
    fits = isinstance(value, _ALSO.get(kind, kind))
    if not fits or (isinstance(value, bool) and kind is not bool):
      raise ValueError(
        f"field {field} of {name} is {value!r}: give it as {kind.__name__}, "
        f"e.g. {fields[field]!r}"
      )
  return face.World(face.Config(**config))


def _unknown(what: str, given: str, known) -> str:
  known = list(known)
  near = difflib.get_close_matches(str(given), known, 1, cutoff=0.0)[0]
  return (
    f"{what} {given!r} is unknown: did you mean {near!r}? "
    f"Known: {', '.join(known)}"
  )

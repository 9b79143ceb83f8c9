"""Cheap simulators, with imperfect variants: `make(name)` gives a world.

Importing this package imports no JAX; `make` imports the world it is asked for.

world = simulators.make("agentworld", size=7)
params = world.params("imperfect/swapped(1)")
pool = world.pool("train", 64)
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from simulators import fields

if TYPE_CHECKING:
  from simulators.base import World

__all__ = ["WORLDS", "make"]

# Name -> "module:Class" of the world.
WORLDS = {
  "agentworld": "simulators.agentworld.world:AgentWorld",
  "driving": "simulators.driving.world:Driving",
}
# Type of a field -> types of the values it accepts, where there are more.
_ALSO = {float: (float, int), tuple: (tuple, list)}


def make(name: str, **config: Any) -> World:
  """The world called `name`, with the fields of its Config as keywords.

  Args:
    name: a key of WORLDS, or "package.module:Class" for a world of your own.
    **config: fields of the dataclass `Config` in the world's module; a world
      without such a class takes none.

  Raises:
    ValueError: for an unknown world or field, naming the nearest one, or a
      value of another type.
  """
  if name not in WORLDS and ":" not in name:
    raise ValueError(
      fields.unknown("world", name, WORLDS)
      + ", or package.module:Class for your own"
    )
  path, _, attribute = WORLDS.get(name, name).partition(":")
  try:
    module = importlib.import_module(path)
    world = getattr(module, attribute)
  except (ModuleNotFoundError, AttributeError) as error:
    raise ValueError(
      f"world {name!r} cannot be imported ({error}): give package.module:Class "
      "of a class that Python finds from here"
    ) from error
  if not hasattr(module, "Config"):
    if config:
      raise ValueError(
        f"world {name!r} takes no fields, not {sorted(config)}: give its "
        "module a dataclass Config"
      )
    return world()
  known = {f.name: f.default for f in dataclasses.fields(module.Config)}
  for field, value in config.items():
    if field not in known:
      raise ValueError(fields.unknown(f"field of {name}", field, known))
    kind = type(known[field])
    fits = isinstance(value, _ALSO.get(kind, kind))
    if not fits or (isinstance(value, bool) and kind is not bool):
      raise ValueError(
        f"field {field} of {name} is {value!r}: give it as {kind.__name__}, "
        f"e.g. {known[field]!r}"
      )
  return world(module.Config(**config))

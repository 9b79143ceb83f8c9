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
# What every world class has; see `simulators.base.World`.
_REQUIRED = (
  "name", "actions", "splits", "params", "depths", "pool", "reset", "step",
  "legal", "describe", "instruction", "rules", "parse",
)  # fmt: skip
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
  except Exception as error:  # whatever a user's module does
    raise ValueError(
      f"world {name!r} cannot be imported ({type(error).__name__}: {error}): "
      "give package.module:Class of a class that Python finds from here, or "
      "put its folder on PYTHONPATH"
    ) from error
  missing = [part for part in _REQUIRED if not hasattr(world, part)]
  if not isinstance(world, type) or missing:
    raise ValueError(
      f"world {name!r} is no world (it lacks {', '.join(missing)}): name a "
      "class that derives from simulators.base.World"
    )
  config_class: Any = getattr(module, "Config", None)
  if not dataclasses.is_dataclass(config_class):
    if config:
      raise ValueError(
        f"world {name!r} takes no fields, not {sorted(config)}: give its "
        "module a dataclass Config"
      )
    return world()
  known = {f.name: _default(f) for f in dataclasses.fields(config_class)}
  for field, value in config.items():
    fields.check_known(f"field of {name}", field, known)
    kind = type(known[field])
    fits = isinstance(value, _ALSO.get(kind, kind))
    if not fits or (isinstance(value, bool) and kind is not bool):
      raise ValueError(
        f"field {field} of {name} is {value!r}: give it as {kind.__name__}, "
        f"e.g. {known[field]!r}"
      )
  return world(module.Config(**config))


def _default(field: dataclasses.Field) -> Any:
  """The default of a Config's field, which also gives its type."""
  if field.default_factory is not dataclasses.MISSING:
    return field.default_factory()
  if field.default is dataclasses.MISSING:
    raise ValueError(
      f"field {field.name} of the world's Config has no default: give it one"
    )
  return field.default

"""Nested dicts into nested frozen dataclasses, with every field checked."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from glimo_jax import fields
from glimo_jax.agent import skills


def build(cls: type, values: Mapping[str, Any], path: str = "config") -> Any:
  """A (nested) frozen dataclass from a mapping; typos are errors.

  Raises:
    ValueError: a field is unknown (the nearest is named), missing or of
      another type, or the dataclass refuses its value.
  """
  if isinstance(values, cls):
    return values
  if not isinstance(values, Mapping):
    raise ValueError(f"--{path}={values!r} must be a section: give its fields")
  known = {f.name: f for f in dataclasses.fields(cls)}
  hints = typing.get_type_hints(cls)
  for name in values:
    if name not in known:
      near = fields.nearest(name, known)
      raise ValueError(
        f"--{path}.{name} is unknown: did you mean {near!r}? Known: "
        + ", ".join(known)
      )
  arguments = {}
  for name, field in known.items():
    if name in values:
      where = f"{path}.{name}"
      arguments[name] = _convert(hints[name], values[name], where)
    elif (
      field.default is dataclasses.MISSING
      and field.default_factory is dataclasses.MISSING
    ):
      raise ValueError(f"--{path}.{name} is missing: give it a value")
  try:
    return cls(**arguments)
  except ValueError as e:
    raise ValueError(f"--{path}: {e}") from e


def _convert(hint: Any, value: Any, path: str) -> Any:
  if dataclasses.is_dataclass(hint):
    return build(typing.cast(type, hint), value, path)
  origin = typing.get_origin(hint)
  if origin in (typing.Union, types.UnionType):
    if value is None:
      return None
    (hint,) = (h for h in typing.get_args(hint) if h is not type(None))
    return _convert(hint, value, path)
  if origin is tuple:
    item = typing.get_args(hint)[0]
    if isinstance(value, str) or not hasattr(value, "__iter__"):
      example = (value,) if isinstance(value, item) else (0, 1)
      raise ValueError(f"--{path}={value!r} must be a tuple, e.g. {example}")
    return tuple(_convert(item, v, path) for v in value)
  if origin is dict and not (
    isinstance(value, Mapping) and all(isinstance(k, str) for k in value)
  ):
    raise ValueError(f"--{path}={value!r} must be a dict of names to values")
  if origin is dict and typing.get_args(hint)[1] is skills.Skill:
    return {
      name: build(skills.skill_class(name), fields_, f"{path}.{name}")
      for name, fields_ in value.items()
    }
  if origin is dict:
    hint = typing.get_args(hint)[1]
    return {
      name: item if hint is Any else _convert(hint, item, f"{path}.{name}")
      for name, item in value.items()
    }
  kinds = {float: (int, float), int: int, str: str, bool: bool}
  wrong = hint in kinds and not isinstance(value, kinds[hint])
  if wrong or (hint is not bool and isinstance(value, bool)):
    raise ValueError(f"--{path}={value!r} must be of type {hint.__name__}")
  return float(typing.cast(float, value)) if hint is float else value

"""Checks of settings and actions; errors name the value, rule and fix."""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def nearest(name: str, known: Collection[str]) -> str:
  """The known name that is spelled most like `name`."""
  return difflib.get_close_matches(str(name), list(known), 1, cutoff=0.0)[0]


def unknown(what: str, name: str, known: Collection[str]) -> str:
  """The error message for a name that is not known.

  Args:
    what: what the name stands for, such as "world" or "question kind".
    name: the name as given.
    known: all names that would be right; not empty.
  """
  return (
    f"{what} {name!r} is unknown: did you mean {nearest(name, known)!r}? "
    f"Known: {', '.join(map(str, known))}"
  )


def check_known(what: str, name: str, known: Collection[str]) -> None:
  """Raises ValueError with the nearest name where `name` is not known."""
  if name not in known:
    raise ValueError(unknown(what, name, known))


def check_ranges(
  settings: Any,
  section: str,
  *,
  at_least: Mapping[str, float] | None = None,
  above: Mapping[str, float] | None = None,
  at_most: Mapping[str, float] | None = None,
) -> None:
  """Checks the ranges of numeric fields; all of them must be finite.

  Args:
    settings: an object with the fields.
    section: what stands before a field's name in the error, such as "train."
    at_least: field -> smallest allowed value.
    above: field -> value that the field must exceed.
    at_most: field -> largest allowed value.

  Raises:
    ValueError: a field is out of range, infinite or not a number.
  """
  rules = (
    (at_least, "at least", "raise it", lambda value, limit: value >= limit),
    (above, "above", "raise it", lambda value, limit: value > limit),
    (at_most, "at most", "lower it", lambda value, limit: value <= limit),
  )
  for limits, rule, fix, holds in rules:
    for name, limit in (limits or {}).items():
      value = getattr(settings, name)
      if not math.isfinite(value):
        raise ValueError(
          f"{section}{name} {value} must be a finite number, {rule} {limit}"
        )
      if not holds(value, limit):
        raise ValueError(
          f"{section}{name} {value} must be {rule} {limit}: {fix}"
        )


def differences(there: Any, now: Any, path: str = "") -> list[str]:
  """One line for each leaf in which two nested settings differ."""
  if not (isinstance(there, dict) and isinstance(now, dict)):
    return [] if there == now else [f"{path}: {there!r} there, {now!r} now"]
  return [
    line
    for key in sorted({*there, *now})
    for line in differences(
      there.get(key), now.get(key), f"{path}.{key}" if path else key
    )
  ]


def check_actions(
  actions: ArrayLike, done: np.ndarray, words: Sequence[str]
) -> np.ndarray:
  """The actions of a step, i32[B]; 0 in rows that are done.

  Args:
    actions: i32[B], as given.
    done: bool[B].
    words: of all actions.

  Raises:
    ValueError: the number of actions is not that of the rows, or an action is
      out of range.
  """
  actions = np.asarray(actions, np.int32).reshape(-1)
  if len(actions) != len(done):
    raise ValueError(
      f"{len(actions)} actions for {len(done)} rows: give one a row"
    )
  actions = np.where(done, np.int32(0), actions)
  wrong = (actions < 0) | (actions >= len(words))
  if wrong.any():
    row = int(np.argmax(wrong))
    raise ValueError(
      f"action {actions[row]} in row {row} is none: choose from "
      f"0..{len(words) - 1} for {', '.join(words)}"
    )
  return actions

"""Offsets and goals in words, and the marks of a map."""

from collections.abc import Sequence

from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  NUMBERS,
  TOOLS,
)

# (row, column) offsets of ACTIONS.
DELTAS = ((-1, 0), (1, 0), (0, -1), (0, 1))

# Marks of a map; a space is free floor. Tool k has the k-th small letter.
AGENT, WALL, GOAL, HAZARD, CRATE = "@#*!$"
LETTERS = "abcdefghij"


def offset(there: Sequence[int], here: Sequence[int]) -> str:
  """The steps from `here` to `there`, as `three up two right`."""
  parts = []
  for axis, (back, forth) in enumerate((ACTIONS[:2], ACTIONS[2:])):
    steps = there[axis] - here[axis]
    if abs(steps) > 1:
      parts.append(NUMBERS[abs(steps)])
    if steps:
      parts.append(forth if steps > 0 else back)
  return " ".join(parts) or "here"


def task(kind: str, word: int) -> str:
  """A goal other than `reach`, as `task take key`; `word` is its thing."""
  if kind == "push":
    return f"task push {BOX}"
  return f"task {kind} {(ELEMENTS if kind == 'open' else TOOLS)[word]}"

"""What AgentWorld is told in: its numbers, its offsets, the marks of its map.

Every word is one token of SmolLM2's vocabulary where a space precedes it, and
none is a tool's or an element's.
"""

from collections.abc import Sequence

from simulators.agentworld.types import ACTIONS, ELEMENTS, TOOLS

NUMBERS = (
  "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
  "nine", "ten", "eleven", "twelve",
)  # fmt: skip
BOX = "package"  # `box` is a tool of the swapped worlds
NOTHING = "nothing"
# (row, column) offsets of ACTIONS.
DELTAS = ((-1, 0), (1, 0), (0, -1), (0, 1))

# Marks of a map, a space being free floor. Tool k has the k-th small letter.
AGENT, WALL, GOAL, HAZARD, CRATE = "@#*!$"
LETTERS = "abcdefghij"


def offset(there: Sequence[int], here: Sequence[int]) -> str:
  """The steps from one cell to another, `three up two right`."""
  parts = []
  for axis, (back, forth) in enumerate((ACTIONS[:2], ACTIONS[2:])):
    steps = there[axis] - here[axis]
    if abs(steps) > 1:
      parts.append(NUMBERS[abs(steps)])
    if steps:
      parts.append(forth if steps > 0 else back)
  return " ".join(parts) or "here"


def task(kind: str, word: int) -> str:
  """What a level asks for, other than `reach`: `task take key`."""
  if kind == "push":
    return f"task push {BOX}"
  return f"task {kind} {(ELEMENTS if kind == 'open' else TOOLS)[word]}"

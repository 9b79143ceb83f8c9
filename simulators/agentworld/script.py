"""A scripted reader of the texts: the rival that needs no learning.

It works out what to walk to next from the rooms and doors that the text names
and from the pairs that the rules state, and walks there in a straight line. It
avoids walls, dead ends, closed elements and tools that it does not want, and
prefers cells where it has been less often. Where the text says how a move leads
on, it looks two steps ahead. It does not search for a path.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulators.agentworld.text import phrases
from simulators.agentworld.text.rules import read_needs
from simulators.agentworld.text.scene import YOURS, Cell
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import ACTIONS

# Prices of a step, in cells: onto a cell once more, onto a tool that is not
# wanted, into something that stops or ends the walk.
_AGAIN, _UNWANTED, _BARRED = 2, 3, 100


def _left(aim: Cell, cell: Cell, onward: Sequence[str] | None) -> int:
  """Steps from a cell to the aim in a straight line.

  Where it is known how the cell leads on, the first of them is one of these
  moves; a dead end leads nowhere but to itself.
  """
  if onward is None or aim == cell:
    return abs(aim[0] - cell[0]) + abs(aim[1] - cell[1])
  ends = [DELTAS[ACTIONS.index(move)] for move in onward]
  after = [_left(aim, (cell[0] + r, cell[1] + c), None) for r, c in ends]
  return 1 + min(after, default=_BARRED)


class Script:
  """Scores the actions of a batch of episodes; remembers the cells of each.

  Args:
    rules: the start of the prompt.
  """

  def __init__(self, rules: str):
    self.needs = read_needs(rules)
    self._at: dict[int, Cell] = {}  # row -> where the agent is
    self._visits: dict[int, collections.Counter[Cell]] = {}

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]: higher is better.

    Args:
      texts: the text of each of B episodes, `plain` or `compact`.
      rows: places of these episodes in their batch.
    """
    pairs = zip(texts, rows, strict=True)
    return np.array([self.score(phrases.read(t), row) for t, row in pairs])

  def score(self, seen: Mapping[str, Any], row: int) -> list[float]:
    here = self.walked(seen, row)
    visits = self._visits.setdefault(row, collections.Counter())
    visits[here] += 1
    word, aim = self.aim(seen)
    closed = {
      it["offset"]: self.needs.get(name)
      for name, it in seen["elements"].items()
      if not it["open"]
    }
    tools = {it["offset"]: name for name, it in seen["tools"].items()}
    out = []
    for action, cell in zip(ACTIONS, DELTAS, strict=True):
      score = -_left(aim, cell, seen["onward"].get(action))
      score -= _AGAIN * visits[(here[0] + cell[0], here[1] + cell[1])]
      bars = action in seen["walls"] or cell in seen["hazards"]
      bars |= cell in closed and closed[cell] not in seen["holding"]
      score -= _BARRED * bars
      score -= _UNWANTED * (tools.get(cell, word) != word)
      out.append(float(score))
    return out

  def walked(self, seen: Mapping[str, Any], row: int) -> Cell:
    """Where the agent is by its moves, from where it began."""
    here, last = self._at.get(row, (0, 0)), seen["last"]
    if last and last["moved"]:
      down, right = DELTAS[ACTIONS.index(last["move"])]
      here = here[0] + down, here[1] + right
    self._at[row] = here
    return here

  def aim(self, seen: Mapping[str, Any]) -> tuple[str, Cell]:
    """(word, cell) of what to walk to now."""
    word = self._asked(seen)
    for _ in range(len(seen["elements"]) + 1):
      thing = self._find(seen, word)
      if thing is None:
        break
      door = self._next_door(seen, thing["rooms"])
      if door is not None:
        word, thing = door, seen["elements"][door]
      if word not in seen["elements"] or thing["open"]:
        return word, thing["offset"]
      tool = self.needs.get(word, "")
      if tool in seen["holding"] or tool not in seen["tools"]:
        return word, thing["offset"]
      word = tool
    return word, (0, 0)

  def _asked(self, seen: Mapping[str, Any]) -> str:
    """What the task needs next, whatever lies in between."""
    task, of = next(iter((seen["task"] or {"reach": ""}).items()))
    if task in ("take", "open"):
      return of
    return of if task == "bring" and of not in seen["holding"] else "goal"

  def _find(
    self, seen: Mapping[str, Any], word: str
  ) -> Mapping[str, Any] | None:
    if word == "goal":
      return seen["goal"]
    return seen["tools"].get(word) or seen["elements"].get(word)

  def _next_door(
    self, seen: Mapping[str, Any], rooms: Sequence[str]
  ) -> str | None:
    """The first door on the way to one of the rooms, open or closed.

    None where the agent is in one of them, or where no doors lead there.
    """
    start = seen["between"] or [YOURS]
    queue: collections.deque[tuple[str, tuple[str, ...]]]
    queue = collections.deque((room, ()) for room in start)
    known = set(start)
    while queue:
      room, way = queue.popleft()
      if room in rooms:
        return way[0] if way else None
      for name, it in seen["elements"].items():
        if room in it["rooms"] and it["offset"] != (0, 0):
          for other in set(it["rooms"]) - known:
            known.add(other)
            queue.append((other, (*way, name)))
    return None

"""A scripted reader of the texts: the rival that needs no learning.

It works out what to walk to next from the rooms and doors that the text names
and from the pairs that the rules state: it searches the graph of rooms and
doors for the first door on the way. It prefers moves that lead nearer, along
the longer axis first. If the aim is straight ahead, a step aside comes next.
Undoing the last move costs something. Where the text says how a move leads on,
it looks two steps ahead. It searches for no path in the grid, and remembers
nothing.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulators.agentworld import reasoning
from simulators.agentworld.text import phrases
from simulators.agentworld.text.rules import read_needs
from simulators.agentworld.text.scene import YOURS, Cell
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import ACTIONS

# Rewards of a move, chosen on `val`: it leads nearer; each cell left along its
# axis; a step aside where the aim is straight ahead; a next move leads nearer.
_NEARER, _AXIS, _ASIDE, _THEN_NEARER = 2.0, 0.1, 0.5, 0.5
# Penalties: it undoes the last move, leads to a dead end, is stopped.
_UNDONE, _DEAD_END, _BARRED = 1.0, 3.0, 100.0


class Script:
  """Scores the actions of a batch of episodes.

  Args:
    rules: the start of the prompt.
  """

  def __init__(self, rules: str):
    self.needs = read_needs(rules)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]: higher is better.

    Args:
      texts: the text of each of B episodes, `plain` or `compact`.
      rows: not used.
    """
    del rows
    return np.array([self.score(phrases.read(text)) for text in texts])

  def score(self, seen: Mapping[str, Any]) -> list[float]:
    """Of each move at one text, from `phrases.read`."""
    _, aim = self.aim(seen)
    barred = reasoning.barred(seen, self.needs)
    nearer, undone = reasoning.nearer(aim), reasoning.undone(seen)
    out = []
    for i, (move, cell) in enumerate(zip(ACTIONS, DELTAS, strict=True)):
      along = abs(aim[i // 2])  # the first two moves change the row
      score = -_BARRED * (move in barred or cell in seen["hazards"])
      score += (_NEARER + _AXIS * along) * (move in nearer)
      if move == undone:
        score -= _UNDONE
      elif not along:
        score += _ASIDE
      if cell != aim and move in seen["onward"]:
        onward = seen["onward"][move]
        left = reasoning.nearer((aim[0] - cell[0], aim[1] - cell[1]))
        score -= _DEAD_END * (not onward)
        score += _THEN_NEARER * any(then in left for then in onward)
      out.append(score)
    return out

  def aim(self, seen: Mapping[str, Any]) -> tuple[str, Cell]:
    """(word, cell) of what to walk to now.

    The cell is (rows down, columns right) from the agent; (0, 0) where the text
    does not tell it.
    """
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

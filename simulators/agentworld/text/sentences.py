"""The sentences of a description, and what they may leave out.

See `describe` for how they read.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simulators.agentworld.text import routes, words
from simulators.agentworld.text.words import DELTAS, offset
from simulators.agentworld.types import Obs
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  GOALS,
  TOOLS,
)

_DANGERS = (*ACTIONS, "here")


class Row(NamedTuple):
  """One moment as plain Python values, with its routes.

  Attributes:
    blocked, danger: as in `routes.Routes`.
    goal_past: the first element on the way to the goal; -1 for none.
    tool_past: the same for each tool.
    price: of the way to each tool.
    is_reach: whether the goal is to be reached and no hazard is in sight.
    side, agent, ...: as in `Obs`.
  """

  blocked: list[bool]
  danger: list[bool]
  goal_past: int
  tool_past: list[int]
  price: list[int]
  is_reach: bool
  side: int
  agent: list[int]
  goal: list[int]
  goal_kind: int
  goal_word: int
  tool: list[int]
  tool_at: list[list[int]]
  held: list[bool]
  element: list[int]
  element_at: list[list[int]]
  opened: list[bool]
  needs: list[int]
  boxes: list[list[int]]


def rows(obs: Obs) -> list[Row]:
  """The rows of a batch. numpy's scalars would be slow to read one by one."""
  found = routes.find(obs)
  batch = np.arange(len(obs.agent))
  row, column = np.moveaxis(np.asarray(obs.tool_at) + 1, -1, 0)
  tools = (batch[:, None], row, column)
  goal = np.asarray(obs.goal) + 1
  no_hazard = ~np.asarray(obs.hazard).any((1, 2))
  columns = (
    found.blocked,
    found.danger,
    found.first[batch, goal[:, 0], goal[:, 1]],
    found.first[tools],
    found.price[tools],
    (np.asarray(obs.goal_kind) == 0) & no_hazard,
    *(np.asarray(getattr(obs, name)) for name in Row._fields[6:]),
  )
  lists = [column.tolist() for column in columns]
  return [Row(*values) for values in zip(*lists, strict=True)]


class Sentences:
  """Writes one moment; the attributes say what is left out.

  Attributes:
    row: the moment.
    task: its goal, one of GOALS.
    lying: tools that have a sentence, the nearest first.
    boxes: cells of the boxes that have a sentence, the nearest first.
    standing: cell -> the element there.
    without_offset: tools whose sentence has no offset.
    left_out: some of "beside", "open" (adjacent open elements) and "way" (what
      the goal lies past).
    mentioned: elements in the latest text.
  """

  def __init__(self, row: Row):
    self.row = row
    self.task = GOALS[row.goal_kind]
    self.lying = [
      k for k in range(len(row.tool)) if row.tool[k] >= 0 and not row.held[k]
    ]
    self.lying.sort(key=row.price.__getitem__)
    if self.task in ("take", "bring"):
      self.lying.sort(key=lambda k: row.tool[k] != row.goal_word)
    self.boxes = sorted(row.boxes, key=self.steps)
    self.standing = {
      tuple(cell): j
      for j, cell in enumerate(row.element_at)
      if row.element[j] >= 0
    }
    self.without_offset: set[int] = set()
    self.left_out: set[str] = set()
    self.mentioned: set[int] = set()

  def write(self) -> str:
    """The text, with one sentence for each thing that is not left out."""
    self.mentioned = set()
    sentences = [
      *self._goal(),
      *(f"{BOX} {self._offset(box)}" for box in self.boxes),
      *map(self._tool, self.lying),
      *self._adjacent_elements(),
    ]
    beside = [] if "beside" in self.left_out else self._beside()
    parts = [*self._opening(), *beside, *sentences, *self._holding()]
    return ". ".join(parts) + "."

  def _opening(self) -> list[str]:
    row, parts = self.row, []
    if self.task != "reach":
      parts.append(words.task(self.task, row.goal_word))
    for name, sides, flags in (
      ("blocked", ACTIONS, row.blocked),
      ("danger", _DANGERS, row.danger),
    ):
      listed = [side for side, flag in zip(sides, flags, strict=True) if flag]
      if listed:
        parts.append(" ".join([name, *listed]))
    return parts

  def _goal(self) -> list[str]:
    row, past = self.row, self.row.goal_past
    if self.task == "take":
      return []
    if self.task == "open":
      return [
        self._element(j) + self._past(-1 if past == j else past)
        for j in self.standing.values()
        if row.element[j] == row.goal_word
      ]
    past = -1 if "way" in self.left_out else past
    return [f"goal {self._offset(row.goal)}{self._past(past)}"]

  def _tool(self, k: int) -> str:
    row = self.row
    bare = k in self.without_offset
    where = "" if bare else f" {self._offset(row.tool_at[k])}"
    return f"{TOOLS[row.tool[k]]}{where}{self._past(row.tool_past[k])}"

  def _adjacent_elements(self) -> Iterator[str]:
    """Those next to the agent that no other sentence mentions."""
    for cell in self._next_cells():
      j = self.standing.get(cell, -1)
      if j < 0 or j in self.mentioned:
        continue
      if not (self.row.opened[j] and "open" in self.left_out):
        yield self._element(j, with_need=False)

  def _element(self, j: int, with_need: bool = True) -> str:
    """Where an element stands, and what it needs or that it is open."""
    row = self.row
    self.mentioned.add(j)
    text = f"{ELEMENTS[row.element[j]]} {self._offset(row.element_at[j])}"
    if row.opened[j]:
      return f"{text} open"
    if with_need and row.needs[j] >= 0:
      return f"{text} needs {TOOLS[row.needs[j]]}"
    return text

  def _past(self, j: int) -> str:
    if j < 0:
      return ""
    if j in self.mentioned:
      return f" past {ELEMENTS[self.row.element[j]]}"
    return f" past {self._element(j)}"

  def _beside(self) -> list[str]:
    """What other sentences place in a next cell, the direction first."""
    row = self.row
    contents: dict[tuple[int, ...], str] = {}
    for k in reversed(self.lying):
      if k not in self.without_offset:
        contents[tuple(row.tool_at[k])] = TOOLS[row.tool[k]]
    if self.task not in ("open", "take"):
      contents[tuple(row.goal)] = "goal"
    for j in self.mentioned:
      contents[tuple(row.element_at[j])] = ELEMENTS[row.element[j]]
    contents |= {tuple(box): BOX for box in self.boxes}
    listed = []
    for action, cell in zip(ACTIONS, self._next_cells(), strict=True):
      if cell in contents:
        listed += [action, contents[cell]]
    return [" ".join(["beside", *listed])] if listed else []

  def _holding(self) -> list[str]:
    row = self.row
    tools = [TOOLS[word] for k, word in enumerate(row.tool) if row.held[k]]
    return [" ".join(["holding", *tools])] if tools else []

  def _offset(self, cell: list[int]) -> str:
    return offset(cell, self.row.agent)

  def _next_cells(self) -> list[tuple[int, ...]]:
    row, column = self.row.agent
    return [(row + down, column + right) for down, right in DELTAS]

  def steps(self, cell: list[int]) -> int:
    row, column = self.row.agent
    return abs(cell[0] - row) + abs(cell[1] - column)

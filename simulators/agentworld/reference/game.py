"""One game of AgentWorld in plain Python: the rules and a search."""

import collections
import dataclasses
import functools
import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from simulators.agentworld.types import EnvState, Level, Params
from simulators.agentworld.vocabulary import ACTIONS, ELEMENTS, GOALS, TOOLS

OFFSETS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}

Cell = tuple[int, int]
# Agent, cell of each tool (None in hand), elements opened, boxes: all that a
# move changes.
Place = tuple[Cell, tuple[Cell | None, ...], frozenset[int], tuple[Cell, ...]]


@dataclasses.dataclass(frozen=True)
class Game:
  """One level under one set of rules, at one moment.

  Attributes:
    size: side of the array.
    walls: cells that nobody enters.
    goal: the cell to reach, or the cell of the thing asked for.
    tools: kind of each tool.
    elements: (cell, kind) of each element.
    opens: (tool kind, element kind) pairs of the real dynamics.
    nominal: the pairs that the prompt states.
    tool_words, element_words: word of each kind.
    agent, lying: cell of the agent and of each tool; None for one in hand.
    one_hand: whether taking a tool puts down the one in hand.
    opened: indices of the elements opened.
    hazards: cells that end the game.
    boxes: cells where boxes stand.
    task, thing: one of GOALS, and the index of the tool or element asked for.
    limit: steps that the episode may take; only described.
  """

  size: int
  walls: frozenset[Cell]
  goal: Cell
  tools: tuple[int, ...]
  elements: tuple[tuple[Cell, int], ...]
  opens: frozenset[tuple[int, int]]
  nominal: frozenset[tuple[int, int]]
  tool_words: tuple[str, ...]
  element_words: tuple[str, ...]
  agent: Cell
  lying: tuple[Cell | None, ...]
  one_hand: bool = True
  opened: frozenset[int] = frozenset()
  hazards: frozenset[Cell] = frozenset()
  boxes: tuple[Cell, ...] = ()
  task: str = "reach"
  thing: int = 0
  limit: int = 0

  @classmethod
  def from_level(cls, level: Level, params: Params) -> "Game":
    """The start of one level (a `Level` without batch axes)."""
    wall, hazard = np.asarray(level.wall), np.asarray(level.hazard)
    hazards = np.argwhere(hazard & bool(params.hazardous))
    return cls(
      size=len(wall),
      walls=frozenset(map(_cell, np.argwhere(wall))),
      goal=_cell(level.goal),
      tools=tuple(np.asarray(level.tool_kind).tolist()),
      elements=_placed(level.element_at, level.element_kind),
      opens=frozenset(map(_cell, np.argwhere(np.asarray(params.opens)))),
      nominal=frozenset(map(_cell, np.argwhere(np.asarray(params.nominal)))),
      tool_words=tuple(TOOLS[i] for i in np.asarray(params.tool_id)),
      element_words=tuple(ELEMENTS[i] for i in np.asarray(params.element_id)),
      agent=_cell(level.agent),
      lying=tuple(map(_cell, np.asarray(level.tool_at))),
      one_hand=bool(params.one_hand),
      hazards=frozenset(map(_cell, hazards)),
      boxes=tuple(map(_cell, np.asarray(level.box_at))),
      task=GOALS[int(level.goal_kind)],
      thing=int(level.goal_thing),
      limit=int(level.limit),
    )

  @classmethod
  def from_state(
    cls, env_state: EnvState, params: Params, config: Any = None
  ) -> "Game":
    """The moment of one `EnvState` without batch axes.

    The world's `config` is not needed: a level has its own size.
    """
    del config
    start = cls.from_level(env_state.level, params)
    slots = np.asarray(env_state.slot).tolist()
    return dataclasses.replace(
      start,
      agent=_cell(env_state.agent),
      lying=tuple(None if j < 0 else start.lying[j] for j in slots),
      opened=frozenset(np.flatnonzero(env_state.opened).tolist()),
      boxes=tuple(map(_cell, np.asarray(env_state.boxes))),
    )

  # --- Playing ----------------------------------------------------------------

  @property
  def done(self) -> bool:
    """Whether the goal is achieved."""
    return self._achieved(self.place())

  @property
  def failed(self) -> bool:
    """Whether the player has walked into a hazard."""
    return self.agent in self.hazards

  def step(self, action: int) -> "Game":
    """The game after an action; a game that is over stays as it is."""
    if self.done or self.failed:
      return self
    return self.put(self.move(self.place(), action))

  def legal(self) -> frozenset[int]:
    """All actions: a blocked one costs a step."""
    return frozenset(range(len(ACTIONS)))

  def costs(self) -> tuple[float, ...]:
    """Steps to success by way of each action, that action included."""
    return _after_each(self)

  def optimal(self) -> tuple[int, ...]:
    """The actions of least finite cost; none if there is no way to succeed."""
    costs = self.costs()
    best = min(costs)
    if math.isinf(best):
      return ()
    return tuple(a for a, cost in enumerate(costs) if cost == best)

  # --- Rules ------------------------------------------------------------------

  def place(self) -> Place:
    """All that a move changes."""
    return self.agent, self.lying, self.opened, self.boxes

  @property
  def held(self) -> frozenset[int]:
    """Indices of the tools in hand."""
    return _in_hand(self.lying)

  def put(self, place: Place) -> "Game":
    """The game with all that moves at other places."""
    agent, lying, opened, boxes = place
    return dataclasses.replace(
      self, agent=agent, lying=lying, opened=opened, boxes=boxes
    )

  def holding(self, tool: int) -> tuple[Cell | None, ...]:
    """`lying` with one more tool in hand, as after walking onto it."""
    return self._take(self.lying, tool)

  def _take(
    self, lying: tuple[Cell | None, ...], tool: int
  ) -> tuple[Cell | None, ...]:
    after = list(lying)
    if self.one_hand and after[tool] is not None:
      for other in _in_hand(lying):
        after[other] = after[tool]
    after[tool] = None
    return tuple(after)

  def move(self, place: Place, action: int) -> Place:
    """What an action makes of a place."""
    agent, lying, opened, boxes = place
    target = _beside(agent, ACTIONS[action])
    if self.is_wall(target):
      return place
    e = self._element_on.get(target)
    if e is not None and e not in opened:
      if not self.openable(self.elements[e][1], _in_hand(lying)):
        return place
      opened = opened | {e}
    if target in boxes:
      beyond = _beside(target, ACTIONS[action])
      shut = self._element_on.get(beyond, -1) not in {-1, *opened}
      if shut or self.is_wall(beyond) or beyond in {*boxes, *self.hazards}:
        return place
      boxes = tuple(beyond if box == target else box for box in boxes)
    if target in lying:
      lying = self._take(lying, lying.index(target))
    return target, lying, opened, boxes

  @functools.cached_property
  def _element_on(self) -> dict[Cell, int]:
    return {cell: e for e, (cell, _) in enumerate(self.elements)}

  def openable(self, kind: int, held: Iterable[int]) -> bool:
    """Whether one of the tools in hand opens elements of a kind."""
    return any((self.tools[t], kind) in self.opens for t in held)

  def beside(self, action: int) -> Cell:
    """The next cell in the direction of an action."""
    return _beside(self.agent, ACTIONS[action])

  def is_wall(self, cell: Cell) -> bool:
    """Whether the cell is a wall or outside the array."""
    row, column = cell
    inside = 0 <= row < self.size and 0 <= column < self.size
    return not inside or cell in self.walls

  def distance(self, start: Place) -> float:
    """Fewest steps to success, by breadth-first search."""
    return _distance(self, start)

  def _achieved(self, place: Place) -> bool:
    agent, lying, opened, boxes = place
    held = _in_hand(lying)
    if agent in self.hazards:
      return False
    if self.task == "take":
      return self.thing in held
    if self.task == "open":
      return self.thing in opened
    if self.task == "push":
      return self.goal in boxes
    return agent == self.goal and (self.task == "reach" or self.thing in held)

  def search(self, start: Place) -> float:
    """`distance` without its cache."""
    if self._achieved(start):
      return 0.0
    queue, seen = collections.deque([(start, 0)]), {start}
    while queue:
      place, steps = queue.popleft()
      if place[0] in self.hazards:
        continue
      for action in range(len(ACTIONS)):
        after = self.move(place, action)
        if after in seen:
          continue
        if self._achieved(after):
          return float(steps + 1)
        seen.add(after)
        queue.append((after, steps + 1))
    return math.inf

  def walkable(self, opened: Collection[int]) -> set[Cell]:
    """Cells joined to the agent by open floor.

    Args:
      opened: the elements that count as open.
    """
    closed = {
      cell for e, (cell, _) in enumerate(self.elements) if e not in opened
    }
    closed |= {*self.boxes, *self.hazards}
    found, stack = {self.agent}, [self.agent]
    while stack:
      here = stack.pop()
      for direction in ACTIONS:
        cell = _beside(here, direction)
        if cell in found or cell in closed or self.is_wall(cell):
          continue
        found.add(cell)
        stack.append(cell)
    return found


# Several questions about a moment need the same few distances.
@functools.lru_cache(maxsize=256)
def _distance(game: Game, start: Place) -> float:
  return game.search(start)


@functools.lru_cache(maxsize=256)
def _after_each(game: Game) -> tuple[float, ...]:
  after = (game.move(game.place(), a) for a in range(len(ACTIONS)))
  return tuple(1.0 + game.distance(place) for place in after)


def _in_hand(lying: tuple[Cell | None, ...]) -> frozenset[int]:
  return frozenset(t for t, cell in enumerate(lying) if cell is None)


def _cell(pair: Any) -> Cell:
  row, column = (int(x) for x in np.asarray(pair))
  return row, column


def _placed(cells: Any, kinds: Any) -> tuple[tuple[Cell, int], ...]:
  pairs = zip(np.asarray(cells), np.asarray(kinds), strict=True)
  return tuple((_cell(cell), int(kind)) for cell, kind in pairs)


def _beside(cell: Cell, direction: str) -> Cell:
  """The next cell in a direction."""
  down, right = OFFSETS[direction]
  return cell[0] + down, cell[1] + right

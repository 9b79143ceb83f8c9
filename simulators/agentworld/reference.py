"""AgentWorld's rules a second time, in plain Python on ints, tuples and sets.

Nothing here shares code with `dynamics`, `oracle` or `questions`: it is the
second, independent path by which their optimal actions and their answers are
derived again. The rules are those without chance: slipping is set aside.
"""

import collections
import dataclasses
import math

import numpy as np

from simulators.agentworld import questions
from simulators.agentworld.types import ACTIONS, ELEMENTS, TOOLS

Cell = tuple[int, int]
Place = tuple[Cell, frozenset, frozenset]  # agent, tools held, elements opened

OFFSETS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclasses.dataclass(frozen=True)
class Game:
  """One level under one set of rules, and where its player is.

  Attributes:
    size: side of the array; beyond it nobody goes.
    walls: cells that nobody enters.
    goal: the cell to reach.
    tools: (cell, kind) of each tool.
    elements: (cell, kind) of each element.
    opens: (tool kind, element kind) pairs by which the world really works.
    nominal: the pairs that the agent is told.
    tool_words: word of each tool kind.
    element_words: word of each element kind.
    agent: cell where the agent stands.
    held: indices of the tools picked up.
    opened: indices of the elements opened.
  """

  size: int
  walls: frozenset[Cell]
  goal: Cell
  tools: tuple[tuple[Cell, int], ...]
  elements: tuple[tuple[Cell, int], ...]
  opens: frozenset[tuple[int, int]]
  nominal: frozenset[tuple[int, int]]
  tool_words: tuple[str, ...]
  element_words: tuple[str, ...]
  agent: Cell
  held: frozenset[int] = frozenset()
  opened: frozenset[int] = frozenset()

  @classmethod
  def from_level(cls, level, params) -> "Game":
    """The start of one level (a `Level` without batch axes)."""
    wall = np.asarray(level.wall)
    return cls(
      size=len(wall),
      walls=frozenset(map(_cell, np.argwhere(wall))),
      goal=_cell(level.goal),
      tools=_placed(level.tool_at, level.tool_kind),
      elements=_placed(level.element_at, level.element_kind),
      opens=frozenset(map(_cell, np.argwhere(np.asarray(params.opens)))),
      nominal=frozenset(map(_cell, np.argwhere(np.asarray(params.nominal)))),
      tool_words=tuple(TOOLS[i] for i in np.asarray(params.tool_id)),
      element_words=tuple(ELEMENTS[i] for i in np.asarray(params.element_id)),
      agent=_cell(level.agent),
    )

  @classmethod
  def from_state(cls, env_state, params, config=None) -> "Game":
    """The moment that one `EnvState` without batch axes describes.

    The world's `config` is not needed: a level tells its own size.
    """
    return dataclasses.replace(
      cls.from_level(env_state.level, params),
      agent=_cell(env_state.agent),
      held=frozenset(np.flatnonzero(env_state.held).tolist()),
      opened=frozenset(np.flatnonzero(env_state.opened).tolist()),
    )

  @property
  def done(self) -> bool:
    """Whether the goal is reached."""
    return self.agent == self.goal

  def step(self, action: int) -> "Game":
    """The game after an action; a game that is over stays as it is."""
    if self.done:
      return self
    agent, held, opened = self._move(self._place(), action)
    return dataclasses.replace(self, agent=agent, held=held, opened=opened)

  def bfs(self) -> tuple[float, ...]:
    """Steps to the goal after each action, counting it; inf if none."""
    after = (self._move(self._place(), a) for a in range(len(ACTIONS)))
    return tuple(1.0 + self._distance(place) for place in after)

  def optimal(self) -> tuple[int, ...]:
    """The actions of least finite cost; none if the goal is out of reach."""
    costs = self.bfs()
    best = min(costs)
    if math.isinf(best):
      return ()
    return tuple(a for a, cost in enumerate(costs) if cost == best)

  def _place(self) -> Place:
    return self.agent, self.held, self.opened

  def _move(self, place: Place, action: int) -> Place:
    agent, held, opened = place
    target = _beside(agent, ACTIONS[action])
    if self._is_wall(target):
      return place
    for e, (cell, kind) in enumerate(self.elements):
      if cell != target or e in opened:
        continue
      if not any((self.tools[t][1], kind) in self.opens for t in held):
        return place
      opened = opened | {e}
    found = {t for t, (cell, _) in enumerate(self.tools) if cell == target}
    return target, held | found, opened

  def _is_wall(self, cell: Cell) -> bool:
    inside = all(0 <= x < self.size for x in cell)
    return not inside or cell in self.walls

  def _distance(self, start: Place) -> float:
    """Fewest steps to the goal by breadth-first search."""
    queue, seen = collections.deque([(start, 0)]), {start}
    while queue:
      place, steps = queue.popleft()
      if place[0] == self.goal:
        return float(steps)
      for action in range(len(ACTIONS)):
        after = self._move(place, action)
        if after not in seen:
          seen.add(after)
          queue.append((after, steps + 1))
    return math.inf

  def _object(self, index: int) -> Cell:
    return self.goal if index == 0 else self.tools[index - 1][0]

  def _name(self, index: int) -> str:
    if index == 0:
      return "goal"
    return self.tool_words[self.tools[index - 1][1]]

  def _contents(self) -> dict[Cell, str]:
    """What stands on each cell that is not bare floor."""
    contents = dict.fromkeys(self.walls, "wall")
    contents[self.goal] = "goal"
    for t, (cell, kind) in enumerate(self.tools):
      if t not in self.held:
        contents[cell] = self.tool_words[kind]
    for cell, kind in self.elements:
      contents[cell] = self.element_words[kind]
    return contents

  def _walkable(self) -> set[Cell]:
    """Cells joined to the agent by open floor, nothing being opened."""
    closed = {
      cell for e, (cell, _) in enumerate(self.elements) if e not in self.opened
    }
    found, stack = {self.agent}, [self.agent]
    while stack:
      here = stack.pop()
      for direction in ACTIONS:
        cell = _beside(here, direction)
        if cell in found or cell in closed or self._is_wall(cell):
          continue
        found.add(cell)
        stack.append(cell)
    return found


def _cell(pair) -> Cell:
  row, column = (int(x) for x in np.asarray(pair))
  return row, column


def _placed(cells, kinds) -> tuple[tuple[Cell, int], ...]:
  pairs = zip(np.asarray(cells), np.asarray(kinds), strict=True)
  return tuple((_cell(cell), int(kind)) for cell, kind in pairs)


def _beside(cell: Cell, direction: str) -> Cell:
  down, right = OFFSETS[direction]
  return cell[0] + down, cell[1] + right


def answer(game: Game, kind: int | str, args) -> int:
  """The code, index into `questions.ANSWERS`, of a question's true answer.

  Args:
    game: the moment asked about.
    kind: name of the question kind, or its index in `questions.KINDS`.
    args: the numbers of `Question.args`.

  Raises:
    ValueError: the question has no single answer in this moment.
  """
  if not isinstance(kind, str):
    kind = questions.KINDS[int(kind)]
  word = _WORDS[kind](game, *(int(x) for x in args))
  if word not in questions.ANSWERS:
    raise ValueError(
      f"question {kind}{tuple(args)} has no single answer here: ask it only "
      f"where QuestionArrays.valid is True"
    )
  return questions.ANSWERS.index(word)


def _yes(truth: bool) -> str:
  return "yes" if truth else "no"


def _where(game, index, axis, *_) -> str:
  offset = game._object(index)[axis] - game.agent[axis]
  before, after = (("up", "down"), ("left", "right"))[axis]
  return "" if offset == 0 else before if offset < 0 else after


def _adjacent(game, action, *_) -> str:
  cell = _beside(game.agent, ACTIONS[action])
  if game._is_wall(cell):
    return "wall"
  return game._contents().get(cell, "nothing")


def _nearer(game, first, second, *_) -> str:
  (row, column), steps = game.agent, []
  for index in (first, second):
    there = game._object(index)
    steps.append(abs(there[0] - row) + abs(there[1] - column))
  if steps[0] == steps[1]:
    return ""
  return game._name(first if steps[0] < steps[1] else second)


def _which_tool(game, element, *_) -> str:
  kind = game.element_words.index(ELEMENTS[element])
  tools = [t for t, e in game.nominal if e == kind]
  return game.tool_words[tools[0]] if len(tools) == 1 else ""


def _bump(game, action, *_) -> str:
  return _yes(game.step(action).agent != game.agent)


def _if_held(game, tool, action, *_) -> str:
  target = _beside(game.agent, ACTIONS[action])
  hands = {game.tools[t][1] for t in game.held | {tool}}
  for e, (cell, kind) in enumerate(game.elements):
    if cell == target and e not in game.opened:
      return _yes(any((hand, kind) in game.opens for hand in hands))
  return _yes(not game._is_wall(target))


def _reachable(game, index, *_) -> str:
  return _yes(game._object(index) in game._walkable())


def _optimal_next(game, *_) -> str:
  best = game.optimal()
  return ACTIONS[best[0]] if len(best) == 1 else ""


def _plan(game, index, *moves) -> str:
  for action in moves:
    if action >= 0:
      game = game.step(action)
  return _yes(game.agent == game._object(index))


def _steps(game, *_) -> str:
  fewest = min(game.bfs())
  return NUMBERS[int(fewest) - 1] if fewest <= len(NUMBERS) else ""


_WORDS = {
  "where": _where,
  "adjacent": _adjacent,
  "nearer": _nearer,
  "which_tool": _which_tool,
  "bump": _bump,
  "if_held": _if_held,
  "reachable": _reachable,
  "optimal_next": _optimal_next,
  "plan": _plan,
  "steps": _steps,
}

"""What the agent perceives of a moment, before it is put in words.

It sees the rooms and the doors between them, what lies where, and the walls
within `Config.sight` steps. Nothing here follows a way through a door or around
a wall.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.types import Obs
from simulators.agentworld.vocabulary import ACTIONS, ELEMENTS, GOALS, TOOLS

Cell = tuple[int, int]  # (rows down, columns right) from the agent
ROOMS = "ABCDEFGHIJ"  # names of rooms, in reading order; more have none
YOURS = "yours"  # the agent's room, whatever its name
_NEAR = np.array(DELTAS)
_BACK = dict(
  zip(ACTIONS, (ACTIONS[1], ACTIONS[0], ACTIONS[3], ACTIONS[2]), strict=True)
)


@dataclasses.dataclass(frozen=True)
class Thing:
  """Something on the map.

  Attributes:
    word: what it is.
    at: its cell.
    rooms: its room, or the two rooms that it stands between: members of ROOMS,
      and YOURS for the agent's.
    is_open: for an element, whether it is open.
  """

  word: str
  at: Cell
  rooms: tuple[str, ...] = ()
  is_open: bool = False


@dataclasses.dataclass(frozen=True)
class Scene:
  """One moment.

  Attributes:
    task: one of GOALS.
    of: the tool or element that the task names; "" for none.
    limit: steps that the episode may take.
    between: the two rooms next to the agent where it stands in a door; else
      (). Then no room is YOURS.
    holding: tools in hand.
    walls: moves into a wall.
    shut: moves onto a closed element, whatever is in hand.
    onward: of every other move, the moves that no wall stops after it, the one
      back left out; empty where only the walls beside the agent are seen.
    last: the last move; "" before the first.
    moved: whether it moved the agent.
    goal: the goal's cell and room; None where no cell is asked for.
    tools, elements: those in sight, the nearest first.
    boxes, hazards: cells.
  """

  task: str
  of: str
  limit: int
  between: tuple[str, ...]
  holding: tuple[str, ...]
  walls: tuple[str, ...]
  shut: tuple[str, ...]
  onward: dict[str, tuple[str, ...]]
  last: str
  moved: bool
  goal: Thing | None
  tools: tuple[Thing, ...]
  elements: tuple[Thing, ...]
  boxes: tuple[Cell, ...]
  hazards: tuple[Cell, ...]

  @property
  def things(self) -> tuple[Thing, ...]:
    """The goal, if it is a cell, then tools and elements."""
    goal = (self.goal,) if self.goal else ()
    return (*goal, *self.tools, *self.elements)


def scenes(obs: Obs, sight: int) -> list[Scene]:
  """The scene of each row of `obs` (numpy leaves, leading axis B).

  Args:
    obs: what the agent observes.
    sight: steps within which it sees walls, 1 or 2.
  """
  seen: Any = jax.tree.map(np.asarray, obs)
  border = ((0, 0), (1, 1), (1, 1))
  wall = np.pad(seen.wall, border, constant_values=True)
  hazard = np.pad(seen.hazard, border)
  room = _rooms(seen, wall)
  grids = ("wall", "hazard")  # read as arrays
  names = [f.name for f in dataclasses.fields(obs) if f.name not in grids]
  rows = zip(*(getattr(seen, name).tolist() for name in names), strict=True)
  return [
    _scene(
      dict(zip(names, row, strict=True)), wall[i], hazard[i], room[i], sight
    )
    for i, row in enumerate(rows)
  ]


def _rooms(obs: Any, wall: np.ndarray) -> np.ndarray:
  """i32[B, S + 2, S + 2]: the room of each floor cell, -1 for none.

  Rooms are pieces of floor between walls and elements, open or closed. They
  are numbered in reading order of their first cells.
  """
  batch = np.arange(len(wall))
  floor = ~wall
  for j in range(obs.element.shape[1]):
    seen = batch[obs.element[:, j] >= 0]
    row, column = obs.element_at[seen, j].T + 1
    floor[seen, row, column] = False
  far = floor[0].size
  label = np.where(floor, np.arange(far).reshape(floor.shape[1:]), far)
  changed = True
  while changed:
    least = label
    for delta in DELTAS:
      near = np.roll(label, delta, (1, 2))
      least = np.where(floor, np.minimum(least, near), least)
    changed = not np.array_equal(least, label)
    label = least
  out = np.full(label.shape, -1)
  for i, grid in enumerate(label):
    for number, first in enumerate(np.unique(grid[floor[i]])):
      out[i][grid == first] = number
  return out


def _scene(
  row: dict[str, Any],
  wall: np.ndarray,
  hazard: np.ndarray,
  room: np.ndarray,
  sight: int,
) -> Scene:
  here = row["agent"]

  def cell(there: list[int]) -> Cell:
    return there[0] - here[0], there[1] - here[1]

  def rooms(there: list[int], mine: str = "") -> tuple[str, ...]:
    at = np.array(there) + 1
    numbers = [int(room[tuple(at)])]
    if numbers[0] < 0:
      near = {int(room[tuple(at + delta)]) for delta in _NEAR}
      numbers = sorted(near - {-1})
    names = [ROOMS[n] for n in numbers if n < len(ROOMS)]
    names = [YOURS if name == mine else name for name in names]
    return tuple(sorted(names, key=lambda name: (name != YOURS, name)))

  around = rooms(here)
  mine = around[0] if len(around) == 1 else ""

  def thing(word: str, there: list[int], is_open: bool = False) -> Thing:
    return Thing(word, cell(there), rooms(there, mine), is_open)

  at = np.array(here) + 1
  beside = [tuple(at + delta) for delta in _NEAR]
  walls = _walls(wall, at)
  onward = (
    {}
    if sight < 2
    else {
      move: tuple(
        a
        for a in ACTIONS
        if a != _BACK[move] and a not in _walls(wall, at + delta)
      )
      for move, delta in zip(ACTIONS, _NEAR, strict=True)
      if move not in walls
    }
  )
  task = GOALS[row["goal_kind"]]
  of = ""
  if row["goal_word"] >= 0:
    of = (ELEMENTS if task == "open" else TOOLS)[row["goal_word"]]
  words = [TOOLS[w] if w >= 0 else "" for w in row["tool"]]
  tools = [
    thing(word, row["tool_at"][k])
    for k, word in enumerate(words)
    if word and not row["held"][k]
  ]
  elements = [
    thing(ELEMENTS[word], row["element_at"][j], row["opened"][j])
    for j, word in enumerate(row["element"])
    if word >= 0
  ]
  closed = {it.at for it in elements if not it.is_open}
  danger = [
    a for a, there in zip(ACTIONS, beside, strict=True) if hazard[there]
  ]
  danger += ["here"] * bool(hazard[tuple(at)])
  return Scene(
    task=task,
    of=of,
    limit=row["limit"],
    between=around if len(around) > 1 else (),
    holding=tuple(
      w for w, held in zip(words, row["held"], strict=True) if held
    ),
    walls=walls,
    shut=tuple(
      a for a, near in zip(ACTIONS, DELTAS, strict=True) if near in closed
    ),
    onward=onward,
    last=ACTIONS[row["last"]] if row["last"] >= 0 else "",
    moved=row["moved"],
    goal=None if task in ("take", "open") else thing("goal", row["goal"]),
    tools=tuple(sorted(tools, key=_steps)),
    elements=tuple(sorted(elements, key=_steps)),
    boxes=tuple(sorted((cell(box) for box in row["boxes"]), key=_far)),
    hazards=tuple(
      sorted((cell(h) for h in (np.argwhere(hazard) - 1).tolist()), key=_far)
    ),
  )


def _walls(wall: np.ndarray, at: np.ndarray) -> tuple[str, ...]:
  """Moves into a wall from a cell of the padded grid."""
  return tuple(
    move
    for move, delta in zip(ACTIONS, _NEAR, strict=True)
    if wall[tuple(at + delta)]
  )


def _far(cell: Cell) -> tuple[int, Cell]:
  return abs(cell[0]) + abs(cell[1]), cell


def _steps(thing: Thing) -> tuple[int, Cell, str]:
  return *_far(thing.at), thing.word

"""Answers read off a game as it stands, for `reference_answers`.

Each takes the game and the question's arguments and gives a word or a bool, or
"" where the moment has no single answer.
"""

from simulators.agentworld.moments import BOX, HAZARD
from simulators.agentworld.types import ACTIONS, ELEMENTS, TOOLS

Cell = tuple[int, int]
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
BACK = {"up": "down", "down": "up", "left": "right", "right": "left"}
OFFSETS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def thing_at(game, index) -> Cell:
  return game.goal if index == 0 else game.tools[index - 1][0]


def thing_word(game, index) -> str:
  if index == 0:
    return "goal"
  return game.tool_words[game.tools[index - 1][1]]


def element_word(game, index) -> str:
  return game.element_words[game.elements[index][1]]


def apart_by(one: Cell, other: Cell) -> int:
  return abs(one[0] - other[0]) + abs(one[1] - other[1])


def number(count) -> str:
  return NUMBERS[int(count) - 1] if 1 <= count <= len(NUMBERS) else ""


def direction(start: Cell, end: Cell, axis: int) -> str:
  before, after = (("up", "down"), ("left", "right"))[axis]
  offset = end[axis] - start[axis]
  return "" if offset == 0 else before if offset < 0 else after


def moved(game, action) -> bool:
  return game.step(action).agent != game.agent


# --- What is where ------------------------------------------------------------


def where(game, index, axis, *_):
  return direction(game.agent, thing_at(game, index), axis)


def adjacent(game, action, *_):
  cell = game.beside(action)
  if game.is_wall(cell):
    return "wall"
  if cell in game.hazards:
    return HAZARD
  contents = {}
  if game.task in ("reach", "bring", "push"):
    contents[game.goal] = "goal"
  for t, (there, _) in enumerate(game.tools):
    if t not in game.held:
      contents[there] = thing_word(game, 1 + t)
  for e, (there, _) in enumerate(game.elements):
    contents[there] = element_word(game, e)
  contents |= dict.fromkeys(game.boxes, BOX)
  return contents.get(cell, "nothing")


def nearer(game, first, second, *_):
  one, two = (apart_by(game.agent, thing_at(game, x)) for x in (first, second))
  return "" if one == two else thing_word(game, first if one < two else second)


def distance(game, index, *_):
  return number(apart_by(game.agent, thing_at(game, index)))


def apart(game, first, second, *_):
  return number(apart_by(thing_at(game, first), thing_at(game, second)))


def aligned(game, index, axis, *_):
  return thing_at(game, index)[axis] == game.agent[axis]


def relative(game, first, second, axis, *_):
  return direction(thing_at(game, first), thing_at(game, second), axis)


def held(game, tool, *_):
  return tool in game.held


def exits(game, *_):
  return number(sum(moved(game, action) for action in range(len(ACTIONS))))


def task(game, *_):
  return game.task


# --- What opens what ----------------------------------------------------------


def which_tool(game, element, *_):
  kind = game.element_words.index(ELEMENTS[element])
  tools = [t for t, e in game.nominal if e == kind]
  return game.tool_words[tools[0]] if len(tools) == 1 else ""


def which_element(game, tool, *_):
  kind = game.tool_words.index(TOOLS[tool])
  elements = [e for t, e in game.nominal if t == kind]
  return game.element_words[elements[0]] if len(elements) == 1 else ""


def opens(game, tool, element, *_):
  pair = (
    game.tool_words.index(TOOLS[tool]),
    game.element_words.index(ELEMENTS[element]),
  )
  return pair in game.nominal


def can_open(game, element, *_):
  return game.openable(game.elements[element][1], game.held)


# --- What bars the way --------------------------------------------------------


def reachable(game, index, *_):
  return thing_at(game, index) in game.walkable(game.opened)


def if_open(game, element, index, *_):
  return thing_at(game, index) in game.walkable(game.opened | {element})


def way_bar(game, index, *_):
  if reachable(game, index):
    return "nothing"
  closed = set(range(len(game.elements))) - game.opened
  bars = [e for e in closed if if_open(game, e, index)]
  return element_word(game, bars[0]) if len(bars) == 1 else ""


# --- What has been ------------------------------------------------------------


def start(game, moves) -> Cell:
  """Where past moves began; those that moved nobody are four or more."""
  row, column = game.agent
  for move in moves:
    if 0 <= move < len(ACTIONS):
      down, right = OFFSETS[ACTIONS[move]]
      row, column = row - down, column - right
  return row, column


def was_distance(game, index, *moves):
  return number(apart_by(start(game, moves), thing_at(game, index)))


def approached(game, index, *moves):
  there = thing_at(game, index)
  before = apart_by(start(game, moves), there)
  return apart_by(game.agent, there) < before


def did_move(game, last, *_):
  if moved(game, last):
    return True
  back = ACTIONS.index(BACK[ACTIONS[last]])
  return "" if moved(game, back) else False

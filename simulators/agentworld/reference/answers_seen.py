"""Answers read off a game as it stands; see `reference`."""

from simulators.agentworld.reference.game import Game
from simulators.agentworld.reference.look import (
  BACK,
  Answer,
  apart_by,
  direction,
  element_word,
  moved,
  number,
  past_start,
  thing_at,
  thing_word,
)
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  HAZARD,
  TOOLS,
)

# --- What is where ------------------------------------------------------------


def where(game: Game, index: int, axis: int, *_: int) -> Answer:
  return direction(game.agent, thing_at(game, index), axis)


def adjacent(game: Game, action: int, *_: int) -> Answer:
  cell = game.beside(action)
  if game.is_wall(cell):
    return "wall"
  if cell in game.hazards:
    return HAZARD
  contents = {}
  if game.task in ("reach", "bring", "push"):
    contents[game.goal] = "goal"
  for t, there in enumerate(game.lying):
    if there is not None:
      contents[there] = thing_word(game, 1 + t)
  for e, (there, _kind) in enumerate(game.elements):
    contents[there] = element_word(game, e)
  contents |= dict.fromkeys(game.boxes, BOX)
  return contents.get(cell, "nothing")


def nearer(game: Game, first: int, second: int, *_: int) -> Answer:
  one, two = (apart_by(game.agent, thing_at(game, x)) for x in (first, second))
  return "" if one == two else thing_word(game, first if one < two else second)


def distance(game: Game, index: int, *_: int) -> Answer:
  return number(apart_by(game.agent, thing_at(game, index)))


def apart(game: Game, first: int, second: int, *_: int) -> Answer:
  return number(apart_by(thing_at(game, first), thing_at(game, second)))


def aligned(game: Game, index: int, axis: int, *_: int) -> Answer:
  return thing_at(game, index)[axis] == game.agent[axis]


def relative(game: Game, first: int, second: int, axis: int, *_: int) -> Answer:
  return direction(thing_at(game, first), thing_at(game, second), axis)


def held(game: Game, tool: int, *_: int) -> Answer:
  return tool in game.held


def exits(game: Game, *_: int) -> Answer:
  return number(sum(moved(game, action) for action in range(len(ACTIONS))))


def task(game: Game, *_: int) -> Answer:
  return game.task


# --- What opens what ----------------------------------------------------------


def which_tool(game: Game, element: int, *_: int) -> Answer:
  kind = game.element_words.index(ELEMENTS[element])
  tools = [t for t, e in game.nominal if e == kind]
  return game.tool_words[tools[0]] if len(tools) == 1 else ""


def which_element(game: Game, tool: int, *_: int) -> Answer:
  kind = game.tool_words.index(TOOLS[tool])
  elements = [e for t, e in game.nominal if t == kind]
  return game.element_words[elements[0]] if len(elements) == 1 else ""


def opens(game: Game, tool: int, element: int, *_: int) -> Answer:
  pair = (
    game.tool_words.index(TOOLS[tool]),
    game.element_words.index(ELEMENTS[element]),
  )
  return pair in game.nominal


def can_open(game: Game, element: int, *_: int) -> Answer:
  return game.openable(game.elements[element][1], game.held)


# --- What bars the way --------------------------------------------------------


def reachable(game: Game, index: int, *_: int) -> Answer:
  return thing_at(game, index) in game.walkable(game.opened)


def if_open(game: Game, element: int, index: int, *_: int) -> Answer:
  return thing_at(game, index) in game.walkable(game.opened | {element})


def way_bar(game: Game, index: int, *_: int) -> Answer:
  if reachable(game, index):
    return "nothing"
  closed = set(range(len(game.elements))) - game.opened
  bars = [e for e in closed if if_open(game, e, index)]
  return element_word(game, bars[0]) if len(bars) == 1 else ""


# --- What has been ------------------------------------------------------------


def was_distance(game: Game, index: int, *moves: int) -> Answer:
  return number(apart_by(past_start(game, moves), thing_at(game, index)))


def approached(game: Game, index: int, *moves: int) -> Answer:
  there = thing_at(game, index)
  before = apart_by(past_start(game, moves), there)
  return apart_by(game.agent, there) < before


def did_move(game: Game, last: int, *_: int) -> Answer:
  if moved(game, last):
    return True
  back = ACTIONS.index(BACK[ACTIONS[last]])
  return "" if moved(game, back) else False

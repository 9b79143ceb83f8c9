"""Words, cells and distances of a game, for the answers."""

from simulators.agentworld.reference.game import OFFSETS, Cell, Game
from simulators.agentworld.vocabulary import ACTIONS

Answer = str | bool  # what a function of `answers_*` returns

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
BACK = {"up": "down", "down": "up", "left": "right", "right": "left"}


def thing_at(game: Game, index: int) -> Cell:
  """The cell of an object: the goal for 0, else tool `index - 1`.

  A tool in hand is where the agent is.
  """
  if index == 0:
    return game.goal
  return game.lying[index - 1] or game.agent


def thing_word(game: Game, index: int) -> str:
  """The word of an object."""
  if index == 0:
    return "goal"
  return game.tool_words[game.tools[index - 1]]


def element_word(game: Game, index: int) -> str:
  """The word of an element."""
  return game.element_words[game.elements[index][1]]


def apart_by(one: Cell, other: Cell) -> int:
  """Rows plus columns between two cells."""
  return abs(one[0] - other[0]) + abs(one[1] - other[1])


def number(count: float) -> str:
  """The word of a number in 1..8, else ""."""
  return NUMBERS[int(count) - 1] if 1 <= count <= len(NUMBERS) else ""


def direction(start: Cell, end: Cell, axis: int) -> str:
  """Where `end` lies from `start` on an axis; "" if on a level with it."""
  before, after = (("up", "down"), ("left", "right"))[axis]
  offset = end[axis] - start[axis]
  return "" if offset == 0 else before if offset < 0 else after


def moved(game: Game, action: int) -> bool:
  """Whether an action moves the agent."""
  return game.step(action).agent != game.agent


def past_start(game: Game, moves: tuple[int, ...]) -> Cell:
  """Where past moves began; 4 is added to a move that moved nobody."""
  row, column = game.agent
  for move in moves:
    if 0 <= move < len(ACTIONS):
      down, right = OFFSETS[ACTIONS[move]]
      row, column = row - down, column - right
  return row, column

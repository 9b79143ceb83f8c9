"""Claims a second time: the function of a kind's name tells whether it holds.

Chance is ignored, as always in the reference.
"""

from simulators.agentworld.reference.game import OFFSETS, Cell, Game
from simulators.agentworld.reference.look import apart_by, moved
from simulators.agentworld.vocabulary import ACTIONS, BOX, NUMBERS, TOOLS
from simulators.claims import Claim


def claims(game: Game, claim: Claim) -> bool:
  """Whether a claim about the moment of a game is true."""
  return _HOLDS[claim.kind](game, *claim.words)


def _after(game: Game, move: str) -> Game:
  return game.step(ACTIONS.index(move))


def _held(game: Game) -> set[str]:
  return {game.tool_words[game.tools[t]] for t in game.held}


def _open(game: Game) -> set[str]:
  return {game.element_words[game.elements[e][1]] for e in game.opened}


def _at(game: Game, thing: str) -> list[Cell]:
  if thing == "goal":
    return [game.goal]
  if thing == BOX:
    return list(game.boxes)
  if thing in TOOLS:
    return [
      cell
      for kind, cell in zip(game.tools, game.lying, strict=True)
      if cell is not None and game.tool_words[kind] == thing
    ]
  return [
    cell for cell, kind in game.elements if game.element_words[kind] == thing
  ]


def _opens(game: Game, tool: str, element: str) -> bool:
  return (tool, element) in {
    (game.tool_words[i], game.element_words[j]) for i, j in game.opens
  }


def _hold(game: Game, tool: str) -> bool:
  return not game.held if tool == "nothing" else tool in _held(game)


def _nearer(game: Game, move: str, thing: str) -> bool:
  cells, there = _at(game, thing), _after(game, move).agent
  return bool(cells) and (
    min(apart_by(there, cell) for cell in cells)
    < min(apart_by(game.agent, cell) for cell in cells)
  )


def _place(game: Game, thing: str, where: str) -> bool:
  row, column = game.agent
  words = iter(where.replace(",", "").split())
  for number in words:
    if number == "here":
      break
    down, right = OFFSETS[next(words)]
    row += down * NUMBERS.index(number)
    column += right * NUMBERS.index(number)
  return (row, column) in _at(game, thing)


_HOLDS = {
  "opens": _opens,
  "hold": _hold,
  "wall": lambda game, move: game.is_wall(game.beside(ACTIONS.index(move))),
  "barred": lambda game, move: not moved(game, ACTIONS.index(move)),
  "free": lambda game, move: moved(game, ACTIONS.index(move)),
  "nearer": _nearer,
  "takes": lambda game, move, tool: (
    tool in _held(_after(game, move)) - _held(game)
  ),
  "opened": lambda game, move, element: (
    element in _open(_after(game, move)) - _open(game)
  ),
  "succeeds": lambda game, move: _after(game, move).done,
  "place": _place,
}

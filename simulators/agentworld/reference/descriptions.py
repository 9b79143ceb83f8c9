"""What a moment's description has to say, by the reference's rules."""

from typing import Any

from simulators.agentworld.config import Config
from simulators.agentworld.reference.game import OFFSETS, Cell, Game
from simulators.agentworld.reference.look import BACK
from simulators.agentworld.vocabulary import ACTIONS, BOX

_NAMES = "ABCDEFGHIJ"  # of rooms, in reading order; more have none
_MINE = "yours"


def describes(
  game: Game, actions: tuple[int, ...], said: dict[str, Any], config: Config
) -> bool | None:
  """Whether a description of the moment after some actions is right.

  Chance is ignored, as always in the reference.

  Args:
    game: the moment before the actions.
    actions: their indices, at least one.
    said: what the description says, as `AgentWorld.parse_description` reads it.
    config: of the world.

  Returns:
    None where the rendering is neither `plain` nor `compact`.
  """
  if config.rendering not in ("plain", "compact"):
    return None
  before = game
  for action in actions:
    before, game = game, game.step(action)
  last = {"move": ACTIONS[actions[-1]], "moved": game.agent != before.agent}
  return _seen(game, config.sight) | {"last": last} == said


def _seen(game: Game, sight: int) -> dict[str, Any]:
  """All that a description says, but the last move."""
  rooms = _rooms(game)
  mine = rooms.get(game.agent)

  def thing(cell: Cell) -> dict[str, Any]:
    return {"offset": _offset(game, cell), "rooms": _around(rooms, cell, mine)}

  words = [game.tool_words[kind] for kind in game.tools]
  of = words[game.thing] if words else ""
  if game.task == "open":
    of = game.element_words[game.elements[game.thing][1]]
  of = BOX if game.task == "push" else of
  return {
    "task": None if game.task == "reach" else {game.task: of},
    "limit": game.limit,
    "holding": [words[t] for t in sorted(game.held)],
    "between": [] if mine is not None else _around(rooms, game.agent, mine),
    "walls": _walls(game, game.agent),
    "shut": [
      move
      for i, move in enumerate(ACTIONS)
      if any(
        cell == game.beside(i) and e not in game.opened
        for e, (cell, _) in enumerate(game.elements)
      )
    ],
    "onward": _onward(game) if sight > 1 else {},
    "goal": None if game.task in ("take", "open") else thing(game.goal),
    "tools": {
      words[t]: thing(cell)
      for t, cell in enumerate(game.lying)
      if cell is not None
    },
    "elements": {
      game.element_words[kind]: thing(cell) | {"open": e in game.opened}
      for e, (cell, kind) in enumerate(game.elements)
    },
    "boxes": sorted(
      (_offset(game, box) for box in game.boxes), key=_nearest_first
    ),
    "hazards": sorted(
      (_offset(game, cell) for cell in game.hazards), key=_nearest_first
    ),
  }


def _offset(game: Game, cell: Cell) -> Cell:
  return cell[0] - game.agent[0], cell[1] - game.agent[1]


def _nearest_first(cell: Cell) -> tuple[int, Cell]:
  return abs(cell[0]) + abs(cell[1]), cell


def _walls(game: Game, cell: Cell) -> list[str]:
  return [
    move
    for move in ACTIONS
    if game.is_wall((cell[0] + OFFSETS[move][0], cell[1] + OFFSETS[move][1]))
  ]


def _onward(game: Game) -> dict[str, list[str]]:
  out = {}
  for move in ACTIONS:
    cell = game.beside(ACTIONS.index(move))
    if not game.is_wall(cell):
      shut = {BACK[move], *_walls(game, cell)}
      out[move] = [after for after in ACTIONS if after not in shut]
  return out


def _rooms(game: Game) -> dict[Cell, int]:
  """The number of each floor cell's room, in reading order; no elements."""
  doors = {cell for cell, _ in game.elements}
  found: dict[Cell, int] = {}
  rooms = 0
  for row in range(game.size):
    for column in range(game.size):
      stack = [(row, column)]
      if stack[0] in found or stack[0] in doors or game.is_wall(stack[0]):
        continue
      while stack:
        here = stack.pop()
        if here in found or here in doors or game.is_wall(here):
          continue
        found[here] = rooms
        stack += [(here[0] + a, here[1] + b) for a, b in OFFSETS.values()]
      rooms += 1
  return found


def _around(rooms: dict[Cell, int], cell: Cell, mine: int | None) -> list[str]:
  """Names of the room of a cell, or of the rooms beside it; the agent's first.

  Args:
    rooms: from `_rooms`.
    cell: of a thing.
    mine: the agent's room; None where it stands between rooms.
  """
  near = [(cell[0] + a, cell[1] + b) for a, b in OFFSETS.values()]
  cells = [cell] if cell in rooms else near
  numbers = sorted({rooms[c] for c in cells if c in rooms})
  named = [n for n in numbers if n < len(_NAMES)]
  first = [_MINE for n in named if n == mine]
  return first + [_NAMES[n] for n in named if n != mine]

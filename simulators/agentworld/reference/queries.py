"""Facts of queries a second time: a function for each primitive, on a game.

Chance is ignored, as always in the reference.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from simulators.agentworld.reference.game import Cell, Game
from simulators.agentworld.reference.look import apart_by, direction, moved
from simulators.agentworld.vocabulary import ACTIONS, BOX, TOOLS
from simulators.queries.language import Undefined


@dataclasses.dataclass(frozen=True)
class Facts:
  """The facts of one moment of a game."""

  game: Game

  def value(self, name: str, words: tuple[str, ...]) -> str | int | bool:
    return _PRIMITIVES[name](self.game, *words)

  def members(self, group: str) -> tuple[str, ...]:
    words = _tools(self.game) if group == "tools" else _elements(self.game)
    return tuple(dict.fromkeys(words))

  def after(self, actions: tuple[str, ...]) -> "Facts":
    return Facts(_played(self.game, actions))


def facts(game: Game) -> Facts:
  """The facts of the moment of a game."""
  return Facts(game)


def _played(game: Game, actions: tuple[str, ...]) -> Game:
  for action in actions:
    if game.done or game.failed:
      raise Undefined(f"the episode ends before {actions[-1]}")
    game = game.step(ACTIONS.index(action))
  return game


def _tools(game: Game) -> list[str]:
  return [game.tool_words[kind] for kind in game.tools]


def _elements(game: Game) -> list[str]:
  return [game.element_words[kind] for _, kind in game.elements]


def _one(words: list[str], word: str) -> int:
  places = [i for i, other in enumerate(words) if other == word]
  if len(places) != 1:
    raise Undefined(f"there are {len(places)} of {word}")
  return places[0]


def _at(game: Game, word: str) -> Cell:
  if word == "you":
    return game.agent
  if word == "goal":
    if game.task in ("take", "open"):
      raise Undefined("the goal is no place")
    return game.goal
  if word == BOX:
    if len(game.boxes) != 1:
      raise Undefined(f"there are {len(game.boxes)} of {BOX}")
    return game.boxes[0]
  if word in TOOLS:
    cell = game.lying[_one(_tools(game), word)]
    if cell is None:
      raise Undefined(f"the {word} is in hand")
    return cell
  return game.elements[_one(_elements(game), word)][0]


def _way(game: Game, start: str, end: str, axis: int) -> str:
  return direction(_at(game, start), _at(game, end), axis) or "level"


def _reachable(game: Game, place: str) -> bool:
  return _at(game, place) in game.walkable(game.opened)


def _free(game: Game, action: str) -> bool:
  _played(game, (action,))
  return moved(game, ACTIONS.index(action))


def _holds(game: Game, tool: str) -> bool:
  return _one(_tools(game), tool) in game.held


def _is_open(game: Game, element: str) -> bool:
  return _one(_elements(game), element) in game.opened


def _opens(game: Game, tool: str, element: str) -> bool:
  pair = (
    game.tools[_one(_tools(game), tool)],
    game.elements[_one(_elements(game), element)][1],
  )
  return pair in game.opens


def _opener(game: Game, element: str) -> str:
  _, kind = game.elements[_one(_elements(game), element)]
  fits = {
    game.tool_words[tool] for tool in game.tools if (tool, kind) in game.opens
  }
  if len(fits) != 1:
    raise Undefined(f"{len(fits)} tools here open the {element}")
  return fits.pop()


def _distance(game: Game, one: str, other: str) -> int:
  return apart_by(_at(game, one), _at(game, other))


_PRIMITIVES: dict[str, Callable[..., Any]] = {
  "distance": _distance,
  "vertical": lambda game, start, end: _way(game, start, end, 0),
  "horizontal": lambda game, start, end: _way(game, start, end, 1),
  "reachable": _reachable,
  "free": _free,
  "holds": _holds,
  "is_open": _is_open,
  "opens": _opens,
  "opener": _opener,
}

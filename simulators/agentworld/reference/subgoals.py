"""What the way to the goal leads to, by breadth-first searches."""

import collections
import dataclasses
from collections.abc import Sequence

from simulators.agentworld.reference.game import Game, Place
from simulators.agentworld.vocabulary import BOX

Way = list[tuple[Place, Place]]  # the moves of a shortest way: before, after


def needed(game: Game) -> list[str]:
  """The words, the next first; [] where what comes next is not certain."""
  orders = ((0, 1, 2, 3), (3, 2, 1, 0))
  first, last = (_things_on(game, _shortest(game, order)) for order in orders)
  return first if first[:1] == last[:1] else []


def _things_on(game: Game, way: Way) -> list[str]:
  things = []
  for before, after in way:
    for tool, cell in enumerate(after[1]):
      taken = cell is None and before[1][tool] is not None
      if tool in game.held:  # put down on the way, and taken up again
        continue
      if taken and _needs_tool(game, tool, len(way)):
        things.append(game.tool_words[game.tools[tool]])
    for element in after[2] - before[2]:
      if _needs_element(game, element, len(way)):
        things.append(game.element_words[game.elements[element][1]])
  if way and game.task not in ("take", "open"):
    things.append(BOX if game.task == "push" else "goal")
  return [*dict.fromkeys(things)]


def _needs_tool(game: Game, tool: int, steps: int) -> bool:
  if game.task in ("take", "bring") and tool == game.thing:
    return True
  opens = {pair for pair in game.opens if pair[0] != game.tools[tool]}
  return _longer(dataclasses.replace(game, opens=frozenset(opens)), steps)


def _needs_element(game: Game, element: int, steps: int) -> bool:
  cell, _ = game.elements[element]
  return _longer(dataclasses.replace(game, walls=game.walls | {cell}), steps)


def _longer(game: Game, steps: int) -> bool:
  """Whether the goal is more than so many steps away."""
  return game.search(game.place()) > steps


def _shortest(game: Game, order: Sequence[int]) -> Way:
  """The shortest way that prefers actions by `order`; [] if there is none."""
  start = game.place()
  if game.done or game.failed:
    return []
  # Breadth first, each action in order: among equally short ways to any place,
  # the one whose actions come first is found first.
  came: dict[Place, Place] = {}
  queue = collections.deque([start])
  while queue:
    before = queue.popleft()
    for action in order:
      after = game.move(before, action)
      if after == start or after in came or after[0] in game.hazards:
        continue
      came[after] = before
      if game.put(after).done:
        return _back(came, after, start)
      queue.append(after)
  return []


def _back(came: dict[Place, Place], end: Place, start: Place) -> Way:
  way = []
  while end != start:
    way.insert(0, (came[end], end))
    end = came[end]
  return way

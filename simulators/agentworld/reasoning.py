"""What follows from a description, in sentences that lead to an answer.

Of the text

    wall up. went right. goal three up two right in B. key one down one left.

these are sentences on the next move towards the goal, on distances, and on
which way one thing lies from another:

    next goal up right. shut nothing. back left
    up wall. down away. left away back. right nearer
    key one plus one is two. goal three plus two is five
    key one left. goal two right

They repeat only what text, rules and question say; no path is searched for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.agentworld.text import phrases
from simulators.agentworld.text.rules import read_needs
from simulators.agentworld.text.scene import Cell
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  HAZARD,
  NUMBERS,
)

_BACK = dict(zip(ACTIONS, ("down", "up", "right", "left"), strict=True))


def weigh_moves(
  text: str, rules: str, args: Sequence[int], things: Sequence[str]
) -> tuple[str, ...]:
  """Where the next thing lies, and a sentence about each move.

  `next` names what to walk to and the moves that lead nearer to it, `shut` the
  moves that a closed element stops (`nothing` for none), and `back` the move
  that undoes the last one. An element stops a move only if its tool is not in
  hand; `shut` in the text names every closed element beside the agent. Then
  comes one sentence for each move: what stops it (a wall, a danger, a closed
  element without its tool), or else `nearer` or `away`, with `back` where it
  undoes the last move. Where the text tells how a move leads on, the sentence
  ends with the next moves that lead nearer: `away` for none, `none` for a dead
  end.

  What several sentences need stands in one before them: a small model learns
  to look up a word after a fixed one (`next`, `shut`, `wall`), and not to find
  it anew for each move.

  Args:
    text: of the rendering `plain` or `compact`.
    rules: the rules of the prompt.
    args: not used.
    things: what the way leads to, the next one first. Where the text does not
      tell its place, it is `next nothing`, and no move leads nearer.
  """
  del args
  seen, needs = phrases.read(text), read_needs(rules)
  places, stops = _places(seen), barred(seen, needs)
  aim = (places.get(things[0]) if things else None) or (0, 0)
  ahead, back = nearer(aim), undone(seen)
  known = bool(things) and things[0] in places
  sentences = [
    " ".join(["next", things[0], *ahead]) if known else "next nothing"
  ]
  shut = [move for move, what in stops.items() if what != "wall"]
  sentences.append(" ".join(["shut", *(shut or ["nothing"])]))
  if back:
    sentences.append(f"back {back}")
  for move, cell in zip(ACTIONS, DELTAS, strict=True):
    words = [move]
    if move in stops:
      words.append(stops[move])
    elif cell in seen["hazards"]:
      words.append(HAZARD)
    else:
      words.append("nearer" if move in ahead else "away")
      words += ["back"] * (move == back)
      if cell != aim and move in seen["onward"]:
        onward = seen["onward"][move]
        left = nearer((aim[0] - cell[0], aim[1] - cell[1]))
        on = [then for then in onward if then in left]
        words += ["then", *(on or ["away" if onward else "none"])]
    sentences.append(" ".join(words))
  return tuple(sentences)


def add_steps(
  text: str, rules: str, args: Sequence[int], things: Sequence[str]
) -> tuple[str, ...]:
  """Rows plus columns to each thing that the text names, in the order given."""
  del rules, args
  places = _places(phrases.read(text))
  return tuple(
    f"{thing} {_sum(list(map(abs, places[thing])))}"
    for thing in dict.fromkeys(things)
    if thing in places
  )


def add_way(
  text: str, rules: str, args: Sequence[int], things: Sequence[str]
) -> tuple[str, ...]:
  """Rows plus columns from each thing on a way to the next, and their sum.

  Nothing where the text does not tell the place of one of them.
  """
  del rules, args
  places = _places(phrases.read(text))
  if not things or not set(things) <= places.keys():
    return ()
  here, legs, sentences = (0, 0), [], []
  for thing in things:
    there = places[thing]
    steps = [abs(a - b) for a, b in zip(there, here, strict=True)]
    sentences.append(f"{thing} {_sum(steps)}")
    legs.append(sum(steps))
    here = there
  return (*sentences, *[f"way {_sum(legs)}"][: len(legs) > 1])


def compare_axis(
  text: str, rules: str, args: Sequence[int], things: Sequence[str]
) -> tuple[str, ...]:
  """How far two things are up or down, or left or right.

  Args:
    text: of the rendering `plain` or `compact`.
    rules: not used.
    args: of a question of the kind `relative`; the last is the axis, 0 for
      rows and 1 for columns.
    things: (y, x) of "seen from x, is y up or down?". The sentence about x
      comes first.
  """
  del rules
  places, axis = _places(phrases.read(text)), args[2]
  sentences = []
  for thing in reversed(things):
    steps = places[thing][axis]
    move = ACTIONS[2 * axis + (steps > 0)]
    sentences.append(f"{thing} {NUMBERS[abs(steps)]} {move}")
  return tuple(sentences)


def add_moves(
  text: str, rules: str, args: Sequence[int], things: Sequence[str]
) -> tuple[str, ...]:
  """Where the moves of a plan lead, if nothing stops those after the first.

  Args:
    text: of the rendering `plain` or `compact`.
    rules: the rules of the prompt.
    args: of a question of the kind `plan`; the moves begin with the second.
    things: not used.
  """
  del things
  moves = [move for move in args[1:] if move >= 0]
  seen = phrases.read(text)
  stopped = ACTIONS[moves[0]] in barred(seen, read_needs(rules))
  left = moves[stopped:]
  rows, columns = (sum(DELTAS[move][axis] for move in left) for axis in (0, 1))
  words = " ".join(ACTIONS[move] for move in left)
  ends = f"{words} is {phrases.offset((rows, columns))}"
  return (*[f"{ACTIONS[moves[0]]} stops"][:stopped], ends)


def _sum(numbers: Sequence[int]) -> str:
  """A sum in words, such as `two plus one is three`; zeros are left out."""
  words = [NUMBERS[number] for number in numbers if number] or [NUMBERS[0]]
  total = sum(numbers)
  if len(words) > 1 and total < len(NUMBERS):
    return f"{' plus '.join(words)} is {NUMBERS[total]}"
  return " plus ".join(words)


def barred(seen: Mapping[str, Any], needs: Mapping[str, str]) -> dict[str, str]:
  """Move -> `wall`, or the closed element in its way, such as `tree shut`.

  An element stops nothing while its tool is held.
  """
  stops = dict.fromkeys(seen["walls"], "wall")
  for name, it in seen["elements"].items():
    shut = not it["open"] and needs.get(name) not in seen["holding"]
    if shut and it["offset"] in DELTAS:
      stops[ACTIONS[DELTAS.index(it["offset"])]] = f"{name} shut"
  return stops


def undone(seen: Mapping[str, Any]) -> str | None:
  """The move that undoes the last one; None where that did not move."""
  last = seen["last"]
  return _BACK[last["move"]] if last and last["moved"] else None


def nearer(aim: Cell) -> list[str]:
  """The moves that lead nearer to a cell.

  Args:
    aim: (rows down, columns right) from the agent, in cells.
  """
  return [
    move
    for move, (down, right) in zip(ACTIONS, DELTAS, strict=True)
    if down * aim[0] > 0 or right * aim[1] > 0
  ]


def _places(seen: dict[str, Any]) -> dict[str, Cell]:
  """Word -> steps to the things that the text names; not for several boxes."""
  things = {**seen["tools"], **seen["elements"]}
  if seen["goal"]:
    things["goal"] = seen["goal"]
  if len(seen["boxes"]) == 1:
    things[BOX] = {"offset": seen["boxes"][0]}
  return {name: it["offset"] for name, it in things.items()}

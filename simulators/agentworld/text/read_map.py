"""Reads maps."""

from typing import Any

from simulators.agentworld.text import grammar, words
from simulators.agentworld.text.grammar import Cell
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import ACTIONS


def read(text: str) -> dict[str, Any]:
  """What a map says, as `read.parse_description` returns it."""
  head, *rows = text.split("\n")
  marked: dict[str, list[Cell]] = {}  # mark -> its cells
  for r, row in enumerate(rows):
    for c, mark in enumerate(row):
      marked.setdefault(mark, []).append((r, c))
  if len(marked.get(words.AGENT, ())) != 1:
    raise ValueError(
      f"cannot read {text!r}: a map shows one {words.AGENT}, the agent"
    )
  here = marked[words.AGENT][0]
  marks = {
    mark: [(r - here[0], c - here[1]) for r, c in cells]
    for mark, cells in marked.items()
  }
  out = grammar.empty() | {
    "boxes": marks.get(words.CRATE, []),
    "walls": marks.get(words.WALL, []),
    "hazards": marks.get(words.HAZARD, []),
  }
  if words.GOAL in marks:
    out["goal"] = {"offset": marks[words.GOAL][0], "past": None}
  entries = []
  for sentence in grammar.sentences(head):
    found = grammar.groups(sentence, grammar.LEGEND, text)
    if "list" in found or "task" in found:
      grammar.read_list(out, found)
    elif "goal" in found:
      out["goal"] = {"offset": grammar.read_offset(found["at"]), "past": None}
    elif "legend" in found:
      entries = [m.groupdict() for m in grammar.ENTRIES.finditer(sentence)]
  _read_entries(out, entries, marks, text)
  _look_around(out, here, len(rows))
  return out


def _read_entries(
  out: dict[str, Any],
  entries: list[dict[str, Any]],
  marks: dict[str, list[Cell]],
  text: str,
) -> None:
  """Stores the tools and elements of the legend; `marks` has their cells."""
  letters = {entry["letter"]: entry["word"] for entry in entries}
  for entry in entries:
    word, letter = entry["word"], entry["letter"]
    if entry["where"]:
      cell = grammar.read_offset(entry["where"])
    elif letter in marks:
      cell = marks[letter][0]
    else:
      raise ValueError(f"cannot read {text!r}: where is the {word}?")
    if letter and letter.islower():
      out["tools"][word] = {"offset": cell, "past": None}
      continue
    how = entry["how"] or ""
    needed = how.partition("needs ")[2] or letters.get((letter or "").lower())
    out["elements"][word] = {
      "offset": cell,
      "needs": needed,
      "open": how == "open",
      "past": None,
    }


def _look_around(out: dict[str, Any], here: Cell, side: int) -> None:
  """Derives `blocked` and `danger` from the map by the nominal rules."""
  closed = {
    element["offset"]: element["needs"]
    for element in out["elements"].values()
    if not element["open"]
  }
  walls, hazards = set(out["walls"]), set(out["hazards"])

  def is_wall(cell: Cell) -> bool:
    inside = all(0 <= x + at < side for x, at in zip(cell, here, strict=True))
    return not inside or cell in walls

  for action, (down, right) in zip(ACTIONS, DELTAS, strict=True):
    cell, beyond = (down, right), (2 * down, 2 * right)
    stop = is_wall(cell)
    stop |= cell in closed and closed[cell] not in out["holding"]
    stop |= cell in out["boxes"] and (
      is_wall(beyond)
      or beyond in closed
      or beyond in hazards
      or beyond in out["boxes"]
    )
    if stop:
      out["blocked"].append(action)
    elif cell in hazards:
      out["danger"].append(action)

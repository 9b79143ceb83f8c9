"""What is written about AgentWorld, read: answers, descriptions and maps."""

import re

from simulators.agentworld import words
from simulators.agentworld.types import ACTIONS, ELEMENTS, TOOLS
from simulators.agentworld.words import DELTAS, NUMBERS

Cell = tuple[int, int]  # (rows down, columns right) of the agent

# A word by itself; an underline may stand beside it, as in `_up_`.
_ACTION = re.compile(
  rf"(?<![^\W_])({'|'.join(ACTIONS)})(?![^\W_])", re.IGNORECASE
)
# Words of a direction that name none.
_IDIOM = re.compile(
  r"\b(?:(?:pick|take|turn|end|stand|give)(?:s|ed|ing)? up|all right"
  r"|right (?:away|now))\b",
  re.IGNORECASE,
)
_MOVE = rf"(?:(?:{'|'.join(NUMBERS)}) )?(?:{'|'.join(ACTIONS)})"
_WHERE = rf"(?:here|{_MOVE}(?: {_MOVE})?)"
_SIDE = f"(?:here|{'|'.join(ACTIONS)})"
_ELEMENT, _TOOL = f"(?:{'|'.join(ELEMENTS)})", f"(?:{'|'.join(TOOLS)})"
_BAR = (
  rf"(?P<element>{_ELEMENT})"
  rf"(?: (?P<stands>{_WHERE})(?: (?P<how>open|needs {_TOOL}))?)?"
)
_BEHIND = re.sub(r"\?P<(\w+)>", r"?P<behind_\1>", _BAR)
_LISTS = (
  rf"task (?:(?P<task>take|bring) (?P<of>{_TOOL})|open (?P<open>{_ELEMENT})"
  rf"|push (?P<push>{words.BOX}))",
  rf"(?P<list>blocked|danger) (?P<words>{_SIDE}(?: {_SIDE})*)",
  rf"(?P<list>holding) (?P<words>{_TOOL}(?: {_TOOL})*)",
)
_SENTENCES = tuple(
  re.compile(pattern)
  for pattern in (
    *_LISTS,
    rf"(?P<again>beside)(?: {_SIDE} (?:goal|{words.BOX}|{_TOOL}|{_ELEMENT}))+",
    rf"{words.BOX} (?P<box>{_WHERE})",
    rf"(?P<thing>goal|{_TOOL})(?: (?P<where>{_WHERE}))?(?: past {_BAR})?",
    rf"{_BAR}(?: past {_BEHIND})?",
  )
)
_ENTRY = (
  rf"(?:(?P<letter>[a-jA-J]) )?(?P<word>{_TOOL}|{_ELEMENT})"
  rf"(?: (?P<where>{_WHERE}))?(?: (?P<how>open|needs {_TOOL}))?"
)
_ENTRIES = re.compile(_ENTRY)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _ENTRY)
_LEGEND = tuple(
  re.compile(pattern)
  for pattern in (
    *_LISTS,
    rf"(?P<goal>goal) (?P<at>{_WHERE})",
    rf"(?P<nothing>{words.NOTHING})",
    rf"(?P<legend>{_UNNAMED}(?: {_UNNAMED})*)",
  )
)


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {w.lower() for w in _ACTION.findall(_IDIOM.sub(" ", text))}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def parse_description(text: str) -> dict:
  """What a description says, as data; the inverse of `text.describe`.

  Nothing is made of `beside`, which says again what is told elsewhere. A cell
  is (rows down, columns right) of the agent.

  Returns:
    task: {"take": tool}, {"open": element}, {"bring": tool} or
      {"push": "package"}; None where the goal is to be reached.
    blocked: list of directions; of a map, those that it shows to be so.
    danger: list of directions, "here" among them, likewise.
    goal: {"offset": cell, "past": element or None}, or None.
    elements: word -> {"offset", "needs": tool or None, "open": bool, "past"}.
    tools: word -> {"offset", "past"}; offset None where it goes unsaid.
    boxes: list of cells.
    holding: list of tools.
    walls, hazards: lists of cells; of a map only.

  Raises:
    ValueError: for a sentence that `describe` cannot have written.
  """
  return _read_map(text) if "\n" in text else _read_words(text)


def _empty() -> dict:
  return {
    "task": None, "blocked": [], "danger": [], "goal": None, "elements": {},
    "tools": {}, "boxes": [], "holding": [],
  }  # fmt: skip


def _said(sentence: str, patterns, text: str) -> dict:
  """Groups of the first pattern that the sentence is."""
  for pattern in patterns:
    if match := pattern.fullmatch(sentence):
      return match.groupdict()
  raise ValueError(
    f"cannot read {sentence!r} in {text!r}: give a text that `describe` wrote"
  )


def _sentences(line: str) -> list[str]:
  return line.strip().removesuffix(".").split(". ")


def _read_offset(said: str) -> Cell:
  row = column = 0
  steps = 1
  for word in said.split():
    if word in ACTIONS:
      delta = DELTAS[ACTIONS.index(word)]
      row, column = row + steps * delta[0], column + steps * delta[1]
    steps = NUMBERS.index(word) if word in NUMBERS else 1
  return row, column


def _read_list(out: dict, said: dict) -> None:
  """A task, or a list of words."""
  if "list" in said:
    out[said["list"]] = said["words"].split()
  elif said["task"]:
    out["task"] = {said["task"]: said["of"]}
  else:
    out["task"] = {k: said[k] for k in ("open", "push") if said[k]}


# --- Words ------------------------------------------------------------------


def _read_words(text: str) -> dict:
  out = _empty()
  for sentence in _sentences(text):
    said = _said(sentence, _SENTENCES, text)
    if "again" in said:
      continue
    if "list" in said or "task" in said:
      _read_list(out, said)
      continue
    if "box" in said:
      out["boxes"].append(_read_offset(said["box"]))
      continue
    _read_element(out, said, "", said.get("behind_element"))
    if "thing" not in said:
      _read_element(out, said, "behind_", None)
      continue
    offset = _read_offset(said["where"]) if said["where"] else None
    thing = {"offset": offset, "past": said["element"]}
    if said["thing"] == "goal":
      out["goal"] = thing
    else:
      out["tools"][said["thing"]] = thing
  return out


def _read_element(out: dict, said: dict, prefix: str, past) -> None:
  """What is said of an element the first time, where it stands and so on."""
  if said[prefix + "stands"]:
    how = said[prefix + "how"] or ""
    out["elements"][said[prefix + "element"]] = {
      "offset": _read_offset(said[prefix + "stands"]),
      "needs": how.partition("needs ")[2] or None,
      "open": how == "open",
      "past": past,
    }


# --- Maps -------------------------------------------------------------------


def _read_map(text: str) -> dict:
  told, *rows = text.split("\n")
  found = {}  # mark -> cells
  for r, row in enumerate(rows):
    for c, mark in enumerate(row):
      found.setdefault(mark, []).append((r, c))
  if len(found.get(words.AGENT, ())) != 1:
    raise ValueError(
      f"cannot read {text!r}: a map shows one {words.AGENT}, the agent"
    )
  here = found[words.AGENT][0]
  found = {
    mark: [(r - here[0], c - here[1]) for r, c in cells]
    for mark, cells in found.items()
  }
  out = _empty() | {
    "boxes": found.get(words.CRATE, []),
    "walls": found.get(words.WALL, []),
    "hazards": found.get(words.HAZARD, []),
  }
  if words.GOAL in found:
    out["goal"] = {"offset": found[words.GOAL][0], "past": None}
  entries = []
  for sentence in _sentences(told):
    said = _said(sentence, _LEGEND, text)
    if "list" in said or "task" in said:
      _read_list(out, said)
    elif "goal" in said:
      out["goal"] = {"offset": _read_offset(said["at"]), "past": None}
    elif "legend" in said:
      entries = [m.groupdict() for m in _ENTRIES.finditer(sentence)]
  _read_entries(out, entries, found, text)
  _look_around(out, here, len(rows))
  return out


def _read_entries(out: dict, entries: list, found: dict, text: str) -> None:
  """Tools and elements of the legend; `found` tells where the marks are."""
  letters = {entry["letter"]: entry["word"] for entry in entries}
  for entry in entries:
    word, letter = entry["word"], entry["letter"]
    if entry["where"]:
      cell = _read_offset(entry["where"])
    elif letter in found:
      cell = found[letter][0]
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


def _look_around(out: dict, here: Cell, side: int) -> None:
  """Sets `blocked` and `danger` by what a map shows, as the rules have it."""
  closed = {
    told["offset"]: told["needs"]
    for told in out["elements"].values()
    if not told["open"]
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

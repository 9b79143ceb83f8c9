"""The grammar of descriptions and maps, as regular expressions."""

import re
from typing import Any

from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  NOTHING,
  NUMBERS,
  TOOLS,
)

Cell = tuple[int, int]  # (rows down, columns right) from the agent

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
  rf"|push (?P<push>{BOX}))",
  rf"(?P<list>blocked|danger) (?P<words>{_SIDE}(?: {_SIDE})*)",
  rf"(?P<list>holding) (?P<words>{_TOOL}(?: {_TOOL})*)",
)
SENTENCES = tuple(
  re.compile(pattern)
  for pattern in (
    *_LISTS,
    rf"(?P<again>beside)(?: {_SIDE} (?:goal|{BOX}|{_TOOL}|{_ELEMENT}))+",
    rf"{BOX} (?P<box>{_WHERE})",
    rf"(?P<thing>goal|{_TOOL})(?: (?P<where>{_WHERE}))?(?: past {_BAR})?",
    rf"{_BAR}(?: past {_BEHIND})?",
  )
)
_ENTRY = (
  rf"(?:(?P<letter>[a-jA-J]) )?(?P<word>{_TOOL}|{_ELEMENT})"
  rf"(?: (?P<where>{_WHERE}))?(?: (?P<how>open|needs {_TOOL}))?"
)
ENTRIES = re.compile(_ENTRY)  # of a map's legend
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _ENTRY)
LEGEND = tuple(
  re.compile(pattern)
  for pattern in (
    *_LISTS,
    rf"(?P<goal>goal) (?P<at>{_WHERE})",
    rf"(?P<nothing>{NOTHING})",
    rf"(?P<legend>{_UNNAMED}(?: {_UNNAMED})*)",
  )
)


def sentences(line: str) -> list[str]:
  """The sentences of a line."""
  return line.strip().removesuffix(".").split(". ")


def groups(
  sentence: str, patterns: tuple[re.Pattern[str], ...], text: str
) -> dict[str, Any]:
  """The groups of the first pattern that matches a sentence of `text`.

  Raises:
    ValueError: no pattern matches.
  """
  for pattern in patterns:
    if match := pattern.fullmatch(sentence):
      return match.groupdict()
  raise ValueError(
    f"cannot read {sentence!r} in {text!r}: give a text that `describe` wrote"
  )


def read_offset(words: str) -> Cell:
  """The cell that an offset names."""
  row = column = 0
  steps = 1
  for word in words.split():
    if word in ACTIONS:
      down, right = DELTAS[ACTIONS.index(word)]
      row, column = row + steps * down, column + steps * right
    steps = NUMBERS.index(word) if word in NUMBERS else 1
  return row, column


def read_list(out: dict[str, Any], found: dict[str, Any]) -> None:
  """Stores in `out` a task or a list of words, from the groups `found`."""
  if "list" in found:
    out[found["list"]] = found["words"].split()
  elif found["task"]:
    out["task"] = {found["task"]: found["of"]}
  else:
    out["task"] = {k: found[k] for k in ("open", "push") if found[k]}


def empty() -> dict[str, Any]:
  """A description that says nothing."""
  return {
    "task": None, "blocked": [], "danger": [], "goal": None, "elements": {},
    "tools": {}, "boxes": [], "holding": [],
  }  # fmt: skip

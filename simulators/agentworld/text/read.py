"""Reads answers and descriptions; `read_map` reads maps."""

import re
from typing import Any

from simulators.agentworld.text import grammar, phrases, read_map
from simulators.agentworld.text.rules import read_needs
from simulators.agentworld.vocabulary import ACTIONS

# An action as a word by itself; underlines may surround it, as in `_up_`.
_ACTION = re.compile(
  rf"(?<![^\W_])({'|'.join(ACTIONS)})(?![^\W_])", re.IGNORECASE
)
# Idioms with the word of a direction that name no direction.
_IDIOM = re.compile(
  r"\b(?:(?:pick|take|turn|end|stand|give)(?:s|ed|ing)? up|all right"
  r"|right (?:away|now))\b",
  re.IGNORECASE,
)


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {w.lower() for w in _ACTION.findall(_IDIOM.sub(" ", text))}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def parse_description(text: str, rules: str = "") -> dict[str, Any]:
  """What a description says, as data; the inverse of `describe`.

  A cell is (rows down, columns right) from the agent. `beside` in `hints` is
  ignored, as other sentences say the same.

  Args:
    text: of any rendering.
    rules: the rules of the prompt, where elements shall have `needs` by them.

  Returns:
    All renderings:
      task: {"take": tool}, {"open": element}, {"bring": tool} or
        {"push": "package"}; None for `reach`.
      goal: {"offset": cell, ...}, or None.
      tools: word -> {"offset", ...}; offset None if left out.
      elements: word -> {"offset", "open", ...}, and "needs" where known.
      boxes: list of cells.
      holding: list of tools.
    `plain` and `compact`, where `rooms` (list of "yours" and capital letters)
    belong to goal, tools and elements:
      limit: moves that the episode may take.
      between: rooms next to an agent that stands in a door.
      walls: list of moves.
      shut: list of moves onto a closed element.
      onward: move -> list of moves that no wall stops after it; empty where
        the text tells only the walls beside the agent.
      last: {"move", "moved"}, or None.
      hazards: list of cells.
    `map` and `hints`:
      blocked: list of moves.
      danger: list of moves and "here".
      walls, hazards: lists of cells; only for a map.
    `hints`: goal, tools and elements have `past`, an element or None.

  Raises:
    ValueError: `describe` cannot have written this sentence.
  """
  if "\n" in text:
    out = read_map.read(text)
  elif phrases.STARTS.match(text):
    out = phrases.read(text)
  else:
    out = _read_words(text)
  pairs = read_needs(rules)
  for word, element in out["elements"].items():
    if word in pairs:
      element["needs"] = pairs[word]
  return out


def _read_words(text: str) -> dict[str, Any]:
  out = grammar.empty()
  for sentence in grammar.sentences(text):
    found = grammar.groups(sentence, grammar.SENTENCES, text)
    if "again" in found:
      continue
    if "list" in found or "task" in found:
      grammar.read_list(out, found)
      continue
    if "box" in found:
      out["boxes"].append(grammar.read_offset(found["box"]))
      continue
    _read_element(out, found, "", found.get("behind_element"))
    if "thing" not in found:
      _read_element(out, found, "behind_", None)
      continue
    offset = grammar.read_offset(found["where"]) if found["where"] else None
    thing = {"offset": offset, "past": found["element"]}
    if found["thing"] == "goal":
      out["goal"] = thing
    else:
      out["tools"][found["thing"]] = thing
  return out


def _read_element(
  out: dict[str, Any], found: dict[str, Any], prefix: str, past: str | None
) -> None:
  """Stores an element where the sentence says where it stands."""
  if found[prefix + "stands"]:
    how = found[prefix + "how"] or ""
    out["elements"][found[prefix + "element"]] = {
      "offset": grammar.read_offset(found[prefix + "stands"]),
      "needs": how.partition("needs ")[2] or None,
      "open": how == "open",
      "past": past,
    }

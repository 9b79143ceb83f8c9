"""Reads actions and descriptions back: the inverse of `describing`."""

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from simulators.driving.text import compact, plain
from simulators.driving.text.words import LANES, NUMBERS
from simulators.driving.types import ACTIONS

_ACTION = re.compile(rf"\b({'|'.join(ACTIONS)})\b", re.IGNORECASE)
_PATTERNS = {
  style: {name: re.compile(p, re.I) for name, p in style.PATTERNS.items()}
  for style in (plain, compact)
}


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {word.lower() for word in _ACTION.findall(text)}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def parse_description(text: str) -> dict[str, Any]:
  """What a description says, as data; the inverse of `describe`.

  Returns:
    Numbers or words under these keys. Always: task (a family), goal, left,
    speed, aim, limit. Where the text has them: lane (from the right, 1 is the
    first) and lanes, going, last, turn and bend (0 in the turn), light, line,
    countdown, walk, end.
    people: list of {gap, side, going}; going is None while they wait.
    cars: slot -> {kind, gap, by, standing, braking}; on other roads
    {kind, gap, speed}, and next_gap and next_speed of a second car. `by` is
    the speed minus the ego's; `gap` is 0 beside the ego.

  Raises:
    ValueError: `describe` cannot have written one of the sentences.
  """
  style = plain if text[:1].isupper() else compact
  out: dict[str, Any] = {"people": [], "cars": {}}
  for sentence in text.strip().removesuffix(".").split(". "):
    name, found = _match(sentence, style, text)
    if name == "task":
      out["task"] = _family(style, found["task"])
    elif name == "lane":
      out.update(found, lane=1 + LANES[found["lanes"]].index(found["lane"]))
    elif name == "turn":
      out.update({"bend": 0} | found)
    elif name == "walk":
      people = style.PERSON.finditer(found.pop("people", ""))
      out["people"] = [{"going": None} | _values(m.groupdict()) for m in people]
      out.update(found)
    elif name == "other":
      out["cars"][found.pop("slot")] = found
    elif name == "car":
      out["cars"][found.pop("slot")] = _car(found)
    else:
      out.update(found)
  return out


def _match(
  sentence: str, style: ModuleType, text: str
) -> tuple[str, dict[str, Any]]:
  """(name of the pattern that a sentence follows, its values)."""
  for name, pattern in _PATTERNS[style].items():
    if match := pattern.fullmatch(sentence):
      return name, _values(match.groupdict())
  raise ValueError(
    f"sentence {sentence!r} of {text!r} follows no pattern: give a text that "
    "`describe` wrote"
  )


def _values(groups: Mapping[str, str | None]) -> dict[str, Any]:
  """Groups that matched, with numbers as numbers and other words small."""
  found = {name: word.lower() for name, word in groups.items() if word}
  return {
    name: int(word) if word.isdecimal() else NUMBERS.get(word, word)
    for name, word in found.items()
  }


def _family(style: ModuleType, task: str) -> str:
  tasks = {words.lower(): family for family, words in style.TASKS.items()}
  return tasks[task]


def _car(found: dict[str, Any]) -> dict[str, Any]:
  by = found.get("by", 0) * (-1 if found.get("pace") == "slower" else 1)
  return {
    "kind": found["kind"],
    "gap": found.get("gap", 0),
    "by": by,
    "standing": "standing" in found,
    "braking": "braking" in found,
  }

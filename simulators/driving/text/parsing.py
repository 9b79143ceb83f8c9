"""Reads actions and descriptions back: the inverse of `describing`."""

import re
from typing import Any

from simulators.driving.text.words import NUMBERS
from simulators.driving.types import ACTIONS

_ACTION = re.compile(rf"\b({'|'.join(ACTIONS)})\b", re.IGNORECASE)
_N = rf"(?:{'|'.join(NUMBERS)})"
_PATTERNS = {
  "speed": rf"speed (?P<speed>{_N}) aim (?P<aim>{_N}) limit (?P<limit>{_N})",
  "lane": rf"lane (?P<lane>{_N}) of (?P<lanes>{_N})"
  r"(?: going (?P<going>left|right))?",
  "goal": rf"goal (?P<goal>{_N}) in (?P<left>{_N})",
  "turn": r"turn (?P<turn>left|right)",
  "light": rf"light (?P<light>green|amber|red) (?P<line>{_N})",
  "walk": rf"walk (?P<walk>{_N})",
  "end": rf"end (?P<end>{_N})",
  "man": rf"man (?P<side>left|right) (?P<gap>{_N}) "
  r"(?:going (?P<going>left|right)|waiting)",
  "car": rf"(?P<kind>car|truck) (?:(?P<side>left|right) )?"
  rf"(?:beside|(?P<way>ahead|behind) (?P<gap>{_N})) "
  rf"(?:(?P<pace>slower|faster) (?P<by>{_N})|same|(?P<still>standing))",
  "other": rf"(?P<kind>car|truck) (?P<way>oncoming|crossing) (?P<gap>{_N}) "
  rf"speed (?P<speed>{_N})",
}
_SENTENCES = {name: re.compile(text) for name, text in _PATTERNS.items()}


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {word.lower() for word in _ACTION.findall(text)}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def parse_description(text: str) -> dict[str, Any]:
  """What a description says, as data; the inverse of `describe`.

  Returns:
    Numbers or words under these keys. Always: speed, aim, limit, goal, left.
    Where the text has them: lane, lanes, going, turn, light, line, walk, end.
    men: list of {side, gap, going}.
    cars: list of {kind, way, gap, side, by, standing}; on other roads
    {kind, way, gap, speed}. `by` is signed; `gap` is 0 beside the ego.

  Raises:
    ValueError: `describe` cannot have written one of the sentences.
  """
  out: dict[str, Any] = {"men": [], "cars": []}
  for sentence in text.strip().removesuffix(".").split(". "):
    for name, pattern in _SENTENCES.items():  # noqa: B007
      match = pattern.fullmatch(sentence)
      if match:
        break
    else:
      raise ValueError(
        f"sentence {sentence!r} of {text!r} follows no pattern: give a text "
        "that `describe` wrote"
      )
    parts = {k: NUMBERS.get(v, v) for k, v in match.groupdict().items() if v}
    if name == "man":
      out["men"].append({"going": None} | parts)
    elif name == "other":
      out["cars"].append(parts)
    elif name == "car":
      by = parts.pop("by", 0) * (-1 if parts.pop("pace", "") == "slower" else 1)
      still = bool(parts.pop("still", ""))
      car = {"way": "beside", "gap": 0, "side": None} | parts
      out["cars"].append(car | {"by": by, "standing": still})
    else:
      out.update(parts)
  return out

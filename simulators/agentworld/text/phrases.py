"""Scenes in words, and back: `plain` sentences, or `compact` ones.

    Reach the goal in 12 moves. You hold the ax. A wall is left. A closed
    thing is up. Down leads on down and right. Right is a dead end. You went
    down. The goal is three up, two right in room B. The key is one down. The
    tree is one up between your room and room B.

    moves 12. hold ax. wall left. shut up. down then down right. right then
    none. went down. goal three up two right in B. key one down. tree one up to
    B.

Both say the same. A thing without a room is in the agent's room. A `Style` is a
way to write each of these facts; its patterns read them again.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from simulators.agentworld.text.scene import ROOMS, YOURS, Cell, Scene, Thing
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  HAZARD,
  NUMBERS,
  TOOLS,
)

_AXES = (ACTIONS[:2], ACTIONS[2:])  # of rows, of columns
_TOOL = f"(?:{'|'.join(TOOLS)})"
_THING = rf"(?P<word>goal|{'|'.join((*TOOLS, *ELEMENTS))})"
_MOVE = f"(?:{'|'.join(ACTIONS)})"
_STEPS = rf"(?:{'|'.join(NUMBERS)}) {_MOVE}"


@dataclasses.dataclass(frozen=True)
class Style:
  """A way to write a scene.

  Attributes:
    write: the sentences of a scene, without their stops.
    patterns: expressions, of which one matches each sentence.
  """

  write: Callable[[Scene], list[str]]
  patterns: tuple[re.Pattern[str], ...]


# --- Parts that both styles share ---------------------------------------------


def offset(cell: Cell, comma: str = " ") -> str:
  """The steps to a cell: `three up, two right`, or `here`."""
  parts = [
    f"{NUMBERS[abs(steps)]} {axis[steps > 0]}"
    for steps, axis in zip(cell, _AXES, strict=True)
    if steps
  ]
  return comma.join(parts) or "here"


def _read_offset(words: str) -> Cell:
  cell = [0, 0]
  for number, move in re.findall(r"(\w+) (\w+)", words.replace(",", "")):
    axis = 0 if move in _AXES[0] else 1
    sign = 1 if move == _AXES[axis][1] else -1
    cell[axis] = sign * NUMBERS.index(number)
  return cell[0], cell[1]


def _list(words: Sequence[str]) -> str:
  """Words in a row: `up, left and right`."""
  return " and ".join([", ".join(words[:-1]), words[-1]][len(words) < 2 :])


# --- Plain --------------------------------------------------------------------

_TASKS = {
  "reach": "Reach the goal",
  "take": "Take the {}",
  "open": "Open the {}",
  "bring": "Bring the {} to the goal",
  "push": f"Push a {BOX} onto the goal",
}


def _plain_rooms(rooms: Sequence[str]) -> str:
  """Nothing for the agent's room alone."""
  names = ["your room" if r == YOURS else f"room {r}" for r in rooms]
  if len(names) > 1:
    return f" between {_list(names)}"
  return "" if rooms == (YOURS,) else f" in {''.join(names) or 'no room'}"


def _plain(scene: Scene) -> list[str]:
  where = functools.partial(offset, comma=", ")
  holding = _list([f"the {word}" for word in scene.holding] or ["nothing"])
  out = [
    f"{_TASKS[scene.task].format(scene.of)} in {scene.limit} moves",
    f"You hold {holding}",
  ]
  if scene.between:
    out.append(f"You stand{_plain_rooms(scene.between)}")
  for what, moves in (("wall", scene.walls), ("closed thing", scene.shut)):
    if moves:
      many = f"{what.capitalize()}s are"
      out.append(f"{many if moves[1:] else f'A {what} is'} {_list(moves)}")
  for move, after in scene.onward.items():
    leads = f"leads on {_list(after)}" if after else "is a dead end"
    out.append(f"{move.capitalize()} {leads}")
  if scene.last:
    out.append(f"You {'went' if scene.moved else 'could not go'} {scene.last}")

  def thing(it: Thing) -> str:
    name = f"The {'open ' * it.is_open}{it.word}"
    return f"{name} is {where(it.at)}{_plain_rooms(it.rooms)}"

  out += map(thing, scene.things)
  out += [f"A {BOX} is {where(cell)}" for cell in scene.boxes]
  out += [f"{HAZARD.capitalize()} is {where(cell)}" for cell in scene.hazards]
  return out


_MOVES = rf"{_MOVE}(?:(?:,| and) {_MOVE})*"
_THEN = f"(?P<then>{_MOVES})"
_ROOM = f"(?:your room|room [{ROOMS}])"
_WHERE = rf"(?P<where>here|{_STEPS}(?:, {_STEPS})?)"
_ROOMS = (
  rf"(?P<rooms>in no room|in {_ROOM}|between {_ROOM}(?:, {_ROOM})* and {_ROOM})"
)
PLAIN = Style(
  _plain,
  tuple(
    re.compile(pattern)
    for pattern in (
      *(
        rf"(?P<task_{name}>{text.format('(?P<of>[a-z]+)')})"
        r" in (?P<limit>\d+) moves"
        for name, text in _TASKS.items()
      ),
      rf"You hold (?P<hold>nothing|the {_TOOL}(?:(?:,| and) the {_TOOL})*)",
      rf"You stand {_ROOMS}",
      rf"(?:Walls are|A wall is) (?P<walls>{_MOVES})",
      rf"(?:Closed things are|A closed thing is) (?P<shut>{_MOVES})",
      rf"(?P<onward>{_MOVE.title()}) (?:is a dead end|leads on {_THEN})",
      rf"You (?:went (?P<went>{_MOVE})|could not go (?P<stuck>{_MOVE}))",
      rf"The (?P<open>open )?{_THING} is {_WHERE}(?: {_ROOMS})?",
      rf"A (?P<box>{BOX}) is {_WHERE}",
      rf"{HAZARD.capitalize()}(?P<hazard>) is {_WHERE}",
    )
  ),
)

# --- Compact ------------------------------------------------------------------


def _compact_rooms(rooms: Sequence[str]) -> str:
  """Nothing for the agent's room alone."""
  others = " ".join(room for room in rooms if room != YOURS)
  if not rooms:
    return " in none"
  if YOURS in rooms:
    return f" to {others}" if others else ""
  return f" {'in' if len(rooms) == 1 else 'joins'} {others}"


def _compact(scene: Scene) -> list[str]:
  where = functools.partial(offset, comma=" ")
  out = [f"moves {scene.limit}"]
  if scene.task != "reach":
    out.append(" ".join(filter(None, ["task", scene.task, scene.of])))
  if scene.holding:
    out.append(" ".join(["hold", *scene.holding]))
  if scene.between:
    out.append(" ".join(["door", *scene.between]))
  for word, moves in (("wall", scene.walls), ("shut", scene.shut)):
    if moves:
      out.append(" ".join([word, *moves]))
  for move, after in scene.onward.items():
    out.append(" ".join([move, "then", *(after or ["none"])]))
  if scene.last:
    out.append(f"{'went' if scene.moved else 'stuck'} {scene.last}")

  def thing(it: Thing) -> str:
    name = f"{'open ' * it.is_open}{it.word}"
    return f"{name} {where(it.at)}{_compact_rooms(it.rooms)}"

  out += map(thing, scene.things)
  out += [f"{BOX} {where(cell)}" for cell in scene.boxes]
  out += [f"{HAZARD} {where(cell)}" for cell in scene.hazards]
  return out


_PLACE = rf"(?P<where>here|{_STEPS}(?: {_STEPS})?)"
_BESIDE = rf"(?P<rooms>in none|(?:in|to|joins) [{ROOMS}](?: [{ROOMS}])*)"
COMPACT = Style(
  _compact,
  tuple(
    re.compile(pattern)
    for pattern in (
      r"moves (?P<limit>\d+)",
      rf"task (?P<task>{'|'.join(_TASKS)})(?: (?P<of>[a-z]+))?",
      rf"hold (?P<hold>{_TOOL}(?: {_TOOL})*)",
      rf"(?P<rooms>door [{ROOMS}](?: [{ROOMS}])*)",
      rf"wall (?P<walls>{_MOVE}(?: {_MOVE})*)",
      rf"shut (?P<shut>{_MOVE}(?: {_MOVE})*)",
      rf"(?P<onward>{_MOVE}) then (?:(?P<then>{_MOVE}(?: {_MOVE})*)|none)",
      rf"(?:went (?P<went>{_MOVE})|stuck (?P<stuck>{_MOVE}))",
      rf"(?P<open>open )?{_THING} {_PLACE}(?: {_BESIDE})?",
      rf"(?P<box>{BOX}) {_PLACE}",
      rf"(?P<hazard>{HAZARD}) {_PLACE}",
    )
  ),
)
STYLES = {"plain": PLAIN, "compact": COMPACT}
# Beginnings of texts of either style.
STARTS = re.compile(r"moves \d|[A-Z][a-z ]+ in \d+ moves")


def write(scene: Scene, rendering: str) -> str:
  """A scene in the words of a rendering, a key of STYLES."""
  return ". ".join(STYLES[rendering].write(scene)) + "."


# --- Reading ------------------------------------------------------------------


def read(text: str) -> dict[str, Any]:
  """What a text of either style says; see `read.parse_description`.

  Raises:
    ValueError: neither style can have written a sentence of it.
  """
  rendering = "compact" if text.startswith("moves ") else "plain"
  out: dict[str, Any] = {
    "task": None, "limit": 0, "holding": [], "between": [], "walls": [],
    "shut": [], "onward": {}, "last": None, "goal": None, "tools": {},
    "elements": {}, "boxes": [], "hazards": [],
  }  # fmt: skip
  for sentence in text.strip().removesuffix(".").split(". "):
    for pattern in STYLES[rendering].patterns:
      if match := pattern.fullmatch(sentence):
        _store(out, match.groupdict())
        break
    else:
      raise ValueError(
        f"cannot read {sentence!r} in {text!r}: give a text that `describe` "
        "wrote"
      )
  return out


def _store(out: dict[str, Any], found: dict[str, Any]) -> None:
  """Stores what one sentence says."""
  if found.get("limit"):
    out["limit"] = int(found["limit"])
  named = [name for name in _TASKS if found.get(f"task_{name}")]
  task = found.get("task") or next(iter(named), "reach")
  if task != "reach":
    out["task"] = {task: found.get("of") or BOX}
  if found.get("hold"):
    out["holding"] = re.findall(_TOOL, found["hold"].replace("the ", ""))
  for name in ("walls", "shut"):
    if found.get(name):
      out[name] = re.findall(_MOVE, found[name])
  if found.get("onward"):
    after = re.findall(_MOVE, found["then"] or "")
    out["onward"][found["onward"].lower()] = after
  for name in ("went", "stuck"):
    if found.get(name):
      out["last"] = {"move": found[name], "moved": name == "went"}
  where = found.get("where")
  rooms = _read_rooms(found.get("rooms"))
  if where is None:
    out["between"] = rooms if found.get("rooms") else out["between"]
    return
  cell = _read_offset(where)
  if found.get("box"):
    out["boxes"].append(cell)
  elif "hazard" in found:
    out["hazards"].append(cell)
  elif found["word"] == "goal":
    out["goal"] = {"offset": cell, "rooms": rooms}
  elif found["word"] in TOOLS:
    out["tools"][found["word"]] = {"offset": cell, "rooms": rooms}
  else:
    out["elements"][found["word"]] = {
      "offset": cell,
      "rooms": rooms,
      "open": bool(found["open"]),
    }


def _read_rooms(words: str | None) -> list[str]:
  """The rooms that a phrase names; no phrase at all means YOURS."""
  mine = not words or words.startswith("to ") or "your room" in words
  return [YOURS] * mine + re.findall(rf"\b([{ROOMS}])\b", words or "")

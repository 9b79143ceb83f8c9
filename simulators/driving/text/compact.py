"""The rendering `compact`: the facts of `plain` in two thirds of its tokens.

    pass. goal 287 in 21. speed twelve aim sixteen limit sixteen. lane right of
    two. last keep. ahead truck thirty slower four brakes. left behind car ten
    same.

Numbers are rounded words, apart from those of the goal. Speeds are in m/s,
distances in m, times in s.
"""

import re

from simulators.driving.text.view import STILL, Neighbour, Person, View
from simulators.driving.text.words import (
  ACROSS,
  DISTANCES,
  LANES,
  LIGHTS,
  NUMBERS,
  OTHER_ROADS,
  SLOTS,
  SPEEDS,
  TIMES,
  WORDS,
  number,
)
from simulators.driving.types import ACTIONS

LIMIT = 70  # tokens of a description
TASKS = {
  "cruise": "pass",
  "follow": "follow",
  "signal": "signal",
  "pedestrian": "people",
  "merge": "merge",
  "turn": "cross",
  "blocked": "parked",
  "mixed": "mixed",
}


def _way(value: float) -> str:
  return number(value, DISTANCES)


def speed_gap(by: float) -> str:
  """A difference in m/s as words: `slower four`, `faster two` or `same`."""
  if abs(by) < 1.0:
    return "same"
  word = "faster" if by > 0 else "slower"
  return f"{word} {number(max(abs(by), 2.0), SPEEDS)}"


def slot(name: str, cars: tuple[Neighbour, ...]) -> str:
  """The sentence about a slot that is taken."""
  if name in OTHER_ROADS:
    each = [f"{_way(c.gap)} speed {number(c.speed, SPEEDS)}" for c in cars]
    return f"{name} {cars[0].kind} {' then '.join(each)}"
  (car,) = cars
  where = "" if name.endswith("beside") else f" {_way(car.gap)}"
  pace = "standing" if car.speed < STILL else speed_gap(car.by)
  brakes = " brakes" if car.brakes and car.speed >= STILL else ""
  return f"{name} {car.kind}{where} {pace}{brakes}"


def _person(person: Person) -> str:
  does = f"going {person.going}" if person.going else "waiting"
  return f"man {person.side} {number(person.gap, ACROSS)} {does}"


def sentences(view: View) -> list[str]:
  """All but those about cars, without their stops."""
  out = [
    TASKS[view.family],
    f"goal {round(view.goal)} in {round(view.left)}",
    f"speed {number(view.speed, SPEEDS)} aim {number(view.aim, SPEEDS)} "
    f"limit {number(view.limit, SPEEDS)}",
  ]
  if view.lanes in LANES:
    lane = LANES[view.lanes][view.lane]
    change = f" going {view.going}" if view.going else ""
    out.append(f"lane {lane} of {WORDS[view.lanes]}{change}")
  if view.last:
    out.append(f"last {view.last}")
  if view.turn:
    way = _way(view.bend) if view.bend >= 1 else "now"
    out.append(f"turn {view.turn} {way}")
  if view.light:
    light = f"light {view.light} {_way(view.line)}"
    if view.countdown is not None:
      light += f" {number(view.countdown, TIMES)}"
    out.append(light)
  if view.walk is not None:
    out.append(" ".join([f"walk {_way(view.walk)}",
                         *map(_person, view.people)]))  # fmt: skip
  if view.end is not None:
    out.append(f"end {_way(view.end)}")
  return out


# --- The way back -------------------------------------------------------------

_N = rf"(?:{'|'.join(NUMBERS)})"
_KIND = "(?P<kind>car|truck)"
_SIDE = "left|right"
_ROUTE = "|".join(s for s in SLOTS if s not in OTHER_ROADS)
_ROADS = "|".join(OTHER_ROADS)
PERSON = re.compile(
  rf"man (?P<side>{_SIDE}) (?P<gap>{_N}) "
  rf"(?:going (?P<going>{_SIDE})|waiting)"
)
_NAMES = "|".join({name for names in LANES.values() for name in names})
PATTERNS = {
  "task": rf"(?P<task>{'|'.join(TASKS.values())})",
  "goal": r"goal (?P<goal>\d+) in (?P<left>\d+)",
  "speed": rf"speed (?P<speed>{_N}) aim (?P<aim>{_N}) limit (?P<limit>{_N})",
  "lane": rf"lane (?P<lane>{_NAMES}) of (?P<lanes>{_N})"
  rf"(?: going (?P<going>{_SIDE}))?",
  "last": rf"last (?P<last>{'|'.join(ACTIONS)})",
  "turn": rf"turn (?P<turn>{_SIDE}) (?:(?P<bend>{_N})|now)",
  "light": rf"light (?P<light>{'|'.join(LIGHTS[1:])}) (?P<line>{_N})"
  rf"(?: (?P<countdown>{_N}))?",
  "walk": rf"walk (?P<walk>{_N})(?: (?P<people>man .+))?",
  "end": rf"end (?P<end>{_N})",
  "car": rf"(?P<slot>{_ROUTE}) {_KIND}(?: (?P<gap>{_N}))? "
  rf"(?:(?P<pace>slower|faster) (?P<by>{_N})|same|"
  r"(?P<standing>standing))(?P<braking> brakes)?",
  "other": rf"(?P<slot>{_ROADS}) {_KIND} (?P<gap>{_N}) "
  rf"speed (?P<speed>{_N})"
  rf"(?: then (?P<next_gap>{_N}) speed (?P<next_speed>{_N}))?",
}

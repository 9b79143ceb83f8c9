"""The rendering `plain`: short natural sentences with units.

    Pass slow cars. Goal: 287 m in 21 s. Speed 12 m/s, aim 16, limit 16. Right
    lane of 2. Last: keep. Ahead: truck 25 m, 4 slower, braking. Left behind:
    car 12 m, same speed.

`aim` is the speed that the ego aims at. Other cars are so many m/s slower or
faster than the ego.
"""

import re

from simulators.driving.text.view import STILL, Neighbour, Person, View
from simulators.driving.text.words import (
  LANES,
  LIGHTS,
  OTHER_ROADS,
  SLOTS,
)
from simulators.driving.types import ACTIONS

LIMIT = 90  # tokens of a description
TASKS = {
  "cruise": "Pass slow cars",
  "follow": "Follow the car ahead",
  "signal": "Obey the light",
  "pedestrian": "Let people cross",
  "merge": "Merge left",
  "turn": "Turn left after oncoming cars",
  "blocked": "Pass the standing car",
  "mixed": "Mind light and people",
}


def _whole(value: float) -> str:
  return str(max(round(value), 0))


def _pace(car: Neighbour) -> str:
  if car.speed < STILL:
    return "standing"
  by = round(car.by)
  pace = f"{abs(by)} {'faster' if by > 0 else 'slower'}"
  return pace if by else "same speed"


def slot(name: str, cars: tuple[Neighbour, ...]) -> str:
  """The sentence about a slot that is taken."""
  title = name.capitalize()
  if name in OTHER_ROADS:
    first, *more = (f"{_whole(c.gap)} m at {_whole(c.speed)} m/s" for c in cars)
    then = "".join(f", then {other}" for other in more)
    return f"{title}: {cars[0].kind} in {first}{then}"
  (car,) = cars
  where = "" if name.endswith("beside") else f" {_whole(car.gap)} m"
  braking = ", braking" if car.brakes and car.speed >= STILL else ""
  return f"{title}: {car.kind}{where}, {_pace(car)}{braking}"


def _person(person: Person) -> str:
  does = f"walking {person.going}" if person.going else "waiting"
  return f"person {_whole(person.gap)} m {person.side} {does}"


def sentences(view: View) -> list[str]:
  """All but those about cars, without their stops."""
  out = [
    TASKS[view.family],
    f"Goal: {_whole(view.goal)} m in {_whole(view.left)} s",
    f"Speed {_whole(view.speed)} m/s, aim {_whole(view.aim)}, "
    f"limit {_whole(view.limit)}",
  ]
  if view.lanes in LANES:
    lane = LANES[view.lanes][view.lane].capitalize()
    change = f", changing {view.going}" if view.going else ""
    out.append(f"{lane} lane of {view.lanes}{change}")
  if view.last:
    out.append(f"Last: {view.last}")
  if view.turn:
    way = f"in {_whole(view.bend)} m" if view.bend >= 0.5 else "now"
    out.append(f"{view.turn.capitalize()} turn {way}")
  if view.light:
    light = f"{view.light.capitalize()} light in {_whole(view.line)} m"
    if view.countdown is not None:
      light += f" for {_whole(view.countdown)} s"
    out.append(light)
  if view.walk is not None:
    people = ", ".join(map(_person, view.people))
    colon = ": " if people else ""
    out.append(f"Crosswalk in {_whole(view.walk)} m{colon}{people}")
  if view.end is not None:
    out.append(f"Right lane ends in {_whole(view.end)} m")
  return out


# --- The way back -------------------------------------------------------------

_N = r"\d+"
_KIND = "(?P<kind>car|truck)"
_SIDE = "left|right"
_ROUTE = "|".join(s.capitalize() for s in SLOTS if s not in OTHER_ROADS)
_ROADS = "|".join(s.capitalize() for s in OTHER_ROADS)
PERSON = re.compile(
  rf"person (?P<gap>{_N}) m (?P<side>{_SIDE}) "
  rf"(?:walking (?P<going>{_SIDE})|waiting)"
)
_NAMES = "|".join({name for names in LANES.values() for name in names})
PATTERNS = {
  "task": rf"(?P<task>{'|'.join(TASKS.values())})",
  "goal": rf"Goal: (?P<goal>{_N}) m in (?P<left>{_N}) s",
  "speed": rf"Speed (?P<speed>{_N}) m/s, aim (?P<aim>{_N}), "
  rf"limit (?P<limit>{_N})",
  "lane": rf"(?P<lane>{_NAMES}) lane of (?P<lanes>{_N})"
  rf"(?:, changing (?P<going>{_SIDE}))?",
  "last": rf"Last: (?P<last>{'|'.join(ACTIONS)})",
  "turn": rf"(?P<turn>{_SIDE}) turn (?:in (?P<bend>{_N}) m|now)",
  "light": rf"(?P<light>{'|'.join(LIGHTS[1:])}) light in (?P<line>{_N}) m"
  rf"(?: for (?P<countdown>{_N}) s)?",
  "walk": rf"Crosswalk in (?P<walk>{_N}) m(?:: (?P<people>person .+))?",
  "end": rf"Right lane ends in (?P<end>{_N}) m",
  "car": rf"(?P<slot>{_ROUTE}): {_KIND}(?: (?P<gap>{_N}) m)?, "
  rf"(?:(?P<by>{_N}) (?P<pace>slower|faster)|same speed|"
  r"(?P<standing>standing))(?P<braking>, braking)?",
  "other": rf"(?P<slot>{_ROADS}): {_KIND} in (?P<gap>{_N}) m at "
  rf"(?P<speed>{_N}) m/s"
  rf"(?:, then (?P<next_gap>{_N}) m at (?P<next_speed>{_N}) m/s)?",
}

"""Urban Driving in words: numpy observations in, short relative English out.

    speed ten aim twelve limit sixteen. lane one of two. goal hundred in
    twenty. light red thirty. truck ahead twenty slower four. car left behind
    ten faster two.

Speeds are in m/s, rounded to two; distances in m, bumper to bumper, rounded on
a scale that grows coarser with distance; times in s. `aim` is the speed aimed
at. A car is `ahead`, `behind` or `beside` in the own lane or the one to the
`left` or `right`, `slower` or `faster` than the ego by so much, or `standing`;
an `oncoming` or `crossing` car is as far from where the paths meet. A man at
the crosswalk is so many metres `left` or `right` of one's way, `going` one way
or `waiting`. Lanes count from the right. What is unseen, two lanes off, or
beyond the six nearest actors goes unsaid.
"""

import re

import numpy as np

from simulators.driving.types import ACTIONS, Obs, Params

# Every word is one token of SmolLM2's vocabulary, with a space before it.
WORDS = {
  0: "zero", 1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six",
  7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve", 14: "fourteen",
  15: "fifteen", 16: "sixteen", 18: "eighteen", 20: "twenty", 30: "thirty",
  40: "forty", 50: "fifty", 60: "sixty", 80: "eighty", 100: "hundred",
}  # fmt: skip
NUMBERS = {word: number for number, word in WORDS.items()}
SPEEDS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
DISTANCES = (0, 2, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100)
ACROSS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12)
TIMES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30)
ACTORS, LIMIT = 6, 70  # actors told of; tokens of a description
LIGHTS = ("none", "green", "amber", "red")
PLAIN = (  # words beside numbers that `parse_description` gives back
  *LIGHTS[1:], "left", "right", "ahead", "behind", "beside", "oncoming",
  "crossing", "car", "truck",
)  # fmt: skip
TASKS = (
  "Reach the goal in time: pass slow cars.",
  "Reach the goal; the car ahead may brake hard.",
  "Reach the goal: stop at red, go at green.",
  "Reach the goal: let people cross first.",
  "Leave the ramp before your lane ends.",
  "Turn left; oncoming cars go first.",
  "Pass the standing car by the other lane.",
  "Reach the goal: mind cars, light and people.",
)


def number(value: float, scale: tuple[int, ...]) -> str:
  """The word of the nearest number of a scale."""
  return WORDS[min(scale, key=lambda x: abs(x - float(value)))]


def speed_gap(difference: float) -> str:
  """How another's speed compares: `slower four`, `faster two`, `same`."""
  if abs(difference) < 1.0:
    return "same"
  word = "faster" if difference > 0 else "slower"
  return f"{word} {number(max(abs(difference), 2.0), SPEEDS)}"


def _car(obs: Obs, i: int, j: int) -> str:
  name = "truck" if obs.truck[i, j] else "car"
  gap, v = obs.car_gap[i, j], obs.car_speed[i, j]
  if obs.car_road[i, j]:
    way = "oncoming" if obs.car_road[i, j] == 1 else "crossing"
    return (
      f"{name} {way} {number(max(gap, 0.0), DISTANCES)} "
      f"speed {number(v, SPEEDS)}"
    )
  side = {0: "", 1: "left ", -1: "right "}[int(obs.car_side[i, j])]
  where = "beside"
  if abs(gap) >= 1.0:
    way = "ahead" if gap > 0 else "behind"
    where = f"{way} {number(abs(gap), DISTANCES)}"
  pace = "standing" if v < 0.5 else speed_gap(v - obs.speed[i])
  return f"{name} {side}{where} {pace}"


def _describe(obs: Obs, i: int) -> str:
  said = [
    f"speed {number(obs.speed[i], SPEEDS)} aim {number(obs.target[i], SPEEDS)}"
    f" limit {number(obs.limit[i], SPEEDS)}"
  ]
  if obs.lanes[i] > 1:
    lane = f"lane {WORDS[int(obs.lane[i]) + 1]} of {WORDS[int(obs.lanes[i])]}"
    aims = int(obs.aims[i])
    said.append(
      lane + ("" if not aims else " going left" if aims > 0 else " going right")
    )
  said.append(
    f"goal {number(obs.goal[i], DISTANCES)} in {number(obs.left[i], TIMES)}"
  )
  if obs.turn[i]:
    said.append(f"turn {'left' if obs.turn[i] > 0 else 'right'}")
  if obs.light[i]:
    line = number(obs.line[i], DISTANCES)
    said.append(f"light {LIGHTS[obs.light[i]]} {line}")
  if obs.walk[i] >= 0:
    said.append(f"walk {number(obs.walk[i], DISTANCES)}")
  if obs.lane_end[i] >= 0:
    said.append(f"end {number(obs.lane_end[i], DISTANCES)}")
  for j in np.flatnonzero(obs.walker_seen[i]):
    gap = obs.walker_gap[i, j]
    side = "left" if gap > 0 else "right"
    goes = int(obs.walker_goes[i, j])
    does = "going left" if goes > 0 else "going right" if goes else "waiting"
    said.append(f"man {side} {number(abs(gap), ACROSS)} {does}")
  cars = [
    j for j in np.flatnonzero(obs.car_seen[i]) if abs(obs.car_side[i, j]) < 2
  ]
  cars.sort(key=lambda j: abs(obs.car_gap[i, j]))
  room = ACTORS - int(obs.walker_seen[i].sum())
  for sentence in [_car(obs, i, j) for j in cars[:room]]:
    if _length(said) + len(sentence.split()) + 1 > LIMIT:
      break
    said.append(sentence)
  return ". ".join(said) + "."


def _length(sentences: list[str]) -> int:
  """Tokens: a word and a stop are one each, the very first word two."""
  return 1 + sum(len(s.split()) + 1 for s in sentences)


def describe(obs: Obs) -> list[str]:
  """One short text for each row.

  Args:
    obs: numpy leaves with a leading axis B (after one `jax.device_get`).
  """
  return [_describe(obs, i) for i in range(len(obs.speed))]


def instruction(obs: Obs) -> list[str]:
  """The task of each row's family."""
  return [TASKS[int(family)] for family in obs.family]


def rules(params: Params) -> str:
  """How the world works as the agent is told, the shared prefix of prompts."""
  del params  # the dials are not told
  return (
    "You drive a car; each answer lasts one second. Do not hit anything, keep "
    "on the road, stop before a red light, let people cross, keep the limit. "
    "keep: go on. faster, slower: aim at four m/s more or less. go: aim at the "
    "limit. stop: brake. left, right: change lane. "
    f"Answers: {', '.join(ACTIONS)}. Answer with one word."
  )


# --- Reading ----------------------------------------------------------------

_ACTION = re.compile(rf"\b({'|'.join(ACTIONS)})\b", re.IGNORECASE)
_N = rf"(?:{'|'.join(NUMBERS)})"
_SENTENCES = {
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
_SENTENCES = {name: re.compile(text) for name, text in _SENTENCES.items()}


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {word.lower() for word in _ACTION.findall(text)}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def parse_description(text: str) -> dict:
  """What a description says, as data; the inverse of `describe`.

  Returns:
    speed, aim, limit, goal, left; where said: lane, lanes, going, turn,
    light, line, walk, end (numbers or words); men: list of {side, gap, going};
    cars: list of {kind, way, gap, side, by, standing} or, on other roads,
    {kind, way, gap, speed}; `by` is signed, `gap` 0 beside.

  Raises:
    ValueError: for a sentence that `describe` cannot have written.
  """
  out: dict = {"men": [], "cars": []}
  for sentence in text.strip().removesuffix(".").split(". "):
    for name, pattern in _SENTENCES.items():  # noqa: B007
      match = pattern.fullmatch(sentence)
      if match:
        break
    else:
      raise ValueError(
        f"cannot read {sentence!r} in {text!r}: give a text that `describe` "
        "wrote"
      )
    said = {k: NUMBERS.get(v, v) for k, v in match.groupdict().items() if v}
    if name == "man":
      out["men"].append({"going": None} | said)
    elif name == "other":
      out["cars"].append(said)
    elif name == "car":
      by = said.pop("by", 0) * (-1 if said.pop("pace", "") == "slower" else 1)
      still = bool(said.pop("still", ""))
      car = {"way": "beside", "gap": 0, "side": None} | said
      out["cars"].append(car | {"by": by, "standing": still})
    else:
      out.update(said)
  return out

"""A scripted reader of traffic: it drives by the text alone.

It brakes for what is ahead, halts at lines, goes round what stands, and else
drives at the limit. It shows how much of the driving the text gives away.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulators.driving.text import parsing
from simulators.driving.text.words import SLOTS
from simulators.driving.types import ACTIONS

_BRAKE = 2.5  # m/s2, what it counts on
_ROOM = 4.0  # m, left between bumpers, and before a line
_SIDE = 4.0  # m, free before and behind for a lane change
_WIDTH = 5.0  # m beside the path: people within it are let across
_CLEAR = 30.0  # m to an oncoming car for a turn
_NOBODY = {"gap": math.inf, "by": 0.0, "standing": False}
_SIDES = tuple(slot for slot in SLOTS if slot.startswith(("left", "right")))


class Script:
  """Chooses one action for each text; it remembers nothing.

  Args:
    rules: the prompt's rules; the answers are read from the text alone.
  """

  def __init__(self, rules: str):
    del rules

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `simulators.base.Reader`."""
    del rows
    return np.stack([_scores(parsing.parse_description(t)) for t in texts])


def _scores(seen: dict[str, Any]) -> np.ndarray:
  """f64[A]: 1 for a lane change, else minus the distance to the safe speed."""
  safe, side = _safe_speed(seen), ""
  if _wants_out(seen):
    side = _free_side(seen)
    if not side:  # the pace of the next lane opens a gap
      safe = min([safe, *(_speed(seen, car) for car in _next_lanes(seen))])
  aims = {
    "keep": seen["aim"],
    "faster": min(seen["aim"] + 4, seen["limit"]),
    "slower": max(seen["aim"] - 4, 0),
    "stop": 0,
    "go": seen["limit"],
  }
  scores = np.full(len(ACTIONS), -1e3)
  for name, aim in aims.items():
    over = max(aim - safe, 0.0)
    scores[ACTIONS.index(name)] = -abs(aim - safe) - 10 * over
  if side:
    scores[ACTIONS.index(side)] = 1.0
  return scores


def _safe_speed(seen: dict[str, Any]) -> float:
  """The speed in m/s from which it can still brake for all that is ahead."""
  cars = seen["cars"]
  ends = [(0.0, seen["line"])] if seen.get("light") in ("red", "amber") else []
  if any(one["gap"] <= _WIDTH or one["going"] for one in seen["people"]):
    ends.append((0.0, seen.get("walk", 0)))
  if "end" in seen and seen.get("lane") == 1:
    ends.append((0.0, seen["end"]))
  if "ahead" in cars:
    ends.append((_speed(seen, cars["ahead"]), cars["ahead"]["gap"]))
  if "turn" in seen and cars.get("oncoming", _NOBODY)["gap"] < _CLEAR:
    ends.append((0.0, seen["bend"]))  # it goes first
  return min([seen["limit"], *(_braking(*end) for end in ends)])


def _braking(speed: float, gap: float) -> float:
  """The speed behind one who drives at `speed`, with a second's delay."""
  room = max(gap - _ROOM, 0.0)
  lag = _BRAKE * 1.0
  return math.sqrt(lag**2 + speed**2 + 2 * _BRAKE * room) - lag


def _speed(seen: dict[str, Any], car: dict[str, Any]) -> float:
  return 0.0 if car["standing"] else max(seen["speed"] + car["by"], 0.0)


def _next_lanes(seen: dict[str, Any]) -> list[dict[str, Any]]:
  """The cars in the lanes next to the ego's."""
  return [car for slot, car in seen["cars"].items() if slot in _SIDES]


def _wants_out(seen: dict[str, Any]) -> bool:
  """Whether its lane ends, or is blocked by a slow car."""
  if "lane" not in seen or seen.get("going"):
    return False
  if "end" in seen and seen["lane"] == 1:
    return True
  car = seen["cars"].get("ahead", _NOBODY)
  return car["gap"] < 60 and _speed(seen, car) < 0.7 * seen["limit"]


def _free_side(seen: dict[str, Any]) -> str:
  """The side with room for a lane change; "" where there is none."""
  sides = [("left", seen["lane"] < seen["lanes"]),
           ("right", seen["lane"] > 1 and "end" not in seen)]  # fmt: skip
  for side, there in sides:
    cars = seen["cars"]
    if not there or f"{side} beside" in cars:
      continue
    ahead = cars.get(f"{side} ahead", _NOBODY)
    behind = cars.get(f"{side} behind", _NOBODY)
    if _apart(seen, ahead, -1) and _apart(seen, behind, 1):
      return side
  return ""


def _apart(seen: dict[str, Any], car: dict[str, Any], sign: int) -> bool:
  """Whether a car ahead (-1) or behind (1) there leaves room for a change."""
  closing = sign * (_speed(seen, car) - seen["speed"])
  return car["gap"] >= _SIDE + 2 * max(closing, 0)

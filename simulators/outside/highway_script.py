"""A scripted reader of highway-env's texts: it drives by the text alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_ROOM = 8.0  # m, kept between bumpers
_DELAY = 1.0  # s until a decision shows
_BRAKE = 4.0  # m/s2, what it counts on
_SIDE = 6.0  # m, free before and behind for a lane change
_CROSSING = 2.0  # s to a crossing car below which it slows down
_CLEAR = 45.0  # m ahead from which it drives faster


class Script:
  """Keeps its distance, gives way to crossing cars, and goes round slow ones.

  Args:
    read: text -> `highway_roads.View`.
    actions: the words of the decisions.
  """

  def __init__(self, read: Callable[[str], Any], actions: Sequence[str]):
    self._read, self._actions = read, actions

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `players.Reader`."""
    del rows
    out = np.zeros((len(texts), len(self._actions)))
    for score, text in zip(out, texts, strict=True):
      for rank, action in enumerate(_ranked(self._read(text))):
        if action in self._actions:
          at = self._actions.index(action)
          score[at] = max(score[at], 1 / (1 + rank))
    return out


def _ranked(view: Any) -> list[str]:
  """Words of decisions, the best first."""
  cars = {car.slot: car for car in view.cars}
  crossing = any(
    car.gap < _CROSSING * (car.by + 0.5 * view.speed)
    for slot, car in cars.items()
    if slot.startswith("crossing")
  )
  if crossing:
    return ["slower", "keep"]
  ahead = cars.get("ahead")
  if ahead is None or ahead.gap > _CLEAR:
    return ["faster" if view.aim < view.limit else "keep", "keep"]
  if ahead.gap > _needed(ahead.by):
    return ["keep"]
  sides = [side for side in ("left", "right") if _is_free(view, cars, side)]
  return [*sides, "slower", "keep"]


def _needed(by: float) -> float:
  """m to a car ahead that is `by` m/s faster, for braking in time."""
  closing = max(-by, 0.0)
  return _ROOM + _DELAY * closing + closing**2 / (2 * _BRAKE)


def _is_free(view: Any, cars: dict[str, Any], side: str) -> bool:
  """Whether there is a lane on a side, with room in it."""
  lane = view.lane + (1 if side == "right" else -1)
  if not 0 <= lane < view.lanes or f"{side} beside" in cars:
    return False
  ahead, behind = cars.get(f"{side} ahead"), cars.get(f"{side} behind")
  return (ahead is None or ahead.gap > _SIDE + _needed(ahead.by)) and (
    behind is None or behind.gap > _SIDE + 2 * max(behind.by, 0.0)
  )

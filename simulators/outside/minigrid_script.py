"""A scripted reader of MiniGrid's texts: it goes to what the mission names."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simulators.outside.minigrid_actions import (
  ACTIONS,
  DROP,
  FORWARD,
  LEFT,
  PICKUP,
  RIGHT,
  TOGGLE,
)

_WALKED_OVER = ("goal", "open")  # first words of things that bar no way


class Script:
  """Decides by the present text alone: no map, no search.

  It fetches the key of a locked door, opens doors on its way, and goes to the
  first thing in sight that the mission names; else it walks on until something
  bars the way, and turns.

  Args:
    read: text -> `minigrid_levels.View`.
  """

  def __init__(self, read: Callable[[str], Any]):
    self._read = read

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `players.Reader`."""
    del rows
    out = np.zeros((len(texts), len(ACTIONS)))
    for score, text in zip(out, texts, strict=True):
      for rank, action in enumerate(self._ranked(text)):
        score[action] = max(score[action], 1 / (1 + rank))
    return out

  def _ranked(self, text: str) -> list[int]:
    """Actions, the best first."""
    view = self._read(text)
    onward = [FORWARD, RIGHT, LEFT]
    if view.walls[1]:
      onward = [RIGHT, LEFT] if not view.walls[2] else [LEFT, RIGHT]
    target, act = self._target(view)
    if target is None:
      return onward
    before = [t for t in view.things if (t.ahead, t.right) == (1, 0)]
    if target in before:
      return [act, *onward]
    if act == PICKUP and view.carried and not before and not view.walls[1]:
      return [DROP, *onward]  # one thing at a time
    turn = RIGHT if target.right > 0 else LEFT
    barred = view.walls[1] or any(
      thing.name.split()[0] not in _WALKED_OVER for thing in before
    )
    if target.ahead > 0 and not barred:
      return [FORWARD, turn, *onward]
    return [turn, *onward]

  def _target(self, view: Any) -> tuple[Any, int]:
    """(the thing to go to, what to do before it); None where there is none."""
    wanted = []
    named_key = re.search(r"\b(go to|pick up) (the|a) \w+ key", view.mission)
    to_take = PICKUP if "pick up" in view.mission else FORWARD
    for thing in view.things:
      words = thing.name.split()
      first, kind = words[0], words[-1]
      if first == "locked" and view.carried == f"{words[1]} key":
        wanted.append((0, thing, TOGGLE))
      elif kind == "goal":
        wanted.append((1, thing, FORWARD))
      elif kind != "door" and _names(view.mission, thing.name):
        wanted.append((2, thing, to_take))
      elif kind == "key" and not view.carried and not named_key:
        wanted.append((3, thing, PICKUP))
      elif first == "closed":
        wanted.append((4, thing, TOGGLE))
      elif first == "open" and thing.ahead:
        wanted.append((5, thing, FORWARD))
    if not wanted:
      return None, FORWARD
    _, target, act = min(wanted, key=lambda w: w[0])
    return target, act


def _names(mission: str, thing: str) -> bool:
  """Whether a mission names a thing, by its colour or by its kind alone."""
  kind = thing.split()[-1]
  return re.search(rf"\b(the|a) ({thing}|{kind})\b", mission) is not None

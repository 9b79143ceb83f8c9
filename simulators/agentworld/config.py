"""The sizes of AgentWorld's levels, checked before any work."""

import dataclasses
from typing import Any

from simulators import fields
from simulators.agentworld.game.inventory import inventory
from simulators.agentworld.vocabulary import GOALS

RENDERINGS = ("plain", "compact", "map", "hints")
MIN_SIDE = (5, 5, 7, 9, 11)  # room for a chain of each depth and its walls
MIN_STEPS = 3  # of the shortest solution: nearer goals teach nothing
MAX_STATES = 2**22  # of a level, so that the oracle is always exact
SIDES = (5, 13)  # least and greatest side of a level
_LEAST = {
  "size": SIDES[0], "pairs": 3, "boxes": 0, "hazards": 0, "walls": 0,
  "detour": 0, "budget": 0.0, "sight": 1,
}  # fmt: skip
_MOST = {
  "size": SIDES[1], "pairs": 5, "boxes": 2, "hazards": 8, "walls": 32,
  "sight": 2,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes and counts; static, known at compile time.

  The defaults are the small world. `size=13, pairs=5, sides=(5, 7, 9, 11),
  larger=(13,), deeper=(4,), horizon=120` is the large one.

  Attributes:
    size: side of the array that holds a level; walls surround a smaller level.
    pairs: tool-element pairs in a level, distractors included: one more than
      the longest chain it can have.
    boxes: boxes that can be pushed.
    hazards: most cells that end an episode in failure.
    walls: most single wall cells inside the rooms; a level has half as many at
      least, where there is room.
    detour: least steps by which walls and obstacles make the shortest solution
      longer than the straight way from stop to stop.
    one_hand: whether taking a tool puts the one in hand down in its place.
    budget: steps that an episode may take, relative to the shortest solution;
      one more is added. 0 for no limit but the horizon.
    goals: what levels ask for, some of GOALS.
    horizon: steps before an episode is truncated.
    sides: sides of the levels of all splits but `ood-size`.
    larger: sides of the levels of `ood-size`, larger than `sides`; () for no
      such split.
    deeper: chain depths of `ood-depth`; other splits have smaller depths.
    rendering: how a moment is described, one of RENDERINGS.
    sight: steps within which `plain` and `compact` describe walls, 1 or 2.
    kinds: names of the question kinds to ask; where empty, all that the levels
      allow.
  """

  size: int = 7
  pairs: int = 3
  boxes: int = 0
  hazards: int = 0
  walls: int = 6
  detour: int = 2
  one_hand: bool = True
  budget: float = 1.25
  goals: tuple[str, ...] = ("reach",)
  horizon: int = 40
  sides: tuple[int, ...] = (5, 6)
  larger: tuple[int, ...] = (7,)
  deeper: tuple[int, ...] = (2,)
  rendering: str = "plain"
  sight: int = 1
  kinds: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    for name in ("sides", "larger", "deeper"):
      self._make_tuple(name, int)
    for name in ("goals", "kinds"):
      self._make_tuple(name, str)
    for name in ("goals", "deeper"):
      values = getattr(self, name)
      if len(set(values)) < len(values):
        raise ValueError(f"{name} {values} repeats a value: drop it")
    fields.check_ranges(
      self, "", at_least=_LEAST | {"horizon": MIN_STEPS}, at_most=_MOST
    )
    if self.budget and self.budget < 1:
      raise ValueError(
        f"budget {self.budget} leaves too few steps for the shortest solution: "
        "set it to 1 or more, or to 0 for no limit"
      )
    if self.states > MAX_STATES:
      raise ValueError(
        f"a level of size {self.size} with {self.pairs} pairs and "
        f"{self.boxes} boxes has {self.states} states, more than "
        f"{MAX_STATES}: lower size, pairs or boxes"
      )
    self._check_sides()
    if not all(0 < depth < len(MIN_SIDE) for depth in self.deeper):
      raise ValueError(
        f"deeper {self.deeper} must hold depths in 1..{len(MIN_SIDE) - 1}"
      )
    if not self.goals:
      raise ValueError(f"goals () is empty: name some of {', '.join(GOALS)}")
    for goal in self.goals:
      fields.check_known("goal", goal, GOALS)
    if "push" in self.goals and not self.boxes:
      raise ValueError("boxes 0 is too few for goal 'push': set boxes to 1")
    fields.check_known("rendering", self.rendering, RENDERINGS)

  @property
  def states(self) -> int:
    """Hidden states that a level can be in."""
    cells = self.size**2
    masks = inventory(self.pairs).size * 2**self.pairs
    return cells ** (1 + self.boxes) * masks

  def limit(self, steps: float) -> int:
    """Steps that an episode may take if the shortest solution has `steps`."""
    if not self.budget:
      return self.horizon
    return min(self.horizon, int(steps * self.budget) + 1)

  def _make_tuple(self, name: str, kind: type) -> None:
    values: tuple[Any, ...] = tuple(getattr(self, name))
    object.__setattr__(self, name, values)
    if not all(isinstance(value, kind) for value in values):
      raise ValueError(f"{name} {values} must hold only {kind.__name__}")

  def _check_sides(self) -> None:
    least, most = SIDES
    for name in ("sides", "larger"):
      sides = getattr(self, name)
      if not all(least <= side <= most for side in sides):
        raise ValueError(f"{name} {sides} must hold sides in {least}..{most}")
    if not self.sides:
      raise ValueError(f"sides () is empty: name one in {least}..{most}")
    if self.larger and min(self.larger) <= max(self.sides):
      raise ValueError(
        f"larger {self.larger} must be larger than all of sides {self.sides}; "
        "set larger to () for a world without `ood-size`"
      )

"""AgentWorld's query language, and its facts by the simulator."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from simulators.agentworld.game import dynamics, goals, layout
from simulators.agentworld.types import Array, EnvState, Level, Params, Place
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  GOALS,
  NUMBERS,
  TOOLS,
)
from simulators.queries.language import Language, Primitive, Undefined

YOU = "you"
ENDED = "the episode ends before"
_PLACE = ("place", "place")
_flood = jax.jit(layout.flood)
LANGUAGE = Language(
  types={
    "action": ACTIONS,
    "tool": TOOLS,
    "element": ELEMENTS,
    "place": (YOU, "goal", BOX, *TOOLS, *ELEMENTS),
    "vertical": ("up", "down", "level"),
    "horizontal": ("left", "right", "level"),
  },
  groups={"tools": "tool", "elements": "element"},
  primitives=(
    Primitive(
      "distance", _PLACE, "number",
      "the number of rows plus columns between {} and {}", symmetric=True,
    ),
    Primitive(
      "vertical", _PLACE, "vertical", "the vertical direction from {} to {}"
    ),
    Primitive(
      "horizontal", _PLACE, "horizontal",
      "the horizontal direction from {} to {}",
    ),
    Primitive("reachable", ("place",), "yes_no", "open floor leads to {}"),
    Primitive("free", ("action",), "yes_no", "{} moves you"),
    Primitive("holds", ("tool",), "yes_no", "you hold {}"),
    Primitive("is_open", ("element",), "yes_no", "{} is open"),
    Primitive("opens", ("tool", "element"), "yes_no", "{} opens {}"),
    Primitive("opener", ("element",), "tool", "the tool that opens {}"),
  ),
  numbers=NUMBERS,
  bare=(YOU, *ACTIONS),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SimulatedFacts:
  """The facts of one moment, from the arrays of the simulator.

  Attributes:
    env: the hidden state (numpy leaves).
    params: the rules.
  """

  env: EnvState
  params: Params

  def value(self, name: str, words: tuple[str, ...]) -> str | int | bool:
    return _PRIMITIVES[name](self, *words)

  def members(self, group: str) -> tuple[str, ...]:
    names = self.tools if group == "tools" else self.elements
    return tuple(dict.fromkeys(names))

  def after(self, actions: tuple[str, ...]) -> "SimulatedFacts":
    env = self.env
    for action in actions:
      place, over = _moved(
        env.level, env.place, ACTIONS.index(action), self.params
      )
      if over:
        raise Undefined(f"{ENDED} {actions[-1]}")
      place = jax.device_get(place)
      env = dataclasses.replace(
        env, agent=place.agent, slot=place.slot, opened=place.opened,
        boxes=place.boxes,
      )  # fmt: skip
    return dataclasses.replace(self, env=env)

  @property
  def tools(self) -> list[str]:
    """The word of each tool of the level."""
    kinds = np.asarray(self.env.level.tool_kind)
    return [TOOLS[i] for i in np.asarray(self.params.tool_id)[kinds]]

  @property
  def elements(self) -> list[str]:
    """The word of each element of the level."""
    kinds = np.asarray(self.env.level.element_kind)
    return [ELEMENTS[i] for i in np.asarray(self.params.element_id)[kinds]]

  def index(self, names: list[str], word: str) -> int:
    """The one thing with a word; raises Undefined where there is not one."""
    if names.count(word) != 1:
      raise Undefined(f"there are {names.count(word)} of {word}")
    return names.index(word)

  def cell(self, word: str) -> np.ndarray:
    """i32[2]: where a thing is."""
    env = self.env
    if word == YOU:
      return np.asarray(env.agent)
    if word == "goal":
      if GOALS[int(env.level.goal_kind)] in ("take", "open"):
        raise Undefined("the goal is no place")
      return np.asarray(env.level.goal)
    if word == BOX:
      if len(env.boxes) != 1:
        raise Undefined(f"there are {len(env.boxes)} of {BOX}")
      return np.asarray(env.boxes)[0]
    if word in ELEMENTS:
      at = np.asarray(env.level.element_at)
      return at[self.index(self.elements, word)]
    slot = int(np.asarray(env.slot)[self.index(self.tools, word)])
    if slot < 0:
      raise Undefined(f"the {word} is in hand")
    return np.asarray(env.level.tool_at)[slot]


@jax.jit
def _moved(
  level: Level, place: Place, action: Array, params: Params
) -> tuple[Place, Array]:
  """The place after an action, and whether the episode was over before."""
  over = dynamics.lost(level, place, params) | goals.achieved(level, place)
  return dynamics.move(level, place, action, params), over


def _distance(facts: SimulatedFacts, one: str, other: str) -> int:
  return int(np.abs(facts.cell(one) - facts.cell(other)).sum())


def _along(axis: int, words: tuple[str, str]) -> Callable[..., str]:
  def direction(facts: SimulatedFacts, start: str, end: str) -> str:
    offset = int((facts.cell(end) - facts.cell(start))[axis])
    return words[offset > 0] if offset else "level"

  return direction


def _reachable(facts: SimulatedFacts, place: str) -> bool:
  """Whether cells that nothing stands in lead there, without a danger."""
  env = facts.env
  target, free = facts.cell(place), ~np.asarray(env.level.wall)
  free &= ~(np.asarray(env.level.hazard) & bool(facts.params.hazardous))
  shut = np.asarray(env.level.element_at)[~np.asarray(env.opened)]
  for row, column in (*shut, *np.asarray(env.boxes)):
    free[row, column] = False
  start = np.zeros_like(free)
  start[tuple(env.agent)] = True
  return bool(np.asarray(_flood(free, start))[tuple(target)])


def _free(facts: SimulatedFacts, action: str) -> bool:
  env = facts.env
  place, over = _moved(
    env.level, env.place, ACTIONS.index(action), facts.params
  )
  if over:
    raise Undefined(f"{ENDED} {action}")
  return bool((np.asarray(place.agent) != env.agent).any())


def _opener(facts: SimulatedFacts, element: str) -> str:
  j = facts.index(facts.elements, element)
  kind = int(np.asarray(facts.env.level.element_kind)[j])
  kinds = np.flatnonzero(np.asarray(facts.params.opens)[:, kind])
  here = set(np.asarray(facts.env.level.tool_kind).tolist())
  found = [k for k in kinds.tolist() if k in here]
  if len(found) != 1:
    raise Undefined(f"{len(found)} tools here open the {element}")
  return TOOLS[int(np.asarray(facts.params.tool_id)[found[0]])]


def _opens(facts: SimulatedFacts, tool: str, element: str) -> bool:
  level = facts.env.level
  i = np.asarray(level.tool_kind)[facts.index(facts.tools, tool)]
  j = np.asarray(level.element_kind)[facts.index(facts.elements, element)]
  return bool(np.asarray(facts.params.opens)[i, j])


def _holds(facts: SimulatedFacts, tool: str) -> bool:
  slots = np.asarray(facts.env.slot)
  return bool(slots[facts.index(facts.tools, tool)] < 0)


def _is_open(facts: SimulatedFacts, element: str) -> bool:
  opened = np.asarray(facts.env.opened)
  return bool(opened[facts.index(facts.elements, element)])


_PRIMITIVES: dict[str, Callable[..., Any]] = {
  "distance": _distance,
  "vertical": _along(0, ("up", "down")),
  "horizontal": _along(1, ("left", "right")),
  "reachable": _reachable,
  "free": _free,
  "holds": _holds,
  "is_open": _is_open,
  "opens": _opens,
  "opener": _opener,
}

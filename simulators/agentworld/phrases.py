"""What fills the gaps of the `templates`, and the choices that are offered."""

import jax.numpy as jnp
import numpy as np

from simulators.agentworld import moments
from simulators.agentworld.moments import (
  BOXES,
  DANGER,
  ELEMENT,
  LEFT,
  NOTHING,
  NUMBERS,
  ONE,
  TASK,
  TOOL,
  UP,
  WALL,
  Array,
  Moment,
)
from simulators.agentworld.sights import STUCK
from simulators.agentworld.types import ACTIONS, ELEMENTS, GOALS, TOOLS

# Kinds whose choices have no order of their own: they differ by question.
SHUFFLED = (
  "adjacent", "nearer", "which_tool", "which_element", "way_bar", "better",
  "first_tool", "stopped", "why_barred", "lacking",
)  # fmt: skip


# --- Choices: numbers only ----------------------------------------------------


def width(pairs: int, boxes: bool, hazards: bool) -> int:
  """How many choices a question can have."""
  return max(3 + 2 * pairs + boxes + hazards, len(NUMBERS))


def offered(kind: str, moment: Moment, args: Array, hazards: bool) -> Array:
  """i32[n]: codes of the choices; -1 for some that are left out."""
  params = moment.params
  boxed = moment.place.boxes.shape[0] > 0
  elements = jnp.where(moment.seen, moment.element, -1)
  things = jnp.where(moment.present, moment.word, -1)
  box = jnp.array([BOXES] * boxed, jnp.int32)
  if kind in ("where", "relative"):
    axis = args[1] if kind == "where" else args[2]
    codes = jnp.where(axis == 0, UP, LEFT) + jnp.arange(2)
  elif kind == "adjacent":
    floor = [WALL, NOTHING, *[DANGER] * hazards]
    codes = jnp.concatenate([jnp.array(floor), box, things, elements])
  elif kind == "nearer":
    codes = moment.word[args[:2]]
  elif kind == "better":
    codes = UP + args[:2]
  elif kind in ("which_tool", "lacking"):
    codes = TOOL + params.tool_id
  elif kind == "which_element":
    codes = ELEMENT + params.element_id
  elif kind in ("stopped", "why_barred"):
    plain = [WALL, *[NOTHING] * (kind == "stopped")]
    codes = jnp.concatenate([jnp.array(plain), box, elements])
  elif kind == "way_bar":
    codes = jnp.append(NOTHING, elements)
  elif kind == "first_tool":
    codes = jnp.append(NOTHING, things[1:])
  elif kind == "optimal_next":
    codes = UP + jnp.arange(len(ACTIONS))
  elif kind == "exits":
    codes = ONE + jnp.arange(len(ACTIONS))
  elif kind == "task":
    codes = TASK + jnp.arange(len(GOALS))
  elif kind in ("steps", "distance", "apart", "next_distance", "was_distance"):
    codes = ONE + jnp.arange(len(NUMBERS))
  else:
    codes = jnp.array([moments.YES, moments.NO])
  return codes.astype(jnp.int32)


# --- Words --------------------------------------------------------------------


def aim(goal_kind: int) -> str:
  """What steps are counted to."""
  return "the goal" if GOALS[goal_kind] == "reach" else "success"


def words(
  kind: str, args: tuple[int, ...], tool: np.ndarray, element: np.ndarray
) -> dict[str, str]:
  """What fills the gaps of a kind's templates, but for the aim.

  Args:
    kind: its name.
    args: as in `Question.args`.
    tool, element: i32[P], as in `Obs`.
  """
  objects = ("goal", *(TOOLS[word] for word in tool))
  bars = [ELEMENTS[word] for word in element]
  a, b, c = args[:3]
  if kind in ("where", "relative"):
    axis = b if kind == "where" else c
    one, two = ACTIONS[2 * axis : 2 * axis + 2]
    gaps = {"x": objects[a], "one": one, "two": two}
    return gaps | ({"y": objects[b]} if kind == "relative" else {})
  if kind in ("nearer", "apart"):
    return {"x": objects[a], "y": objects[b]}
  if kind in ("reachable", "distance", "way_bar"):
    return {"x": objects[a]}
  if kind == "aligned":
    return {"x": objects[a], "line": ("row", "column")[b]}
  if kind in ("held", "helps"):
    return {"x": objects[1 + a]}
  if kind == "if_held":
    return {"x": objects[1 + a], "d": ACTIONS[b]}
  if kind == "which_tool":
    return {"x": ELEMENTS[a]}
  if kind == "which_element":
    return {"x": TOOLS[a]}
  if kind == "opens":
    return {"x": TOOLS[a], "y": ELEMENTS[b]}
  if kind == "can_open":
    return {"x": bars[a]}
  if kind == "if_open":
    return {"x": objects[b], "y": bars[a]}
  if kind in ("nears", "next_distance"):
    return {"d": ACTIONS[a], "x": objects[b]}
  if kind == "better":
    return {"one": ACTIONS[a], "two": ACTIONS[b]}
  if kind == "plan":
    return {"x": objects[a], "plan": _plan(args[1:])}
  if kind in ("good_start", "stopped"):
    return {"plan": _plan(args)}
  if kind in ("was_distance", "approached"):
    return {"x": objects[a], "past": _past(args[1:])}
  move = ACTIONS[a] if a >= 0 else ""
  return {"d": move, "box": moments.BOX, "hazard": moments.HAZARD}


def _plan(moves: tuple[int, ...]) -> str:
  return " ".join(ACTIONS[move] for move in moves if move >= 0)


def _past(moves: tuple[int, ...]) -> str:
  """Past moves; one that did not move the agent is said to be blocked."""
  return ", ".join(
    ACTIONS[move % STUCK] + (" (blocked)" if move >= STUCK else "")
    for move in moves
    if move >= 0
  )

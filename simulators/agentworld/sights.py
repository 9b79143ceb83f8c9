"""Truths that are read off a moment, its past and the rules as they are told.

See `moments` for what a truth gives back.
"""

import jax
import jax.numpy as jnp

from simulators.agentworld import dynamics
from simulators.agentworld.moments import (
  BOXES,
  DANGER,
  ELEMENT,
  NOTHING,
  ONE,
  TASK,
  TOOL,
  WALL,
  Array,
  Moment,
  number,
  toward,
  yes,
)
from simulators.agentworld.types import ACTIONS, KINDS, OOD_KINDS, PAST

STUCK = len(ACTIONS)  # added to a past move that did not move the agent


# --- What is where ------------------------------------------------------------


def where(moment: Moment, args: Array):
  """Is an object up or down, left or right?"""
  code, told = toward(moment.at[args[0]] - moment.place.agent, args[1])
  return code, moment.present[args[0]] & told


def adjacent(moment: Moment, args: Array):
  """What is one step away?"""
  cell, level = moment.beside(args[0]), moment.level
  size = level.wall.shape[-1]
  row, column = jnp.clip(cell, 0, size - 1)
  wall = jnp.any((cell < 0) | (cell >= size)) | level.wall[row, column]
  hazard = dynamics.dangers(level, moment.params)[row, column]
  thing = dynamics.at(moment.at, cell)
  thing &= jnp.append(moment.present[0], moment.lying)
  element = dynamics.at(level.element_at, cell)
  box = moment.boxed(cell)
  code = jnp.select(
    [wall, hazard, box, jnp.any(element), jnp.any(thing)],
    [
      WALL, DANGER, BOXES, moment.element[jnp.argmax(element)],
      moment.word[jnp.argmax(thing)],
    ],
    NOTHING,
  )  # fmt: skip
  hidden = jnp.any(thing & ~moment.present) | jnp.any(element & ~moment.seen)
  hidden |= box & (jnp.any(thing) | jnp.any(element))  # two things at once
  return code, ~hidden


def nearer(moment: Moment, args: Array):
  """Which of two objects is less rows plus columns away?

  The goal is mostly further than what leads to it: it is one of them where a
  tool is nearer and another further, and where none is so, two tools are.
  """
  steps = moment.distance(moment.place.agent)
  first, second = args[0], args[1]
  code = moment.word[jnp.where(steps[first] < steps[second], first, second)]
  both = moment.present[first] & moment.present[second]
  tools = moment.present[1:]
  between = jnp.any(tools & (steps[1:] < steps[0]))
  between &= moment.present[0] & jnp.any(tools & (steps[1:] > steps[0]))
  of_goal = (first == 0) | (second == 0)
  return code, both & (steps[first] != steps[second]) & (of_goal == between)


def distance(moment: Moment, args: Array):
  """How many rows plus columns away is an object?"""
  code, known = number(moment.distance(moment.place.agent)[args[0]])
  return code, moment.present[args[0]] & known


def apart(moment: Moment, args: Array):
  """How many rows plus columns lie between two objects?"""
  code, known = number(moment.distance(moment.at[args[0]])[args[1]])
  return code, moment.present[args[0]] & moment.present[args[1]] & known


def aligned(moment: Moment, args: Array):
  """Is an object in the agent's row, or column?"""
  offset = moment.at[args[0]] - moment.place.agent
  return yes(offset[args[1]] == 0), moment.present[args[0]]


def relative(moment: Moment, args: Array):
  """Seen from one object, is another up or down, left or right?"""
  first, second = args[0], args[1]
  code, told = toward(moment.at[second] - moment.at[first], args[2])
  return code, moment.present[first] & moment.present[second] & told


def held(moment: Moment, args: Array):
  """Is a tool in hand?"""
  return yes(moment.place.held[args[0]]), moment.named[args[0]]


def exits(moment: Moment, args: Array):
  """How many of the four moves would move the agent?"""
  del args
  count = jnp.sum(moment.one.moved)
  told = [moment.telling(jnp.array(a)) > 0 for a in range(len(ACTIONS))]
  return ONE + count - 1, jnp.all(jnp.stack(told)) & (count > 0)


def task(moment: Moment, args: Array):
  """What is asked for?"""
  del args
  return TASK + moment.level.goal_kind, jnp.ones((), bool)


# --- What opens what ----------------------------------------------------------


def _usual(moment: Moment) -> Array:
  """bool[KINDS]: elements that may be asked about by the rules alone.

  A chain kept for `ood-chain` is not given away elsewhere.
  """
  kind = jnp.arange(KINDS)
  met = jnp.any(kind[:, None] == moment.level.element_kind, axis=-1)
  return (kind < KINDS - OOD_KINDS) | met


def which_tool(moment: Moment, args: Array):
  """Which tool is said to open an element (a word of ELEMENTS)?"""
  params, here = moment.params, moment.params.element_id == args[0]
  told = params.nominal[:, jnp.argmax(here)]
  code = TOOL + params.tool_id[jnp.argmax(told)]
  return code, jnp.any(here & _usual(moment)) & (jnp.sum(told) == 1)


def which_element(moment: Moment, args: Array):
  """What is a tool (a word of TOOLS) said to open?"""
  params, here = moment.params, moment.params.tool_id == args[0]
  told = params.nominal[jnp.argmax(here)]
  kind = jnp.argmax(told)
  asked = jnp.any(here) & (jnp.sum(told) == 1) & _usual(moment)[kind]
  return ELEMENT + params.element_id[kind], asked


def opens(moment: Moment, args: Array):
  """Is a tool said to open an element (words of TOOLS and ELEMENTS)?"""
  params = moment.params
  tool, element = params.tool_id == args[0], params.element_id == args[1]
  told = params.nominal[jnp.argmax(tool), jnp.argmax(element)]
  usual = _usual(moment)
  # Of a kind kept for `ood-chain` neither the tool nor the element is named.
  mine = jnp.any(tool & (jnp.any(params.nominal & usual, axis=-1)))
  return yes(told), mine & jnp.any(element & usual)


def can_open(moment: Moment, args: Array):
  """Does a tool in hand open an element?"""
  fits = dynamics.openers(moment.level, moment.params)[:, args[0]]
  asked = moment.seen[args[0]] & moment.shut[args[0]]
  return yes(jnp.any(fits & moment.place.held)), asked


# --- What bars the way --------------------------------------------------------


def _evenly(thing: Array, free: Array, barred: Array) -> Array:
  """bool[]: whether to ask of an object if floor leads to it.

  A tool is mostly free and the goal mostly barred, so that their names would
  tell: tools are asked about where some are free and some barred, where they
  are not, the goal.

  Args:
    thing: i32[], the object.
    free, barred: bool[1 + P], to which floor leads, or does not; neither where
      it must not be asked.
  """
  differ = jnp.any(free[1:]) & jnp.any(barred[1:])
  return (free | barred)[thing] & ((thing > 0) == differ)


def _ways(moment: Moment) -> tuple[Array, Array]:
  """(bool[1 + P], bool[1 + P]): if floor leads to an object; if words tell."""
  row, column = moment.at.T
  told = moment.present & ~moment.untold[row, column]
  return moment.floor[row, column], told


def reachable(moment: Moment, args: Array):
  """Does open floor lead to an object?"""
  floor, told = _ways(moment)
  return yes(floor[args[0]]), _evenly(args[0], told & floor, told & ~floor)


def way_bar(moment: Moment, args: Array):
  """Which closed element bars the way to an object?"""
  floor, told = _ways(moment)
  bar, alone = jax.vmap(moment.bars)(moment.at)
  code = jnp.where(floor, NOTHING, moment.element[bar])[args[0]]
  barred = told & ~floor & alone & moment.seen[bar]
  return code, _evenly(args[0], told & floor, barred)


def if_open(moment: Moment, args: Array):
  """Were an element open, would open floor lead to an object?

  Asked of what lies past one closed element, as a description tells.
  """
  element, cell = args[0], moment.at[args[1]]
  bar, alone = moment.bars(cell)
  asked = moment.seen[element] & moment.shut[element] & moment.seen[bar]
  asked &= alone & moment.present[args[1]]
  return yes(moment.behind[element, cell[0], cell[1]]), asked


# --- What has been ------------------------------------------------------------


def recall(moment: Moment, steps: int) -> Array:
  """i32[PAST]: the last moves, the first of them first; -1 pads.

  A move that did not move the agent has STUCK added.
  """
  now = jnp.concatenate([moment.place.agent[None], moment.trail[:-1]])
  stuck = jnp.all(now == moment.trail, axis=-1)
  moves = jnp.where(
    moment.tried < 0, -1, moment.tried + STUCK * stuck.astype(jnp.int32)
  )
  moves = moves[:steps][::-1]
  return jnp.pad(moves, (0, PAST - steps), constant_values=-1)


def _before(moment: Moment, args: Array) -> tuple[Array, Array]:
  """(i32[2], bool[]): where the moves in args[1:] began, and if they did."""
  steps = jnp.sum(args[1:] >= 0)
  begun = jnp.maximum(steps - 1, 0)
  return moment.trail[begun], (steps > 0) & (moment.tried[begun] >= 0)


def was_distance(moment: Moment, args: Array):
  """Before some moves, how many rows plus columns off was an object?"""
  cell, known = _before(moment, args)
  code, told = number(moment.distance(cell)[args[0]])
  return code, moment.present[args[0]] & known & told


def approached(moment: Moment, args: Array):
  """Have some moves brought the agent nearer to an object?"""
  cell, known = _before(moment, args)
  here = moment.place.agent
  nearer_now = moment.distance(here)[args[0]] < moment.distance(cell)[args[0]]
  asked = moment.present[args[0]] & known & jnp.any(cell != here)
  return yes(nearer_now), asked


def did_move(moment: Moment, args: Array):
  """Did the last move, args[0], move the agent?

  Asked where the sides tell: what is free now would have moved it, and it
  cannot have come from a side that bars it.
  """
  last = args[0]
  back = last ^ 1  # up and down, left and right
  moved = jnp.any(moment.trail[0] != moment.place.agent)
  barred = ~moment.one.moved
  told = jnp.where(moved, ~barred[last], barred[last] & barred[back])
  seen = (moment.telling(last) > 0) & (moment.telling(back) > 0)
  return yes(moved), (last >= 0) & told & seen

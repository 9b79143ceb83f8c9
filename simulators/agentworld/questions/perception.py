"""Perception: what is where, and what is asked for."""

from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld.game import dynamics
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX_CODE,
  COUNT_CODE,
  GOALS,
  HAZARD_CODE,
  NOTHING_CODE,
  TASK_CODE,
  WALL_CODE,
)
from simulators.asking import Kind, Requirement


def where(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Is an object up or down, left or right?"""
  offset = moment.at[args[0]] - moment.place.agent
  code, exists = parts.toward(offset, args[1])
  return code, moment.present[args[0]] & exists


def _where_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.objects[args[0]], **parts.axis_words(args[1])}


WHERE = Kind(
  name="where",
  number=0,
  category="perception",
  templates=(
    "is {x} {one} or {two}?",
    "{one} or {two}: where is {x}?",
    "which way is {x}, {one} or {two}?",
  ),
  arguments=parts.each(parts.objects, parts.axes),
  choices=parts.directions(1),
  truth=where,
  gaps=_where_gaps,
  needs=needs.offsets(0),
  about=parts.about_objects(0),
  looked_up=True,
)


def adjacent(moment: Moment, args: Array) -> tuple[Array, Array]:
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
      WALL_CODE, HAZARD_CODE, BOX_CODE, moment.element[jnp.argmax(element)],
      moment.word[jnp.argmax(thing)],
    ],
    NOTHING_CODE,
  )  # fmt: skip
  hidden = jnp.any(thing & ~moment.present) | jnp.any(element & ~moment.seen)
  hidden |= box & (jnp.any(thing) | jnp.any(element))  # two things at once
  return code, ~hidden


def _adjacent_choices(moment: Moment, args: Array) -> Array:
  del args
  floor = [WALL_CODE, NOTHING_CODE, *[HAZARD_CODE] * moment.has_hazards]
  box = [BOX_CODE] * (moment.place.boxes.shape[0] > 0)
  return jnp.concatenate([
    jnp.array(floor), jnp.array(box, jnp.int32),
    parts.present_objects(moment), parts.seen_elements(moment),
  ])  # fmt: skip


def _adjacent_about(moment: Moment, args: Array) -> Array:
  """The thing there; walls and free floor are no things."""
  code, _ = adjacent(moment, args)
  bare = (code == WALL_CODE) | (code == NOTHING_CODE)
  return jnp.where(bare, -1, code)[None]


ADJACENT = Kind(
  name="adjacent",
  number=1,
  category="perception",
  templates=(
    "what is one step {d}?",
    "what is next to you {d}?",
    "name what is just {d} of you.",
  ),
  arguments=parts.each(parts.moves),
  choices=_adjacent_choices,
  truth=adjacent,
  gaps=parts.move_gap,
  needs=needs.next_cell,
  about=_adjacent_about,
  share={"wall": 0.03, "nothing": 0.05},
  looked_up=True,
  shuffled=True,
)


def held(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Is a tool in hand?"""
  return parts.yes(moment.place.held[args[0]]), moment.named[args[0]]


HELD = Kind(
  name="held",
  number=10,
  category="perception",
  templates=(
    "do you hold {x}?",
    "is {x} in your hands?",
    "have you taken {x}?",
  ),
  arguments=parts.each(parts.things),
  choices=parts.yes_or_no,
  truth=held,
  gaps=parts.tool_gap,
  needs=needs.tool,
  looked_up=True,
  two_sided=True,
)


def exits(moment: Moment, args: Array) -> tuple[Array, Array]:
  """How many of the four moves would move the agent?"""
  del args
  number = jnp.sum(moment.one.moved)
  clear = [moment.move_weight(jnp.array(a)) > 0 for a in range(len(ACTIONS))]
  return COUNT_CODE + number - 1, jnp.all(jnp.stack(clear)) & (number > 0)


def _exits_choices(moment: Moment, args: Array) -> Array:
  del moment, args
  return COUNT_CODE + jnp.arange(len(ACTIONS))


EXITS = Kind(
  name="exits",
  number=11,
  category="perception",
  templates=(
    "how many of the four moves would move you?",
    "how many ways can you go now?",
    "count the moves that are not blocked.",
  ),
  arguments=parts.each(),
  choices=_exits_choices,
  truth=exits,
  gaps=parts.no_gaps,
  looked_up=True,
)


def task(moment: Moment, args: Array) -> tuple[Array, Array]:
  """What is asked for?"""
  del args
  return TASK_CODE + moment.level.goal_kind, jnp.ones((), bool)


def _task_choices(moment: Moment, args: Array) -> Array:
  del moment, args
  return TASK_CODE + jnp.arange(len(GOALS))


TASK = Kind(
  name="task",
  number=12,
  category="perception",
  templates=(
    "what are you asked to do?",
    "what is your task here?",
    "which is asked for: reach, take, open, bring or push?",
  ),
  arguments=parts.each(),
  choices=_task_choices,
  truth=task,
  gaps=parts.no_gaps,
  looked_up=True,
  requires=Requirement(
    field="goals", holds=lambda goals: len(goals) > 1, fix="two or more"
  ),
)

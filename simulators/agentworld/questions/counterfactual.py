"""Counterfactual: what would be so with a tool in hand or an element open."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld.game import dynamics, goals
from simulators.agentworld.game.moment import Array, Moment, with_tool
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import ACTIONS
from simulators.asking import Kind


def if_held(moment: Moment, args: Array) -> tuple[Array, Array]:
  """With a tool in hand, would a move move the agent?

  Asked about closed elements. Of other cells the text says so in one word.
  """
  place, level = moment.place, moment.level
  there = dynamics.at(level.element_at, moment.beside(args[1]))
  shut = jnp.any(there & moment.shut & moment.seen)
  tool = jnp.arange(len(place.slot)) == args[0]
  slot = with_tool(place, tool, moment.params)
  more = dataclasses.replace(place, slot=slot)
  after = dynamics.move(level, more, args[1], moment.params)
  code = parts.yes(jnp.any(after.agent != place.agent))
  return code, moment.present[1 + args[0]] & shut


def _if_held_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.objects[1 + args[0]], "d": ACTIONS[args[1]]}


def _if_held_about(moment: Moment, args: Array) -> Array:
  """The element in the way."""
  there = dynamics.at(moment.level.element_at, moment.beside(args[1]))
  return moment.element[jnp.argmax(there)][None]


IF_HELD = Kind(
  name="if_held",
  number=5,
  category="counterfactual",
  templates=(
    "if you held {x}, could you go {d}?",
    "with {x} in hand, could you go {d}?",
    "suppose you had {x}: could you go {d}?",
  ),
  arguments=parts.each(parts.things, parts.moves),
  choices=parts.yes_or_no,
  truth=if_held,
  gaps=_if_held_gaps,
  needs=needs.tool,
  about=_if_held_about,
  two_sided=True,
)


def if_open(moment: Moment, args: Array) -> tuple[Array, Array]:
  """With an element open, would open floor lead to an object?

  Asked of an object past one closed element, as a description says.
  """
  element, cell = args[0], moment.at[args[1]]
  bar, alone = moment.bars(cell)
  asked = moment.seen[element] & moment.shut[element] & moment.seen[bar]
  asked &= alone & moment.present[args[1]]
  return parts.yes(moment.behind[element, cell[0], cell[1]]), asked


def _if_open_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.objects[args[1]], "y": names.elements[args[0]]}


IF_OPEN = Kind(
  name="if_open",
  number=25,
  category="counterfactual",
  templates=(
    "were {y} open, would a free way lead to {x}?",
    "if {y} were open, could you walk to {x}?",
    "suppose {y} is open: is there a way to {x}?",
  ),
  arguments=parts.each(parts.things, parts.objects),
  choices=parts.yes_or_no,
  truth=if_open,
  gaps=_if_open_gaps,
  needs=needs.way_to(1, element=0),
  two_sided=True,
)


def is_aim(level: Level, tool: Array) -> Array:
  """bool[...]: whether taking a tool is the goal itself."""
  return (level.goal_kind == goals.TAKE) & (level.goal_thing == tool)


def helpful(moment: Moment) -> Array:
  """bool[P]: tools that would save steps in hand; not the one to take."""
  saving = moment.lying & (moment.eased < moment.now)
  return saving & ~is_aim(moment.level, jnp.arange(len(saving)))


def helps(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Would a tool in hand save steps?"""
  tool = args[0]
  asked = moment.present[1 + tool] & jnp.isfinite(moment.now)
  asked &= ~is_aim(moment.level, tool)
  return parts.yes(helpful(moment)[tool]), asked


HELPS = Kind(
  name="helps",
  number=26,
  category="counterfactual",
  templates=(
    "would holding {x} save you steps?",
    "with {x} in hand, would {aim} be nearer?",
    "would you be quicker with {x} in hand?",
  ),
  arguments=parts.each(parts.things),
  choices=parts.yes_or_no,
  truth=helps,
  gaps=parts.tool_gap,
  needs=needs.tool,
  two_sided=True,
)

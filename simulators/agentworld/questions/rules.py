"""Rules: what opens what. Only `can_open` follows the real dynamics."""

from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld.game import dynamics
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.vocabulary import (
  ELEMENT_CODE,
  ELEMENTS,
  KINDS,
  OOD_KINDS,
  TOOL_CODE,
  TOOLS,
)
from simulators.asking import Kind


def _usual(moment: Moment) -> Array:
  """bool[KINDS]: elements that a question about the rules may name.

  The pairs kept for `ood-chain` are named only in levels that have them.
  """
  kind = jnp.arange(KINDS)
  met = jnp.any(kind[:, None] == moment.level.element_kind, axis=-1)
  return (kind < KINDS - OOD_KINDS) | met


def which_tool(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Which tool nominally opens an element (a word of ELEMENTS)?"""
  params, here = moment.params, moment.params.element_id == args[0]
  stated = params.nominal[:, jnp.argmax(here)]
  code = TOOL_CODE + params.tool_id[jnp.argmax(stated)]
  return code, jnp.any(here & _usual(moment)) & (jnp.sum(stated) == 1)


def _which_tool_arguments(moment: Moment) -> Array:
  del moment
  return parts.table((word,) for word in range(len(ELEMENTS)))


def tool_choices(moment: Moment, args: Array) -> Array:
  """Choices of a kind: all tools of the world."""
  del args
  return TOOL_CODE + moment.params.tool_id


def _which_tool_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  del names
  return {"x": ELEMENTS[args[0]]}


WHICH_TOOL = Kind(
  name="which_tool",
  number=3,
  category="rules",
  templates=(
    "which tool does {x} need?",
    "what does {x} need?",
    "what do you need for {x}?",
  ),
  arguments=_which_tool_arguments,
  choices=tool_choices,
  truth=which_tool,
  gaps=_which_tool_gaps,
  about=parts.about_word(ELEMENT_CODE),
  looked_up=True,
  shuffled=True,
)


def which_element(moment: Moment, args: Array) -> tuple[Array, Array]:
  """What does a tool (a word of TOOLS) nominally open?"""
  params, here = moment.params, moment.params.tool_id == args[0]
  stated = params.nominal[jnp.argmax(here)]
  kind = jnp.argmax(stated)
  asked = jnp.any(here) & (jnp.sum(stated) == 1) & _usual(moment)[kind]
  return ELEMENT_CODE + params.element_id[kind], asked


def _which_element_arguments(moment: Moment) -> Array:
  return parts.pad(moment.params.tool_id[:, None])


def _which_element_choices(moment: Moment, args: Array) -> Array:
  del args
  return ELEMENT_CODE + moment.params.element_id


def _which_element_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  del names
  return {"x": TOOLS[args[0]]}


WHICH_ELEMENT = Kind(
  name="which_element",
  number=17,
  category="rules",
  templates=(
    "what does {x} open?",
    "which thing is opened by {x}?",
    "what is {x} good for?",
  ),
  arguments=_which_element_arguments,
  choices=_which_element_choices,
  truth=which_element,
  gaps=_which_element_gaps,
  looked_up=True,
  shuffled=True,
)


def opens(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a tool nominally open an element (words of TOOLS and ELEMENTS)?"""
  params = moment.params
  tool, element = params.tool_id == args[0], params.element_id == args[1]
  stated = params.nominal[jnp.argmax(tool), jnp.argmax(element)]
  usual = _usual(moment)
  # Neither the tool nor the element of a kind kept for `ood-chain` is named.
  usual_tool = jnp.any(tool & (jnp.any(params.nominal & usual, axis=-1)))
  return parts.yes(stated), usual_tool & jnp.any(element & usual)


def _opens_arguments(moment: Moment) -> Array:
  both = jnp.meshgrid(moment.params.tool_id, moment.params.element_id)
  return parts.pad(jnp.stack(both, -1).reshape(-1, 2))


def _opens_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  del names
  return {"x": TOOLS[args[0]], "y": ELEMENTS[args[1]]}


OPENS = Kind(
  name="opens",
  number=18,
  category="rules",
  templates=(
    "does {x} open {y}?",
    "is {x} the tool for {y}?",
    "would {x} get you through {y}?",
  ),
  arguments=_opens_arguments,
  choices=parts.yes_or_no,
  truth=opens,
  gaps=_opens_gaps,
  looked_up=True,
)


def can_open(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a tool in hand open an element?"""
  fits = dynamics.openers(moment.level, moment.params)[:, args[0]]
  asked = moment.seen[args[0]] & moment.shut[args[0]]
  return parts.yes(jnp.any(fits & moment.place.held)), asked


def _can_open_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.elements[args[0]]}


def _can_open_about(moment: Moment, args: Array) -> Array:
  return moment.element[args[:1]]


CAN_OPEN = Kind(
  name="can_open",
  number=19,
  category="rules",
  templates=(
    "can you open {x} with what you hold?",
    "do you hold the tool for {x}?",
    "would {x} open to you now?",
  ),
  arguments=parts.each(parts.things),
  choices=parts.yes_or_no,
  truth=can_open,
  gaps=_can_open_gaps,
  about=_can_open_about,
  looked_up=True,
  two_sided=True,
)

"""Cause of failure: why a move does not move the agent."""

import jax.numpy as jnp

from simulators.agentworld.game import dynamics
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.questions.rules import tool_choices
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import BOX_CODE, TOOL_CODE, WALL_CODE
from simulators.asking import Kind


def obstacle(moment: Moment, cell: Array) -> tuple[Array, Array]:
  """(code of what closes a cell, whether a description mentions it)."""
  there = dynamics.at(moment.level.element_at, cell)
  shut = there & moment.shut
  code = jnp.select(
    [moment.boxed(cell), jnp.any(shut)],
    [BOX_CODE, moment.element[jnp.argmax(shut)]],
    WALL_CODE,
  )
  return code, ~jnp.any(there & ~moment.described)


def why_barred(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Why does a move not move the agent?"""
  code, described = obstacle(moment, moment.beside(args[0]))
  return code, described & ~moment.one.moved[args[0]]


def _why_barred_choices(moment: Moment, args: Array) -> Array:
  del args
  box = [BOX_CODE] * (moment.place.boxes.shape[0] > 0)
  fixed = jnp.array([WALL_CODE, *box])
  return jnp.concatenate([fixed, parts.seen_elements(moment)])


WHY_BARRED = Kind(
  name="why_barred",
  number=33,
  category="cause of failure",
  templates=(
    "why can you not go {d}?",
    "going {d} does not move you. why?",
    "what keeps you from going {d}?",
  ),
  arguments=parts.each(parts.moves),
  choices=_why_barred_choices,
  truth=why_barred,
  gaps=parts.move_gap,
  needs=needs.next_cell,
  two_sided=True,
  shuffled=True,
)


def lacking(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Which tool is missing for a move?"""
  there = dynamics.at(moment.level.element_at, moment.beside(args[0]))
  element = jnp.argmax(there)
  kind = moment.level.element_kind[element]
  fits = moment.params.opens[:, kind]
  shut = jnp.any(there & moment.seen & moment.shut)
  code = TOOL_CODE + moment.params.tool_id[jnp.argmax(fits)]
  return code, shut & (jnp.sum(fits) == 1) & ~moment.one.moved[args[0]]


LACKING = Kind(
  name="lacking",
  number=34,
  category="cause of failure",
  templates=(
    "what do you lack to go {d}?",
    "which tool would let you go {d}?",
    "going {d} fails. which tool is missing?",
  ),
  arguments=parts.each(parts.moves),
  choices=tool_choices,
  truth=lacking,
  gaps=parts.move_gap,
  shuffled=True,
)

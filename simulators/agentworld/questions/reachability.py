"""Reachability: whether open floor leads to an object, and what bars it."""

import jax
import jax.numpy as jnp

from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import NOTHING_CODE
from simulators.asking import Kind


def _balanced(thing: Array, free: Array, barred: Array) -> Array:
  """bool[]: whether to ask about an object.

  A tool is usually free and the goal usually barred, so that their names would
  give the answer away. So tools are asked about where some are free and some
  barred, the goal elsewhere.

  Args:
    thing: i32[], the object.
    free, barred: bool[1 + P], objects to which floor leads, or does not; an
      object that must not be asked about is neither.
  """
  differ = jnp.any(free[1:]) & jnp.any(barred[1:])
  return (free | barred)[thing] & ((thing > 0) == differ)


def _floor(moment: Moment) -> tuple[Array, Array]:
  """(bool[1 + P] floor leads to an object, bool[1 + P] words decide that)."""
  row, column = moment.at.T
  clear = moment.present & ~moment.unclear[row, column]
  return moment.floor[row, column], clear


def reachable(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does open floor lead to an object?"""
  floor, clear = _floor(moment)
  asked = _balanced(args[0], clear & floor, clear & ~floor)
  return parts.yes(floor[args[0]]), asked


REACHABLE = Kind(
  name="reachable",
  number=6,
  category="reachability",
  templates=(
    "is there an open way to {x}?",
    "can you reach {x} and open nothing?",
    "is {x} reachable as things stand?",
  ),
  arguments=parts.each(parts.objects),
  choices=parts.yes_or_no,
  truth=reachable,
  gaps=parts.object_gap,
  needs=needs.way_to(0),
  share={"goal yes": 0.35},
)


def way_bar(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Which closed element bars the way to an object?"""
  floor, clear = _floor(moment)
  bar, alone = jax.vmap(moment.bars)(moment.at)
  code = jnp.where(floor, NOTHING_CODE, moment.element[bar])[args[0]]
  barred = clear & ~floor & alone & moment.seen[bar]
  return code, _balanced(args[0], clear & floor, barred)


def _way_bar_choices(moment: Moment, args: Array) -> Array:
  del args
  return jnp.append(NOTHING_CODE, parts.seen_elements(moment))


def _way_bar_about(moment: Moment, args: Array) -> Array:
  """What bars the way, and the object."""
  code, _ = way_bar(moment, args)
  bar = jnp.where(code == NOTHING_CODE, -1, code)
  return jnp.stack([bar, moment.word[args[0]]])


WAY_BAR = Kind(
  name="way_bar",
  number=27,
  category="reachability",
  templates=(
    "which closed thing bars the way to {x}?",
    "what must be opened to walk to {x}?",
    "what is in the way to {x}?",
  ),
  arguments=parts.each(parts.objects),
  choices=_way_bar_choices,
  truth=way_bar,
  gaps=parts.object_gap,
  needs=needs.way_to(0),
  about=_way_bar_about,
  share={"goal nothing": 0.35},
  shuffled=True,
)

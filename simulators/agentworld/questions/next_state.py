"""Next state: what one move leads to, without chance."""

from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld.game import dynamics
from simulators.agentworld.game.moment import (
  OBSTACLE_WEIGHT,
  Array,
  Moment,
)
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import BOX, HAZARD
from simulators.asking import Kind, Requirement


def bump(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Would a move move the agent?

  Asked about closed elements with a tool in hand, right or wrong, and about
  boxes. Of other cells the text says so in one word.
  """
  cell = moment.beside(args[0])
  shut = dynamics.at(moment.level.element_at, cell) & moment.shut & moment.seen
  asked = jnp.any(shut) & jnp.any(moment.place.held)
  asked |= moment.boxed(cell) & (moment.move_weight(args[0]) > 0)
  return parts.yes(moment.one.moved[args[0]]), asked


BUMP = Kind(
  name="bump",
  number=4,
  category="next state",
  templates=(
    "you go {d}. do you move?",
    "would going {d} move you?",
    "does {d} take you anywhere?",
  ),
  arguments=parts.each(parts.moves),
  choices=parts.yes_or_no,
  truth=bump,
  gaps=parts.move_gap,
)


def takes(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a move take a tool?"""
  move = args[0]
  there = dynamics.at(moment.at[1:], moment.beside(move)) & moment.lying
  hidden = jnp.any(there & ~moment.present[1:])
  taken = jnp.any(moment.one.place.held[move] & moment.lying)
  return parts.yes(taken), (moment.move_weight(move) > 0) & ~hidden


TAKES = Kind(
  name="takes",
  number=20,
  category="next state",
  templates=(
    "does going {d} take a tool?",
    "you go {d}. do you take a tool?",
    "is there a tool to take one step {d}?",
  ),
  arguments=parts.each(parts.moves),
  choices=parts.yes_or_no,
  truth=takes,
  gaps=parts.move_gap,
  needs=needs.next_cell,
  two_sided=True,
)


def nears(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a move bring the agent nearer to an object, by rows and columns?"""
  move, thing = args[0], args[1]
  now = moment.distance(moment.place.agent)[thing]
  then = moment.distance(moment.one.place.agent[move])[thing]
  weight = jnp.where(moment.one.lost[move], 0.0, moment.move_weight(move))
  return parts.yes(then < now), jnp.where(moment.present[thing], weight, 0.0)


NEARS = Kind(
  name="nears",
  number=21,
  category="next state",
  templates=(
    "does going {d} bring you nearer to {x}?",
    "you go {d}. are you nearer to {x} then?",
    "would going {d} shorten the distance to {x}?",
  ),
  arguments=parts.each(parts.moves, parts.objects),
  choices=parts.yes_or_no,
  truth=nears,
  gaps=parts.move_and_object_gaps,
  needs=needs.offsets(1),
  two_sided=True,
)


def next_distance(moment: Moment, args: Array) -> tuple[Array, Array]:
  """After a move, how many rows plus columns away is an object?"""
  move, thing = args[0], args[1]
  after = moment.distance(moment.one.place.agent[move])[thing]
  code, known = parts.count(after)
  asked = known & moment.present[thing] & ~moment.one.lost[move]
  return code, jnp.where(asked, moment.move_weight(move), 0.0)


NEXT_DISTANCE = Kind(
  name="next_distance",
  number=22,
  category="next state",
  templates=(
    "you go {d}. how many rows plus columns is {x} away then?",
    "after going {d}, how many rows plus columns is it to {x}?",
    "once you went {d}, how many rows plus columns away is {x}?",
  ),
  arguments=parts.each(parts.moves, parts.objects),
  choices=parts.counts,
  truth=next_distance,
  gaps=parts.move_and_object_gaps,
  needs=needs.offsets(1),
)


def pushes(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a move push a box?"""
  move = args[0]
  pushed = jnp.any(moment.one.place.boxes[move] != moment.place.boxes)
  box_met = moment.boxed(moment.beside(move))
  weight = jnp.where(box_met, OBSTACLE_WEIGHT, 1.0)
  asked = moment.move_weight(move) > 0
  return parts.yes(pushed), jnp.where(asked, weight, 0.0)


def _pushes_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return parts.move_gap(args, names) | {"box": BOX}


PUSHES = Kind(
  name="pushes",
  number=23,
  category="next state",
  templates=(
    "does going {d} push a {box}?",
    "you go {d}. does a {box} move?",
    "would going {d} move a {box}?",
  ),
  arguments=parts.each(parts.moves),
  choices=parts.yes_or_no,
  truth=pushes,
  gaps=_pushes_gaps,
  needs=needs.next_cell,
  two_sided=True,
  requires=Requirement(
    field="boxes", holds=lambda boxes: boxes > 0, fix="1 or 2"
  ),
)


def deadly(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Does a move end in a hazard?"""
  asked = moment.move_weight(args[0]) > 0
  return parts.yes(moment.one.lost[args[0]]), asked


def _deadly_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return parts.move_gap(args, names) | {"hazard": HAZARD}


DEADLY = Kind(
  name="deadly",
  number=24,
  category="next state",
  templates=(
    "would going {d} end badly?",
    "does {d} lead into {hazard}?",
    "is it deadly to go {d}?",
  ),
  arguments=parts.each(parts.moves),
  choices=parts.yes_or_no,
  truth=deadly,
  gaps=_deadly_gaps,
  two_sided=True,
  requires=Requirement(
    field="hazards", holds=lambda hazards: hazards > 0, fix="1 or more"
  ),
)

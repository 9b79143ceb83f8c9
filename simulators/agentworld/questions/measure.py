"""Measure: numbers of steps, and of rows plus columns."""

from simulators.agentworld import reasoning
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.asking import Kind


def steps(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Fewest steps to the goal."""
  del args
  return parts.count(moment.now)


STEPS = Kind(
  name="steps",
  number=9,
  category="measure",
  templates=(
    "how many steps to {aim}?",
    "{aim} takes how many moves?",
    "count the fewest steps to {aim}.",
  ),
  arguments=parts.each(),
  choices=parts.counts,
  truth=steps,
  gaps=parts.no_gaps,
  by_way=True,
  works_out=reasoning.add_way,
)


def distance(moment: Moment, args: Array) -> tuple[Array, Array]:
  """How many rows plus columns away is an object?"""
  there = moment.distance(moment.place.agent)[args[0]]
  code, known = parts.count(there)
  return code, moment.present[args[0]] & known


DISTANCE = Kind(
  name="distance",
  number=13,
  category="measure",
  templates=(
    "how many rows plus columns away is {x}?",
    "rows plus columns to {x}: how many?",
    "add rows and columns: how far is {x}?",
  ),
  arguments=parts.each(parts.objects),
  choices=parts.counts,
  truth=distance,
  gaps=parts.object_gap,
  needs=needs.offsets(0),
  about=parts.about_objects(0),
  works_out=reasoning.add_steps,
)

"""Planning: the best moves by the oracle, and the tool to fetch first."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from simulators.agentworld import reasoning
from simulators.agentworld.game import dynamics, goals
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.questions.counterfactual import helpful
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import ACTIONS, NOTHING_CODE
from simulators.asking import Kind


def _next_cells(moment: Moment) -> tuple[Array, Array]:
  """(bool[A] moves not into a wall, bool[A] those of them nearer to the goal).

  Nearer by rows plus columns, whatever stands in between.
  """
  cells = jax.vmap(moment.beside)(jnp.arange(len(ACTIONS)))
  free = jax.vmap(dynamics.inside, (None, 0))(moment.level.wall, cells)
  goal, here = moment.level.goal, moment.place.agent
  steps = jnp.sum(jnp.abs(cells - goal), axis=-1)
  return free, free & (steps < jnp.sum(jnp.abs(here - goal)))


def optimal_next(moment: Moment, args: Array) -> tuple[Array, Array]:
  """The one best move.

  Not asked where the text says it in one word: it is the only free move that
  leads nearer to the goal, or the only move that runs into no wall.
  """
  del args
  best = moment.cost == jnp.min(moment.cost)
  alone = (jnp.sum(best) == 1) & jnp.any(jnp.isfinite(moment.cost))
  free, nearer = _next_cells(moment)
  plain = jnp.any(nearer & best) & (jnp.sum(nearer) == 1)
  asked = alone & ~plain & (jnp.sum(free) > 1)
  return parts.UP + jnp.argmin(moment.cost), asked


def move_choices(moment: Moment, args: Array) -> Array:
  """Choices of a kind: the moves that run into no wall, as texts say."""
  del args
  free, _ = _next_cells(moment)
  return jnp.where(free, parts.UP + jnp.arange(len(ACTIONS)), -1)


OPTIMAL_NEXT = Kind(
  name="optimal_next",
  number=7,
  category="planning",
  templates=(
    "which move is best?",
    "what is the best move now?",
    "which move leads to {aim} soonest?",
  ),
  arguments=parts.each(),
  choices=move_choices,
  truth=optimal_next,
  gaps=parts.no_gaps,
  by_way=True,
  works_out=reasoning.weigh_moves,
)


def better(moment: Moment, args: Array) -> tuple[Array, Array]:
  """The better of two moves."""
  one, two = moment.cost[args[0]], moment.cost[args[1]]
  return parts.UP + jnp.where(one < two, args[0], args[1]), one != two


def _better_arguments(moment: Moment) -> Array:
  return parts.table(itertools.permutations(parts.moves(moment), 2))


def _better_choices(moment: Moment, args: Array) -> Array:
  del moment
  return parts.UP + args[:2]


def _better_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  del names
  return {"one": ACTIONS[args[0]], "two": ACTIONS[args[1]]}


BETTER = Kind(
  name="better",
  number=28,
  category="planning",
  templates=(
    "which is better, {one} or {two}?",
    "{one} or {two}: which is better?",
    "is {one} or {two} the better move?",
  ),
  arguments=_better_arguments,
  choices=_better_choices,
  truth=better,
  gaps=_better_gaps,
  by_way=True,
  works_out=reasoning.weigh_moves,
  shuffled=True,
)


def progress(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Is a move one of the best?"""
  now = moment.now
  return parts.yes(moment.cost[args[0]] == now), jnp.isfinite(now)


PROGRESS = Kind(
  name="progress",
  number=29,
  category="planning",
  templates=(
    "is {d} a best move?",
    "does going {d} leave fewer steps to {aim}?",
    "is going {d} progress?",
  ),
  arguments=parts.each(parts.moves),
  choices=parts.yes_or_no,
  truth=progress,
  gaps=parts.move_gap,
  by_way=True,
  works_out=reasoning.weigh_moves,
  two_sided=True,
)


def first_tool(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Which tool is to be fetched first?

  None, if the goal can be achieved as things are and no tool would help.
  Otherwise the one tool in reach with which a shortest way can begin. Asked
  only where the goal is out of reach: to save steps alone does not count.
  """
  del args
  level, place = moment.level, moment.place
  row, column = moment.at.T
  within, vague = moment.within[row, column], moment.vague[row, column]
  kind, thing = level.goal_kind, level.goal_thing
  ready = (kind == goals.REACH) | (kind == goals.OPEN)
  ready |= (kind == goals.BRING) & place.held[thing]
  none = within[0] & ready & ~jnp.any(helpful(moment))
  steps = moment.distance(place.agent)[1:].astype(jnp.float32)
  steps += moment.fetched
  near = moment.lying & (within | vague)[1:] & (steps <= moment.now)
  tool = jnp.argmax(near)
  one = (within & moment.present)[1 + tool] & (jnp.sum(near) == 1)
  one &= ~(within | vague)[0]
  code = jnp.where(none, NOTHING_CODE, moment.word[1 + tool])
  asked = (none & jnp.any(moment.present[1:])) | one
  return code, jnp.isfinite(moment.now) & asked


def _first_tool_choices(moment: Moment, args: Array) -> Array:
  del args
  return jnp.append(NOTHING_CODE, parts.present_objects(moment)[1:])


FIRST_TOOL = Kind(
  name="first_tool",
  number=30,
  category="planning",
  templates=(
    "which tool do you fetch first?",
    "which tool do you need first?",
    "which tool must be fetched first, if any?",
  ),
  arguments=parts.each(),
  choices=_first_tool_choices,
  truth=first_tool,
  gaps=parts.no_gaps,
  by_way=True,
  needs=needs.answer,
  share={"nothing": 0.25},
  shuffled=True,
)

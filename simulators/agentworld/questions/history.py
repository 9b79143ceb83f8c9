"""History: the last moves and what was so before them."""

from collections.abc import Sequence

import jax.numpy as jnp

from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.text import needs
from simulators.agentworld.types import PAST
from simulators.agentworld.vocabulary import ACTIONS
from simulators.asking import Kind

STUCK = len(ACTIONS)  # added to a past move that did not move the agent


def did_move(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Did the last move, args[0], move the agent?

  Asked where the next cells decide: if the cell ahead is free now, the move
  would have entered it; if the cell behind is barred, the agent cannot have
  come from there.
  """
  last = args[0]
  back = last ^ 1  # up and down, left and right
  moved = jnp.any(moment.trail[0] != moment.place.agent)
  barred = ~moment.one.moved
  decided = jnp.where(moved, ~barred[last], barred[last] & barred[back])
  seen = (moment.move_weight(last) > 0) & (moment.move_weight(back) > 0)
  return parts.yes(moved), (last >= 0) & decided & seen


def _did_move_arguments(moment: Moment) -> Array:
  return parts.pad(moment.tried[None, :1])


DID_MOVE = Kind(
  name="did_move",
  number=35,
  category="history",
  templates=(
    "your last move was {d}. did it move you?",
    "you went {d} just now. did you get anywhere?",
    "did {d}, your last move, take you here?",
  ),
  arguments=_did_move_arguments,
  choices=parts.yes_or_no,
  truth=did_move,
  gaps=parts.move_gap,
  share={"yes": 0.5},
)


def past_moves(moment: Moment, steps: int) -> Array:
  """i32[PAST]: the last `steps` moves, the earliest first; -1 pads.

  STUCK is added to a move that did not move the agent.
  """
  now = jnp.concatenate([moment.place.agent[None], moment.trail[:-1]])
  stuck = jnp.all(now == moment.trail, axis=-1)
  moves = jnp.where(
    moment.tried < 0, -1, moment.tried + STUCK * stuck.astype(jnp.int32)
  )
  moves = moves[:steps][::-1]
  return jnp.pad(moves, (0, PAST - steps), constant_values=-1)


def past_arguments(moment: Moment) -> Array:
  """Arguments of a kind: each object with the last moves, two or more."""
  return jnp.stack(
    [
      jnp.append(thing, past_moves(moment, steps))
      for thing in parts.objects(moment)
      for steps in range(2, PAST + 1)
    ]
  )


def past_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  """Gaps of a kind about an object and past moves: {x} and {past}."""
  past = ", ".join(
    ACTIONS[move % STUCK] + (" (blocked)" if move >= STUCK else "")
    for move in args[1:]
    if move >= 0
  )
  return {"x": names.objects[args[0]], "past": past}


def _before(moment: Moment, args: Array) -> tuple[Array, Array]:
  """(i32[2], bool[]): where the moves args[1:] began; whether they did."""
  steps = jnp.sum(args[1:] >= 0)
  begun = jnp.maximum(steps - 1, 0)
  return moment.trail[begun], (steps > 0) & (moment.tried[begun] >= 0)


def was_distance(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Before some moves, how many rows plus columns away was an object?"""
  cell, begun = _before(moment, args)
  code, known = parts.count(moment.distance(cell)[args[0]])
  return code, moment.present[args[0]] & begun & known


WAS_DISTANCE = Kind(
  name="was_distance",
  number=36,
  category="history",
  templates=(
    "how many rows plus columns away was {x} before you went {past}?",
    "you went {past}. how many rows plus columns away was {x} before?",
    "rows plus columns to {x} before you went {past}: how many?",
  ),
  arguments=past_arguments,
  choices=parts.counts,
  truth=was_distance,
  gaps=past_gaps,
  needs=needs.offsets(0),
)


def approached(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Have some moves brought the agent nearer to an object?"""
  cell, begun = _before(moment, args)
  here = moment.place.agent
  nearer_now = moment.distance(here)[args[0]] < moment.distance(cell)[args[0]]
  asked = moment.present[args[0]] & begun & jnp.any(cell != here)
  return parts.yes(nearer_now), asked


APPROACHED = Kind(
  name="approached",
  number=37,
  category="history",
  templates=(
    "you went {past}. are you nearer to {x} than before?",
    "has going {past} brought you nearer to {x}?",
    "are you nearer to {x} than before you went {past}?",
  ),
  arguments=past_arguments,
  choices=parts.yes_or_no,
  truth=approached,
  gaps=past_gaps,
  needs=needs.offsets(0),
  two_sided=True,
)

"""Plan validity: where a plan of two or three moves leads."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from simulators.agentworld import reasoning
from simulators.agentworld.game import dynamics
from simulators.agentworld.game.moment import Array, Moment
from simulators.agentworld.questions import parts
from simulators.agentworld.questions.cause_of_failure import obstacle
from simulators.agentworld.text import needs
from simulators.agentworld.vocabulary import BOX_CODE, NOTHING_CODE, WALL_CODE
from simulators.asking import Kind

NEAR = 2  # steps by which a plan that is asked about misses at most


def plan(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Do three moves end at an object?

  Descriptions do not mention walls farther off. So the later moves of a plan
  that is asked about meet none. Another such plan ends at the object, and a
  wrong one ends near it: one word of the text does not tell them apart, as it
  does of shorter plans.
  """
  a, b, c = args[1], args[2], args[3]
  clear = moment.two.moved[..., None] & moment.three.moved
  ends, there = moment.three.place.agent, moment.at[args[0]]
  asked = np.zeros(clear.shape, bool)
  asked[tuple(np.array(parts.plans(3)).T)] = True
  ways = jnp.any(clear & asked & jnp.all(ends == there, axis=-1))
  off = jnp.sum(jnp.abs(ends[a, b, c] - there))
  close = ways & clear[a, b, c] & (off <= NEAR)
  return parts.yes(off == 0), moment.present[args[0]] & close


def _plan_arguments(moment: Moment) -> Array:
  plans = parts.plans(3)
  return parts.table(
    (thing, *plan) for thing in parts.objects(moment) for plan in plans
  )


def _plan_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  return {"x": names.objects[args[0]], "plan": parts.plan_words(args[1:])}


PLAN = Kind(
  name="plan",
  number=8,
  category="plan validity",
  templates=(
    "does {plan} lead to {x}?",
    "you go {plan}. are you at {x}?",
    "do the moves {plan} end at {x}?",
  ),
  arguments=_plan_arguments,
  choices=parts.yes_or_no,
  truth=plan,
  gaps=_plan_gaps,
  needs=needs.offsets(0),
  about=parts.about_objects(0),
  works_out=reasoning.add_moves,
  two_sided=True,
)


def good_start(moment: Moment, args: Array) -> tuple[Array, Array]:
  """Do two moves begin a shortest way?"""
  left, now = moment.left[args[0], args[1]], moment.now
  return parts.yes(left == now - 2), jnp.isfinite(now) & (now >= 2)


def _good_start_arguments(moment: Moment) -> Array:
  del moment
  return parts.table(parts.plans(2))


def only_plan_gaps(args: Sequence[int], names: parts.Names) -> parts.Gaps:
  """Gaps of a kind about a plan: {plan}."""
  del names
  return {"plan": parts.plan_words(args)}


GOOD_START = Kind(
  name="good_start",
  number=31,
  category="plan validity",
  templates=(
    "does going {plan} start a shortest way?",
    "does going {plan} begin a best way to {aim}?",
    "after going {plan}, is {aim} two steps nearer?",
  ),
  arguments=_good_start_arguments,
  choices=parts.yes_or_no,
  truth=good_start,
  gaps=only_plan_gaps,
  by_way=True,
  works_out=reasoning.weigh_moves,
  two_sided=True,
)


def stopped(moment: Moment, args: Array) -> tuple[Array, Array]:
  """What stops a plan of three moves first?

  As in `plan`, no later move that is asked about meets a wall or a box.
  """
  a, b, c = args[0], args[1], args[2]
  moved = jnp.stack([
    moment.one.moved[a], moment.two.moved[a, b], moment.three.moved[a, b, c]
  ])  # fmt: skip
  froms = jnp.stack([
    moment.place.agent, moment.one.place.agent[a],
    moment.two.place.agent[a, b],
  ])  # fmt: skip
  at = jnp.argmin(moved.astype(jnp.int32))  # the first that does not move
  delta = jnp.asarray(dynamics.DELTAS)[args[at]]
  code, described = obstacle(moment, froms[at] + delta)
  free = jnp.all(moved)
  over = (moment.one.over[a] & (at > 0)) | (moment.two.over[a, b] & (at > 1))
  clear = (at == 0) | ((code != WALL_CODE) & (code != BOX_CODE))
  asked = ~over & (free | (described & clear))
  return jnp.where(free, NOTHING_CODE, code), asked


def _stopped_arguments(moment: Moment) -> Array:
  del moment
  return parts.table(parts.plans(3))


def _stopped_choices(moment: Moment, args: Array) -> Array:
  del args
  box = [BOX_CODE] * (moment.place.boxes.shape[0] > 0)
  fixed = jnp.array([WALL_CODE, NOTHING_CODE, *box])
  return jnp.concatenate([fixed, parts.seen_elements(moment)])


STOPPED = Kind(
  name="stopped",
  number=32,
  category="plan validity",
  templates=(
    "you go {plan}. what stops you?",
    "what is in the way of {plan}?",
    "{plan}: what do you run into?",
  ),
  arguments=_stopped_arguments,
  choices=_stopped_choices,
  truth=stopped,
  gaps=only_plan_gaps,
  needs=needs.first_stop,
  two_sided=True,
  shuffled=True,
)

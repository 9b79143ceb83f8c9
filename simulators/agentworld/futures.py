"""Truths that are found by moving on without chance, or by the oracle.

See `moments` for what a truth gives back.
"""

import jax.numpy as jnp

from simulators.agentworld import dynamics, goals
from simulators.agentworld.moments import (
  BOXES,
  NOTHING,
  TELLING,
  TOOL,
  UP,
  WALL,
  Array,
  Moment,
  number,
  yes,
)

# --- One move -----------------------------------------------------------------


def bump(moment: Moment, args: Array):
  """Would a move move the agent?"""
  return yes(moment.one.moved[args[0]]), moment.telling(args[0])


def if_held(moment: Moment, args: Array):
  """With a tool in hand, would a move move the agent?"""
  tool = jnp.arange(moment.place.held.shape[0]) == args[0]
  more = moment.place.replace(held=moment.place.held | tool)
  after = dynamics.move(moment.level, more, args[1], moment.params)
  code = yes(jnp.any(after.agent != moment.place.agent))
  asked = moment.present[1 + args[0]]
  return code, jnp.where(asked, moment.telling(args[1]), 0.0)


def nears(moment: Moment, args: Array):
  """Does a move bring the agent nearer to an object, by rows and columns?"""
  move, thing = args[0], args[1]
  now = moment.distance(moment.place.agent)[thing]
  then = moment.distance(moment.one.place.agent[move])[thing]
  weight = jnp.where(moment.one.lost[move], 0.0, moment.telling(move))
  return yes(then < now), jnp.where(moment.present[thing], weight, 0.0)


def next_distance(moment: Moment, args: Array):
  """After a move, how many rows plus columns off is an object?"""
  move, thing = args[0], args[1]
  code, known = number(moment.distance(moment.one.place.agent[move])[thing])
  asked = known & moment.present[thing] & ~moment.one.lost[move]
  return code, jnp.where(asked, moment.telling(move), 0.0)


def takes(moment: Moment, args: Array):
  """Does a move take a tool?"""
  move = args[0]
  there = dynamics.at(moment.level.tool_at, moment.beside(move)) & moment.lying
  hidden = jnp.any(there & ~moment.present[1:])
  taken = jnp.any(moment.one.place.held[move] & moment.lying)
  return yes(taken), (moment.telling(move) > 0) & ~hidden


def pushes(moment: Moment, args: Array):
  """Does a move push a box?"""
  move = args[0]
  pushed = jnp.any(moment.one.place.boxes[move] != moment.place.boxes)
  met = jnp.where(moment.boxed(moment.beside(move)), TELLING, 1.0)
  return yes(pushed), jnp.where(moment.telling(move) > 0, met, 0.0)


def deadly(moment: Moment, args: Array):
  """Does a move end in a hazard?"""
  return yes(moment.one.lost[args[0]]), moment.telling(args[0]) > 0


# --- What stops a move --------------------------------------------------------


def _stop(moment: Moment, cell: Array) -> tuple[Array, Array]:
  """(code, told) of what stands on a cell that cannot be entered."""
  there = dynamics.at(moment.level.element_at, cell)
  shut = there & moment.shut
  code = jnp.select(
    [moment.boxed(cell), jnp.any(shut)],
    [BOXES, moment.element[jnp.argmax(shut)]],
    WALL,
  )
  return code, ~jnp.any(there & ~moment.told)


def why_barred(moment: Moment, args: Array):
  """Why does a move not move the agent?"""
  code, told = _stop(moment, moment.beside(args[0]))
  return code, told & ~moment.one.moved[args[0]]


def lacking(moment: Moment, args: Array):
  """Which tool does one lack to make a move?"""
  there = dynamics.at(moment.level.element_at, moment.beside(args[0]))
  element = jnp.argmax(there)
  kind = moment.level.element_kind[element]
  fits = moment.params.opens[:, kind]
  shut = jnp.any(there & moment.seen & moment.shut)
  code = TOOL + moment.params.tool_id[jnp.argmax(fits)]
  return code, shut & (jnp.sum(fits) == 1) & ~moment.one.moved[args[0]]


def stopped(moment: Moment, args: Array):
  """What stops a plan of three moves first?

  As in `plan`, a later move that a wall or box stops is not asked about.
  """
  a, b, c = args[0], args[1], args[2]
  moved = jnp.stack([
    moment.one.moved[a], moment.two.moved[a, b], moment.three.moved[a, b, c]
  ])  # fmt: skip
  froms = jnp.stack([
    moment.place.agent, moment.one.place.agent[a],
    moment.two.place.agent[a, b],
  ])  # fmt: skip
  at = jnp.argmin(moved.astype(jnp.int32))  # the first that does not
  delta = jnp.asarray(dynamics.DELTAS)[args[at]]
  code, told = _stop(moment, froms[at] + delta)
  free = jnp.all(moved)
  over = (moment.one.over[a] & (at > 0)) | (moment.two.over[a, b] & (at > 1))
  plain = (at == 0) | ((code != WALL) & (code != BOXES))
  return jnp.where(free, NOTHING, code), ~over & (free | (told & plain))


# --- Plans --------------------------------------------------------------------


def plan(moment: Moment, args: Array):
  """Do two or three moves end at an object?

  Walls further off go unsaid in a description: only plans whose later moves
  meet none are asked about, so that the words decide the answer.
  """
  a, b, c = args[1], args[2], args[3]
  short = c < 0
  clear = moment.two.moved[a, b] & (short | moment.three.moved[a, b, c])
  end = jnp.where(
    short, moment.two.place.agent[a, b], moment.three.place.agent[a, b, c]
  )
  there = jnp.all(end == moment.at[args[0]])
  return yes(there), moment.present[args[0]] & clear


def good_start(moment: Moment, args: Array):
  """Do two moves begin a shortest way?"""
  left, now = moment.left[args[0], args[1]], moment.now
  return yes(left == now - 2), jnp.isfinite(now) & (now >= 2)


def optimal_next(moment: Moment, args: Array):
  """The one best move."""
  del args
  best = moment.cost == jnp.min(moment.cost)
  alone = (jnp.sum(best) == 1) & jnp.any(jnp.isfinite(moment.cost))
  return UP + jnp.argmin(moment.cost), alone


def better(moment: Moment, args: Array):
  """The better of two moves."""
  one, two = moment.cost[args[0]], moment.cost[args[1]]
  return UP + jnp.where(one < two, args[0], args[1]), one != two


def progress(moment: Moment, args: Array):
  """Does a move leave fewer steps than there are?"""
  now = moment.now
  return yes(moment.cost[args[0]] == now), jnp.isfinite(now)


def steps(moment: Moment, args: Array):
  """Fewest steps to what is asked for."""
  del args
  return number(moment.now)


# --- Tools that help ----------------------------------------------------------


def _helpful(moment: Moment) -> Array:
  """bool[P]: tools that would save steps, the one asked for aside."""
  helpful = moment.lying & (moment.eased < moment.now)
  tool = jnp.arange(len(helpful))
  level = moment.level
  taking = (level.goal_kind == goals.TAKE) & (level.goal_thing == tool)
  return helpful & ~taking


def helps(moment: Moment, args: Array):
  """Would a tool, were it in hand, save steps?"""
  tool, level = args[0], moment.level
  taking = (level.goal_kind == goals.TAKE) & (level.goal_thing == tool)
  asked = moment.present[1 + tool] & jnp.isfinite(moment.now) & ~taking
  return yes(_helpful(moment)[tool]), asked


def first_tool(moment: Moment, args: Array):
  """Which tool is to be fetched first?

  None where what is asked for can be had as things are, and no tool would
  help. Else the one tool in reach that a shortest way can begin with, asked
  where what is asked for is out of reach: a shorter way alone is not worth a
  tool.
  """
  del args
  level, place = moment.level, moment.place
  row, column = moment.at.T
  within, vague = moment.within[row, column], moment.vague[row, column]
  kind, thing = level.goal_kind, level.goal_thing
  ready = (kind == goals.REACH) | (kind == goals.OPEN)
  ready |= (kind == goals.BRING) & place.held[thing]
  none = within[0] & ready & ~jnp.any(_helpful(moment))
  steps = moment.distance(place.agent)[1:].astype(jnp.float32)
  steps += moment.fetched
  near = moment.lying & (within | vague)[1:] & (steps <= moment.now)
  tool = jnp.argmax(near)
  one = (within & moment.present)[1 + tool] & (jnp.sum(near) == 1)
  one &= ~(within | vague)[0]
  code = jnp.where(none, NOTHING, moment.word[1 + tool])
  asked = (none & jnp.any(moment.present[1:])) | one
  return code, jnp.isfinite(moment.now) & asked

"""The moment that questions are asked about, and words for what is true of it.

A truth is a function of one moment and of a question's arguments and gives
(code, weight): the answer as an index into ANSWERS, and how gladly the
question is asked, 0 where it must not be: where its words name what is unseen
or misread, or where the moment has no single answer.
"""

import flax.struct
import jax
import jax.numpy as jnp

from simulators.agentworld import dynamics, goals, levels, oracle, words
from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  GOALS,
  TOOLS,
  Level,
  Params,
  Place,
)
from simulators.agentworld.words import BOX
from simulators.base import State

Array = jax.Array

HAZARD = "danger"  # as a description tells of it
NUMBERS = words.NUMBERS[1:9]
# Every answer there is; an answer's code is its place here. Codes are told
# apart by place: what is new goes to the end.
ANSWERS = (
  *("yes", "no"), *ACTIONS, *NUMBERS, *("wall", "nothing", "goal"),
  *TOOLS, *ELEMENTS, *GOALS, BOX, HAZARD,
)  # fmt: skip
(
  YES, NO, UP, LEFT, ONE, WALL, NOTHING, GOAL, TOOL, ELEMENT, TASK, BOXES,
  DANGER,
) = (
  ANSWERS.index(word)
  for word in (
    "yes", "no", "up", "left", "one", "wall", "nothing", "goal",
    TOOLS[0], ELEMENTS[0], GOALS[0], BOX, HAZARD,
  )
)  # fmt: skip

ARGS = 4  # numbers that identify a question; -1 pads
TELLING = 20.0  # how much rather a move into an obstacle than any other


@flax.struct.dataclass
class Step:
  """What each plan of some length leads to; leaves lead with its moves."""

  place: Place
  over: Array  # bool, what is asked for is had, or all is lost
  lost: Array  # bool
  moved: Array  # bool, by the plan's last move


@flax.struct.dataclass
class Moment:
  """What the truths of one moment are read from."""

  level: Level
  params: Params
  place: Place
  word: Array  # i32[1 + P], code of each object, the goal first
  at: Array  # i32[1 + P, 2], where the goal and each tool is
  present: Array  # bool[1 + P], in sight, called by its name, not in hand
  named: Array  # bool[P], tools in sight, or in hand, and called by their names
  element: Array  # i32[P], code of each element
  seen: Array  # bool[P], elements in sight and called by their names
  told: Array  # bool[P], elements of which a description surely tells
  floor: Array  # bool[S, S], joined to the agent by open floor
  behind: Array  # bool[P, S, S], the same if one closed element were open
  within: Array  # bool[S, S], the same if what the hands can open were open
  vague: Array  # bool[S, S], boxes decide about one of these
  untold: Array  # bool[S, S], of which words may not tell if floor leads there
  cost: Array  # f32[A], steps to what is asked for by way of each move
  eased: Array  # f32[P], steps to it with one more tool in hand
  fetched: Array  # f32[P], steps to it from where each tool lies, it in hand
  left: Array  # f32[A, A], steps to it that two moves leave
  one: Step  # of the plans of one move: leaves [A, ...]
  two: Step  # leaves [A, A, ...]
  three: Step  # leaves [A, A, A, ...]
  tried: Array  # i32[PAST], the last moves, the latest first; -1 before
  trail: Array  # i32[PAST, 2], the cells they were taken from

  @property
  def now(self) -> Array:
    """f32[]: fewest steps to what is asked for."""
    return jnp.min(self.cost)

  @property
  def lying(self) -> Array:
    """bool[P]: tools that nobody has picked up."""
    return ~self.place.held

  @property
  def shut(self) -> Array:
    """bool[P]: elements that are closed."""
    return ~self.place.opened

  def beside(self, move: Array) -> Array:
    """i32[2]: the cell next to the agent."""
    return self.place.agent + jnp.asarray(dynamics.DELTAS)[move]

  def telling(self, move: Array) -> Array:
    """f32[]: the weight of a question about this move."""
    cell = self.beside(move)
    there = dynamics.at(self.level.element_at, cell)
    unseen = jnp.any(there & ~self.seen)
    met = jnp.any(there & self.shut) | self.boxed(cell)
    return jnp.where(unseen, 0.0, jnp.where(met, TELLING, 1.0))

  def boxed(self, cell: Array) -> Array:
    """bool[]: whether a box stands on the cell."""
    return jnp.any(dynamics.at(self.place.boxes, cell))

  def distance(self, cell: Array) -> Array:
    """i32[1 + P]: rows plus columns from the cell to each object."""
    return jnp.sum(jnp.abs(self.at - cell), axis=-1)

  def bars(self, cell: Array) -> tuple[Array, Array]:
    """The element that alone bars the way to a cell, and if there is one.

    One it is if the cell is beyond open floor, and opening this element, but
    no other, would join it. Then a description says that the cell is past it.
    """
    beyond = self.behind[:, cell[0], cell[1]] & self.shut
    beyond &= ~self.floor[cell[0], cell[1]] & ~self.untold[cell[0], cell[1]]
    return jnp.argmax(beyond), jnp.sum(beyond) == 1


def moment(state: State, params: Params) -> Moment:
  """The moment of one state; vmap for more."""
  env, obs = state.env_state, state.obs
  level, place = env.level, env.place
  word = params.tool_id[level.tool_kind]
  element = params.element_id[level.element_kind]
  is_place = (level.goal_kind != goals.TAKE) & (level.goal_kind != goals.OPEN)
  named = (obs.tool == word) & _alone(obs.tool)
  table = oracle.solve(level, params)
  floor, behind, within, vague, untold = _walks(
    level, place, params, obs.element >= 0
  )
  one, two, three = _plans(level, place, params)
  more = place.held | jnp.eye(len(word), dtype=bool)
  left = jax.vmap(jax.vmap(lambda there: oracle.value(table, there)))
  now = Moment(
    level=level,
    params=params,
    place=place,
    word=jnp.append(GOAL, TOOL + word),
    at=jnp.concatenate([level.goal[None], level.tool_at]),
    present=jnp.append(is_place, ~place.held & named),
    named=named,
    element=ELEMENT + element,
    seen=(obs.element == element) & _alone(obs.element),
    told=jnp.zeros(len(element), bool),
    floor=floor,
    behind=behind,
    within=within,
    vague=vague,
    untold=untold,
    cost=oracle.costs(state, params, table),
    eased=jax.vmap(lambda held: oracle.value(table, place.replace(held=held)))(
      more
    ),
    fetched=jax.vmap(
      lambda held, at: oracle.value(table, place.replace(agent=at, held=held))
    )(more, level.tool_at),
    left=jnp.where(two.lost, jnp.inf, left(two.place)),
    one=one,
    two=two,
    three=three,
    tried=env.tried,
    trail=env.trail,
  )
  bar, alone = jax.vmap(now.bars)(now.at)
  bars = (bar[:, None] == jnp.arange(len(element))) & alone[:, None]
  passed = jnp.any(bars & now.present[:, None], axis=0)
  steps = jnp.sum(jnp.abs(level.element_at - place.agent), axis=-1)
  return now.replace(told=now.seen & (passed | (steps == 1)))


def _alone(words: Array) -> Array:
  """bool[P]: which of `words` i32[P] no other of them equals."""
  return jnp.sum(words[:, None] == words, axis=-1) == 1


def _walks(level: Level, place: Place, params: Params, shown: Array):
  """(floor, behind, within, vague, untold): see Moment.

  All are flooded at once: a loop for each would take as long to compile. A
  description passes over what is not shown, bool[P], and says of a cell past
  an open element and a closed one behind it that it is past the open one.
  """
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  row, column = jnp.indices((size, size))

  def mark(cells):
    return (row == cells[:, 0, None, None]) & (
      column == cells[:, 1, None, None]
    )

  fits = dynamics.openers(level, params) & place.held[:, None]
  closed = ~place.opened
  shut = jnp.concatenate([
    closed[None], closed & ~jnp.eye(pairs, dtype=bool),
    (closed & ~jnp.any(fits, axis=0))[None], (closed & shown)[None],
    place.opened[None],
  ])  # fmt: skip
  barred = jnp.any(shut[..., None, None] & mark(level.element_at), axis=1)
  free = ~level.wall & ~dynamics.dangers(level, params) & ~barred
  start = mark(place.agent[None])[0]
  flood = jax.vmap(levels.flood, (0, None))
  if len(place.boxes):
    # Descriptions do not tell if a box can be gone around.
    boxes = jnp.any(mark(place.boxes), axis=0)
    wet = flood(jnp.concatenate([free & ~boxes, free]), start)
    wet, pushed = jnp.split(wet, 2)
    vague = jnp.any((wet != pushed)[:-2], axis=0)
  else:
    wet, vague = flood(free, start), jnp.zeros_like(start)
  floor, behind, within = wet[0], wet[1:-3], wet[-3]
  seeming, past_closed = wet[-2], wet[-1]
  untold = vague | (~floor & (seeming | ~past_closed))
  return floor, behind, within, vague, untold


def _plans(level: Level, place: Place, params: Params):
  """What all plans of one, two and three moves lead to."""

  def take(before: Step, action: Array) -> Step:
    new = dynamics.move(level, before.place, action, params)
    new = jax.tree.map(
      lambda a, b: jnp.where(before.over, a, b), before.place, new
    )
    lost = dynamics.lost(level, new, params)
    return Step(
      place=new,
      over=lost | goals.achieved(level, new),
      lost=lost,
      moved=jnp.any(new.agent != before.place.agent),
    )

  no = jnp.zeros((), bool)
  each = jax.vmap(take, (None, 0))
  actions = jnp.arange(len(ACTIONS))
  one = each(Step(place, no, no, no), actions)
  two = jax.vmap(each, (0, None))(one, actions)
  three = jax.vmap(jax.vmap(each, (0, None)), (0, None))(two, actions)
  return one, two, three


def yes(truth: Array) -> Array:
  """i32[...]: the code of yes or no."""
  return jnp.where(truth, YES, NO)


def number(count: Array) -> tuple[Array, Array]:
  """(i32[], bool[]): the code of a number, and if it has a word."""
  known = (count >= 1) & (count <= len(NUMBERS))
  count = jnp.where(known, count, 1).astype(jnp.int32)
  return ONE + count - 1, known


def toward(offset: Array, axis: Array) -> tuple[Array, Array]:
  """(i32[], bool[]): the code of a direction, and if there is one.

  Args:
    offset: i32[2], rows down and columns right.
    axis: i32[], 0 for up or down, 1 for left or right.
  """
  by = offset[axis]
  first = jnp.where(axis == 0, UP, LEFT)
  return jnp.where(by > 0, first + 1, first), by != 0

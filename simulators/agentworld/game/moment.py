"""The moment that questions are asked about, with values for their answers.

Values that several answers need are computed once: where plans of up to three
moves lead, which cells the agent can reach over open floor, costs of actions.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from simulators.agentworld.config import Config
from simulators.agentworld.game import dynamics, goals, layout, oracle
from simulators.agentworld.types import Level, Params, Place
from simulators.agentworld.vocabulary import (
  ACTIONS,
  ELEMENT_CODE,
  GOAL_CODE,
  TOOL_CODE,
)
from simulators.base import State

Array = jax.Array

OBSTACLE_WEIGHT = 20.0  # of a move into an obstacle, relative to other moves


@flax.struct.dataclass
class Step:
  """Where each plan of n moves leads; leaves have n leading action axes."""

  place: Place
  over: Array  # bool, the episode has ended, with or without success
  lost: Array  # bool, the agent is in a hazard
  moved: Array  # bool, the last move of the plan moved the agent


@flax.struct.dataclass
class Moment:
  """What the truths of one moment are read from.

  An object is 0 for the goal's cell and 1 + i for tool i of the level.
  """

  level: Level
  params: Params
  place: Place
  word: Array  # i32[1 + P], answer code of each object
  at: Array  # i32[1 + P, 2], cell of each object
  present: Array  # bool[1 + P], in sight under its own word, not in hand
  named: Array  # bool[P], tools in sight under their own word, or in hand
  element: Array  # i32[P], answer code of each element
  seen: Array  # bool[P], elements in sight under their own word
  described: Array  # bool[P], elements that every description mentions
  floor: Array  # bool[S, S], cells joined to the agent by open floor
  behind: Array  # bool[P, S, S], the same if one closed element were open
  within: Array  # bool[S, S], the same if all that held tools open were open
  vague: Array  # bool[S, S], cells where boxes change one of these
  unclear: Array  # bool[S, S], words do not decide whether floor leads there
  cost: Array  # f32[A], steps to the goal by way of each move
  eased: Array  # f32[P], steps to it with one more tool in hand
  fetched: Array  # f32[P], steps to it from each tool's cell, that tool in hand
  left: Array  # f32[A, A], steps to it after two moves
  one: Step  # after plans of one move: leaves [A, ...]
  two: Step  # leaves [A, A, ...]
  three: Step  # leaves [A, A, A, ...]
  tried: Array  # i32[PAST], the last moves, the latest first; -1 before
  trail: Array  # i32[PAST, 2], the cells in which they were taken
  # Whether the world has hazards, in this level or another.
  has_hazards: bool = flax.struct.field(pytree_node=False, default=False)

  @property
  def now(self) -> Array:
    """f32[]: fewest steps to the goal."""
    return jnp.min(self.cost)

  @property
  def lying(self) -> Array:
    """bool[P]: tools not picked up."""
    return ~self.place.held

  @property
  def shut(self) -> Array:
    """bool[P]: elements that are closed."""
    return ~self.place.opened

  def beside(self, move: Array) -> Array:
    """i32[2]: the next cell in the direction of a move."""
    return self.place.agent + jnp.asarray(dynamics.DELTAS)[move]

  def move_weight(self, move: Array) -> Array:
    """f32[]: sampling weight of a question about this move.

    0 where the next cell holds an unseen element; more where it holds a closed
    element or a box.
    """
    cell = self.beside(move)
    there = dynamics.at(self.level.element_at, cell)
    unseen = jnp.any(there & ~self.seen)
    met = jnp.any(there & self.shut) | self.boxed(cell)
    return jnp.where(unseen, 0.0, jnp.where(met, OBSTACLE_WEIGHT, 1.0))

  def boxed(self, cell: Array) -> Array:
    """bool[]: whether a box stands on the cell."""
    return jnp.any(dynamics.at(self.place.boxes, cell))

  def distance(self, cell: Array) -> Array:
    """i32[1 + P]: rows plus columns from the cell to each object."""
    return jnp.sum(jnp.abs(self.at - cell), axis=-1)

  def bars(self, cell: Array) -> tuple[Array, Array]:
    """The one element that bars the way to a cell: (i32[], bool[] exists).

    It exists if open floor does not lead to the cell and opening exactly one
    element would change that. A description says that the cell is past it.
    """
    beyond = self.behind[:, cell[0], cell[1]] & self.shut
    beyond &= ~self.floor[cell[0], cell[1]] & ~self.unclear[cell[0], cell[1]]
    return jnp.argmax(beyond), jnp.sum(beyond) == 1


def moment(state: State, params: Params, config: Config) -> Moment:
  """The moment of one state; vmap for more."""
  env, obs = state.env_state, state.obs
  level, place = env.level, env.place
  word = params.tool_id[level.tool_kind]
  element = params.element_id[level.element_kind]
  is_place = (level.goal_kind != goals.TAKE) & (level.goal_kind != goals.OPEN)
  named = (obs.tool == word) & _alone(obs.tool)
  table = oracle.solve(level, params)
  floor, behind, within, vague, unclear = _walks(
    level, place, params, obs.element >= 0, config
  )
  one, two, three = _plans(level, place, params)
  tools = jnp.eye(len(word), dtype=bool)
  taken = jax.vmap(lambda tool: with_tool(place, tool, params))(tools)
  left = jax.vmap(jax.vmap(lambda there: oracle.value(table, there)))
  now = Moment(
    level=level,
    params=params,
    place=place,
    word=jnp.append(GOAL_CODE, TOOL_CODE + word),
    at=jnp.concatenate([level.goal[None], dynamics.tools_at(level, place)]),
    present=jnp.append(is_place, ~place.held & named),
    named=named,
    element=ELEMENT_CODE + element,
    seen=(obs.element == element) & _alone(obs.element),
    described=jnp.zeros(len(element), bool),
    floor=floor,
    behind=behind,
    within=within,
    vague=vague,
    unclear=unclear,
    cost=oracle.costs(state, params, table),
    eased=jax.vmap(lambda slot: oracle.value(table, place.replace(slot=slot)))(
      taken
    ),
    fetched=jax.vmap(
      lambda slot, at: oracle.value(table, place.replace(agent=at, slot=slot))
    )(taken, dynamics.tools_at(level, place)),
    left=jnp.where(two.lost, jnp.inf, left(two.place)),
    one=one,
    two=two,
    three=three,
    tried=env.tried,
    trail=env.trail,
    has_hazards=config.hazards > 0,
  )
  bar, alone = jax.vmap(now.bars)(now.at)
  bars = (bar[:, None] == jnp.arange(len(element))) & alone[:, None]
  passed = jnp.any(bars & now.present[:, None], axis=0)
  steps = jnp.sum(jnp.abs(level.element_at - place.agent), axis=-1)
  told = passed | (steps == 1) | (config.rendering != "hints")
  return dataclasses.replace(now, described=now.seen & told)


def with_tool(place: Place, tool: Array, params: Params) -> Array:
  """i32[P]: `Place.slot` with one more tool, bool[P], in hand.

  As if the agent had walked onto it: a tool that was in hand lies in its place.
  """
  slot = place.slot[jnp.argmax(tool)]
  taken = dynamics.take(place, tool & ~place.held, slot, params)
  return jnp.where(slot < 0, place.slot, taken)


def _alone(words: Array) -> Array:
  """bool[P]: which of `words` i32[P] occur once."""
  return jnp.sum(words[:, None] == words, axis=-1) == 1


def _walks(
  level: Level, place: Place, params: Params, shown: Array, config: Config
) -> tuple[Array, Array, Array, Array, Array]:
  """(floor, behind, within, vague, unclear): see Moment.

  One flood computes all of them, as each separate loop has to be compiled. A
  description ignores elements that are not `shown`, bool[P]. Of a cell behind
  an open and then a closed element, `hints` say that it is past the open one.
  Rooms, which other words name, are not divided by hazards.
  """
  hints = config.rendering == "hints"
  rooms = config.rendering in ("plain", "compact")
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  row, column = jnp.indices((size, size))

  def mark(cells: Array) -> Array:
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
  free, hazard = ~level.wall & ~barred, dynamics.dangers(level, params)
  loose = jnp.any(mark(place.boxes), axis=0) | (hazard & rooms)
  free &= ~hazard | rooms
  start = mark(place.agent[None])[0]
  flood = jax.vmap(layout.flood, (0, None))
  if len(place.boxes) or (config.hazards and rooms):
    # Descriptions do not say whether there is a way around these.
    wet = flood(jnp.concatenate([free & ~loose, free]), start)
    wet, passed = jnp.split(wet, 2)
    vague = jnp.any((wet != passed)[:-2], axis=0)
  else:
    wet, vague = flood(free, start), jnp.zeros_like(start)
  floor, behind, within = wet[0], wet[1:-3], wet[-3]
  seeming, past_closed = wet[-2], wet[-1]
  unclear = vague | (~floor & (seeming | (hints & ~past_closed)))
  return floor, behind, within, vague, unclear


def _plans(
  level: Level, place: Place, params: Params
) -> tuple[Step, Step, Step]:
  """Where all plans of one, two and three moves lead."""

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

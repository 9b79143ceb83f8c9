"""What the way leads to, one after the other: tools, elements, a box, the goal.

A tool or an element is needed where the shortest way becomes longer if the tool
opens nothing, or the element stays shut. So tools that a shortest way takes by
chance, because they lie on it, do not count.
"""

import dataclasses

import jax
import jax.numpy as jnp

from simulators.agentworld.game import dynamics, goals, oracle
from simulators.agentworld.types import Level, Params, Place
from simulators.agentworld.vocabulary import ACTIONS, TOOLS
from simulators.base import State

Array = jax.Array

# Places in SUBGOALS of the goal, the box, the first tool, the first element.
_GOAL, _BOX, _TOOL, _ELEMENT = 0, 1, 2, 2 + len(TOOLS)
# Place, things found, their number, whether the walk goes on.
_Walk = tuple[Place, Array, Array, Array]


def chain(state: State, params: Params) -> Array:
  """i32[K]: indices into SUBGOALS of the needed things on a shortest way.

  SUBGOALS is in `vocabulary`. The next thing comes first; -1 fills. There may
  be several shortest ways: this is the one that prefers the first of the best
  actions at every step. All are -1 where no way leads to the goal, and where
  the way that prefers the last of the best actions leads to another thing
  next. Chance is ignored. vmap for more.
  """
  level, place = state.env_state.level, state.env_state.place
  table = oracle.solve(level, params)
  tools, elements = _needed(level, place, params, oracle.value(table, place))
  order = jnp.arange(len(ACTIONS))
  first, last = jax.vmap(
    lambda rank: _follow(level, place, params, table, rank, tools, elements)
  )(jnp.stack([order, -order]))
  known = (first[0] == last[0]) & ~state.done
  return jnp.where(known, first, -1).astype(jnp.int32)


def _needed(
  level: Level, place: Place, params: Params, steps: Array
) -> tuple[Array, Array]:
  """(bool[P] tools, bool[P] elements) that every shortest way makes use of.

  A tool in hand is not to be fetched, even if the way puts it down for a while.
  """
  each = jnp.arange(level.tool_kind.shape[-1])

  def without_tool(tool: Array) -> Array:
    opens = params.opens.at[level.tool_kind[tool]].set(False)
    table = oracle.solve(level, dataclasses.replace(params, opens=opens))
    return oracle.value(table, place)

  def without_element(element: Array) -> Array:
    price = jnp.where(each == element, jnp.inf, 1.0)
    return oracle.value(oracle.solve(level, params, price), place)

  fetched = (level.goal_kind == goals.TAKE) | (level.goal_kind == goals.BRING)
  tools = jax.vmap(without_tool)(each) > steps
  tools |= fetched & (each == level.goal_thing)
  return tools & ~place.held, jax.vmap(without_element)(each) > steps


def _follow(
  level: Level,
  place: Place,
  params: Params,
  table: Array,
  rank: Array,
  tools: Array,
  elements: Array,
) -> Array:
  """i32[K]: the needed things on one shortest way; -1 fills.

  Of the best actions, the one of least `rank` is taken. A tool that is taken
  twice counts the first time.
  """
  most = tools.shape[-1] + elements.shape[-1] + 1

  def met(before: Place, after: Place) -> Array:
    taken = after.held & ~before.held & tools
    opened = after.opened & ~before.opened & elements
    tool = params.tool_id[level.tool_kind[jnp.argmax(taken)]]
    element = params.element_id[level.element_kind[jnp.argmax(opened)]]
    end = jnp.where(level.goal_kind == goals.PUSH, _BOX, _GOAL)
    return jnp.select(
      [jnp.any(taken), jnp.any(opened), goals.achieved(level, after)],
      [_TOOL + tool, _ELEMENT + element, end],
      -1,
    )

  def step(carry: _Walk) -> _Walk:
    before, found, count, _ = carry
    cost = oracle.move_costs(level, before, params, table)
    best = cost == jnp.min(cost)
    chosen = jnp.argmin(jnp.where(best, rank, len(ACTIONS)))
    after = dynamics.move(level, before, chosen, params)
    thing = met(before, after)
    new = (thing >= 0) & ~jnp.any(found == thing)
    found = found.at[count].set(jnp.where(new, thing, -1), mode="drop")
    walking = jnp.isfinite(jnp.min(cost)) & ~goals.achieved(level, after)
    return after, found, count + new.astype(jnp.int32), walking

  possible = jnp.isfinite(oracle.value(table, place))
  nothing = jnp.full(most, -1)
  return jax.lax.while_loop(
    lambda carry: carry[3], step, (place, nothing, jnp.int32(0), possible)
  )[1]

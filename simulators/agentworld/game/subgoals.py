"""What comes next on the way to the goal: a tool, an element, a box, the goal.

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


def subgoal(state: State, params: Params) -> Array:
  """i32[]: index into SUBGOALS of the next needed thing on a shortest way.

  SUBGOALS is in `vocabulary`. -1 where no way leads to the goal. There may be
  several shortest ways: -1, too, where the one that prefers the first of the
  best actions at every step and the one that prefers the last lead to different
  things. Chance is ignored. vmap for more.
  """
  level, place = state.env_state.level, state.env_state.place
  table = oracle.solve(level, params)
  tools, elements = _needed(level, place, params, oracle.value(table, place))
  order = jnp.arange(len(ACTIONS))
  first, last = jax.vmap(
    lambda rank: _follow(level, place, params, table, rank, tools, elements)
  )(jnp.stack([order, -order]))
  known = (first == last) & ~state.done
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
  """i32[]: the first needed thing on one shortest way; -1 for none.

  Of the best actions, the one of least `rank` is taken.
  """

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

  def step(carry: tuple[Place, Array, Array]) -> tuple[Place, Array, Array]:
    before, _, _ = carry
    cost = oracle.move_costs(level, before, params, table)
    best = cost == jnp.min(cost)
    chosen = jnp.argmin(jnp.where(best, rank, len(ACTIONS)))
    after = dynamics.move(level, before, chosen, params)
    return after, met(before, after), jnp.isfinite(jnp.min(cost))

  start = (place, jnp.int32(-1), jnp.isfinite(oracle.value(table, place)))
  _, found, possible = jax.lax.while_loop(
    lambda carry: (carry[1] < 0) & carry[2], step, start
  )
  return jnp.where(possible, found, -1)

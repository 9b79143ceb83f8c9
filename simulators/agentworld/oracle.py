"""The exact cost-to-go of AgentWorld, by min-plus relaxation.

The rules are deterministic once slipping is set aside, so that the fewest
steps to the goal satisfy Bellman's equation V(s) = 1 + min_a V(next(s, a))
over cells x held x opened. Sweeps repeat it for all states at once until
nothing changes. A table is laid out f32[S * S * 2^P * 2^P]: cell, then the
bits of what is held, then the bits of what is opened.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from simulators.agentworld import dynamics
from simulators.agentworld.types import Level, Params
from simulators.base import State

Array = jax.Array


def bits(flags: Array) -> Array:
  """i32[]: bool[P] as the bits of a number."""
  return jnp.sum(
    flags.astype(jnp.int32) << jnp.arange(flags.shape[-1]), axis=-1
  )


def _entering(
  level: Level, params: Params, open_cost: Array
) -> tuple[Array, Array]:
  """What entering a cell does, for each cell and each (held, opened).

  Returns:
    source: i32[S*S, 4^P], the (held, opened) that one has then.
    price: f32[S*S, 4^P], what it costs beyond the step; inf if barred.
  """
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  masks = jnp.arange(4**pairs)
  held, opened = masks >> pairs, masks & (2**pairs - 1)
  cells = jnp.arange(size * size)
  cells = jnp.stack([cells // size, cells % size], axis=-1)
  place = jax.vmap(dynamics.at, in_axes=(None, 0))
  taken = bits(place(level.tool_at, cells))  # [S*S]
  entered = bits(place(level.element_at, cells))
  keys = bits(dynamics.openers(level, params).T)  # [P], tools opening each
  able = (held[:, None] & keys) != 0  # [4^P, P]
  passable = opened | bits(able)
  source = ((held | taken[:, None]) << pairs) | (opened | entered[:, None])
  barred = (entered[:, None] & ~passable) != 0
  barred |= level.wall.reshape(-1)[:, None]
  opening = entered[:, None] & ~opened
  flags = ((opening[..., None] >> jnp.arange(pairs)) & 1) != 0
  extra = jnp.sum(jnp.where(flags, open_cost - 1.0, 0.0), axis=-1)
  return source, jnp.where(barred, jnp.inf, extra)


def relax(onward: Callable[[Array], Array], start: Array) -> Array:
  """The cost of every state, by min-plus sweeps until nothing changes.

  Args:
    onward: costs of all states -> for each, the least cost by way of another.
    start: f32[...], 0 at the goals and inf elsewhere.
  """

  def sweep(carry):
    cost, _ = carry
    new = jnp.minimum(cost, onward(cost))
    return new, jnp.any(new < cost)

  cost, _ = jax.lax.while_loop(
    lambda carry: carry[1], sweep, (start, jnp.ones((), bool))
  )
  return cost


def solve(
  level: Level, params: Params, open_cost: Array | None = None
) -> Array:
  """Fewest steps to the goal from every state of a level.

  Args:
    level: one level; vmap for more.
    params: the rules; `slip` and `dropout` play no part.
    open_cost: f32[P], cost of the step that opens each element; 1 by default.

  Returns:
    f32[S * S * 4^P], inf where the goal cannot be reached.
  """
  level = jax.tree.map(jnp.asarray, level)
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  if open_cost is None:
    open_cost = jnp.ones(pairs)
  source, price = _entering(level, params, open_cost)
  goal = jnp.arange(size * size) == level.goal[0] * size + level.goal[1]
  start = jnp.where(goal[:, None], 0.0, jnp.full((1, 4**pairs), jnp.inf))

  def onward(cost):
    enter = jnp.take_along_axis(cost, source, axis=-1) + price
    enter = enter.reshape(size, size, -1)
    enter = jnp.pad(enter, ((1, 1), (1, 1), (0, 0)), constant_values=jnp.inf)
    near = jnp.minimum(
      jnp.minimum(enter[:-2, 1:-1], enter[2:, 1:-1]),
      jnp.minimum(enter[1:-1, :-2], enter[1:-1, 2:]),
    )
    return 1.0 + near.reshape(cost.shape)

  return relax(onward, start).reshape(-1)


def value(table: Array, agent: Array, held: Array, opened: Array) -> Array:
  """f32[]: the table's entry for one hidden state."""
  pairs = held.shape[-1]
  size = round((table.shape[-1] // 4**pairs) ** 0.5)
  cell = agent[0] * size + agent[1]
  return table[(((cell << pairs) | bits(held)) << pairs) | bits(opened)]


def costs(state: State, params: Params, table: Array | None = None) -> Array:
  """f32[A]: steps to the goal after each action, counting it; inf if none.

  Args:
    state: one state; vmap for more.
    params: the rules.
    table: `solve(state.env_state.level, params)`, to share between states.
  """
  env = state.env_state
  if table is None:
    table = solve(env.level, params)

  def after(action: Array) -> Array:
    reached = dynamics.move(
      env.level, env.agent, env.held, env.opened, action, params
    )
    return 1.0 + value(table, *reached)

  return jax.vmap(after)(jnp.arange(len(dynamics.DELTAS)))

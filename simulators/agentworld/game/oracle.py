"""The exact cost-to-go of AgentWorld, by min-plus relaxation.

Without chance the rules are deterministic, so the fewest steps to the goal obey
Bellman's equation V(s) = 1 + min_a V(next(s, a)) over cells x arrangements of
the tools x opened x boxes. Sweeps repeat it for all states at once until
nothing changes. A table is f32[S^2 * I * 2^P * S^(2B)], in the order: agent's
cell, arrangement of the tools (`inventory`), bits of the opened elements, cell
of each box. The step budget is not part of a state: a shortest way is best
whatever is left of it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.game import dynamics, goals
from simulators.agentworld.game.inventory import inventory
from simulators.agentworld.types import Level, Params, Place
from simulators.base import State

Array = jax.Array


def bits(flags: Array) -> Array:
  """i32[]: bool[P] as the bits of a number."""
  return jnp.sum(
    flags.astype(jnp.int32) << jnp.arange(flags.shape[-1]), axis=-1
  )


# --- States as numbers ------------------------------------------------------


def number(place: Place, size: int) -> Array:
  """i32[]: index of a place in the table of a level of `size`."""
  pairs = place.slot.shape[-1]
  kept = inventory(pairs)
  places = (pairs + 1) ** np.arange(pairs)[::-1]
  code = jnp.sum((place.slot + 1) * places.astype(np.int32))
  arrangement = jnp.asarray(kept.number)[code]
  out = _cell(place.agent, size) * kept.size + arrangement
  out = (out << pairs) | bits(place.opened)
  for box in range(place.boxes.shape[-2]):
    out = out * size**2 + _cell(place.boxes[box], size)
  return out


def place_of(code: Array, level: Level) -> Place:
  """The inverse of `number` for one level."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  boxes = []
  for _ in range(level.box_at.shape[-2]):
    boxes.insert(0, _coordinates(code % size**2, size))
    code = code // size**2
  kept = inventory(pairs)
  opened = ((code >> jnp.arange(pairs)) & 1) != 0
  code = code >> pairs
  return Place(
    agent=_coordinates(code // kept.size, size),
    slot=jnp.asarray(kept.slot)[code % kept.size],
    opened=opened,
    boxes=jnp.stack(boxes) if boxes else jnp.zeros((0, 2), jnp.int32),
  )


def _cell(at: Array, size: int) -> Array:
  return at[0] * size + at[1]


def _coordinates(cell: Array, size: int) -> Array:
  return jnp.stack([cell // size, cell % size]).astype(jnp.int32)


def states(level: Level) -> int:
  """Number of states in the table of a level."""
  cells, pairs = level.wall.shape[-1] ** 2, level.tool_kind.shape[-1]
  return cells ** (1 + level.box_at.shape[-2]) * masks(pairs)


def masks(pairs: int) -> int:
  """Number of (arrangement of the tools, opened elements) of a level."""
  return inventory(pairs).size * 2**pairs


# --- Relaxation -------------------------------------------------------------


def relax(onward: Callable[[Array], Array], start: Array) -> Array:
  """The cost of every state, by min-plus sweeps until nothing changes.

  Args:
    onward: costs of all states -> least cost of each state by one more step.
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
    params: the rules; chance is ignored.
    open_cost: f32[P], cost of the step that opens each element; 1 by default.

  Returns:
    f32[S^2 * I * 2^P * S^(2B)], inf where the goal cannot be achieved.
  """
  level = jax.tree.map(jnp.asarray, level)
  if open_cost is None:
    open_cost = jnp.ones(level.tool_kind.shape[-1])
  codes = jnp.arange(states(level))
  places = jax.vmap(place_of, (0, None))(codes, level)
  there = jax.vmap(goals.achieved, (None, 0))(level, places)
  start = jnp.where(there, 0.0, jnp.inf)
  if level.box_at.shape[-2]:
    return relax(_by_successor(level, params, open_cost, places), start)
  return relax(_by_neighbour(level, params, open_cost), start)


def _by_successor(
  level: Level, params: Params, open_cost: Array, places: Place
) -> Callable[[Array], Array]:
  """One sweep that looks up the state that each move leads to."""
  size = level.wall.shape[-1]

  def after(place: Place, action: Array):
    new = dynamics.move(level, place, action, params)
    opening = new.opened & ~place.opened
    price = 1.0 + jnp.sum(jnp.where(opening, open_cost - 1.0, 0.0))
    lost = dynamics.lost(level, new, params)
    return number(new, size), jnp.where(lost, jnp.inf, price)

  moves = jnp.arange(len(dynamics.DELTAS))
  successor, price = jax.vmap(lambda p: jax.vmap(after, (None, 0))(p, moves))(
    places
  )
  return lambda cost: jnp.min(cost[successor] + price, axis=-1)


def _by_neighbour(
  level: Level, params: Params, open_cost: Array
) -> Callable[[Array], Array]:
  """The same sweep for levels without boxes: shifts the grid of costs."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  source, price = _entering(level, params, open_cost)

  def onward(cost):
    cost = cost.reshape(size * size, masks(pairs))
    enter = jnp.take_along_axis(cost, source, axis=-1) + price
    enter = enter.reshape(size, size, -1)
    enter = jnp.pad(enter, ((1, 1), (1, 1), (0, 0)), constant_values=jnp.inf)
    near = jnp.minimum(
      jnp.minimum(enter[:-2, 1:-1], enter[2:, 1:-1]),
      jnp.minimum(enter[1:-1, :-2], enter[1:-1, 2:]),
    )
    return 1.0 + near.reshape(-1)

  return onward


def _entering(
  level: Level, params: Params, open_cost: Array
) -> tuple[Array, Array]:
  """The effect of entering each cell in each (arrangement, opened).

  Returns:
    source: i32[S*S, I * 2^P], the (arrangement, opened) afterwards.
    price: f32[S*S, I * 2^P], cost beyond the step itself; inf if barred.
  """
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  kept = inventory(pairs)
  mask = jnp.arange(masks(pairs))
  arrangement, opened = mask >> pairs, mask & (2**pairs - 1)
  cells = jnp.arange(size * size)
  cells = jnp.stack([cells // size, cells % size], axis=-1)
  place = jax.vmap(dynamics.at, in_axes=(None, 0))
  slots = place(level.tool_at, cells)  # [S*S, P]
  slot = jnp.where(jnp.any(slots, -1), jnp.argmax(slots, -1), pairs)
  take = jnp.asarray(kept.take)[params.one_hand.astype(jnp.int32)]
  after = take[arrangement, slot[:, None]]  # [S*S, I * 2^P]
  entered = bits(place(level.element_at, cells))
  keys = bits(dynamics.openers(level, params).T)  # [P], tools opening each
  held = jnp.asarray(kept.held)[arrangement]
  able = (held[:, None] & keys) != 0  # [I * 2^P, P]
  passable = opened | bits(able)
  source = (after << pairs) | (opened | entered[:, None])
  barred = (entered[:, None] & ~passable) != 0
  deadly = level.wall | dynamics.dangers(level, params)
  barred |= deadly.reshape(-1)[:, None]
  opening = entered[:, None] & ~opened
  flags = ((opening[..., None] >> jnp.arange(pairs)) & 1) != 0
  extra = jnp.sum(jnp.where(flags, open_cost - 1.0, 0.0), axis=-1)
  return source, jnp.where(barred, jnp.inf, extra)


# --- Reading a table --------------------------------------------------------


def value(table: Array, place: Place) -> Array:
  """f32[]: the entry of a table for one place."""
  pairs, boxes = place.slot.shape[-1], place.boxes.shape[-2]
  size = round((table.shape[-1] // masks(pairs)) ** (0.5 / (1 + boxes)))
  return table[number(place, size)]


def costs(state: State, params: Params, table: Array | None = None) -> Array:
  """f32[A]: steps to the goal by way of each action, that action included.

  Args:
    state: one state; vmap for more.
    params: the rules.
    table: `solve(state.env_state.level, params)`, to share between states.

  Returns:
    Costs; inf where an action ends in a hazard or makes the goal impossible.
    The optimal actions are those of least finite cost.
  """
  env = state.env_state
  if table is None:
    table = solve(env.level, params)
  return move_costs(env.level, env.place, params, table)


def move_costs(
  level: Level, place: Place, params: Params, table: Array
) -> Array:
  """f32[A]: as `costs`, for any place of a level."""

  def after(action: Array) -> Array:
    new = dynamics.move(level, place, action, params)
    lost = dynamics.lost(level, new, params)
    return jnp.where(lost, jnp.inf, 1.0 + value(table, new))

  return jax.vmap(after)(jnp.arange(len(dynamics.DELTAS)))


def regret(
  state: State, actions: Array, params: Params, table: Array | None = None
) -> Array:
  """f32[]: steps that a plan wastes; inf if it makes the goal impossible.

  The steps of the plan plus the fewest steps after it, minus the fewest steps
  without it. Actions after the goal is achieved count nothing.

  Args:
    state: where the plan starts.
    actions: i32[L], the plan; -1 pads.
    params: the rules; chance is ignored.
    table: as in `costs`.
  """
  env = state.env_state
  if table is None:
    table = solve(env.level, params)

  def take(carry, action):
    place, spent, lost = carry
    over = (action < 0) | lost | goals.achieved(env.level, place)
    new = dynamics.move(env.level, place, action, params)
    lost |= ~over & dynamics.lost(env.level, new, params)
    place = jax.tree.map(lambda a, b: jnp.where(over, a, b), place, new)
    return (place, jnp.where(over, spent, spent + 1.0), lost), None

  start = (env.place, jnp.zeros(()), jnp.zeros((), bool))
  (place, spent, lost), _ = jax.lax.scan(take, start, actions)
  left = value(table, place)
  hopeless = lost | jnp.isinf(left)  # tested first: inf - inf is no number
  return jnp.where(hopeless, jnp.inf, spent + left - value(table, env.place))

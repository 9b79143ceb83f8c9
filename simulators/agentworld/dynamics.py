"""How AgentWorld moves: reset, step and what the agent sees of it.

`move` is the rule book without chance; `step` adds slipping, `observe` adds
dropout. Walking onto a tool takes it, for good. Walking into a closed element
with a tool in hand that opens it opens it, for good, and moves in.
"""

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.types import Config, EnvState, Level, Obs, Params
from simulators.base import State

Array = jax.Array

# (row, column) offsets of up, down, left, right.
DELTAS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]], np.int32)


def at(cells: Array, cell: Array) -> Array:
  """bool[P]: which of `cells` i32[P, 2] are `cell` i32[2]."""
  return jnp.all(cells == cell, axis=-1)


def openers(level: Level, params: Params) -> Array:
  """bool[P, P]: whether tool i of the level opens its element j."""
  return params.opens[level.tool_kind[:, None], level.element_kind[None, :]]


def move(
  level: Level,
  agent: Array,
  held: Array,
  opened: Array,
  action: Array,
  params: Params,
) -> tuple[Array, Array, Array]:
  """The rules without chance: (agent, held, opened) after `action`."""
  size = level.wall.shape[-1]
  target = agent + jnp.asarray(DELTAS)[action]
  inside = jnp.all((target >= 0) & (target < size))
  row, column = jnp.clip(target, 0, size - 1)
  entered = at(level.element_at, target)
  openable = opened | jnp.any(held[:, None] & openers(level, params), axis=0)
  free = inside & ~level.wall[row, column]
  free &= jnp.all(~entered | openable)
  agent = jnp.where(free, target, agent)
  held = held | (free & at(level.tool_at, target))
  opened = opened | (free & entered)
  return agent, held, opened


def observe(env: EnvState, moved: Array, chance: Array, params: Params) -> Obs:
  """What the agent sees; each tool and element may be missed this once.

  A missed object has word -1, place (-1, -1) and looks closed; a tool in the
  agent's hand is never missed.

  Args:
    env: the hidden state.
    moved: bool[], whether the last action changed the agent's cell.
    chance: f32[2, P] in 0..1, for the tools and for the elements.
    params: the rules.
  """
  level = env.level
  seen = chance >= params.dropout
  tool_seen, element_seen = seen[0] | env.held, seen[1]
  told = params.nominal[:, level.element_kind]  # [KINDS, P]
  needed = params.tool_id[jnp.argmax(told, axis=0)]
  known = element_seen & jnp.any(told, axis=0)
  return Obs(
    wall=level.wall,
    side=level.side,
    agent=env.agent,
    goal=level.goal,
    tool=jnp.where(tool_seen, params.tool_id[level.tool_kind], -1),
    tool_at=jnp.where(tool_seen[:, None], level.tool_at, -1),
    held=env.held,
    element=jnp.where(element_seen, params.element_id[level.element_kind], -1),
    element_at=jnp.where(element_seen[:, None], level.element_at, -1),
    opened=env.opened & element_seen,
    needs=jnp.where(known, needed, -1),
    moved=moved,
    time=env.time,
  )


def _state(
  env: EnvState, moved: Array, chance: Array, params: Params, config: Config
) -> State:
  success = jnp.all(env.agent == env.level.goal)
  return State(
    env_state=env,
    obs=observe(env, moved, chance, params),
    reward=success.astype(jnp.float32),
    terminated=success,
    truncated=~success & (env.time >= config.horizon),
    metrics={
      "steps": env.time.astype(jnp.float32),
      "opened": jnp.sum(env.opened).astype(jnp.float32),
      "success": success.astype(jnp.float32),
    },
  )


def reset(key: Array, params: Params, level: Level, config: Config) -> State:
  """The first state of an episode on `level`."""
  key, draw = jax.random.split(key)
  level = jax.tree.map(jnp.asarray, level)
  pairs = level.tool_kind.shape[0]
  env = EnvState(
    key=key,
    level=level,
    agent=level.agent,
    held=jnp.zeros(pairs, bool),
    opened=jnp.zeros(pairs, bool),
    time=jnp.zeros((), jnp.int32),
  )
  sight = jax.random.uniform(draw, (2, pairs))
  return _state(env, jnp.zeros((), bool), sight, params, config)


def step(state: State, action: Array, params: Params, config: Config) -> State:
  """One step; what comes after the end of an episode is the caller's affair.

  Args:
    state: the state acted in.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: sizes and horizon.
  """
  env = state.env_state
  key, draw = jax.random.split(env.key)
  pairs = env.held.shape[0]
  # One draw for all that chance decides: slip, where to, what is missed.
  chance = jax.random.uniform(draw, (2 + 2 * pairs,))
  anywhere = jnp.floor(chance[1] * len(DELTAS)).astype(jnp.int32)
  slipped = chance[0] < params.slip
  action = jnp.where(slipped, anywhere, jnp.asarray(action, jnp.int32))
  agent, held, opened = move(
    env.level, env.agent, env.held, env.opened, action, params
  )
  moved = jnp.any(agent != env.agent)
  env = env.replace(
    key=key, agent=agent, held=held, opened=opened, time=env.time + 1
  )
  sight = chance[2:].reshape(2, pairs)
  return _state(env, moved, sight, params, config)


def legal(state: State, params: Params) -> Array:
  """bool[4], all True: a move into what is closed is allowed, and idle."""
  del state, params
  return jnp.ones(len(DELTAS), bool)

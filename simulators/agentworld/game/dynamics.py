"""The rules of AgentWorld: reset, step and what the agent sees.

`move` is the rules without chance; `step` adds slips and failures, `observe`
adds objects that are missed or misread. Walking onto a tool takes it, and puts
the tool in hand down in its place. Walking into a closed element with the right
tool in hand opens it for good and enters it. Walking into a box pushes it onto
the next cell, unless a wall, another box, a hazard or a closed element is
there. Walking into a hazard ends the episode without success, and so does the
end of the level's step budget.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.game import goals
from simulators.agentworld.types import (
  PAST,
  EnvState,
  Level,
  Obs,
  Params,
  Place,
)
from simulators.agentworld.vocabulary import KINDS
from simulators.base import State

Array = jax.Array

# (row, column) offsets of up, down, left, right.
DELTAS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]], np.int32)


def at(cells: Array, cell: Array) -> Array:
  """bool[P]: which of `cells` i32[P, 2] equal `cell` i32[2]."""
  return jnp.all(cells == cell, axis=-1)


def openers(level: Level, params: Params) -> Array:
  """bool[P, P]: whether tool i of the level opens its element j."""
  return params.opens[level.tool_kind[:, None], level.element_kind[None, :]]


def inside(wall: Array, cell: Array) -> Array:
  """bool[]: whether `cell` i32[2] is inside the array and no wall."""
  size = wall.shape[-1]
  row, column = jnp.clip(cell, 0, size - 1)
  return jnp.all((cell >= 0) & (cell < size)) & ~wall[row, column]


def _on(cells: Array, cell: Array) -> Array:
  """bool[]: `cells` bool[S, S] at `cell` i32[2], which is inside."""
  row, column = jnp.clip(cell, 0, cells.shape[-1] - 1)
  return cells[row, column]


def dangers(level: Level, params: Params) -> Array:
  """bool[S, S]: the hazards of a level; none if the rules have none."""
  return level.hazard & params.hazardous


def tools_at(level: Level, place: Place) -> Array:
  """i32[P, 2]: the cell of each tool; a tool in hand has none, (-1, -1)."""
  return jnp.where(place.held[:, None], -1, level.tool_at[place.slot])


def take(place: Place, tools: Array, slot: Array, params: Params) -> Array:
  """i32[P]: `Place.slot` after taking `tools` bool[P] out of `slot` i32[]."""
  put = params.one_hand & jnp.any(tools) & place.held & ~tools
  return jnp.where(tools, -1, jnp.where(put, slot, place.slot))


def move(level: Level, place: Place, action: Array, params: Params) -> Place:
  """The place after `action`, by the rules without chance."""
  delta = jnp.asarray(DELTAS)[action]
  target = place.agent + delta
  entered = at(level.element_at, target)
  fits = jnp.any(place.held[:, None] & openers(level, params), axis=0)
  free = inside(level.wall, target)
  free &= jnp.all(~entered | place.opened | fits)
  boxes = place.boxes
  if boxes.shape[0]:
    beyond = target + delta
    pushed = at(boxes, target)
    shut = at(level.element_at, beyond) & ~place.opened
    room = inside(level.wall, beyond) & ~jnp.any(at(boxes, beyond))
    room &= ~jnp.any(shut) & ~_on(dangers(level, params), beyond)
    free &= ~jnp.any(pushed) | room
    boxes = jnp.where((free & pushed)[:, None], beyond, boxes)
  found = free & at(tools_at(level, place), target)
  slot = jnp.argmax(at(level.tool_at, target)).astype(place.slot.dtype)
  return Place(
    agent=jnp.where(free, target, place.agent),
    slot=take(place, found, slot, params),
    opened=place.opened | (free & entered),
    boxes=boxes,
  )


def lost(level: Level, place: Place, params: Params) -> Array:
  """bool[]: whether the agent has walked into a hazard."""
  return _on(dangers(level, params), place.agent)


def observe(env: EnvState, moved: Array, chance: Array, params: Params) -> Obs:
  """What the agent sees; each tool and element may be missed or misread.

  A missed object has word -1 and cell (-1, -1) and looks closed. A misread one
  shows the word of another kind, and `needs` follows that word. A tool in the
  agent's hand is always seen correctly.

  Args:
    env: the hidden state.
    moved: bool[], whether the last action changed the agent's cell.
    chance: f32[4, P], uniform in 0..1: for tools and elements missed, then for
      tools and elements misread.
    params: the rules.
  """
  level = env.level
  seen = chance[:2] >= params.dropout
  tool_seen, element_seen = seen[0] | env.held, seen[1]
  tool = _misread(level.tool_kind, chance[2], params)
  tool = jnp.where(env.held, level.tool_kind, tool)
  element = _misread(level.element_kind, chance[3], params)
  stated = params.nominal[:, element]  # [KINDS, P]
  needed = params.tool_id[jnp.argmax(stated, axis=0)]
  known = element_seen & jnp.any(stated, axis=0)
  return Obs(
    wall=level.wall,
    hazard=dangers(level, params),
    side=level.side,
    agent=env.agent,
    goal=level.goal,
    goal_kind=level.goal_kind,
    goal_word=goals.word(level, params.tool_id, params.element_id),
    tool=jnp.where(tool_seen, params.tool_id[tool], -1),
    tool_at=jnp.where(tool_seen[:, None], tools_at(level, env.place), -1),
    held=env.held,
    element=jnp.where(element_seen, params.element_id[element], -1),
    element_at=jnp.where(element_seen[:, None], level.element_at, -1),
    opened=env.opened & element_seen,
    needs=jnp.where(known, needed, -1),
    boxes=env.boxes,
    moved=moved,
    last=env.tried[0],
    time=env.time,
    limit=level.limit,
  )


def _misread(kind: Array, chance: Array, params: Params) -> Array:
  """i32[P]: `kind`, or another kind where `chance` f32[P] is low."""
  others = KINDS - 1
  share = chance / jnp.maximum(params.misread, 1e-9)  # 0..1 where misread
  by = 1 + jnp.minimum(jnp.floor(share * others), others - 1).astype(jnp.int32)
  return jnp.where(chance < params.misread, (kind + by) % KINDS, kind)


def _state(
  env: EnvState, moved: Array, chance: Array, params: Params, config: Config
) -> State:
  failed = lost(env.level, env.place, params)
  success = goals.achieved(env.level, env.place) & ~failed
  ended = success | failed
  return State(
    env_state=env,
    obs=observe(env, moved, chance, params),
    reward=success.astype(jnp.float32),
    terminated=ended,
    truncated=~ended
    & (env.time >= jnp.minimum(env.level.limit, config.horizon)),
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
    slot=jnp.arange(pairs, dtype=jnp.int32),
    opened=jnp.zeros(pairs, bool),
    boxes=level.box_at,
    time=jnp.zeros((), jnp.int32),
    tried=jnp.full(PAST, -1, jnp.int32),
    trail=jnp.full((PAST, 2), -1, jnp.int32),
  )
  sight = jax.random.uniform(draw, (4, pairs))
  return _state(env, jnp.zeros((), bool), sight, params, config)


def step(state: State, action: Array, params: Params, config: Config) -> State:
  """One step. It does not check for the end of the episode; the caller does.

  Args:
    state: the state before the action.
    action: i32[], index into ACTIONS.
    params: the rules.
    config: sizes and horizon.
  """
  env = state.env_state
  key, draw = jax.random.split(env.key)
  pairs = env.slot.shape[0]
  # One draw for all chance: slip, its direction, failure, what is seen.
  chance = jax.random.uniform(draw, (3 + 4 * pairs,))
  anywhere = jnp.floor(chance[1] * len(DELTAS)).astype(jnp.int32)
  slipped = chance[0] < params.slip
  action = jnp.where(slipped, anywhere, jnp.asarray(action, jnp.int32))
  after = move(env.level, env.place, action, params)
  idle = chance[2] < params.failure
  after = jax.tree.map(
    lambda old, new: jnp.where(idle, old, new), env.place, after
  )
  moved = jnp.any(after.agent != env.agent)
  env = dataclasses.replace(
    env,
    key=key,
    agent=after.agent,
    slot=after.slot,
    opened=after.opened,
    boxes=after.boxes,
    time=env.time + 1,
    tried=jnp.append(action, env.tried[:-1]),
    trail=jnp.concatenate([env.agent[None], env.trail[:-1]]),
  )
  sight = chance[3:].reshape(4, pairs)
  return _state(env, moved, sight, params, config)


def legal(state: State, params: Params) -> Array:
  """bool[4], all True: a blocked move is allowed and does nothing."""
  del state, params
  return jnp.ones(len(DELTAS), bool)

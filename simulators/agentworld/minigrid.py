"""MiniGrid's DoorKey levels as AgentWorld levels, with MiniGrid's moves.

A DoorKey level is an AgentWorld level with one pair: the key is a tool, the
locked door an element. The moves differ. AgentWorld's agent steps in any
direction, takes a tool by walking onto it and opens an element by walking into
it. MiniGrid's agent turns, and picks up or unlocks the object *in front of* it
by a separate action. So AgentWorld's oracle does not give the lengths of their
solutions. `solve` relaxes the same Bellman equation by the same sweeps over
(cell, facing, held, opened) with the four moves below.

Dropping, closing a door and `done` are left out: none shortens a solution, as a
held key and an open door block nothing. A tool blocks its cell until it is
picked up.

Chevalier-Boisvert et al., "Minigrid & Miniworld", arXiv 2306.13831.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.game import dynamics, goals, oracle
from simulators.agentworld.types import Level, Params
from simulators.agentworld.vocabulary import REAL_ELEMENTS, REAL_TOOLS

Array = jax.Array

# MiniGrid's names of the moves; `act` is its pickup before a tool and its
# toggle before an element.
MOVES = ("left", "right", "forward", "act")
LEFT, RIGHT, FORWARD, ACT = range(len(MOVES))
# (row, column) in front, by MiniGrid's numbers: right, down, left, up.
FRONT = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)


class Pose(NamedTuple):
  """What MiniGrid's moves change.

  Attributes:
    agent: i32[2], the agent's cell.
    facing: i32[], index into FRONT.
    held: bool[P], tools picked up.
    opened: bool[P], elements opened.
  """

  agent: Array
  facing: Array
  held: Array
  opened: Array


def transcribe(env: Any) -> tuple[Level, Pose]:
  """A MiniGrid DoorKey environment after its reset, as (level, start).

  Args:
    env: a `minigrid.minigrid_env.MiniGridEnv`.

  Raises:
    ValueError: the level is no DoorKey level.
  """
  env = env.unwrapped
  size = env.grid.width
  wall = np.zeros((size, size), bool)
  found = {}
  for column in range(size):
    for row in range(size):
      thing = env.grid.get(column, row)
      kind = thing.type if thing else "empty"
      if kind == "wall":
        wall[row, column] = True
      elif kind in ("key", "door", "goal") and kind not in found:
        found[kind] = np.array([row, column], np.int32)
      elif kind != "empty":
        raise ValueError(
          f"{kind} at row {row}, column {column}: transcribe DoorKey levels, "
          "with walls and one key, door and goal"
        )
  missing = {"key", "door", "goal"} - set(found)
  if missing or env.grid.height != size:
    raise ValueError(
      f"a level of {size}x{env.grid.height} without {sorted(missing)}: "
      "transcribe DoorKey levels, square, with one key, door and goal"
    )
  column, row = env.agent_pos
  agent = np.array([row, column], np.int32)
  level = Level(
    wall=jnp.asarray(wall),
    hazard=jnp.zeros((size, size), bool),
    agent=jnp.asarray(agent),
    goal=jnp.asarray(found["goal"]),
    goal_kind=jnp.int32(goals.REACH),
    goal_thing=jnp.int32(0),
    tool_kind=jnp.array([REAL_TOOLS.index("key")], jnp.int32),
    tool_at=jnp.asarray(found["key"][None]),
    element_kind=jnp.array([REAL_ELEMENTS.index("door")], jnp.int32),
    element_at=jnp.asarray(found["door"][None]),
    box_at=jnp.zeros((0, 2), jnp.int32),
    side=jnp.int32(size),
    depth=jnp.int32(1),
    limit=jnp.int32(env.max_steps),
  )
  closed = jnp.zeros(1, bool)
  start = Pose(level.agent, jnp.int32(env.agent_dir), closed, closed)
  return level, start


def move(level: Level, params: Params, pose: Pose, action: Array) -> Pose:
  """The pose after one of MOVES; a blocked move changes nothing."""
  agent, facing, held, opened = pose
  size = level.wall.shape[-1]
  turn = jnp.where(action == LEFT, -1, jnp.where(action == RIGHT, 1, 0))
  ahead = agent + jnp.asarray(FRONT)[facing]
  inside = jnp.all((ahead >= 0) & (ahead < size))
  row, column = jnp.clip(ahead, 0, size - 1)
  tool = dynamics.at(level.tool_at, ahead)
  element = dynamics.at(level.element_at, ahead)
  free = inside & ~level.wall[row, column]
  free &= ~jnp.any(tool & ~held) & ~jnp.any(element & ~opened)
  fits = jnp.any(held[:, None] & dynamics.openers(level, params), axis=0)
  acts = action == ACT
  return Pose(
    agent=jnp.where(free & (action == FORWARD), ahead, agent),
    facing=(facing + turn) % len(FRONT),
    held=held | (acts & tool),
    opened=opened | (acts & element & fits),
  )


def _number(level: Level, pose: Pose) -> Array:
  """i32[]: index of a pose in a table."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  number = pose.agent[0] * size + pose.agent[1]
  number = number * len(FRONT) + pose.facing
  number = (number << pairs) | oracle.bits(pose.held)
  return (number << pairs) | oracle.bits(pose.opened)


def _pose(level: Level, number: Array) -> Pose:
  """The inverse of `_number`."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  flags = ((number >> jnp.arange(2 * pairs)) & 1) != 0
  number = number >> (2 * pairs)
  cell = number // len(FRONT)
  return Pose(
    agent=jnp.stack([cell // size, cell % size]),
    facing=number % len(FRONT),
    held=flags[pairs:],
    opened=flags[:pairs],
  )


def solve(level: Level, params: Params) -> Array:
  """Fewest moves to the goal from every state of a level.

  Args:
    level: one level; vmap for more.
    params: the rules; only `opens` matters.

  Returns:
    f32[S * S * 4 * 4^P], inf where the goal cannot be reached.
  """
  level = jax.tree.map(jnp.asarray, level)
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  states = jnp.arange(size * size * len(FRONT) * 4**pairs)

  def after(number: Array, action: Array) -> Array:
    pose = move(level, params, _pose(level, number), action)
    return _number(level, pose)

  moves = jnp.arange(len(MOVES))
  successor = jax.vmap(lambda n: jax.vmap(after, (None, 0))(n, moves))(states)
  agents = jax.vmap(lambda n: _pose(level, n).agent)(states)
  start = jnp.where(dynamics.at(agents, level.goal), 0.0, jnp.inf)
  return oracle.relax(
    lambda cost: 1.0 + jnp.min(cost[successor], axis=-1), start
  )


def costs(table: Array, level: Level, params: Params, pose: Pose) -> Array:
  """f32[4]: moves to the goal by way of each of MOVES, that move included."""

  def one(action: Array) -> Array:
    return 1.0 + table[_number(level, move(level, params, pose, action))]

  return jax.vmap(one)(jnp.arange(len(MOVES)))

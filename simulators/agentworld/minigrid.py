"""MiniGrid's DoorKey levels in AgentWorld's nouns, played by MiniGrid's moves.

A DoorKey level is an AgentWorld level with one pair: its key is a tool, its
locked door an element. The moves differ. AgentWorld's agent steps to any side,
takes a tool by walking onto it and opens an element by walking into it;
MiniGrid's turns, and needs an action of its own to pick up and to unlock what
lies *in front of* it. So the oracle of AgentWorld cannot be asked for their
lengths: `solve` relaxes the same Bellman equation, by the same sweeps, over
(cell, facing, held, opened) with the four moves below.

Left out are drop, closing the door again and `done`: none ever shortens a way,
since a held key and an open door bar nothing. In front of a tool nobody walks
on: MiniGrid's key must be picked up first.

Chevalier-Boisvert et al., "Minigrid & Miniworld", arXiv 2306.13831.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld import dynamics, goals, oracle
from simulators.agentworld.types import REAL_ELEMENTS, REAL_TOOLS, Level, Params

Array = jax.Array

# MiniGrid's names of the moves; `act` is its pickup before a tool and its
# toggle before an element.
MOVES = ("left", "right", "forward", "act")
LEFT, RIGHT, FORWARD, ACT = range(len(MOVES))
# (row, column) in front, by MiniGrid's numbers: right, down, left, up.
FRONT = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)


class Place(NamedTuple):
  """Where the agent is and what it has done.

  Attributes:
    agent: i32[2], its cell.
    facing: i32[], index into FRONT.
    held: bool[P], tools picked up.
    opened: bool[P], elements opened.
  """

  agent: Array
  facing: Array
  held: Array
  opened: Array


def transcribe(env: Any) -> tuple[Level, Place]:
  """A MiniGrid DoorKey environment, after its reset, as (level, start).

  Args:
    env: a `minigrid.minigrid_env.MiniGridEnv`.

  Raises:
    ValueError: for an object that DoorKey does not have.
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
    wall=wall,
    hazard=np.zeros_like(wall),
    agent=agent,
    goal=found["goal"],
    goal_kind=np.int32(goals.REACH),
    goal_thing=np.int32(0),
    tool_kind=np.array([REAL_TOOLS.index("key")], np.int32),
    tool_at=found["key"][None],
    element_kind=np.array([REAL_ELEMENTS.index("door")], np.int32),
    element_at=found["door"][None],
    box_at=np.zeros((0, 2), np.int32),
    side=np.int32(size),
    depth=np.int32(1),
  )
  closed = np.zeros(1, bool)
  return level, Place(agent, np.int32(env.agent_dir), closed, closed)


def move(level: Level, params: Params, place: Place, action: Array) -> Place:
  """The place after one of MOVES; what is barred leaves it as it is."""
  agent, facing, held, opened = place
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
  return Place(
    agent=jnp.where(free & (action == FORWARD), ahead, agent),
    facing=(facing + turn) % len(FRONT),
    held=held | (acts & tool),
    opened=opened | (acts & element & fits),
  )


def _number(level: Level, place: Place) -> Array:
  """i32[]: the state's place in a table."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  number = place.agent[0] * size + place.agent[1]
  number = number * len(FRONT) + place.facing
  number = (number << pairs) | oracle.bits(place.held)
  return (number << pairs) | oracle.bits(place.opened)


def _place(level: Level, number: Array) -> Place:
  """The inverse of `_number`."""
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  flags = ((number >> jnp.arange(2 * pairs)) & 1) != 0
  number = number >> (2 * pairs)
  cell = number // len(FRONT)
  return Place(
    agent=jnp.stack([cell // size, cell % size]),
    facing=number % len(FRONT),
    held=flags[pairs:],
    opened=flags[:pairs],
  )


def solve(level: Level, params: Params) -> Array:
  """Fewest moves to the goal from every state of a level.

  Args:
    level: one level; vmap for more.
    params: the rules; only `opens` plays a part.

  Returns:
    f32[S * S * 4 * 4^P], inf where the goal cannot be reached.
  """
  level = jax.tree.map(jnp.asarray, level)
  size, pairs = level.wall.shape[-1], level.tool_kind.shape[-1]
  states = jnp.arange(size * size * len(FRONT) * 4**pairs)

  def after(number: Array, action: Array) -> Array:
    place = move(level, params, _place(level, number), action)
    return _number(level, place)

  moves = jnp.arange(len(MOVES))
  successor = jax.vmap(lambda n: jax.vmap(after, (None, 0))(n, moves))(states)
  place = jax.vmap(lambda n: _place(level, n).agent)(states)
  start = jnp.where(dynamics.at(place, level.goal), 0.0, jnp.inf)
  return oracle.relax(
    lambda cost: 1.0 + jnp.min(cost[successor], axis=-1), start
  )


def costs(table: Array, level: Level, params: Params, place: Place) -> Array:
  """f32[4]: moves to the goal after each of MOVES, counting it."""

  def one(action: Array) -> Array:
    return 1.0 + table[_number(level, move(level, params, place, action))]

  return jax.vmap(one)(jnp.arange(len(MOVES)))

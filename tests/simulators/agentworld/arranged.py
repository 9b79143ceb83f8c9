"""Moments of AgentWorld with anything anywhere, for tests of the texts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld import variants
from simulators.agentworld.config import Config
from simulators.agentworld.game import dynamics
from simulators.agentworld.text import words
from simulators.agentworld.types import PAST, EnvState, Level, Obs, Place
from simulators.agentworld.vocabulary import ELEMENTS, GOALS, TOOLS
from simulators.base import State

PARAMS = variants.parse("imperfect/swapped(1)")
WORLDS = (
  Config(size=5, boxes=2, hazards=3, goals=GOALS),
  Config(size=7, boxes=1, hazards=6, goals=GOALS, pairs=4),
  Config(size=13, hazards=8, goals=("take", "open", "bring"), pairs=5),
  Config(size=11, boxes=1, goals=("reach", "push"), sides=(9, 11), larger=()),
)


def arrange(config, n, seed=0):
  """(Level, Place), leaves [n, ...]: anything anywhere, solvable or not.

  The agent and the boxes are sometimes on goals, tools or open elements. Half
  of the levels have tools in other slots than at the start.
  """
  rng = np.random.default_rng(seed)
  size, pairs, boxes = config.size, config.pairs, config.boxes
  rows = []
  for _ in range(n):
    side = rng.integers(min(size, 5 + pairs - 3), size + 1)
    wall = np.ones((size, size), bool)
    wall[:side, :side] = rng.random((side, side)) < 0.2
    things = 2 + 2 * pairs + boxes + config.hazards
    cells = rng.permutation(np.argwhere(np.ones((side, side), bool)))[:things]
    cells = cells.astype(np.int32)
    wall[tuple(cells.T)] = False
    agent, goal, tools, elements, boxes_at, hazards = np.split(
      cells, np.cumsum([1, 1, pairs, pairs, boxes])
    )
    agent, goal = agent[0], goal[0]
    kind = GOALS.index(rng.choice(config.goals))
    held, opened = rng.random((2, pairs)) < 0.3
    thing = int(rng.integers(pairs))
    goal = {1: tools[thing], 2: elements[thing]}.get(kind, goal)
    under = [goal] if kind != 2 or opened[thing] else []
    under += [*tools, *elements[opened]]
    under = sorted({tuple(cell.tolist()) for cell in under})
    under = [np.array(under[i], np.int32) for i in rng.permutation(len(under))]
    for box in range(boxes):
      if rng.random() < 0.3:
        boxes_at[box] = under.pop()
    if rng.random() < 0.2:
      agent = under.pop()
    elif boxes and rng.random() < 0.5:
      near = boxes_at[0] + np.array(words.DELTAS[rng.integers(4)], np.int32)
      crowd = np.concatenate([elements[~opened], boxes_at, hazards])
      inside = ((near >= 0) & (near < side)).all()
      if inside and not wall[tuple(near)] and not (crowd == near).all(1).any():
        agent = near
    order = rng.permutation(pairs) if rng.random() < 0.5 else np.arange(pairs)
    held |= (tools[order] == agent).all(1)
    slot = np.where(held, -1, order).astype(np.int32)
    hazard = np.zeros((size, size), bool)
    hazard[tuple(hazards.T)] = True
    kinds = rng.permutation(8)[:pairs].astype(np.int32)
    level = Level(
      wall=wall, hazard=hazard, agent=agent, goal=goal,
      goal_kind=np.int32(kind), goal_thing=np.int32(thing),
      tool_kind=kinds, tool_at=tools,
      element_kind=rng.permutation(kinds), element_at=elements,
      box_at=boxes_at, side=np.int32(side), depth=np.int32(0),
      limit=np.int32(rng.integers(3, config.horizon + 1)),
    )  # fmt: skip
    rows.append((level, Place(agent, slot, opened, boxes_at)))
  return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def state_of(level, place):
  env = EnvState(
    key=jax.random.key(0),
    level=level,
    time=jnp.zeros((), jnp.int32),
    tried=jnp.full(PAST, -1, jnp.int32),
    trail=jnp.full((PAST, 2), -1, jnp.int32),
    **{f.name: getattr(place, f.name) for f in dataclasses.fields(place)},
  )
  none = jnp.zeros(())
  return State(
    env_state=env, obs=None, reward=none, terminated=none, truncated=none,
    metrics={},
  )  # fmt: skip


@jax.jit
@jax.vmap
def look(level, place):
  """(obs, bool[4]: does each action change the agent's cell)."""
  env = state_of(level, place).env_state
  sight = jnp.ones((4, len(level.tool_kind)))
  obs = dynamics.observe(env, jnp.zeros((), bool), sight, PARAMS)
  after = jax.vmap(dynamics.move, (None, None, 0, None))(
    level, place, jnp.arange(4), PARAMS
  )
  return obs, jnp.any(after.agent != place.agent, axis=-1)


def by_hand(wall, agent, goal, tools, held, elements, needs, opened):
  """An `Obs` of one moment; tools and elements are {word: cell}."""
  batch = {
    "wall": wall,
    "hazard": np.zeros_like(wall),
    "goal_kind": np.array(0),
    "goal_word": np.array(-1),
    "boxes": np.zeros((0, 2), int),
    "side": np.array(len(wall)),
    "agent": np.array(agent),
    "goal": np.array(goal),
    "tool": np.array([TOOLS.index(x) for x in tools]),
    "tool_at": np.array(list(tools.values())),
    "held": np.array([x in held for x in tools]),
    "element": np.array([ELEMENTS.index(x) for x in elements]),
    "element_at": np.array(list(elements.values())),
    "opened": np.array([x in opened for x in elements]),
    "needs": np.array([TOOLS.index(x) for x in needs]),
    "moved": np.array(False),
    "last": np.array(-1),
    "limit": np.array(12),
    "time": np.array(0),
  }
  return Obs(**{name: leaf[None] for name, leaf in batch.items()})


def named_rooms(obs, i):
  """A function: cell -> names of the rooms at or around it, in order.

  Rooms are pieces of floor between walls and seen elements, found with sets.
  They are named from A in reading order; the eleventh and later have no name.
  """
  size = len(obs.wall[i])
  cells = [(r, c) for r in range(size) for c in range(size)]
  stands = {tuple(x) for x in obs.element_at[i][obs.element[i] >= 0].tolist()}
  floor = {c for c in cells if not obs.wall[i][c]} - stands
  name, names = {}, list("ABCDEFGHIJ")
  for first in cells:
    if first not in floor or first in name:
      continue
    letter, queue = names.pop(0) if names else "", [first]
    while queue:
      cell = queue.pop()
      if cell in floor and cell not in name:
        name[cell] = letter
        queue += around(cell)

  def rooms(cell):
    cell = tuple(int(x) for x in cell)
    near = [cell] if cell in name else around(cell)
    return sorted({name[x] for x in near if x in name} - {""})

  return rooms


def around(cell):
  """The four cells next to a cell."""
  row, column = cell
  return [
    (row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)
  ]  # fmt: skip

"""What a level of AgentWorld asks for: drawing it, testing it.

| goal | achieved when |
|---|---|
| reach | the agent stands on the goal's cell |
| take | the tool asked for is held |
| open | the element asked for is open |
| bring | the agent stands on the goal's cell and holds the tool asked for |
| push | a box stands on the goal's cell |
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.types import Level, Place
from simulators.agentworld.vocabulary import GOALS

Array = jax.Array

REACH, TAKE, OPEN, BRING, PUSH = range(len(GOALS))


class Asked(NamedTuple):
  """What a level asks for, before its tools and elements are shuffled.

  Attributes:
    kind: i32[], index into GOALS.
    thing: i32[], index of the tool or element; 0 if none.
    possible: bool[], whether a level of this depth can have such a goal.
  """

  kind: Array
  thing: Array
  possible: Array

  @property
  def has_thing(self) -> Array:
    """bool[]: whether a tool or an element is asked for."""
    return jnp.array([False, True, True, True, False])[self.kind]

  def is_taken(self, tool: int) -> Array:
    """bool[]: whether taking this tool is what is asked for."""
    return (self.kind == TAKE) & (self.thing == tool)


def draw(key: Array, depth: Array, config: Config) -> Asked:
  """One of `config.goals`; an element asked for is the last of its chain.

  While a level is made, the tools and elements of its chain come first: tool
  `depth` is a distractor, element `depth - 1` is the last of the chain.
  """
  if config.goals == ("reach",):
    none = jnp.zeros((), jnp.int32)
    return Asked(none, none, jnp.ones((), bool))
  offered = np.array([GOALS.index(goal) for goal in config.goals], np.int32)
  fits = (offered != OPEN) | (depth > 0)
  chance = jax.random.uniform(jax.random.fold_in(key, 2), (len(offered),))
  kind = jnp.asarray(offered)[jnp.argmax(jnp.where(fits, chance, -1.0))]
  depth = jnp.asarray(depth, jnp.int32)
  none = jnp.zeros_like(depth)
  thing = jnp.stack([none, depth, depth - 1, depth, none])[kind]
  return Asked(kind, thing, jnp.any(fits))


def achieved(level: Level, place: Place) -> Array:
  """bool[]: whether the level's goal is achieved."""
  at_goal = jnp.all(place.agent == level.goal)
  held = place.held[level.goal_thing]
  pushed = jnp.any(jnp.all(place.boxes == level.goal, axis=-1))
  opened = place.opened[level.goal_thing]
  kinds = jnp.stack([at_goal, held, opened, at_goal & held, pushed])
  return kinds[level.goal_kind]


def word(level: Level, tool_id: Array, element_id: Array) -> Array:
  """i32[]: word of the tool or element asked for; -1 if none.

  Args:
    level: the level.
    tool_id, element_id: as in Params.
  """
  thing = level.goal_thing
  tool = tool_id[level.tool_kind[thing]]
  element = element_id[level.element_kind[thing]]
  none = jnp.full((), -1, tool.dtype)
  return jnp.stack([none, tool, element, tool, none])[level.goal_kind]

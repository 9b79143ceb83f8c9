"""Experts for MiniGrid: a search of all moves, and BabyAI's own bot."""

import collections
import copy
from collections.abc import Hashable
from typing import Any

import numpy as np

from simulators.outside.minigrid_actions import ACTIONS, DROP

# No searched level needs `drop`.
_MOVES = tuple(move for move in range(len(ACTIONS)) if move != DROP)
_MOST_STEPS = 500  # of the bot, in one episode


class SearchExpert:
  """Shortest ways by breadth-first search over the environment's own steps.

  All states that can be reached without `drop` are searched once; where the
  agent has dropped something, again from there.

  Args:
    env: a `MiniGridEnv` after its reset.
  """

  def __init__(self, env: Any):
    self._env = env
    self._left: dict[Hashable, float] = {}  # state -> fewest steps to success
    self._after: dict[Hashable, dict[int, Hashable]] = {}

  def costs(self, last: int | None) -> np.ndarray:
    """f64[A]: steps to success by way of each action; inf for none."""
    del last
    here = _key(_saved(self._env))
    if here not in self._after:
      self._search()
    out = np.full(len(ACTIONS), np.inf)
    for action, there in self._after[here].items():
      out[action] = 1 + self._left.get(there, np.inf)
    return out

  def _search(self) -> None:
    """Fills the tables with all that can be reached from here."""
    env, start = self._env, _saved(self._env)
    env.gen_obs = lambda: None  # what the agent sees does not matter here
    before = collections.defaultdict(list)
    self._left, self._after = {}, {}
    todo, won, lost = collections.deque([start]), object(), object()
    known = {_key(start)}
    while todo:
      state = todo.popleft()
      here = _key(state)
      self._after[here] = {}
      for move in _MOVES:
        _restore(env, state)
        _, reward, ended, _, _ = env.step(move)
        new = _saved(env)
        there = (won if reward > 0 else lost) if ended else _key(new)
        self._after[here][move] = there
        before[there].append(here)
        if not ended and there not in known:
          known.add(there)
          todo.append(new)
    _restore(env, start)
    del env.gen_obs
    ends = collections.deque([won])
    self._left[won] = 0
    while ends:
      there = ends.popleft()
      for here in before[there]:
        if here not in self._left:
          self._left[here] = self._left[there] + 1
          ends.append(here)


class BotExpert:
  """BabyAI's bot, which sees what the agent sees and solves its missions.

  Args:
    env: a BabyAI environment after its reset.
  """

  def __init__(self, env: Any):
    self._bot = _bot(env)
    self._steps = float(_length(copy.deepcopy(env)))

  def costs(self, last: int | None) -> np.ndarray:
    """f64[A]: the bot's steps to success for its action, inf for the others.

    All are inf where the bot never succeeds, and where it gives up.
    """
    try:
      action = int(self._bot.replan(last))
    except AssertionError:  # it does not know this situation
      action = len(ACTIONS)
    out = np.full(len(ACTIONS), np.inf)
    if action < len(ACTIONS):
      out[action] = self._steps
    self._steps = max(1.0, self._steps - 1)
    return out


def _bot(env: Any) -> Any:
  from minigrid.utils.baby_ai_bot import BabyAIBot

  return BabyAIBot(env)


def _length(env: Any) -> float:
  """Steps that the bot takes to succeed; inf where it does not."""
  bot = _bot(env)
  for steps in range(1, _MOST_STEPS):
    action = bot.replan()
    _, reward, ended, cut, _ = env.step(action)
    if ended or cut:
      return steps if reward > 0 else np.inf
  return np.inf


def _saved(env: Any) -> tuple[Any, ...]:
  """All that a step changes."""
  cells = tuple(env.grid.grid)
  doors = tuple(
    (c, c.is_open, c.is_locked) for c in cells if c and c.type == "door"
  )
  place = (tuple(int(x) for x in env.agent_pos), int(env.agent_dir))
  return place, env.carrying, cells, doors, env.step_count


def _restore(env: Any, state: tuple[Any, ...]) -> None:
  (env.agent_pos, env.agent_dir), env.carrying, cells, doors, count = state
  env.grid.grid, env.step_count = list(cells), count
  for door, env_open, env_locked in doors:
    door.is_open, door.is_locked = env_open, env_locked


def _key(state: tuple[Any, ...]) -> Hashable:
  """Equal for states that differ in the number of steps alone."""
  place, carrying, cells, doors, _ = state
  ways = tuple((is_open, is_locked) for _, is_open, is_locked in doors)
  return place, id(carrying), tuple(map(id, cells)), ways

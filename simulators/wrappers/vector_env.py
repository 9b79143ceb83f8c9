"""Worlds as Gymnasium vector environments, for trainers of other authors.

    envs = WorldVectorEnv(world, world.params("real"), pool.levels, 1024)
    obs, info = envs.reset(seed=0)
    actions = envs.action_space.sample()
    obs, reward, terminated, truncated, info = envs.step(actions)

This module imports gymnasium (extra `worlds`); no other module imports it.
Towers et al., "Gymnasium", arXiv 2407.17032.
"""

import functools
from collections.abc import Sequence
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from simulators.base import Array, PyTree, State, World
from simulators.rollout import flatten, fresh_episode

_LIMIT = 2**31  # seeds are below


class WorldVectorEnv(VectorEnv):
  """B episodes of a world under one set of rules, stepped at once.

  Observation: f32[B, N], all leaves of `obs` in the order of their fields;
  flags are 0 or 1, words are their numbers. Action: i64[B], indices into
  `world.actions`. Reward, `terminated` and `truncated` are the world's.

  `info` holds `action_mask` (bool[B, A], the legal actions), `success`
  (bool[B]) and the world's metrics (f32[B]) of the moment that the observation
  shows. What an illegal action does is up to the world, as in `World.step`.

  Where an episode has ended, the next `step` ignores the action and starts a
  fresh one on a level drawn from the pool, with reward 0: Gymnasium's
  `AutoresetMode.NEXT_STEP`. Row i depends on its own seed and actions alone.
  """

  metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

  def __init__(
    self, world: World, params: PyTree, levels: PyTree, num_envs: int
  ):
    """Binds the rules and the pool.

    Args:
      world: the simulator.
      params: the rules, array leaves.
      levels: leaves [pool size, ...].
      num_envs: B.

    Raises:
      ValueError: num_envs is below 1.
    """
    if num_envs < 1:
      raise ValueError(f"num_envs {num_envs} is below 1: give at least 1")
    self.world, self.params, self.levels = world, params, levels
    self.num_envs = num_envs
    like = jax.eval_shape(
      lambda key: fresh_episode(world, key, params, levels), jax.random.key(0)
    )
    size = sum(x.size for x in jax.tree.leaves(like.obs))
    actions = len(world.actions)
    self.single_observation_space = gymnasium.spaces.Box(
      -np.inf, np.inf, (size,), np.float32
    )
    self.single_action_space = gymnasium.spaces.Discrete(actions)
    self.observation_space = batch_space(
      self.single_observation_space, num_envs
    )
    self.action_space = batch_space(self.single_action_space, num_envs)
    self._keys_B: Array | None = None
    self._states_B: State | None = None

  def reset(
    self,
    *,
    seed: int | Sequence[int] | None = None,
    options: dict[str, Any] | None = None,
  ) -> tuple[np.ndarray, dict[str, Any]]:
    """Starts a fresh episode in each row.

    Args:
      seed: of row 0, to which each row's index is added, or one for each row;
        None goes on with the rows' present keys, at first with a random seed.
      options: none are known.

    Raises:
      ValueError: the number of seeds is not that of the rows, or options are
        given.
    """
    if options:
      raise ValueError(f"options {options}: none are known, leave them out")
    if seed is None and self._keys_B is None:
      seed = int(np.random.SeedSequence().generate_state(1)[0] % _LIMIT)
    if seed is not None:
      seeds = np.asarray(seed, np.uint32)
      if not seeds.ndim:
        seeds = seeds + np.arange(self.num_envs, dtype=np.uint32)
      if seeds.shape != (self.num_envs,):
        raise ValueError(
          f"{seeds.size} seeds for {self.num_envs} rows: give one for each, or "
          "one number"
        )
      self._keys_B = jax.vmap(jax.random.key)(seeds)
    self._keys_B, self._states_B, shown = _reset(
      self.world, self._keys_B, self.params, self.levels
    )
    obs, *_, info = self._shown(shown)
    return obs, info

  def step(
    self, actions: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """One action in each row: (obs, reward, terminated, truncated, info).

    Raises:
      RuntimeError: `reset` was not called.
      ValueError: the actions are not in the action space.
    """
    if self._states_B is None:
      raise RuntimeError("no episode has been started: call reset first")
    actions = np.asarray(actions)
    if not self.action_space.contains(actions.astype(np.int64)):
      raise ValueError(
        f"actions {actions.tolist()}: give {self.num_envs} numbers from 0 to "
        f"{len(self.world.actions) - 1}"
      )
    self._keys_B, self._states_B, shown = _step(
      self.world, self._keys_B, self._states_B, actions, self.params,
      self.levels,
    )  # fmt: skip
    return self._shown(shown)

  def _shown(
    self, shown: PyTree
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """What Gymnasium's `step` returns, in numpy; see the class for `info`."""
    obs, reward, terminated, truncated, legal, metrics = jax.device_get(shown)
    info: dict[str, Any] = {**metrics, "success": metrics["success"] > 0}
    info["action_mask"] = legal
    # Gymnasium's sign that a row has this entry: here, all have all.
    info |= {f"_{name}": np.ones(self.num_envs, bool) for name in list(info)}
    return obs, reward.astype(np.float64), terminated, truncated, info


def _show(world: World, state: State, params: PyTree) -> PyTree:
  return (
    flatten(state.obs), state.reward, state.terminated, state.truncated,
    world.legal(state, params), state.metrics,
  )  # fmt: skip


@functools.partial(jax.jit, static_argnames="world")
def _reset(
  world: World, keys_B: Array, params: PyTree, levels: PyTree
) -> tuple[Array, State, PyTree]:
  """(keys to go on with, first states, what is shown of them)."""

  def start(key: Array) -> tuple[Array, State, PyTree]:
    onward, episode = jax.random.split(key)
    state = fresh_episode(world, episode, params, levels)
    return onward, state, _show(world, state, params)

  return jax.vmap(start)(keys_B)


@functools.partial(jax.jit, static_argnames="world")
def _step(
  world: World,
  keys_B: Array,
  states_B: State,
  actions_B: Array,
  params: PyTree,
  levels: PyTree,
) -> tuple[Array, State, PyTree]:
  """As `_reset`, after a step, or a fresh start where the last one ended."""

  def step(
    key: Array, state: State, action: Array
  ) -> tuple[Array, State, PyTree]:
    onward, episode = jax.random.split(key)
    fresh = fresh_episode(world, episode, params, levels)
    stepped = world.step(state, action, params)
    over = state.done
    state = jax.tree.map(lambda a, b: jnp.where(over, a, b), fresh, stepped)
    return jnp.where(over, onward, key), state, _show(world, state, params)

  return jax.vmap(step)(keys_B, states_B, actions_B)

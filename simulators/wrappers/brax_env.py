"""Worlds as brax environments, for brax's own training.

This module imports brax, which takes seconds; no other module imports it.

    brax_env.register("agentworld", world, params, pool.levels)
    env = brax.envs.get_environment("agentworld")
    ppo.train(env, episode_length=env.episode_length, ...)
"""

import dataclasses
import functools
from typing import Protocol, runtime_checkable

import brax.envs
import jax
import jax.numpy as jnp

from simulators.base import Array, PyTree, State, World
from simulators.rollout import flatten, fresh_episode
from simulators.wrappers import compat

compat.install_device_put_replicated()


@runtime_checkable
class HasConfig(Protocol):
  """A world that was made with a config, such as AgentWorld."""

  config: object


@runtime_checkable
class HasHorizon(Protocol):
  """A config with a time limit."""

  horizon: int  # steps


class BraxEnv(brax.envs.Env):
  """A world under one set of rules on a pool of levels.

  Observation: f32[observation_size], all leaves of `obs` in the order of their
  fields, flattened; flags are 0 or 1, words are their numbers.
  Action: f32[action_size], a preference for each of the world's actions; the
  greatest is taken, since brax's PPO has continuous actions only.
  Reward: the world's.
  `done` (f32): the world's `terminated`. `info["truncation"]` (f32): its
  `truncated`. brax's EpisodeWrapper applies one time limit to all levels; under
  it a level whose own limit is shorter ends by `done`.
  Metrics: what each step adds to the world's metrics, since brax sums them up.

  When an episode is over, brax's AutoResetWrapper restores
  `info["first_pipeline_state"]` and `info["first_obs"]`, and so would repeat
  the first level. `step` therefore puts a fresh episode there, on a level drawn
  from the pool. Without brax's wrappers there is no reset, as in every brax
  environment.
  """

  def __init__(
    self,
    world: World,
    params: PyTree,
    levels: PyTree,
    episode_length: int | None = None,
  ):
    """Binds the rules and the pool.

    Args:
      world: the simulator.
      params: the rules, array leaves.
      levels: leaves [pool size, ...].
      episode_length: the time limit in steps, for brax's EpisodeWrapper; None
        takes `world.config.horizon`.

    Raises:
      ValueError: no time limit is given, and the world has none.
    """
    self.world, self.params, self.levels = world, params, levels
    if episode_length is None:
      config = world.config if isinstance(world, HasConfig) else None
      if not isinstance(config, HasHorizon):
        raise ValueError(
          "episode_length None: the world has no config.horizon, so give "
          "episode_length in steps"
        )
      episode_length = config.horizon
    self.episode_length = episode_length

  def reset(self, rng: Array) -> brax.envs.State:
    """The start of an episode on a level drawn from the pool."""
    episode, onward = jax.random.split(_typed(rng))
    state = fresh_episode(self.world, episode, self.params, self.levels)
    return brax.envs.State(
      pipeline_state=_raw(state),
      obs=flatten(state.obs),
      reward=state.reward,
      done=state.terminated.astype(jnp.float32),
      metrics=jax.tree.map(jnp.zeros_like, state.metrics),
      info={
        "key": jax.random.key_data(onward),
        "truncation": state.truncated.astype(jnp.float32),
      },
    )

  def step(self, state: brax.envs.State, action: Array) -> brax.envs.State:
    """Takes the action of greatest preference; see the class for resets."""
    onward, episode = jax.random.split(_typed(state.info["key"]))
    old = self._world_state(state.pipeline_state)
    choice = jnp.argmax(action).astype(jnp.int32)
    new = self.world.step(old, choice, self.params)
    gains = jax.tree.map(jnp.subtract, new.metrics, old.metrics)
    info = state.info | {
      "key": jax.random.key_data(onward),
      "truncation": new.truncated.astype(jnp.float32),
    }
    done = new.terminated
    if "steps" in info:  # brax's EpisodeWrapper counts them
      early = info["steps"] + 1 < self.episode_length
      done |= new.truncated & early
    if "first_pipeline_state" in info:
      fresh = fresh_episode(self.world, episode, self.params, self.levels)
      info["first_pipeline_state"] = _raw(fresh)
      info["first_obs"] = flatten(fresh.obs)
    return dataclasses.replace(
      state,
      pipeline_state=_raw(new),
      obs=flatten(new.obs),
      reward=new.reward,
      done=done.astype(jnp.float32),
      metrics=state.metrics | gains,
      info=info,
    )

  @property
  def observation_size(self) -> int:
    """Number of values of an observation."""
    return sum(x.size for x in jax.tree.leaves(self._like.obs))

  @property
  def action_size(self) -> int:
    """Number of actions."""
    return len(self.world.actions)

  @property
  def backend(self) -> str:
    """ "none": no physics engine of brax is used."""
    return "none"

  @functools.cached_property
  def _like(self) -> State:
    """Shapes and types of a state."""

    def first(seed: int) -> State:
      key = jax.random.key(seed)
      return fresh_episode(self.world, key, self.params, self.levels)

    return jax.eval_shape(first, 0)

  def _world_state(self, raw: PyTree) -> State:
    """The inverse of `_raw`."""

    def wrap(leaf: Array, shape: jax.ShapeDtypeStruct) -> Array:
      typed = jnp.issubdtype(shape.dtype, jax.dtypes.prng_key)
      return jax.random.wrap_key_data(leaf) if typed else leaf

    return jax.tree.map(wrap, raw, self._like)


def _typed(rng: Array) -> Array:
  """A typed PRNG key; brax gives keys as raw words."""
  if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
    return rng
  return jax.random.wrap_key_data(rng)


def _raw(state: PyTree) -> PyTree:
  """Typed PRNG keys as raw words: brax's wrappers index every leaf."""

  def leaf(x: Array) -> Array:
    typed = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(x) if typed else x

  return jax.tree.map(leaf, state)


def register(
  name: str,
  world: World,
  params: PyTree,
  levels: PyTree,
  episode_length: int | None = None,
) -> None:
  """Registers a BraxEnv for `brax.envs.get_environment(name)`."""

  class Registered(BraxEnv):
    def __init__(self) -> None:
      super().__init__(world, params, levels, episode_length)

  brax.envs.register_environment(name, Registered)

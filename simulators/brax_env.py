"""Our worlds as brax environments, for brax's own training.

Import this module only where brax is wanted: it imports brax, which takes
seconds; `import simulators` does not.

    brax_env.register("agentworld", world, params, pool.levels)
    env = brax.envs.get_environment("agentworld")
    ppo.train(env, episode_length=env.episode_length, ...)
"""

import functools

import brax.envs
import jax
import jax.numpy as jnp

from simulators import compat
from simulators.base import PyTree, State, World
from simulators.rollout import fresh_episode

Array = jax.Array

compat.install_device_put_replicated()


class BraxEnv(brax.envs.Env):
  """A world under one set of rules on a pool of levels.

  Observation: f32[observation_size], all leaves of `obs` in the order of
  their fields, flattened; flags are 0 or 1, words their numbers.
  Action: f32[action_size], a preference for each of the world's actions; the
  greatest is taken, for brax's PPO knows continuous actions only.
  Reward: the world's. `done` (f32): the world's own end; `info["truncation"]`
  (f32): its time limit, which brax's EpisodeWrapper keeps by itself, the same
  for all levels: under it a level whose own limit is shorter ends by `done`.
  Metrics: what each step adds to the world's, for brax sums them up.

  brax's AutoResetWrapper puts back `info["first_pipeline_state"]` and
  `info["first_obs"]` when an episode is over, so would play the first level
  for ever. `step` therefore puts a fresh episode there, on a level drawn from
  the pool: with brax's wrappers every new episode is another one. Without
  them there is no reset, as in every brax environment.
  """

  def __init__(self, world: World, params: PyTree, levels: PyTree):
    """Binds the rules and the pool.

    Args:
      world: the simulator.
      params: the rules, array leaves.
      levels: leaves lead with the pool's size.
    """
    self.world, self.params, self.levels = world, params, levels

  def reset(self, rng: Array) -> brax.envs.State:
    """A level drawn from the pool, at its start."""
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
    """The action of greatest preference; see the class for what is reset."""
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
    return state.replace(
      pipeline_state=_raw(new),
      obs=flatten(new.obs),
      reward=new.reward,
      done=done.astype(jnp.float32),
      metrics=state.metrics | gains,
      info=info,
    )

  @property
  def episode_length(self) -> int:
    """The world's time limit, to be handed to brax's EpisodeWrapper."""
    return self.world.config.horizon

  @functools.cached_property
  def observation_size(self) -> int:
    return sum(x.size for x in jax.tree.leaves(self._like.obs))

  @property
  def action_size(self) -> int:
    return len(self.world.actions)

  @property
  def backend(self) -> str:
    return "none"

  @functools.cached_property
  def _like(self) -> State:
    """Shapes and types of a state."""

    def first(seed):
      key = jax.random.key(seed)
      return fresh_episode(self.world, key, self.params, self.levels)

    return jax.eval_shape(first, 0)

  def _world_state(self, raw: PyTree) -> State:
    """The inverse of `_raw`."""

    def wrap(leaf, shape):
      typed = jnp.issubdtype(shape.dtype, jax.dtypes.prng_key)
      return jax.random.wrap_key_data(leaf) if typed else leaf

    return jax.tree.map(wrap, raw, self._like)


def _typed(rng: Array) -> Array:
  """A typed PRNG key; brax hands its raw words."""
  if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
    return rng
  return jax.random.wrap_key_data(rng)


def _raw(state: PyTree) -> PyTree:
  """Typed PRNG keys as their words: brax's wrappers index every leaf."""

  def leaf(x):
    typed = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(x) if typed else x

  return jax.tree.map(leaf, state)


def flatten(obs: PyTree) -> Array:
  """f32[observation_size]: all leaves of one observation."""
  leaves = [x.astype(jnp.float32).reshape(-1) for x in jax.tree.leaves(obs)]
  return jnp.concatenate(leaves)


def register(name: str, world: World, params: PyTree, levels: PyTree) -> None:
  """Makes `brax.envs.get_environment(name)` give this world."""
  make = functools.partial(BraxEnv, world, params, levels)
  brax.envs.register_environment(name, make)

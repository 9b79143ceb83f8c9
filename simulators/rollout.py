"""Episodes by the thousand: played, replayed, and started afresh.

An episode's chance comes from two places that never mix: `seeds[i]` makes the
key that `reset` hands to the world, from which slips and missed observations
follow; `policy_key` is the actors' own. So a seed and a list of actions are
all that is needed to be back at any moment of an episode.
"""

import functools
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from simulators.base import PyTree, State, World

Array = jax.Array
Policy = Callable[[Array, State, PyTree], Array]  # (key, state, params)


@flax.struct.dataclass
class Trajectory:
  """Episodes side by side; after its end an episode stands still.

  Attributes:
    states: State with leaves [n, steps + 1, ...], the reset first.
    actions: i32[n, steps]; -1 once the episode is over.
    rewards: f32[n, steps]; 0 once the episode is over.
    valid: bool[n, steps], whether the step was taken.
  """

  states: State
  actions: Array
  rewards: Array
  valid: Array

  @property
  def lengths(self) -> Array:
    """i32[n]: steps taken."""
    return jnp.sum(self.valid, axis=-1)

  @property
  def success(self) -> Array:
    """bool[n]: whether the episode has come to a rewarded end."""
    return self.states.terminated[:, -1] & (jnp.sum(self.rewards, -1) > 0)


# --- Playing ----------------------------------------------------------------


def keep(old: State, new: State, frozen: Array) -> State:
  """`old`, rewarded no more, where `frozen` bool[] is True; else `new`."""
  old = old.replace(reward=jnp.zeros_like(old.reward))
  return jax.tree.map(lambda a, b: jnp.where(frozen, a, b), old, new)


@functools.partial(
  jax.jit, static_argnames=("world", "policy", "steps", "params_axis")
)
def rollout(
  world: World,
  params: PyTree,
  levels: PyTree,
  seeds: Array,
  policy: Policy,
  policy_key: Array,
  steps: int,
  params_axis: int | None = None,
  first_row: Array | int = 0,
) -> Trajectory:
  """Plays one episode on each level, all at once.

  Args:
    world: the simulator; static, as are `policy`, `steps`, `params_axis`.
    params: the rules, shared or (with `params_axis=0`) one value a level.
    levels: a pytree whose leaves lead with n.
    seeds: i32[n], of each episode's chance.
    policy: chooses an action i32[] for one state.
    policy_key: PRNG key of the actors.
    steps: steps to play at most.
    params_axis: None or 0.
    first_row: what the rows count from, where more are played in parts: an
      actor's chance is that of its row.

  Returns:
    A Trajectory of n episodes.
  """

  def episode(row: Array, seed: Array, level: PyTree, params: PyTree):
    actor = jax.random.fold_in(policy_key, row)

    def take(state: State, t: Array):
      action = policy(jax.random.fold_in(actor, t), state, params)
      action = action.astype(jnp.int32)
      valid = ~state.done
      state = keep(state, world.step(state, action, params), ~valid)
      return state, (state, jnp.where(valid, action, -1), state.reward, valid)

    first = world.reset(jax.random.key(seed), params, level)
    _, (states, actions, rewards, valid) = jax.lax.scan(
      take, first, jnp.arange(steps)
    )
    states = jax.tree.map(
      lambda a, b: jnp.concatenate([a[None], b]), first, states
    )
    return Trajectory(states, actions, rewards, valid)

  rows = first_row + jnp.arange(len(seeds))
  play = jax.vmap(episode, in_axes=(0, 0, 0, params_axis))
  return play(rows, jnp.asarray(seeds), levels, params)


@functools.partial(jax.jit, static_argnames=("world", "params_axis"))
def replay(
  world: World,
  params: PyTree,
  levels: PyTree,
  seeds: Array,
  actions: Array,
  lengths: Array,
  params_axis: int | None = None,
) -> State:
  """The states at which lists of actions end: `rollout` over again.

  Args:
    world: the simulator, static.
    params: the rules, shared or (with `params_axis=0`) one value a level.
    levels: a pytree whose leaves lead with n.
    seeds: i32[n], as in the rollout.
    actions: i32[n, L]; what stands beyond `lengths` is ignored.
    lengths: i32[n], actions to take; those after an episode's end are idle.
    params_axis: None or 0.

  Returns:
    A State with leaves [n, ...].
  """

  def episode(seed, level, actions, length, params):
    def take(state: State, step: tuple[Array, Array]):
      t, action = step
      over = t >= length
      new = keep(state, world.step(state, action, params), state.done)
      new = jax.tree.map(lambda a, b: jnp.where(over, a, b), state, new)
      return new, None

    first = world.reset(jax.random.key(seed), params, level)
    return jax.lax.scan(take, first, (jnp.arange(len(actions)), actions))[0]

  play = jax.vmap(episode, in_axes=(0, 0, 0, 0, params_axis))
  return play(
    jnp.asarray(seeds), levels, jnp.asarray(actions), jnp.asarray(lengths),
    params,
  )  # fmt: skip


def step_or_reset(
  world: World,
  key: Array,
  state: State,
  action: Array,
  params: PyTree,
  pool_levels: PyTree,
) -> tuple[State, State]:
  """One step of endless play: an episode that ends makes room for a fresh one.

  The new episode is on a level drawn from the whole pool, with a key of its
  own: it does not play the old one over again.

  Args:
    world: the simulator.
    key: PRNG key, used only where an episode ends.
    state: one state that is not done; vmap for more.
    action: i32[].
    params: the rules.
    pool_levels: leaves lead with the pool's size.

  Returns:
    state: where play goes on.
    outcome: what the action led to, with its reward, its end and its final
      observation; equal to `state` while the episode lasts.
  """
  outcome = world.step(state, action, params)
  fresh = fresh_episode(world, key, params, pool_levels)
  state = jax.tree.map(
    lambda a, b: jnp.where(outcome.done, a, b), fresh, outcome
  )
  return state, outcome


def fresh_episode(
  world: World, key: Array, params: PyTree, pool_levels: PyTree
) -> State:
  """The first state of an episode on a level drawn from the pool."""
  draw, reset = jax.random.split(key)
  size = jax.tree.leaves(pool_levels)[0].shape[0]
  index = jax.random.randint(draw, (), 0, size)
  level = jax.tree.map(lambda x: jnp.asarray(x)[index], pool_levels)
  return world.reset(reset, params, level)


# --- Actors: the same object for the same arguments, so jit compiles once ---


@functools.lru_cache
def random_policy(world: World) -> Policy:
  """Any legal action, all alike."""

  def policy(key: Array, state: State, params: PyTree) -> Array:
    legal = world.legal(state, params)
    return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf))

  return policy


@functools.lru_cache
def oracle_policy(world: World) -> Policy:
  """An action of least cost, any of them alike; legal where there is none."""

  def policy(key: Array, state: State, params: PyTree) -> Array:
    cost = world.oracle(state, params)
    legal = world.legal(state, params)
    best = legal & (cost == jnp.min(jnp.where(legal, cost, jnp.inf)))
    return jax.random.categorical(key, jnp.where(best, 0.0, -jnp.inf))

  return policy


@functools.lru_cache
def mixed_policy(world: World, epsilon: float) -> Policy:
  """The oracle's action, but a random one with probability epsilon.

  Raises:
    ValueError: epsilon is not a probability.
  """
  if not 0.0 <= epsilon <= 1.0:
    raise ValueError(f"epsilon {epsilon} must lie in 0..1: it is a probability")
  oracle, random = oracle_policy(world), random_policy(world)

  def policy(key: Array, state: State, params: PyTree) -> Array:
    which, first, second = jax.random.split(key, 3)
    return jnp.where(
      jax.random.uniform(which) < epsilon,
      random(first, state, params),
      oracle(second, state, params),
    )

  return policy

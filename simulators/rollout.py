"""Thousands of episodes at once: play them, replay them, start fresh ones.

Randomness has two sources that never mix. `seeds[i]` gives the key for `reset`,
from which all randomness of the world follows, such as slips and missed
observations. `policy_key` is for the actors alone. A seed and a list of actions
therefore suffice to reach any moment of an episode again.
"""

import dataclasses
import functools
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from simulators.base import (
  Array,
  HasOracle,
  PyTree,
  State,
  World,
  check_oracle,
)

Policy = Callable[[Array, State, PyTree], Array]  # (key, state, params)


@flax.struct.dataclass
class Trajectory:
  """n episodes; a finished episode stays unchanged.

  Attributes:
    states: State with leaves [n, steps + 1, ...], the first from `reset`.
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
    """bool[n]: whether the episode has terminated with a reward."""
    return self.states.terminated[:, -1] & (jnp.sum(self.rewards, -1) > 0)


# --- Playing ----------------------------------------------------------------


def keep(old: State, new: State, frozen: Array) -> State:
  """`old` with reward 0 where `frozen` bool[] is True, else `new`."""
  old = dataclasses.replace(old, reward=jnp.zeros_like(old.reward))
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
  """Plays one episode on each of n levels.

  Args:
    world: the simulator; static, as are `policy`, `steps`, `params_axis`.
    params: the rules, shared or (with `params_axis=0`) one value a level.
    levels: leaves [n, ...].
    seeds: i32[n], one for each episode's randomness.
    policy: chooses an action i32[] for one state.
    policy_key: PRNG key of the actors.
    steps: maximal number of steps.
    params_axis: None or 0.
    first_row: number of the first row, where a batch is played in parts; an
      actor's randomness depends on the number of its row.

  Returns:
    A Trajectory of n episodes.
  """

  def episode(
    row: Array, seed: Array, level: PyTree, params: PyTree
  ) -> Trajectory:
    actor = jax.random.fold_in(policy_key, row)

    def take(state: State, t: Array) -> tuple[State, tuple]:
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
  """The states that lists of actions lead to: the same as in `rollout`.

  Args:
    world: the simulator, static.
    params: the rules, shared or (with `params_axis=0`) one value a level.
    levels: leaves [n, ...].
    seeds: i32[n], as in the rollout.
    actions: i32[n, L]; those beyond `lengths` are ignored.
    lengths: i32[n], actions to take; those after an episode's end do nothing.
    params_axis: None or 0.

  Returns:
    A State with leaves [n, ...].
  """

  def episode(
    seed: Array, level: PyTree, actions: Array, length: Array, params: PyTree
  ) -> State:
    def take(state: State, step: tuple[Array, Array]) -> tuple[State, None]:
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
  """One step of endless play: where an episode ends, a fresh one starts.

  The new episode has a new key and a level drawn from the whole pool; it does
  not repeat the old one.

  Args:
    world: the simulator.
    key: PRNG key, used only where an episode ends.
    state: one state that is not done; vmap for more.
    action: i32[].
    params: the rules.
    pool_levels: leaves [pool size, ...].

  Returns:
    state: the state to go on from.
    outcome: the state after the action, with its reward, its end and its final
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


def flatten(obs: PyTree) -> Array:
  """f32[N]: all leaves of one observation, in the order of their fields."""
  leaves = [x.astype(jnp.float32).reshape(-1) for x in jax.tree.leaves(obs)]
  return jnp.concatenate(leaves)


# --- Actors: equal for equal arguments, so that jit compiles each once --------


@dataclasses.dataclass(frozen=True)
class _Random:
  world: World

  def __call__(self, key: Array, state: State, params: PyTree) -> Array:
    legal = self.world.legal(state, params)
    return jax.random.categorical(key, jnp.where(legal, 0.0, -jnp.inf))


@dataclasses.dataclass(frozen=True)
class _Oracle:
  world: World
  costs: HasOracle  # the world again, checked

  def __call__(self, key: Array, state: State, params: PyTree) -> Array:
    cost = self.costs.oracle(state, params)
    legal = self.world.legal(state, params)
    best = legal & (cost == jnp.min(jnp.where(legal, cost, jnp.inf)))
    return jax.random.categorical(key, jnp.where(best, 0.0, -jnp.inf))


@dataclasses.dataclass(frozen=True)
class _Mixed:
  random: Policy
  oracle: Policy
  epsilon: float

  def __call__(self, key: Array, state: State, params: PyTree) -> Array:
    which, first, second = jax.random.split(key, 3)
    return jnp.where(
      jax.random.uniform(which) < self.epsilon,
      self.random(first, state, params),
      self.oracle(second, state, params),
    )


def random_policy(world: World) -> Policy:
  """A legal action, drawn uniformly."""
  return _Random(world)


def oracle_policy(world: World) -> Policy:
  """A legal action of least cost, drawn uniformly.

  Where no action has a finite cost, any legal one.

  Raises:
    ValueError: the world has no oracle.
  """
  return _Oracle(world, check_oracle(world))


def mixed_policy(world: World, epsilon: float) -> Policy:
  """A random action with probability epsilon, else the oracle's.

  Raises:
    ValueError: the world has no oracle, or epsilon is not a probability.
  """
  if not 0.0 <= epsilon <= 1.0:
    raise ValueError(f"epsilon {epsilon} must lie in 0..1: it is a probability")
  return _Mixed(random_policy(world), oracle_policy(world), epsilon)

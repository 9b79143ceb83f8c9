"""Input features and output distribution of PPO's network, for `ppo`.

brax's MLPs are between them. An observation arrives flat, as brax requires, and
becomes features relative to the agent. The output chooses one of the world's
actions instead of giving a number for each.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.training import distribution
from brax.training import networks as brax_networks
from brax.training.agents.ppo import networks as ppo_networks

from simulators.agentworld.types import Obs as Puzzle
from simulators.base import PyTree
from simulators.driving.game.metrics import NEAR
from simulators.driving.types import FAMILIES
from simulators.driving.types import Obs as Traffic

Array = jax.Array

BESIDE = 1.0  # m of gap below which a car is beside the ego
SOONEST = 2  # cars of each other road in the features


# --- Features ---------------------------------------------------------------


def unflatten(flat: Array, like: PyTree) -> PyTree:
  """The observation whose `brax_env.flatten` is f32[observation_size]."""
  shapes, tree = jax.tree.flatten(like)
  ends = np.cumsum([x.size for x in shapes])[:-1]
  parts = jnp.split(flat, ends)
  return tree.unflatten(
    [part.reshape(x.shape) for part, x in zip(parts, shapes, strict=True)]
  )


def puzzle(obs: Puzzle) -> Array:
  """f32[F]: an observation as seen from the agent's cell.

  Walls around it, one number a cell; then where the goal is, each tool and the
  element that it opens, as a row and a column from the agent, one-hot, all 0
  once picked up or opened; then what is held and opened.
  """
  reach = obs.wall.shape[-1] - 1  # largest distance of two cells
  wide = 2 * reach + 1
  agent = obs.agent.astype(jnp.int32)
  wall = jnp.pad(obs.wall.astype(jnp.float32), reach, constant_values=1.0)
  wall = jax.lax.dynamic_slice(wall, agent, (wide, wide))

  def there(cell: Array, gone: Array) -> Array:
    away = cell.astype(jnp.int32) - agent + reach
    return jax.nn.one_hot(away, wide).reshape(-1) * (1.0 - gone)

  # bool[P, P]: tool i is the one that element j needs.
  fits = (obs.needs == obs.tool[:, None]).astype(jnp.float32)
  held = obs.held.astype(jnp.float32)
  opened = fits @ obs.opened.astype(jnp.float32)
  element_at = fits @ obs.element_at.astype(jnp.float32)
  return jnp.concatenate(
    [
      wall.reshape(-1),
      there(obs.goal, jnp.zeros(())),
      jax.vmap(there)(obs.tool_at, held).reshape(-1),
      jax.vmap(there)(element_at, opened).reshape(-1),
      held,
      opened,
    ]
  )


def traffic(obs: Traffic) -> Array:
  """f32[F]: an observation as seen from the ego car.

  Task, own speeds and lane, stop line, crosswalk and lane's end if present;
  then the nearest car ahead and behind in each of three lanes, the next ones
  of the other roads, and the people. Speeds are in tens of m/s.
  """
  needed = obs.goal / jnp.maximum(obs.left, 1.0)
  own = [
    jnp.stack([obs.speed, obs.target, obs.limit, needed]) / 10.0,
    jnp.stack([obs.goal / 100.0, obs.left / 10.0]),
    _one_hot(obs.family, 0, len(FAMILIES)),
    _one_hot(obs.lane, 0, 3),
    _one_hot(obs.lanes, 1, 3),
    _one_hot(obs.aims, -1, 3),
    _one_hot(obs.turn, -1, 3),
    _one_hot(obs.light, 0, 4),
    *(_way(x, x >= 0.0) for x in (obs.line, obs.walk, obs.lane_end)),
  ]
  seen = obs.car_seen > 0.5
  route = seen & (obs.car_road == 0)
  cars = []
  for side in (-1, 0, 1):
    here = route & (obs.car_side == side)
    for where in (obs.car_gap >= BESIDE, obs.car_gap < BESIDE):
      cars += _cars(obs, here & where, 1)
  for road in (1, 2):
    cars += _cars(obs, seen & (obs.car_road == road), SOONEST)
  people = [
    obs.walker_seen.astype(jnp.float32),
    obs.walker_gap / 10.0,
    jnp.clip(obs.walker_gap / NEAR, -1.0, 1.0),
    jax.nn.one_hot(obs.walker_goes + 1, 3).reshape(-1),
  ]
  return jnp.concatenate([*own, *cars, *people])


def _one_hot(value: Array, least: int, count: int) -> Array:
  return jax.nn.one_hot(value.astype(jnp.int32) - least, count)


def _way(metres: Array, there: Array) -> Array:
  """f32[3]: presence, distance, and a fine scale for short ones."""
  near = jnp.exp(-jnp.abs(metres) / 10.0)
  return jnp.stack([jnp.ones(()), metres / 50.0, near]) * there


def _cars(obs: Traffic, which: Array, count: int) -> list[Array]:
  """The `count` nearest of some cars: distance, relative and own speed."""
  away = jnp.where(which, jnp.abs(obs.car_gap), jnp.inf)
  features = []
  for j in jnp.argsort(away)[:count]:
    there = which[j]
    v = obs.car_speed[j]
    features += [
      _way(obs.car_gap[j], there),
      jnp.stack([v - obs.speed, v]) / 10.0 * there,
    ]
  return features


# --- Output -----------------------------------------------------------------


class _Choice:
  """A distribution over moves for brax's losses; events are one-hot."""

  def __init__(self, logits: Array):
    self.loc, self.scale = logits, jnp.ones_like(logits)  # brax logs both
    self.logprobs = jax.nn.log_softmax(logits)

  def sample(self, seed: Array) -> Array:
    drawn = jax.random.categorical(seed, self.loc)
    return jax.nn.one_hot(drawn, self.loc.shape[-1])

  def mode(self) -> Array:
    return self.loc  # the world takes the largest

  def log_prob(self, event: Array) -> Array:
    return jnp.sum(self.logprobs * event, axis=-1)

  def entropy(self) -> Array:
    return -jnp.sum(jnp.exp(self.logprobs) * self.logprobs, axis=-1)


class _Identity:
  """No transformation of samples."""

  forward = inverse = staticmethod(lambda event: event)
  forward_log_det_jacobian = staticmethod(lambda event: 0.0)


class Categorical(distribution.ParametricDistribution):
  """One of n moves; brax itself supports continuous actions only."""

  def __init__(self, n: int):
    super().__init__(n, _Identity(), event_ndims=0, reparametrizable=False)

  def create_dist(self, parameters: Array) -> _Choice:
    return _Choice(parameters)


def factory(
  like: PyTree, features: Callable[[PyTree], Array], widths: tuple[int, ...]
) -> Any:
  """brax's MLPs on `features`, for observations shaped as `like`.

  Args:
    like: one observation, or its shapes.
    features: turns one into f32[F].
    widths: hidden layers of policy and of value.
  """

  def feed(flat: Array, normalizer: PyTree) -> Array:
    def one(row: Array) -> Array:
      return features(unflatten(row, like))

    rows = jax.vmap(one)(flat.reshape(-1, flat.shape[-1]))
    return rows.reshape(*flat.shape[:-1], -1)

  def make(observation_size, action_size, preprocess_observations_fn):
    # `feed` replaces brax's normalizer
    del observation_size, preprocess_observations_fn
    settings = dict(
      obs_size=jax.eval_shape(features, like).size,
      preprocess_observations_fn=feed,
      hidden_layer_sizes=widths,
      activation=jax.nn.relu,
    )
    policy = brax_networks.make_policy_network(action_size, **settings)
    value = brax_networks.make_value_network(**settings)
    return ppo_networks.PPONetworks(policy, value, Categorical(action_size))

  return make

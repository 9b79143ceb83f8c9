"""Drives shared by the tests.

All play goes through `TextWorld`, which runs rows in parts of one size, so
the tests compile one reset, one step and one planner in total.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.driving.game import oracle
from simulators.text_world import ROWS, TextWorld


@pytest.fixture(scope="session")
def driving():
  return simulators.make("driving")


@pytest.fixture(scope="session")
def drive(driving):
  """drive(params, pool, indices, choose, steps, seed=0) -> states.

  `choose(t, player)` gives the actions of second t. The states are numpy, with
  leaves [steps + 1, n, ...]; a finished drive does not change.
  """

  def fetch(player):
    state = player.state
    zeros = np.zeros(len(player.indices))  # keys cannot be stacked in numpy
    env = dataclasses.replace(state.env_state, key=zeros)
    return jax.device_get(dataclasses.replace(state, env_state=env))

  def drive(params, pool, indices, choose, steps, seed=0):
    player = TextWorld(driving, params, pool)
    player.reset(indices, seed)
    states = [fetch(player)]
    for t in range(steps):
      player.step(choose(t, player))
      states.append(fetch(player))
    return jax.tree.map(lambda *x: np.stack(x), *states)

  return drive


@pytest.fixture(scope="session")
def legal(driving):
  """legal(states, params) -> bool[n, A]."""
  return jax.jit(jax.vmap(driving.legal, (0, None)))


@pytest.fixture(scope="session")
def random_legal(legal):
  """random_legal(rng) -> a `choose` that samples legal actions."""

  def chooser(rng):
    def choose(t, player):
      allowed = np.asarray(legal(player.state, player.params))
      return np.argmax(rng.random(allowed.shape) * allowed, axis=-1)

    return choose

  return chooser


@pytest.fixture(scope="session")
def regret(driving):
  """regret(envs, plans, params) -> f32[n]: `oracle.regret`, -1 pads.

  For at most ROWS hidden states with one plan of at most DEPTH actions each.
  """
  plan = functools.partial(oracle.regret, config=driving.config)
  run = jax.jit(jax.vmap(plan, (0, 0, None)))

  def regret(envs, plans, params):
    n = len(plans)
    rows = np.minimum(np.arange(ROWS), n - 1)
    full = np.full((n, oracle.DEPTH), -1, np.int32)
    for row, actions in zip(full, plans, strict=True):
      row[: len(actions)] = actions
    envs = jax.tree.map(lambda x: jnp.asarray(x[rows]), envs)
    return np.asarray(run(envs, full[rows], params))[:n]

  return regret


@pytest.fixture(scope="session")
def few():
  """A world with four kinds of question; none needs the planner."""
  return simulators.make("driving", kinds=("did", "rule", "people", "light"))


@pytest.fixture(scope="session")
def ask_few(few):
  """ask_few(keys, states, params) -> questions of `few`; compiles by size."""
  ask = jax.jit(jax.vmap(few.sample_questions, (0, 0, None)))
  return lambda *moments: jax.device_get(ask(*moments))

"""Two worlds, small pools and one walk, shared by the tests."""

import jax
import jax.numpy as jnp
import pytest

import simulators
from simulators.agentworld.vocabulary import GOALS


@pytest.fixture(scope="session")
def world():
  return simulators.make(
    "agentworld", size=8, sides=(5, 6, 7), larger=(8,), deeper=(3,), detour=0
  )


@pytest.fixture(scope="session")
def pool(world):
  """48 small levels of depths 0, 1 and 2 in turn."""
  return world.pool("test", 48, (0, 1, 2))


@pytest.fixture(scope="session")
def large(world):
  """48 levels of side 8, of depths 0, 1 and 2 in turn."""
  return world.pool("ood-size", 48, (0, 1, 2))


@pytest.fixture(scope="session")
def rich():
  """24 levels with a box, hazards and every goal, of depths 0 and 1."""
  world = simulators.make(
    "agentworld", size=6, larger=(), boxes=1, hazards=3, goals=GOALS, detour=0
  )
  return world.pool("test", 24, (0, 1))


@pytest.fixture(scope="session")
def usual():
  """The default world."""
  return simulators.make("agentworld")


@pytest.fixture(scope="session")
def val(usual):
  """64 levels of the default world."""
  return usual.pool("val", 64)


@pytest.fixture(scope="session")
def walk(world):
  """walk(params, levels, seed=0, chance=0.3) -> (states, actions).

  Follows the oracle, or chance; ties are broken at random. Leaves are
  [41, n, ...] and [40, n]; finished episodes continue. Always give all
  levels of a pool, so that one compiled walk serves every test.
  """

  @jax.jit
  def run(params, levels, start, keys, chance):
    tables = jax.vmap(world.solve, (0, None))(levels, params)
    n = len(levels.side)
    first = jax.vmap(world.reset, (0, None, 0))(
      jax.random.split(start, n), params, levels
    )

    def step(state, key):
      pick, luck, tie = jax.random.split(key, 3)
      costs = jax.vmap(world.lookup, (0, 0, None))(tables, state, params)
      noise = 0.5 * jax.random.uniform(tie, costs.shape)
      action = jnp.argmin(costs + noise, axis=-1)
      lucky = jax.random.uniform(luck, (n,)) < chance
      action = jnp.where(lucky, jax.random.randint(pick, (n,), 0, 4), action)
      after = jax.vmap(world.step, (0, 0, None))(state, action, params)
      return after, (after, action)

    _, (states, actions) = jax.lax.scan(step, first, keys)
    states = jax.tree.map(
      lambda a, b: jnp.concatenate([a[None], b]), first, states
    )
    return states, actions

  def walk(params, levels, seed=0, chance=0.3):
    start, then = jax.random.split(jax.random.key(seed))
    return run(params, levels, start, jax.random.split(then, 40), chance)

  return walk

"""Steps/s of both worlds: random play under jit + vmap + scan."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

import simulators
from benchmarks.accelerator import parts
from simulators import rollout

SIZES = {1024: 256, 8192: 64, 65536: 16}  # environments -> steps of one run
TINY = {16: 8, 64: 4}
LEVELS = 256  # of the pool
OPTIONS = {
  "agentworld": {"size": 9, "sides": (9,), "larger": (), "horizon": 243},
  "driving": {"cars": 20},
}


def measure(tiny: bool) -> Iterator[parts.Row]:
  """A row for each world and number of environments."""
  for name, options in OPTIONS.items():
    world = simulators.make(name, **options)
    params = world.params("real")
    pool = world.pool("train", 16 if tiny else LEVELS)
    levels = jax.tree.map(jnp.asarray, pool.levels)
    unit = "decisions/s" if name == "driving" else "steps/s"
    for n, steps in (TINY if tiny else SIZES).items():
      rate = (
        n * steps / parts.seconds(player(world, params, levels, n, steps), 3)
      )
      yield parts.Row("worlds", f"{name}, {n} environments", rate, unit)


def player(world, params, levels, n: int, steps: int):
  """A call that plays `steps` steps in each of n environments."""

  def start(key):
    return rollout.fresh_episode(world, key, params, levels)

  def onward(key, state, action):
    return rollout.step_or_reset(world, key, state, action, params, levels)

  @jax.jit
  def play(key):
    first, key = jax.random.split(key)
    states = jax.vmap(start)(jax.random.split(first, n))

    def take(states, key):
      act, reset = jax.random.split(key)
      actions = jax.random.randint(act, (n,), 0, len(world.actions))
      states, outcome = jax.vmap(onward)(
        jax.random.split(reset, n), states, actions
      )
      # All outputs are used, or XLA would leave out what makes them.
      seen = (outcome.obs, outcome.reward, outcome.done)
      total = sum(x.astype(np.float32).sum() for x in jax.tree.leaves(seen))
      return states, total

    return jax.lax.scan(take, states, jax.random.split(key, steps))

  return lambda: play(jax.random.key(0))


if __name__ == "__main__":
  parts.run(measure)

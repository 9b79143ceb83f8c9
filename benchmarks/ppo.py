"""Does reinforcement learning solve it? brax's PPO on AgentWorld's chains.

  python -m benchmarks.ppo [--steps=N] [--seed=N] [--json=FILE]

Trains on `train` levels that have one element to open and is judged on `val`
levels, each played once: `sampled` by the policy as it was trained, `greedy`
by its likeliest action, which may walk to and fro for ever. The world is
wrapped by `simulators/brax_env.py`; losses, updates and roll-outs are brax's.
Ours are the two ends of its network: what it is fed, and that it chooses one
of four moves instead of four numbers.

Expect 0.03 -> 0.84 sampled in 1.4M steps and 0.87 in 2.1M (greedy 0.67 and
0.75), in two minutes on two cores. One seed was run.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.training import distribution
from brax.training import networks as brax_networks
from brax.training.agents.ppo import networks as ppo_networks
from brax.training.agents.ppo import train as ppo

import simulators
from benchmarks import common
from simulators import brax_env, rollout
from simulators.agentworld.types import Obs
from simulators.base import PyTree, World

Array = jax.Array

DEPTHS = (1,)
SIDE = 6  # of the array; levels of these splits have sides 5 and 6
TRAIN, VAL = 32768, 512  # levels; on 4096 it stays near 0.8
JUDGED = 10  # times, the start included
WIDTHS = (128, 128)  # hidden layers of policy and of value
PPO = dict(
  num_envs=256,
  unroll_length=16,
  batch_size=32,
  num_minibatches=32,
  num_updates_per_batch=4,
  learning_rate=7e-4,
  entropy_cost=0.01,
  discounting=0.95,
  clipping_epsilon=0.2,
)


@dataclasses.dataclass(frozen=True)
class Row:
  """One point of the learning curve.

  Attributes:
    step: environment steps trained on.
    seconds: wall time since the start, compiling and judging included.
    sampled: success rate on the val levels, moves drawn from the policy.
    greedy: success rate on the val levels, the likeliest move taken.
  """

  step: int
  seconds: float
  sampled: float
  greedy: float


# --- What the network is fed ------------------------------------------------


def unflatten(flat: Array, like: PyTree) -> PyTree:
  """The observation whose `brax_env.flatten` is f32[observation_size]."""
  shapes, tree = jax.tree.flatten(like)
  ends = np.cumsum([x.size for x in shapes])[:-1]
  parts = jnp.split(flat, ends)
  return tree.unflatten(
    [part.reshape(x.shape) for part, x in zip(parts, shapes, strict=True)]
  )


def features(obs: Obs) -> Array:
  """f32[F]: an observation as seen from the agent's cell.

  Walls around it, one number a cell; then where the goal is, each tool and the
  element that it opens, as a row and a column from the agent, one-hot, all 0
  once picked up or opened; then what is held and opened.
  """
  reach = obs.wall.shape[-1] - 1  # how far two cells may lie apart
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


# --- What it gives ----------------------------------------------------------


class _Choice:
  """A distribution over moves as brax's losses read one; events are one-hot."""

  def __init__(self, logits: Array):
    self.loc, self.scale = logits, jnp.ones_like(logits)  # brax logs both
    self.logprobs = jax.nn.log_softmax(logits)

  def sample(self, seed: Array) -> Array:
    drawn = jax.random.categorical(seed, self.loc)
    return jax.nn.one_hot(drawn, self.loc.shape[-1])

  def mode(self) -> Array:
    return self.loc  # the world takes the greatest

  def log_prob(self, event: Array) -> Array:
    return jnp.sum(self.logprobs * event, axis=-1)

  def entropy(self) -> Array:
    return -jnp.sum(jnp.exp(self.logprobs) * self.logprobs, axis=-1)


class _Identity:
  """No squashing after the draw."""

  forward = inverse = staticmethod(lambda event: event)
  forward_log_det_jacobian = staticmethod(lambda event: 0.0)


class Categorical(distribution.ParametricDistribution):
  """One of n moves; brax itself knows continuous actions only."""

  def __init__(self, n: int):
    super().__init__(n, _Identity(), event_ndims=0, reparametrizable=False)

  def create_dist(self, parameters: Array) -> _Choice:
    return _Choice(parameters)


def network_factory(like: Obs) -> Any:
  """brax's MLPs on `features`, for observations shaped as `like`."""

  def feed(flat: Array, normalizer: PyTree) -> Array:
    def one(row: Array) -> Array:
      return features(unflatten(row, like))

    rows = jax.vmap(one)(flat.reshape(-1, flat.shape[-1]))
    return rows.reshape(*flat.shape[:-1], -1)

  def factory(observation_size, action_size, preprocess_observations_fn):
    # `feed` stands for brax's normalizer
    del observation_size, preprocess_observations_fn
    width = jax.eval_shape(features, like).size
    settings = dict(
      obs_size=width,
      preprocess_observations_fn=feed,
      hidden_layer_sizes=WIDTHS,
      activation=jax.nn.relu,
    )
    policy = brax_networks.make_policy_network(action_size, **settings)
    value = brax_networks.make_value_network(**settings)
    return ppo_networks.PPONetworks(policy, value, Categorical(action_size))

  return factory


# --- Training and judging ---------------------------------------------------


@functools.partial(jax.jit, static_argnames=("world", "make_policy", "greedy"))
def success(
  world: World,
  make_policy: Callable,
  greedy: bool,
  weights: PyTree,
  rules: PyTree,
  levels: PyTree,
  key: Array,
) -> Array:
  """f32[]: share of the levels solved, each played once.

  Args:
    world: the simulator; static, as are `make_policy` and `greedy`.
    make_policy: brax's, (weights, deterministic) -> policy.
    greedy: take the likeliest move instead of drawing one.
    weights: what PPO has trained.
    rules: the world's params.
    levels: leaves lead with their number.
    key: PRNG key of the policy.
  """
  policy = make_policy(weights, deterministic=greedy)

  def choose(key: Array, state: PyTree, params: PyTree) -> Array:
    return jnp.argmax(policy(brax_env.flatten(state.obs), key)[0])

  n = len(jax.tree.leaves(levels)[0])
  played = rollout.rollout(
    world, rules, levels, jnp.arange(n), choose, key, world.config.horizon
  )
  return jnp.mean(played.success.astype(jnp.float32))


def run(steps: int, seed: int) -> list[Row]:
  """Trains for about `steps` environment steps; gives the learning curve."""
  world = simulators.make("agentworld", size=SIDE)
  rules = world.params("real")
  levels, held_out = (
    jax.tree.map(jnp.asarray, world.pool(split, size, DEPTHS).levels)
    for split, size in (("train", TRAIN), ("val", VAL))
  )
  env = brax_env.BraxEnv(world, rules, levels)
  start = jax.eval_shape(
    lambda: rollout.fresh_episode(world, jax.random.key(0), rules, levels)
  )
  rows, began = [], time.perf_counter()
  print(f"{'steps':>10s} {'seconds':>8s} {'sampled':>8s} {'greedy':>8s}",
        flush=True)  # fmt: skip

  def judge(step: int, make_policy: Callable, weights: PyTree) -> None:
    key = jax.random.key(step)
    rates = [
      float(success(world, make_policy, how, weights, rules, held_out, key))
      for how in (False, True)
    ]
    seconds = time.perf_counter() - began
    rows.append(Row(int(step), round(seconds, 1), *rates))
    print(f"{step:10,d} {seconds:8.0f} {rates[0]:8.3f} {rates[1]:8.3f}",
          flush=True)  # fmt: skip

  ppo.train(
    env,
    num_timesteps=steps,
    episode_length=env.episode_length,
    num_evals=JUDGED,
    run_evals=False,
    policy_params_fn=judge,
    network_factory=network_factory(start.obs),
    max_devices_per_host=1,
    seed=seed,
    **PPO,
  )
  return rows


def main() -> None:
  parser = common.parser(__doc__)
  parser.add_argument("--steps", type=int, default=2_000_000)
  parser.add_argument("--seed", type=int, default=0)
  flags = parser.parse_args()
  rows = run(flags.steps, flags.seed)
  ratios = {"ppo_success": rows[-1].sampled,
            "ppo_success_untrained": rows[0].sampled}  # fmt: skip
  common.report(rows, ratios, flags.json)


if __name__ == "__main__":
  main()

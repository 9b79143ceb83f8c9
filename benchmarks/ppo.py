"""Does reinforcement learning solve our worlds? brax's PPO on one of them.

  python -m benchmarks.ppo [--world=NAME] [--steps=N] [--seed=N] [--json=FILE]

Trains on `train` levels and evaluates on `val` levels, each played once:
`sampled` draws actions from the policy, `greedy` takes the most likely action
and can loop for ever. The last policy is compared with random play in the same
run, by depth or family, with 95 % intervals. `simulators/wrappers/brax_env.py`
wraps the world; losses, updates and rollouts are brax's. Only the input and
output of the network are ours, in `benchmarks/ppo_networks.py`.

AgentWorld (chains of one element): expect 0.03 -> 0.84 sampled in 1.4M steps
and 0.87 in 2.1M (greedy 0.67 and 0.75), in two minutes on two cores. One seed
was run. Driving (all families): random 0.12, sampled 0.91 in 0.4M steps and
0.95 in 1.6M (greedy 0.97), in three minutes; crosswalks stay at 0.77. One seed
was run.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.training.agents.ppo import train as ppo

import simulators
from benchmarks import common, ppo_networks
from glimo_jax.evaluate import stats
from simulators import rollout
from simulators.base import PyTree, World
from simulators.driving.types import FAMILIES
from simulators.wrappers import brax_env

Array = jax.Array

EVALUATIONS = 10  # including the one at the start


@dataclasses.dataclass(frozen=True)
class Setting:
  """How PPO is trained and evaluated on one world.

  Attributes:
    options: of the world.
    depths: chain depths or families of its levels.
    names: names of the depths.
    train, val: levels.
    steps: environment steps, by default.
    features: turns an observation into features of the network.
    widths: hidden layers of policy and of value.
    ppo: brax's settings.
  """

  options: Mapping[str, Any]
  depths: tuple[int, ...]
  names: tuple[str, ...]
  train: int
  val: int
  steps: int
  features: Callable[[PyTree], Array]
  widths: tuple[int, ...]
  ppo: Mapping[str, Any]


_PPO = dict(
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
SETTINGS = {
  "agentworld": Setting(
    options=dict(size=6),  # of the array; these levels have sides 5 and 6
    depths=(1,),
    names=("depth 0", "depth 1"),
    train=32768,  # on 4096 it stays near 0.8
    val=512,
    steps=2_000_000,
    features=ppo_networks.puzzle,
    widths=(128, 128),
    ppo=_PPO,
  ),
  "driving": Setting(
    options={},
    depths=tuple(range(len(FAMILIES))),
    names=FAMILIES,
    train=16384,
    val=512,
    steps=2_000_000,
    features=ppo_networks.traffic,
    widths=(128, 128),
    ppo=_PPO | dict(discounting=0.98),
  ),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """One point of the learning curve.

  Attributes:
    step: environment steps trained on.
    seconds: wall time since the start, including compilation and evaluation.
    sampled: success rate on the val levels, moves drawn from the policy.
    greedy: success rate on the val levels, most likely move.
  """

  step: int
  seconds: float
  sampled: float
  greedy: float


@dataclasses.dataclass(frozen=True)
class Played:
  """The last policy and random play on the val levels of one depth.

  Attributes:
    depth: its name, `all` for all.
    n: levels.
    random, sampled, greedy: success, (mean, lo, hi).
    gain: mean return of `sampled` minus that of random, (mean, lo, hi).
  """

  depth: str
  n: int
  random: tuple[float, float, float]
  sampled: tuple[float, float, float]
  greedy: tuple[float, float, float]
  gain: tuple[float, float, float]


# --- Judging ----------------------------------------------------------------


@functools.partial(jax.jit, static_argnames=("world", "make_policy", "greedy"))
def play(
  world: World,
  make_policy: Callable,
  greedy: bool,
  weights: PyTree,
  rules: PyTree,
  levels: PyTree,
  key: Array,
) -> tuple[Array, Array]:
  """(success bool[n], return f32[n]) of levels, each played once.

  Args:
    world: the simulator; static, as are `make_policy` and `greedy`.
    make_policy: brax's, (weights, deterministic) -> policy.
    greedy: take the most likely move instead of sampling.
    weights: the trained weights.
    rules: the world's params.
    levels: leaves [n, ...].
    key: PRNG key of the policy.
  """
  policy = make_policy(weights, deterministic=greedy)

  def choose(key: Array, state: PyTree, params: PyTree) -> Array:
    return jnp.argmax(policy(brax_env.flatten(state.obs), key)[0])

  return _episodes(world, choose, rules, levels, key)


def _episodes(world, policy, rules, levels, key):
  n = len(jax.tree.leaves(levels)[0])
  played = rollout.rollout(
    world, rules, levels, jnp.arange(n), policy, key, world.config.horizon
  )
  return played.success, jnp.sum(played.rewards, -1)


def compare(
  setting: Setting, depths: np.ndarray, plays: Mapping[str, tuple]
) -> list[Played]:
  """Compares the last policy with random play, for each depth and for all.

  Args:
    setting: its names.
    depths: i32[n] of the levels.
    plays: random, sampled, greedy -> (success bool[n], return f32[n]).
  """
  parts = {setting.names[d]: depths == d for d in setting.depths}
  parts["all"] = np.ones(len(depths), bool)
  rows = []
  for name, mine in parts.items():
    n = int(mine.sum())
    rates = {
      who: _numbers(stats.wilson(int(won[mine].sum()), n))
      for who, (won, _) in plays.items()
    }
    returns = (plays[who][1][mine] for who in ("sampled", "random"))
    gain = _numbers(stats.paired(*returns))
    rows.append(Played(name, n, **rates, gain=gain))
  return rows


def _numbers(interval: stats.Interval) -> tuple[float, float, float]:
  return interval.mean, interval.lo, interval.hi


def _show(rows: list[Played]) -> None:
  names = ("random", "sampled", "greedy", "gain")
  titles = (f"{name:>22s}" for name in (*names[:3], "gain in return"))
  print(f"\n{'success on val':14s} {'n':>4s}", *titles)
  for row in rows:
    cells = (getattr(row, name) for name in names)
    texts = (f"{mean:.3f} [{lo:.3f}, {hi:.3f}]" for mean, lo, hi in cells)
    print(f"{row.depth:14s} {row.n:4d}", *(f"{cell:>22s}" for cell in texts))


# --- Training ---------------------------------------------------------------


def run(name: str, steps: int, seed: int) -> tuple[list[Row], list[Played]]:
  """Trains for about `steps` environment steps.

  Returns:
    The learning curve, and the last policy compared with random play.
  """
  setting = SETTINGS[name]
  world = simulators.make(name, **setting.options)
  rules = world.params("real")
  pools = {
    split: world.pool(split, size, setting.depths)
    for split, size in (("train", setting.train), ("val", setting.val))
  }
  levels, held_out = (
    jax.tree.map(jnp.asarray, pool.levels) for pool in pools.values()
  )
  env = brax_env.BraxEnv(world, rules, levels)
  start = jax.eval_shape(
    lambda: rollout.fresh_episode(world, jax.random.key(0), rules, levels)
  )
  rows, last, began = [], {}, time.perf_counter()
  print(f"{'steps':>10s} {'seconds':>8s} {'sampled':>8s} {'greedy':>8s}",
        flush=True)  # fmt: skip

  def judge(step: int, make_policy: Callable, weights: PyTree) -> None:
    key = jax.random.key(step)
    for how, greedy in (("sampled", False), ("greedy", True)):
      last[how] = jax.device_get(
        play(world, make_policy, greedy, weights, rules, held_out, key)
      )
    rates = [float(won.mean()) for won, _ in last.values()]
    seconds = time.perf_counter() - began
    rows.append(Row(int(step), round(seconds, 1), *rates))
    print(f"{step:10,d} {seconds:8.0f} {rates[0]:8.3f} {rates[1]:8.3f}",
          flush=True)  # fmt: skip

  ppo.train(
    env,
    num_timesteps=steps,
    episode_length=env.episode_length,
    num_evals=EVALUATIONS,
    run_evals=False,
    policy_params_fn=judge,
    network_factory=ppo_networks.factory(
      start.obs, setting.features, setting.widths
    ),
    max_devices_per_host=1,
    seed=seed,
    **setting.ppo,
  )
  chance = jax.device_get(
    _episodes(
      world, rollout.random_policy(world), rules, held_out, jax.random.key(seed)
    )
  )
  return rows, compare(setting, pools["val"].depths, {"random": chance, **last})


def main() -> None:
  parser = common.parser(__doc__)
  parser.add_argument("--world", choices=SETTINGS, default="agentworld")
  parser.add_argument("--steps", type=int)
  parser.add_argument("--seed", type=int, default=0)
  flags = parser.parse_args()
  steps = flags.steps or SETTINGS[flags.world].steps
  rows, played = run(flags.world, steps, flags.seed)
  _show(played)
  ratios = {"ppo_success": rows[-1].sampled,
            "ppo_success_untrained": rows[0].sampled,
            "random_success": played[-1].random[0]}  # fmt: skip
  common.report([*rows, *played], ratios, flags.json)


if __name__ == "__main__":
  main()

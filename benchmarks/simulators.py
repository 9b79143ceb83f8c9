"""How many steps per second does a world run?

  python -m benchmarks.simulators --world=driving [--peers] [--json=FILE]
  python -m benchmarks.simulators --world=agentworld [--peers] [--json=FILE]

AgentWorld: see `benchmarks/gridworlds.py`.

Driving: 20 cars, all metrics on, observations made at each decision, random
decisions, under jit + vmap + scan; the median of five warm runs. A physics
step is a tenth of a second of one scene.
"""

import jax
import jax.numpy as jnp
import numpy as np

import simulators
from benchmarks import common, gridworlds
from benchmarks.common import Row

CARS = 20
SIZES = (1, 64, 1024)


def driving(peers: bool) -> tuple[list[Row], dict[str, float]]:
  """Urban Driving with shared and with per-scene params."""
  world = simulators.make("driving", cars=CARS)
  real = world.params("real")
  base = world.pool("train", 64)
  rng = np.random.default_rng(0)
  # Places without a car in a family are filled with traffic.
  levels = _crowded(base.levels, rng)
  rows, rate = [], {}
  for n in SIZES:
    decisions = max(4, 4096 // n)
    many = jax.tree.map(
      lambda x, n=n: jnp.asarray(np.resize(x, (n, *x.shape[1:]))), levels
    )
    each = jax.tree.map(lambda x, n=n: jnp.stack([x] * n), real)
    plays = {}
    for name, params, axis in (("driving", real, None),
                               ("driving, own params", each, 0)):  # fmt: skip

      @jax.jit
      def play(levels, params, seed, axis=axis, n=n, decisions=decisions):
        keys = jax.random.split(jax.random.key(seed), n)
        states = jax.vmap(world.reset, (0, axis, 0))(keys, params, levels)

        def take(states, key):
          action = jax.random.randint(key, (n,), 0, len(world.actions))
          states = jax.vmap(world.step, (0, 0, axis))(states, action, params)
          checksum = jnp.sum(states.obs.car_gap) + states.obs.speed.sum()
          return states, checksum + sum(
            m.sum() for m in states.metrics.values()
          )

        keys = jax.random.split(jax.random.key(seed + 1), decisions)
        states, checksum = jax.lax.scan(take, states, keys)
        return checksum, states.env_state.cars.s.sum()

      plays[name] = lambda play=play, many=many, params=params: (
        jax.block_until_ready(play(many, params, 0))
      )
    steps = n * decisions * world.config.substeps
    for name, seconds in common.median_seconds(plays).items():
      rows.append(Row(name, n, steps / seconds))
      rate[name, n] = steps / seconds
  ratios = {
    "driving_physics_steps_per_s_n64": rate["driving", 64],
    "driving_params_overhead": rate["driving", 1024]
    / rate["driving, own params", 1024]
    - 1.0,
  }
  peer = highway_env() if peers else None
  if peer:
    rows.append(Row("highway-fast-v0", 1, peer))
    ratios["driving_vs_highway_env"] = (
      rate["driving", 64] * (CARS + 1) / (peer * CARS)
    )
  return rows, ratios


def _crowded(levels, rng):
  """The scenes with all CARS places used; new cars follow the others."""
  n, cars = levels.at.shape
  empty = ~levels.there
  spread = -60.0 - 25.0 * np.arange(cars)[None] + rng.uniform(0, 5, (n, cars))
  change = dict(
    at=np.where(empty, spread, levels.at),
    road=np.where(empty, 0, levels.road),
    at_lane=np.where(empty, 0, levels.at_lane),
    wish=np.where(empty, 10.0, levels.wish),
    speed=np.where(empty, 9.0, levels.speed),
    there=np.ones_like(empty),
  )
  change = {k: v.astype(getattr(levels, k).dtype) for k, v in change.items()}
  return levels.replace(**change)


def highway_env() -> float | None:
  """Physics steps a second of highway-fast-v0 with 20 vehicles, or None."""
  try:
    import gymnasium
    import highway_env  # noqa: F401
  except ImportError:
    common.missing("highway-env")
    return None
  settings = {"vehicles_count": CARS - 1, "lanes_count": 3}
  env = gymnasium.make("highway-fast-v0", config=settings)
  env.reset(seed=0)
  per_step = (
    env.unwrapped.config["simulation_frequency"]
    // env.unwrapped.config["policy_frequency"]
  )

  def play():
    for _ in range(20):
      *_, ended, cut, _ = env.step(env.action_space.sample())
      if ended or cut:
        env.reset()

  return 20 * per_step / common.median_seconds({"theirs": play})["theirs"]


WORLDS = {"driving": driving, "agentworld": gridworlds.run}


def main() -> None:
  parser = common.parser(__doc__)
  parser.add_argument("--world", choices=sorted(WORLDS), default="driving")
  parser.add_argument("--peers", action="store_true")
  flags = parser.parse_args()
  rows, ratios = WORLDS[flags.world](flags.peers)
  for row in rows:
    print(f"{row.name:28s} N={row.n:<5d} {row.per_s:12,.0f} {row.unit}/s")
  for name, ratio in ratios.items():
    print(f"{name:40s} {ratio:12,.3f}")
  common.report(rows, ratios, flags.json)


if __name__ == "__main__":
  main()

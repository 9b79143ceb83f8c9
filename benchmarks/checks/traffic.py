"""Does traffic alone ever have an accident?

  python -m benchmarks.checks.traffic [--minutes=10000] [--variant=real]

Slow and fast cars and trucks drive on a road of three lanes, 25 per kilometre
and lane, for two minutes a scene; after half a minute one brakes hard. Counts,
over all pairs and physics steps, collisions (overlapping boxes), order
violations (two that overlap sideways swap places) and teleports (a move beyond
what the speed allows).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

import simulators
from benchmarks import common
from simulators.driving.game import dynamics, mobil, traffic
from simulators.driving.types import FAR, WIDTH, Config, Level, Params

CARS, LANES = 20, 3
SPACING = 40.0  # m between two in a lane, on average
SECONDS = 120  # of a scene
BATCH = 100  # scenes at a time
SLACK = 1e-3  # m, rounding of a move in float32


@dataclasses.dataclass(frozen=True)
class Row:
  """Counts of one run.

  Attributes:
    variant: of the world.
    minutes: simulated.
    kilometres: driven by all cars in total.
    lane_changes: begun.
    collisions, order_violations, teleports: see the module.
  """

  variant: str
  minutes: int
  kilometres: float
  lane_changes: int
  collisions: int
  order_violations: int
  teleports: int


def scenes(world, n: int, rng: np.random.Generator) -> Level:
  """`n` scenes of CARS cars; leaves [n, ...]."""
  limit, shape = 16.0, (n, CARS)
  base = world.pool("train", 1, (0,)).levels
  level = jax.tree.map(lambda x: np.repeat(x, n, axis=0), base)
  place = np.arange(CARS) // LANES * SPACING
  wish = limit * rng.uniform(0.6, 1.0, shape)
  slow = limit * rng.uniform(0.05, 0.4, n)
  braking = np.full((*shape, 3), FAR)
  braking[np.arange(n), rng.integers(CARS, size=n)] = np.stack(
    [np.full(n, 30.0), rng.uniform(35.0, 50.0, n), slow], axis=-1
  )
  return level.replace(
    lanes=np.full(n, LANES, np.int32),
    limit=np.full(n, limit, np.float32),
    road=np.zeros(shape, np.int32),
    at=(place + rng.uniform(0.0, 0.6 * SPACING, shape)).astype(np.float32),
    at_lane=np.tile(np.arange(CARS) % LANES, (n, 1)).astype(np.int32),
    speed=(0.9 * wish).astype(np.float32),
    wish=wish.astype(np.float32),
    size=np.where(rng.random(shape) < 0.2, 9.0, 4.8).astype(np.float32),
    driver=rng.uniform(-0.8, 0.8, shape).astype(np.float32),
    there=np.ones(shape, bool),
    braking=braking.astype(np.float32),
  )


def alone(level: Level, params: Params, config: Config) -> dict[str, jax.Array]:
  """One scene without an ego: field of Row -> number; vmap for more."""
  env = dynamics.reset(jax.random.key(0), params, level, config).env_state
  level, dt = env.level, config.dt
  away = env.ego.replace(s=jnp.full((), -1e5), v=jnp.zeros(()))
  seen = traffic.shadow(level, params, away)
  reach = 0.5 * (level.size[:, None] + level.size)
  once = jnp.arange(CARS)[:, None] < jnp.arange(CARS)

  def pairs(cars):
    ahead = cars.s[:, None] - cars.s
    side_by_side = jnp.abs(cars.d[:, None] - cars.d) < WIDTH
    return ahead, side_by_side, side_by_side & (jnp.abs(ahead) < reach)

  def substep(carry, now):
    cars, meant = carry
    a = traffic.accelerate(level, params, cars, seen, now)
    meant = jnp.concatenate([meant, a[None]])
    a, meant = traffic.react(params, meant, config.memory, config), meant[1:]
    new = traffic.advance(params, cars, a, dt)
    ahead, side_by_side, overlap = pairs(cars)
    ahead_, side_by_side_, overlap_ = pairs(new)
    way, aside = new.s - cars.s, jnp.abs(new.d - cars.d)
    far = jnp.maximum(cars.v, new.v) * dt + SLACK
    jumps = (way > far) | (way < 0.0) | (aside > traffic.SIDEWAYS * dt + SLACK)
    swaps = side_by_side & side_by_side_ & (ahead * ahead_ < 0.0)
    return (new, meant), {
      "kilometres": 1e-3 * jnp.sum(way),
      "collisions": jnp.sum(once & overlap_ & ~overlap),
      "order_violations": jnp.sum(once & swaps),
      "teleports": jnp.sum(jumps),
    }

  def second(carry, time):
    cars, meant = carry
    lane = mobil.change_lanes(level, params, cars, away, time)
    changes = jnp.sum(lane != cars.lane)
    now = time.astype(jnp.float32) + dt * jnp.arange(config.substeps)
    carry, counted = jax.lax.scan(
      substep, (cars.replace(lane=lane), meant), now
    )
    counted = jax.tree.map(jnp.sum, counted)
    return carry, counted | {"lane_changes": changes}

  _, counted = jax.lax.scan(second, (env.cars, env.meant), jnp.arange(SECONDS))
  return jax.tree.map(jnp.sum, counted)


def count(minutes: int, variant: str, seed: int = 0, batch: int = BATCH) -> Row:
  """`minutes` of traffic, to a whole number of batches."""
  world = simulators.make("driving", cars=CARS)
  params, rng = world.params(variant), np.random.default_rng(seed)
  run = jax.jit(
    jax.vmap(functools.partial(alone, config=world.config), (0, None))
  )
  batches = -(-minutes * 60 // (SECONDS * batch))
  total = {}
  for _ in tqdm.trange(batches, disable=batches < 5):
    counted = jax.device_get(run(scenes(world, batch, rng), params))
    for name, value in counted.items():
      total[name] = total.get(name, 0) + value.sum().item()
  return Row(variant, batches * batch * SECONDS // 60, **total)


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--minutes", type=int, default=10_000)
  flags.add_argument("--variant", default="real")
  args = flags.parse_args()
  if args.minutes < 1:
    flags.error(f"minutes {args.minutes} must be at least 1")
  row = count(args.minutes, args.variant)
  for name, value in dataclasses.asdict(row).items():
    print(f"{name:18s}{value:>12}")
  common.report([row], {}, args.json)


if __name__ == "__main__":
  main()

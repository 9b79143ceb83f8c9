"""Which driver solves which family of driving scenes, and how lawfully?

  python -m benchmarks.checks.drivers [--split=val] [--scenes=100] [--skip=0]

Plays the real world and counts successes, lawful drives (every limit of
`score.LAWS` kept) and the closed-loop score of the oracle (plans with the world
itself), IDM (follows what is ahead, halts at lines, changes no lane), chance
(any legal action) and `keep` (does nothing). `--skip` skips the first scenes of
each family, to evaluate on scenes that were not used before.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

import simulators
from benchmarks import common
from glimo_jax.evaluate import stats
from simulators import rollout
from simulators.driving.game import score
from simulators.driving.types import FAMILIES, KEEP

FAULTS = ("collision", "off_road", "red_light", "no_yield", "forced")
SHOWN = ("late", "lawful", "emergency", "over_limit", "score", "seconds")
DRIVERS = ("keep", "random", "idm", "oracle")
BATCH = 50  # episodes at a time, to limit memory


@dataclasses.dataclass(frozen=True)
class Row:
  """Results of one driver on one family.

  Attributes:
    family, driver: their names.
    scenes: episodes played, each on a different scene.
    success: share of them solved.
    low, high: its 95 % interval (Wilson 1927).
    collision, off_road, red_light, no_yield, forced: share with that fault.
    late: share that ended without a fault before the goal.
    lawful: share that kept every limit of `score.LAWS`.
    emergency: share with an emergency stop.
    over_limit: s, the longest time above the limit by more than 0.5 m/s.
    score: mean closed-loop score.
    seconds: 95 % of the solved scenes took at most so long; nan without any.
  """

  family: str
  driver: str
  scenes: int
  success: float
  low: float
  high: float
  collision: float
  off_road: float
  red_light: float
  no_yield: float
  forced: float
  late: float
  lawful: float
  emergency: float
  over_limit: float
  score: float
  seconds: float


@functools.lru_cache
def policy(world, driver: str) -> rollout.Policy:
  """The policy of one of DRIVERS, see the module."""
  return {
    "keep": lambda key, state, params: jnp.full((), KEEP),
    "random": rollout.random_policy(world),
    "idm": lambda key, state, params: world.follow(state, params),
    "oracle": rollout.oracle_policy(world),
  }[driver]


def judge(world, levels, policy: rollout.Policy) -> dict[str, np.ndarray]:
  """name -> [n]: final metrics of one driver on levels [n, ...]."""
  ends, params = [], world.params("real")
  count = len(levels.family)
  for start in range(0, count, BATCH):
    rows = np.arange(start, min(start + BATCH, count))
    some = jax.tree.map(lambda x, rows=rows: x[rows], levels)
    played = rollout.rollout(
      world, params, some, rows, policy,
      jax.random.fold_in(jax.random.key(1), start), world.config.horizon,
    )  # fmt: skip
    last = {name: x[:, -1] for name, x in played.states.metrics.items()}
    last |= {"lawful": score.lawful(last), "success": played.success}
    ends.append(jax.device_get(last))
  return {name: np.concatenate([e[name] for e in ends]) for name in ends[0]}


def _row(family: str, driver: str, end: dict[str, np.ndarray]) -> Row:
  """The results of one driver on one family, from its final metrics."""
  solved = end["success"]
  faults = {name: float(np.mean(end[name])) for name in FAULTS}
  late = ~solved & (sum(end[name] for name in FAULTS) == 0)
  won = stats.wilson(int(solved.sum()), len(solved))
  took = end["lasted"][solved]
  return Row(
    family,
    driver,
    len(solved),
    won.mean,
    won.lo,
    won.hi,
    late=float(np.mean(late)),
    lawful=float(np.mean(end["lawful"])),
    emergency=float(np.mean(end["emergency"])),
    over_limit=float(np.max(end["over_limit"])),
    score=float(np.mean(end["closed_loop_score"])),
    seconds=float(np.quantile(took, 0.95)) if len(took) else float("nan"),
    **faults,
  )


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--split", default="val")
  flags.add_argument("--scenes", type=int, default=100, help="of each family")
  flags.add_argument("--skip", type=int, default=0, help="of each family")
  flags.add_argument("--families", nargs="*", default=FAMILIES, metavar="NAME",
                     choices=FAMILIES)  # fmt: skip
  flags.add_argument("--drivers", nargs="*", default=DRIVERS, metavar="NAME",
                     choices=DRIVERS)  # fmt: skip
  args = flags.parse_args()
  if args.scenes < 1 or args.skip < 0:
    flags.error(f"scenes {args.scenes} and skip {args.skip} must be >= 1 and 0")
  world, rows = simulators.make("driving"), []
  print(f"{args.split}, scenes {args.skip} to {args.skip + args.scenes}")
  print(f"{'family':12s}{'driver':8s}{'success':>8s}  95 % interval   "
        + "".join(f"{name:>11s}" for name in (*FAULTS, *SHOWN)))  # fmt: skip
  for family in args.families:
    pool = world.pool(
      args.split, args.skip + args.scenes, (FAMILIES.index(family),)
    )
    levels = pool.take(slice(args.skip, None))
    for driver in args.drivers:
      end = judge(world, levels, policy(world, driver))
      row = _row(family, driver, end)
      rows.append(row)
      values = (getattr(row, name) for name in (*FAULTS, *SHOWN))
      print(f"{family:12s}{driver:8s}{row.success:8.3f}  {row.low:.3f} to "
            f"{row.high:.3f} " + "".join(f"{x:11.3f}" for x in values),
            flush=True)  # fmt: skip
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()

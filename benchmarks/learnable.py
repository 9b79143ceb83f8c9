"""Can a policy be learnt from so many rows, without a language model?

  python -m benchmarks.learnable [--rows 1500 6000] [--subgoals 0 1]
    [--depths 0 1] [--variants=4] [--option NAME=VALUE ...] [--levels=192]

Collects experience in AgentWorld's imperfect worlds as the pipeline does,
writes next-action rows by the oracle, trains the MLP of the reports on them and
plays `val` levels of the real world. With subgoals the rows say what comes next
on the way before the action, and the MLP learns that first. It takes minutes
where a language model takes hours: look here first.
"""

import ast
import dataclasses

import simulators
from benchmarks import common
from glimo_jax.agent.skills import NextActionSkill
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect as collect_lib
from glimo_jax.evaluate import episodes as episodes_lib
from glimo_jax.evaluate import mlp
from glimo_jax.play import loop
from simulators.text_world import TextWorld

_PER_LEVEL = 1.25  # moments kept of a level, as in the quickstart


@dataclasses.dataclass(frozen=True)
class Row:
  """Success of the MLP after training on some rows.

  Attributes:
    rows: training rows.
    subgoals: whether they say subgoals.
    success: on all levels, with the 95 % interval.
    by_depth: depth -> success.
    spl: success weighted by path length (Anderson et al. 2018).
  """

  rows: int
  subgoals: bool
  success: str
  by_depth: dict[str, float]
  spl: float


def dataset(world, rows: int, subgoals: bool, args) -> list:
  """Next-action rows of the imperfect worlds, by the oracle."""
  collected = collect_lib.CollectConfig(
    variants=tuple(f"imperfect/swapped({k})" for k in range(args.variants)),
    one_variant_per_level=True,
    depths=tuple(args.depths),
    levels=round(rows / _PER_LEVEL),
    episodes=1,
    steps=24,
    moments=round(1.2 * rows),
    surprise_candidates=0,
    seed=args.seed,
  )
  written = annotate_lib.AnnotateConfig(
    skills={"next_action": NextActionSkill(rows=rows, subgoals=subgoals)},
    val_share=0.0,
    rechecked=0,
    seed=args.seed,
  )
  experiences = collect_lib.collect(world, collected)
  pool = collect_lib.pool_of(world, collected)
  return list(annotate_lib.annotate(experiences, world, pool, written).train)


def measure(world, text_world, rows: int, subgoals: bool, args) -> Row:
  """One training, and its play on all levels."""
  train = dataset(world, rows, subgoals, args)
  policy = mlp.MlpPolicy(
    train, world.parse_description, world.actions, text_world.preamble,
    world.words,
  )  # fmt: skip
  episodes = loop.play(
    policy, text_world, range(args.levels), max_steps=world.config.horizon
  )
  won = episodes_lib.summary([episodes])
  depths = won["by_depth"]
  return Row(
    rows=len(train),
    subgoals=subgoals,
    success=f"{won['mean']:.3f} [{won['lo']:.3f}, {won['hi']:.3f}]",
    by_depth={depth: round(depths[depth]["mean"], 3) for depth in depths},
    spl=round(won["spl"]["mean"], 3),
  )


def main() -> None:
  flags = common.parser(__doc__ or "")
  flags.add_argument("--rows", type=int, nargs="+", default=[1500, 6000])
  flags.add_argument("--subgoals", type=int, nargs="+", default=[0, 1])
  flags.add_argument("--depths", type=int, nargs="+", default=[0, 1])
  flags.add_argument("--variants", type=int, default=4)
  flags.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE")
  flags.add_argument("--levels", type=int, default=192)
  flags.add_argument("--seed", type=int, default=0)
  args = flags.parse_args()
  options = dict(option.split("=", 1) for option in args.option)
  for name, value in options.items():
    options[name] = ast.literal_eval(value)
  world = simulators.make("agentworld", **{"rendering": "compact"} | options)
  pool = world.pool("val", args.levels, tuple(args.depths))
  text_world = TextWorld(world, world.params("real"), pool)
  rows = []
  for number in args.rows:
    for subgoals in args.subgoals:
      rows.append(measure(world, text_world, number, bool(subgoals), args))
      print(" | ".join(map(str, dataclasses.astuple(rows[-1]))), flush=True)
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()

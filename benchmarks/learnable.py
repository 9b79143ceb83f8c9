"""Can a policy be learnt from so many rows, without a language model?

  python -m benchmarks.learnable [--world=agentworld|driving]
    [--rows 1500 6000] [--rationale 0 1] [--depths 0 1] [--variants=64]
    [--option NAME=VALUE ...] [--levels=192] [--seeds=1]

Collects experience in imperfect worlds as the pipeline does, writes next-action
rows by the oracle, trains the MLP of the reports on them and plays `val` levels
of the real world. With `--rationale 1` the rows say why before the action, and
the MLP first learns which thing comes next. It takes minutes where a language
model takes hours: look here first. Driving takes its variants, its actors and
its labels from configs/quickstart_driving.py, and has no rationales.
"""

import ast
import dataclasses
from typing import Any

import simulators
from benchmarks import common
from configs import quickstart_driving
from glimo_jax.agent.skills import NextActionSkill
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect as collect_lib
from glimo_jax.evaluate import episodes as episodes_lib
from glimo_jax.evaluate import mlp
from glimo_jax.play import loop
from simulators.text_world import TextWorld

_DRIVING = quickstart_driving.get_config()


@dataclasses.dataclass(frozen=True)
class Setting:
  """How a world is played and labelled.

  Attributes:
    variants: rules of the training levels.
    depths: of all levels.
    steps: longest episode of the collection.
    per_level: moments kept of a level.
    labels: settings of the annotation.
    skill: settings of the skill `next_action`.
    actors: of the collection; by default the default ones.
  """

  variants: tuple[str, ...]
  depths: tuple[int, ...]
  steps: int
  per_level: float
  labels: dict[str, float]
  skill: dict[str, float]
  actors: dict[str, float] = dataclasses.field(
    default_factory=lambda: collect_lib.CollectConfig().actors
  )


WORLDS = {
  "agentworld": Setting(
    variants=tuple(f"imperfect/swapped({k})" for k in range(64)),
    depths=(0, 1),
    steps=24,
    per_level=1.25,
    labels={},
    skill={},
  ),
  "driving": Setting(
    variants=tuple(_DRIVING.collect.variants),
    depths=tuple(_DRIVING.collect.depths),
    steps=_DRIVING.collect.steps,
    per_level=7.5,
    labels={"action_noise": _DRIVING.annotate.action_noise},
    skill={"regret_scale": _DRIVING.annotate.skills.next_action.regret_scale},
    actors=dict(_DRIVING.collect.actors),
  ),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """Success of the MLP after training on some rows.

  Attributes:
    rows: training rows.
    rationale: whether they have one.
    success: on all levels, with the 95 % interval.
    by_depth: depth -> success.
    measures: the world's own, and `spl`: success weighted by path length
      (Anderson et al. 2018) where it is known.
  """

  rows: int
  rationale: bool
  success: str
  by_depth: dict[str, float]
  measures: dict[str, float]


def dataset(world, rows: int, rationale: bool, args) -> list:
  """Next-action rows of the imperfect worlds, by the oracle."""
  setting = WORLDS[world.name]
  collected = collect_lib.CollectConfig(
    variants=setting.variants[: args.variants],
    one_variant_per_level=True,
    depths=tuple(args.depths),
    levels=round(rows / setting.per_level),
    episodes=1,
    steps=setting.steps,
    actors=setting.actors,
    moments=round(1.2 * rows),
    surprise_candidates=0,
    seed=args.seed,
  )
  skill = NextActionSkill(rows=rows, rationale=rationale, **setting.skill)
  written = annotate_lib.AnnotateConfig(
    skills={"next_action": skill},
    val_share=0.0,
    rechecked=0,
    seed=args.seed,
    **setting.labels,
  )
  experiences = collect_lib.collect(world, collected)
  pool = collect_lib.pool_of(world, collected)
  return list(annotate_lib.annotate(experiences, world, pool, written).train)


def measure(world, text_world, rows: int, rationale: bool, args) -> Row:
  """Trainings with some seeds on the same rows, and their play."""
  train, runs = dataset(world, rows, rationale, args), []
  for seed in range(args.seeds):
    policy = mlp.MlpPolicy(
      train, world.parse_description, world.actions, text_world.preamble,
      world.words, config=mlp.MlpConfig(seed=seed),
    )  # fmt: skip
    runs.append(
      loop.play(
        policy,
        text_world,
        range(args.levels),
        max_steps=world.config.horizon,
        optimal=world.name == "agentworld",
      )
    )
  won = episodes_lib.summary(runs)
  shown: dict[str, Any] = won["measures"]
  shown |= {"spl": won["spl"]} if "spl" in won else {}
  return Row(
    rows=len(train),
    rationale=rationale,
    success=f"{won['mean']:.3f} [{won['lo']:.3f}, {won['hi']:.3f}]",
    by_depth={k: round(v["mean"], 3) for k, v in won["by_depth"].items()},
    measures={k: round(v["mean"], 3) for k, v in shown.items()},
  )


def main() -> None:
  flags = common.parser(__doc__ or "")
  flags.add_argument("--world", choices=WORLDS, default="agentworld")
  flags.add_argument("--rows", type=int, nargs="+", default=[1500, 6000])
  flags.add_argument("--rationale", type=int, nargs="+", default=None)
  flags.add_argument("--depths", type=int, nargs="+", default=None)
  flags.add_argument("--variants", type=int, default=64)
  flags.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE")
  flags.add_argument("--levels", type=int, default=192)
  flags.add_argument("--seed", type=int, default=0, help="of the rows")
  flags.add_argument("--seeds", type=int, default=1, help="MLPs on each rows")
  args = flags.parse_args()
  grid = args.world == "agentworld"
  args.depths = args.depths or WORLDS[args.world].depths
  if args.rationale is None:
    args.rationale = [0, 1] if grid else [0]
  options = dict(option.split("=", 1) for option in args.option)
  for name, value in options.items():
    options[name] = ast.literal_eval(value)
  usual = {"rendering": "compact"} if grid else {"kinds": ("light",)}
  world = simulators.make(args.world, **usual | options)
  pool = world.pool("val", args.levels, tuple(args.depths))
  text_world = TextWorld(world, world.params("real"), pool)
  rows = []
  for number in args.rows:
    for rationale in args.rationale:
      rows.append(measure(world, text_world, number, bool(rationale), args))
      print(" | ".join(map(str, dataclasses.astuple(rows[-1]))), flush=True)
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()

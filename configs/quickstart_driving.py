"""The quickstart in traffic: trained in imperfect worlds, judged in `real`.

  bash launch/quickstart.sh driving
  python -m launch.pipeline --config=configs/quickstart_driving.py --workdir=runs/quickstart_driving

Like configs/quickstart.py, but in Urban Driving with its eight families of
scenes (`depths`; see docs/driving.md). It takes more steps, trains mainly on
actions, and adapts only the upper eight layers; the activations of the layers
below are cached. Measured before the controller, the planner and the texts changed (commit
532812e): on 128 test scenes success is .42 (base .16, random .09, oracle
.99, an MLP on the same rows .70; .48 on `val`). Collisions are .29 (base .38). It
answers questions no better than the base model. It takes 14 minutes on 2 CPU
cores, more than twice that on a slower host, and 3 GiB
(docs/results/quickstart_driving). `:tiny` is the size for tests. The report shows
collisions and other faults, too; `--config.evaluate.ood_episodes=16` also judges
on the three ood- splits.
"""  # noqa: E501

from ml_collections import config_dict

from configs import quickstart

FAMILIES = tuple(range(8))
# The exam of a short run: kinds that no phrase of the text answers (see
# `benchmarks.checks.words`), and none of them needs the planner.
KINDS = (
  "faster_car", "reach", "eased", "distance", "gap", "brake", "harm", "saves",
  "plan",
)  # fmt: skip


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  config.world.name = "driving"
  config.world.options = config_dict.create(kinds=KINDS, rendering="compact")
  config.collect.variants = (
    "imperfect/temper(0.6)",
    "imperfect/lag(0.4)",
    "imperfect/slippery(0.4)",
    "imperfect/noisy(0.1)",
  )
  config.collect.update(depths=FAMILIES, steps=26)
  # Random play soon ends in an accident, whatever one would do then.
  config.collect.actors = dict(mixed=1.0)
  # A plan asks the planner at every step, and the reference plans in plain
  # Python, nine seconds an action with action noise: no plans, few rechecks.
  # Costs differ by quarters of a second and the planner never errs, so rows
  # also teach actions that are hardly worse, and avoid risky neighbours.
  config.annotate.update(rechecked=16, action_noise=0.3)
  config.annotate.skills.plan.update(rows=0, drafted=0)
  # The world names neither subgoals nor what decides an answer: no rationale.
  config.annotate.skills.question.rationale = False
  config.annotate.skills.next_action.update(regret_scale=1.0, rationale=False)
  config.evaluate.tuned_arms = ("plain", "options")
  config.evaluate.update(depths=FAMILIES, max_steps=34)
  if size == "tiny":
    config.collect.steps = config.evaluate.max_steps = 4
    config.annotate.rechecked = 4
    return config
  # Each scene under one variant: more scenes help more (docs/LOG.md).
  config.collect.update(levels=256, moments=2280, one_variant_per_level=True)
  # Few questions: at this size they cost success and are hardly learnt.
  config.annotate.skills.question.update(rows=240, drafted=60, per_moment=4)
  config.annotate.skills.next_action.update(rows=1900, drafted=120)
  # Four epochs; the lower 22 of 30 layers compute each batch once.
  config.lora.first_layer = 22
  config.train.update(
    acting_steps=480, lr=2e-3, warmup=20, activation_cache_gib=2.0
  )
  config.evaluate.update(
    episodes=128, val_episodes=64, per_kind=12, val_per_kind=4, ood_episodes=0
  )
  return config

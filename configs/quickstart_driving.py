"""The quickstart in traffic: trained in imperfect worlds, judged in `real`.

  bash launch/quickstart.sh driving
  python -m launch.pipeline --config=configs/quickstart_driving.py --workdir=runs/quickstart_driving

As configs/quickstart.py, in Urban Driving and its eight families of scenes
(`depths` name them, docs/driving.md), with more steps, on actions rather than
questions, in the upper eight layers alone; what the others make of a row is
kept. On 128 test scenes success is .42 (base .16, random .09, oracle .99, an MLP
on the same rows .70; on `val` .48), with no more collisions (.29 for .38);
questions it answers no better than the base. On 2 CPU cores 14 minutes, more than
twice that on a slower host, and 3 GiB (docs/results/quickstart_driving). `:tiny` is its size for tests. The report tells collisions and
other faults beside success; `--config.evaluate.ood_episodes=16` judges on its
three ood- splits, too.
"""  # noqa: E501

from ml_collections import config_dict

from configs import quickstart

FAMILIES = tuple(range(8))
# Of the kinds that driving can ask, those that a short run has time for: what
# is seen, the rules, and what follows; none of them asks the planner.
KINDS = (
  "light", "people", "lane", "beside", "pace", "reach", "limit", "rule", "halt",
  "in_time", "speed_after", "harm",
)  # fmt: skip


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  config.world.name = "driving"
  config.world.options = config_dict.create(kinds=KINDS)
  config.collect.variants = (
    "imperfect/temper(0.6)",
    "imperfect/lag(0.4)",
    "imperfect/slippery(0.4)",
    "imperfect/noisy(0.1)",
  )
  config.collect.update(depths=FAMILIES, steps=26)
  # Random play soon ends in an accident, whatever one would do then.
  config.collect.actors = dict(mixed=1.0)
  # A plan asks the planner at every step of the way, and the second path plans
  # in plain Python, three seconds an action with lapses. Costs tell a quarter
  # of a second apart and the planner never errs: whoever learns from it should
  # know what is hardly worse, and what a slip would lead to.
  config.annotate.update(
    plans=0, llm_plans=0, rechecked=16, regret_scale=1.0, lapse=0.3
  )
  config.evaluate.update(depths=FAMILIES, max_steps=34)
  if size == "tiny":
    config.collect.steps = config.evaluate.max_steps = 4
    return config
  # Each scene under one variant: what teaches is scenes (docs/LOG.md).
  config.collect.update(levels=256, moments=2280, dealt=True)
  # Few questions: at this size they cost driving and are hardly learnt.
  config.annotate.update(
    questions=240, questions_per_moment=4, next_actions=1900,
    llm_questions=60, llm_actions=120,
  )  # fmt: skip
  # Four times through the rows; the lower 22 of 30 layers see each once.
  config.lora.first_layer = 22
  config.train.update(
    acting_steps=480, lr=2e-3, warmup=20, activation_cache_gib=2.0
  )
  config.evaluate.update(
    episodes=128, val_episodes=8, per_kind=12, val_per_kind=2, ood_episodes=0
  )
  return config

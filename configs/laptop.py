"""The recipe at the size of an hour at most: an arm, a seed, on a laptop CPU.

  python -m launch.pipeline --config=configs/laptop.py --workdir=runs/laptop-0

As configs/recipe.py:ARM, with four times the optimizer steps, twice the replay
text, sixteen imperfect worlds, more moments, and depths 0 to 2 on 256 test
levels. Half an hour to an hour on 2 CPU cores, and 3 GiB. Over three
training seeds test success is .94 (base .15, random .10, oracle 1; ood-chain
.93, ood-size .95, ood-depth, which is depth 3 in 8x8 here, .89), questions .87
(base .41), bits per byte 0.2 to 0.3 % above the base's (docs/results/recipe).
"""

from ml_collections import config_dict

from configs import recipe


def get_config(arm: str = "tuned") -> config_dict.ConfigDict:
  """The config of an arm of the recipe at this size."""
  config = recipe.get_config(arm)
  scale = 4
  for section, name in (
    ("train", "understanding_steps"),
    ("train", "acting_steps"),
    ("rounds", "steps"),
  ):
    config[section][name] *= scale
  config.train.lr *= 2 / 3  # of a longer run
  config.train.replay_length *= 2
  config.world.options.deeper = (3,)  # 2 is trained on
  config.collect.update(depths=(0, 1, 2), levels=256, moments=4000)
  if arm != "trained-on-real":
    config.collect.variants = recipe.ARMS["worlds-16"]["collect.variants"]
  skills = config.annotate.skills
  skills.question.rows *= 4
  skills.next_action.rows = skills.next_action.rows * 50 // 17
  config.evaluate.update(
    suite="test", depths=(0, 1, 2), episodes=256, per_kind=32,
    ood_episodes=64, language_tokens=16384,
  )  # fmt: skip
  return recipe.drafted(config)

"""A larger version of the recipe, for a laptop CPU: one arm and one seed.

  python -m launch.pipeline --config=configs/laptop.py --workdir=runs/laptop-0

As configs/recipe.py:ARM, with the rendering `plain`, levels of depths 0 to 2
and sides 5 to 7, three times as many rows, four times as many optimizer steps
and twice the replay text. `ood-size` has side 8, `ood-depth` depth 3. Several
hours on 2 CPU cores (estimated). Not measured yet on these levels;
docs/results.md has the figures of the earlier, easier levels.
"""

from ml_collections import config_dict

from configs import recipe

STEPS = 4  # times those of the recipe


def get_config(arm: str = "tuned") -> config_dict.ConfigDict:
  """The config of an arm of the recipe at this size."""
  config = recipe.get_config(arm)
  for section, name in (
    ("train", "understanding_steps"),
    ("train", "acting_steps"),
    ("rounds", "steps"),
  ):
    config[section][name] *= STEPS
  config.train.lr *= 2 / 3  # of a longer run
  config.train.replay_length *= 2
  config.world.options.update(
    rendering="plain", size=8, sides=(5, 6, 7), larger=(8,), deeper=(3,)
  )
  config.collect.update(depths=(0, 1, 2), levels=8000, moments=20000)
  skills = config.annotate.skills
  for name in (
    "question",
    "predict",
    "explain",
    "repair",
    "reflect",
    "compose",
  ):
    skills[name].rows *= 3
  skills.next_action.rows = skills.next_action.rows * 7 // 2
  config.evaluate.update(
    suite="test", depths=(0, 1, 2), episodes=256, per_kind=32,
    ood_episodes=64, language_tokens=16384,
  )  # fmt: skip
  return recipe.drafted(config)

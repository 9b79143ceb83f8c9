"""A world of your own, learnt from search alone: examples/your_world.py.

  python -m launch.pipeline --config=configs/your_world.py --workdir=runs/your_world

Like configs/quickstart.py, with the same model and number of training steps.
The world has no oracle and asks no questions: episodes are random play, labels
come from `simulators.search`, and the report compares success alone. Time and
figures at full size are not measured yet. `:tiny` is the size for tests, one
minute on 2 CPU cores.
"""  # noqa: E501

from ml_collections import config_dict

from configs import quickstart

STEPS = 24  # the time limit of the lift


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  tiny = size == "tiny"
  config.world = config_dict.create(
    name="examples.your_world:World", options=dict()
  )
  config.collect.update(
    variants=("imperfect/stuck(0.1)", "imperfect/stuck(0.2)"),
    depths=(0,),
    steps=STEPS,
  )
  config.collect.actors = dict(random=1.0)
  config.annotate.update(label_source="search")
  config.annotate.skills = config_dict.create(
    question=dict(rows=0, drafted=0),
    next_action=dict(rows=24 if tiny else 1400, drafted=4 if tiny else 180),
    plan=dict(rows=0, drafted=0),
  )
  config.train.understanding_steps = 0  # there are no questions
  config.evaluate.update(depths=(0,), ood_episodes=0)
  if not tiny:
    config.collect.levels = 240  # of 279 in `train`
    config.evaluate.update(episodes=64, max_steps=STEPS)
  return config

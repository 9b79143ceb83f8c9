"""The quickstart in traffic: trained in imperfect worlds, judged in `real`.

  bash launch/quickstart.sh driving
  python -m launch.pipeline --config=configs/quickstart_driving.py --workdir=runs/quickstart_driving

As configs/quickstart.py, in Urban Driving and its eight families of scenes
(`depths` name them, docs/driving.md). Not yet measured at this size, so no
time and no numbers are promised; `:tiny` is its size for tests.
"""  # noqa: E501

from ml_collections import config_dict

from configs import quickstart

FAMILIES = tuple(range(8))


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  config.world.name = "driving"
  config.world.options = config_dict.create()
  config.collect.variants = (
    "imperfect/temper(0.6)",
    "imperfect/lag(0.4)",
    "imperfect/slippery(0.4)",
    "imperfect/noisy(0.1)",
  )
  config.annotate.rechecked = 300  # its second path plans in plain Python
  steps = 4 if size == "tiny" else 34
  config.collect.update(depths=FAMILIES, steps=steps)
  config.evaluate.update(depths=FAMILIES, max_steps=steps)
  return config

"""Descriptions of moments: numpy observations in, English out.

| rendering | text |
|---|---|
| plain | short natural sentences about what is perceived (`phrases`) |
| compact | the same facts in half as many tokens (`phrases`) |
| map | the level as a drawing with a legend (`maps`) |
| hints | terse facts with the way to the goal worked out (`hints`) |

`hints` is a control: it names what the cheapest way leads past and what that
needs, so a reader of a few rules solves most levels.
"""

from simulators.agentworld.config import Config
from simulators.agentworld.text import hints, maps, phrases
from simulators.agentworld.text.scene import scenes
from simulators.agentworld.types import Obs


def describe(obs: Obs, config: Config) -> list[str]:
  """One text for each row.

  Args:
    obs: numpy leaves with a leading axis B (after one `jax.device_get`).
    config: of the world; chooses the rendering.
  """
  if config.rendering == "map":
    return maps.describe(obs)
  if config.rendering == "hints":
    return [description.text for description in hints.write(obs)]
  seen = scenes(obs, config.sight)
  return [phrases.write(scene, config.rendering) for scene in seen]

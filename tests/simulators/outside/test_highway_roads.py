"""highway-env in words: told as it is, driven by its own decisions."""

import numpy as np
import pytest

from simulators import outside
from simulators.outside.highway_roads import (
  ROADS,
  Highway,
  parse_description,
  view,
)


@pytest.mark.parametrize("name", ROADS)
def test_texts_read_back(name):
  world = outside.make(name)
  world.reset(range(2))
  rng = np.random.default_rng(0)
  for _ in range(6):
    for text, env in zip(world.texts, world.envs, strict=True):
      assert parse_description(text) == view(env)
    world.step(rng.integers(len(world.actions), size=2))


def test_words_stand_for_highway_envs_own_decisions():
  road = Highway("highway/highway-fast")
  names = road.make().action_type.actions
  found = {w: names[c] for w, c in zip(road.actions, road.codes, strict=True)}
  assert found == {
    "keep": "IDLE", "faster": "FASTER", "slower": "SLOWER",
    "left": "LANE_LEFT", "right": "LANE_RIGHT",
  }  # fmt: skip
  assert Highway("highway/intersection").actions == ("keep", "faster", "slower")


def test_expert_drives_to_the_end_without_a_crash():
  world = outside.make("highway/merge")
  world.reset([0])
  for _ in range(30):
    world.step(world.oracle().argmin(-1))
    if world.done.all():
      break
  assert world.success.all()


def test_a_crash_is_a_failure():
  world = outside.make("highway/highway-fast")
  world.reset(range(4))
  faster = world.actions.index("faster")
  for _ in range(40):
    world.step([faster] * 4)
  assert world.done.all()
  assert (world.failed == ~world.success).all()
  assert world.failed.any()

"""highway-env in words: texts equal the road, decisions are its own."""

import importlib

import gymnasium
import numpy as np
import pytest

from simulators import outside
from simulators.outside.highway_roads import (
  ROADS,
  Highway,
  parse_description,
  view,
)
from simulators.outside.highway_script import Script


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


def test_script_drives_to_the_end_by_the_text_alone():
  world = outside.make("highway/merge")
  world.reset([0])
  script = world.narrator.script()
  for _ in range(30):
    world.step(script.scores(world.texts, [0]).argmax(-1))
    if world.done.all():
      break
  assert world.success.all()


@pytest.mark.parametrize(
  ("cars", "word"),
  [
    ("", "faster"),
    (" Ahead: car 30 m, 2 slower.", "keep"),
    (" Ahead: car 9 m, 4 slower. Right beside: car, same speed.", "left"),
    (
      " Ahead: car 9 m, 4 slower. Right beside: car, same speed. Left ahead: "
      "car 5 m, same speed.",
      "slower",
    ),
    (" Crossing left: car 15 m at 8 m/s.", "slower"),
  ],
)
def test_script_decides_by_what_it_reads(cars, word):
  text = (
    "Drive without a crash. 9 s left. Speed 20 m/s, aim 20, limit 30. Lane 2 "
    f"of 3 from the left. Last: keep.{cars}"
  )
  actions = ("keep", "faster", "slower", "left", "right")
  (scores,) = Script(parse_description, actions).scores([text], [0])
  assert actions[scores.argmax()] == word


def test_roads_are_the_newest_versions():
  importlib.import_module("highway_env")  # adds its roads to the registry
  for environment, *_ in ROADS.values():
    family = environment.rsplit("-v", 1)[0]
    versions = [
      spec.version
      for spec in gymnasium.registry.values()
      if spec.name == family
    ]
    assert environment == f"{family}-v{max(versions)}"


def test_a_crash_is_a_failure():
  world = outside.make("highway/highway-fast")
  world.reset(range(4))
  faster = world.actions.index("faster")
  for _ in range(40):
    world.step([faster] * 4)
  assert world.done.all()
  assert (world.failed == ~world.success).all()
  assert world.failed.any()

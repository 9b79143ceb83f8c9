"""SUMO in words: texts equal the simulation, decisions steer the ego alone."""

import sys

import numpy as np
import pytest

from simulators import outside
from simulators.driving.text import parsing
from simulators.driving.types import ACTIONS
from simulators.outside.sumo import SCENES, Sumo, process, view
from simulators.outside.sumo.drive import EGO

GO, KEEP, LEFT, STOP = map(ACTIONS.index, ("go", "keep", "left", "stop"))


def _play(world, decide, most=70):
  """Plays on until all rows are done; returns all texts."""
  texts = list(world.texts)
  for _ in range(most):
    if world.done.all():
      return texts
    world.step(decide(world))
    texts += world.texts
  raise AssertionError("the time is up, but the episode goes on")


@pytest.mark.parametrize(
  ("name", "rendering"),
  [*((name, "plain") for name in SCENES), ("sumo/town", "compact")],
)
def test_texts_are_those_of_urban_driving_and_read_back(name, rendering):
  world = outside.make(name, rendering=rendering)
  world.reset([0])
  (env,) = world.envs
  rng = np.random.default_rng(0)
  for _ in range(4):
    found, seen = parsing.parse_description(world.texts[0]), view(env, "")
    assert found["task"] == env.scene.family
    assert found["goal"] == round(seen.goal)
    assert found["left"] == env.time - env.elapsed
    assert found["cars"].keys() <= seen.cars.keys()
    assert len(found["people"]) == len(seen.people)
    assert found.get("light", "") == seen.light
    assert ("walk" in found) == (seen.walk is not None)
    if rendering == "plain":
      assert found["speed"] == round(seen.speed)
      assert found.get("turn", "") == seen.turn
    world.step([int(rng.choice([GO, KEEP, LEFT]))])
    if world.done[0]:
      break


def test_expert_arrives_and_every_text_reads_back():
  world = outside.make("sumo/crossroads")
  world.reset([0])
  for text in _play(world, lambda w: w.oracle().argmin(-1)):
    parsing.parse_description(text)
  assert world.success[0]
  assert not world.failed[0]


def test_the_level_follows_from_the_seed_alone():
  def drive(indices):
    world = outside.make("sumo/signals")
    texts = [world.reset(indices)]
    for _ in range(3):
      texts.append(world.step([GO] * len(indices))[0])
    return list(zip(*texts, strict=True))

  other, third = drive([5, 3])
  assert drive([3]) == [third]
  assert other != third


def test_asking_the_expert_does_not_disturb_the_drive():
  def drive(asks):
    world = outside.make("sumo/crossroads")
    world.reset([1])
    for _ in range(2):
      if asks:
        world.oracle()
      world.step([GO])
    return world.texts

  assert drive(True) == drive(False)


def test_a_red_light_and_a_car_ahead_end_the_episode():
  world = outside.make("sumo/signals")
  world.reset(range(2))
  _play(world, lambda w: [GO] * 2)
  outcomes = {env.drive.outcome for env in world.envs}
  assert outcomes <= {"red light", "crash"}
  assert world.failed.all()
  assert not world.success.any()
  faults = world.measures["collision"] + world.measures["red_light"]
  assert faults.tolist() == [1, 1]


def test_who_stands_still_is_too_late_and_that_is_no_fault():
  world = outside.make("sumo/road")
  world.reset([0])
  _play(world, lambda w: [STOP])
  (env,) = world.envs
  assert env.elapsed == env.time
  assert env.drive.speed == 0
  assert world.measures["late"].tolist() == [1]
  assert not world.success[0]
  assert not world.failed[0]


def test_decisions_move_the_ego_as_their_words_say():
  world = outside.make("sumo/road")
  world.reset([0])
  (env,) = world.envs
  start = env.drive.lane
  world.step([ACTIONS.index("faster")])
  assert (env.drive.aim, round(env.drive.speed)) == (12, 10)
  world.step([LEFT if start == 0 else ACTIONS.index("right")])
  assert env.drive.lane == 1 - start
  world.step([ACTIONS.index("slower")])
  assert env.drive.aim == 8
  lane = env.sumo.vehicle.getLaneIndex(EGO)
  world.step([LEFT if lane else ACTIONS.index("right")])  # no such lane
  assert env.sumo.vehicle.getLaneIndex(EGO) == lane


def test_a_missing_package_names_the_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, "traci", None)
  with pytest.raises(ModuleNotFoundError, match=r"glimo-jax\[worlds\]"):
    Sumo("sumo/road").make()


def test_unknown_names_are_refused():
  with pytest.raises(ValueError, match="sumo/road"):
    Sumo("sumo/rod")
  with pytest.raises(ValueError, match="compact"):
    Sumo("sumo/road", "compakt")


def test_sumo_that_does_not_start_is_reported():
  with pytest.raises(RuntimeError, match="run it by hand"):
    process.Process().load(["--no-such-option"])

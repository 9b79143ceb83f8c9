"""MiniGrid and BabyAI in words: told as they are, solved by their experts."""

import numpy as np
import pytest

from glimo_jax.play import loop, policies
from simulators import outside
from simulators.gym_world import Guided, GymTextWorld
from simulators.outside.minigrid_actions import (
  ACTIONS,
  FORWARD,
  LEFT,
  PICKUP,
  RIGHT,
)
from simulators.outside.minigrid_levels import (
  LEVELS,
  MiniGrid,
  Thing,
  parse_description,
  view,
)

# Least moves of MiniGrid 3.2.0's DoorKey-8x8, seeds 0 to 4.
LENGTHS_8 = (17, 19, 20, 16, 12)


@pytest.mark.parametrize("name", [n for n in LEVELS if "FourRooms" not in n])
def test_expert_succeeds_and_texts_read_back_at_every_step(name):
  world = outside.make(name)
  world.reset(range(2))
  for _ in range(100):
    for text, env in zip(world.texts, world.envs, strict=True):
      assert parse_description(text) == view(env)
    world.step(world.oracle().argmin(-1))
    if world.done.all():
      break
  assert world.success.all()
  assert not world.failed.any()


def test_searched_lengths_are_those_of_minigrid(monkeypatch):
  monkeypatch.setitem(LEVELS, "minigrid/DoorKey-8x8", "MiniGrid-DoorKey-8x8-v0")
  world = GymTextWorld(MiniGrid("minigrid/DoorKey-8x8"))
  world.reset(range(len(LENGTHS_8)))
  np.testing.assert_array_equal(world.oracle().min(-1), LENGTHS_8)


def test_description_tells_what_stands_where():
  world = outside.make("minigrid/DoorKey-5x5")
  text = world.reset([0])[0]
  assert text == (
    "Mission: use the key to open the door and then get to the goal. You carry "
    "nothing. Walls are to the left and ahead. The yellow key is one right."
  )
  [env] = world.envs
  assert view(env).things == (Thing("yellow key", 0, 1),)
  assert (
    "You turned right. The yellow key is one ahead."
    in (world.step([RIGHT])[0][0])
  )
  world.step([PICKUP])
  assert "You carry the yellow key." in world.texts[0]
  assert "You picked up the yellow key." in world.texts[0]
  world.step([PICKUP])
  assert "Pickup did nothing." in world.texts[0]
  world.step([LEFT])
  world.step([FORWARD])
  assert "You could not go forward." in world.texts[0]


def test_script_beats_random_play():
  world = outside.make("minigrid/DoorKey-6x6")

  def success(policy):
    played = loop.play(policy, world, range(12), max_steps=60, optimal=False)
    return np.mean([episode.success for episode in played])

  chance = success(policies.RandomPolicy(len(ACTIONS), 0))
  assert success(world.narrator.script()) > chance + 0.5


def test_levels_depend_on_their_number_alone():
  world = outside.make("minigrid/DoorKey-6x6")
  texts = world.reset(range(6))
  assert len(set(texts)) > 1
  assert world.reset([5, 3])[::-1] == [texts[3], texts[5]]
  assert outside.make("minigrid/DoorKey-6x6", 3).reset([0]) == [texts[3]]


def test_done_rows_stay_as_they_are():
  world = outside.make("minigrid/Empty-6x6")
  world.reset(range(2))
  while not world.done.any():
    costs = world.oracle().argmin(-1)
    world.step([costs[0], LEFT])
  before = list(world.texts)
  _, rewards, done = world.step([FORWARD, LEFT])
  assert done.tolist() == [True, False]
  assert (rewards[0], world.texts[0]) == (0.0, before[0])


@pytest.mark.parametrize(
  ("text", "action"),
  [("Forward.", FORWARD), ("pick up", PICKUP), ("up", None), ("", None)],
)
def test_parse(text, action):
  assert MiniGrid("minigrid/Empty-6x6").parse(text) == action


def test_bad_input():
  with pytest.raises(ValueError, match="minigrid/DoorKey-6x6"):
    outside.make("minigrid/DoorKy-6x6")
  world = outside.make("minigrid/Empty-6x6")
  with pytest.raises(ValueError, match="indices are empty"):
    world.reset([])
  world.reset([0])
  with pytest.raises(ValueError, match="2 actions for 1 rows"):
    world.step([0, 1])
  with pytest.raises(ValueError, match="action 9 in row 0 is none"):
    world.step([9])
  with pytest.raises(ValueError, match="no description"):
    parse_description("goal up.")


def test_guided_worlds_alone_have_an_oracle():
  assert isinstance(MiniGrid("minigrid/Empty-6x6"), Guided)
  assert hasattr(outside.make("minigrid/Empty-6x6"), "oracle")
  assert not hasattr(GymTextWorld, "oracle")

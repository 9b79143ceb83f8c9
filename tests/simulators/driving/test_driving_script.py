"""The scripted driver: it reads the text, and is better than chance."""

import numpy as np
import pytest

import simulators
from glimo_jax.play import loop, policies
from simulators.driving.script import Script
from simulators.driving.types import ACTIONS
from simulators.text_world import TextWorld

WORLD = simulators.make("driving")


def _does(text):
  task = "Mind light and people. Goal: 100 m in 20 s. "
  scores = Script("the rules").scores([task + text], [0])
  assert scores.shape == (1, len(ACTIONS))
  return ACTIONS[int(scores[0].argmax())]


@pytest.mark.parametrize(
  ("text", "does"),
  [
    ("Speed 10 m/s, aim 10, limit 16.", "go"),
    ("Speed 10 m/s, aim 16, limit 16. Red light in 5 m.", "stop"),
    ("Speed 10 m/s, aim 10, limit 10. Green light in 5 m for 9 s.", "keep"),
    ("Speed 10 m/s, aim 10, limit 10. Crosswalk in 10 m: person 2 m left "
     "walking right.", "stop"),
    ("Speed 10 m/s, aim 10, limit 16. Ahead: car 2 m, 10 slower.", "stop"),
    ("Speed 10 m/s, aim 10, limit 16. Right lane of 2. "
     "Ahead: car 20 m, standing.", "left"),
    ("Speed 10 m/s, aim 10, limit 10. Right lane of 2. "
     "Ahead: car 10 m, standing. Left beside: car, same speed.", "stop"),
    ("Speed 10 m/s, aim 10, limit 12. Left turn in 3 m. "
     "Oncoming: car in 20 m at 9 m/s, then 50 m at 9 m/s.", "stop"),
    ("Speed 10 m/s, aim 12, limit 12. Left turn in 3 m. "
     "Oncoming: car in 60 m at 9 m/s.", "keep"),
  ],
)  # fmt: skip
def test_the_text_decides_the_action(text, does):
  assert _does(text) == does


def test_scripted_driver_succeeds_far_more_often_than_chance():
  played = TextWorld(WORLD, WORLD.params("real"), WORLD.pool("val", 32))
  rate = {
    name: np.mean([
      e.success
      for e in loop.play(
        player, played, range(32), max_steps=34, optimal=False
      )
    ])
    for name, player in (
      ("script", WORLD.script(played.preamble)),
      ("random", policies.RandomPolicy(len(ACTIONS))),
    )
  }  # fmt: skip
  assert rate["script"] > 0.4 > 0.25 > rate["random"]

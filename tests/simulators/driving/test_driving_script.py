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
  scores = Script("the rules").scores([text], [0])
  assert scores.shape == (1, len(ACTIONS))
  return ACTIONS[int(scores[0].argmax())]


@pytest.mark.parametrize(
  ("text", "does"),
  [
    ("speed ten aim ten limit sixteen. goal hundred in twenty.", "go"),
    ("speed ten aim sixteen limit sixteen. goal hundred in twenty. "
     "light red five.", "stop"),
    ("speed ten aim ten limit ten. goal hundred in twenty. light green five.",
     "keep"),
    ("speed ten aim ten limit ten. goal hundred in twenty. walk ten. "
     "man left two going right.", "stop"),
    ("speed ten aim ten limit sixteen. goal hundred in twenty. "
     "car ahead two slower ten.", "stop"),
    ("speed ten aim ten limit sixteen. lane one of two. "
     "goal hundred in twenty. car ahead twenty standing.", "left"),
    ("speed ten aim ten limit ten. lane one of two. goal hundred in twenty. "
     "car left beside same. car ahead ten standing.", "stop"),
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

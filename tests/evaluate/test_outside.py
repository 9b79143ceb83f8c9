"""Outside worlds are judged like any other, and go on after a kill."""

import numpy as np

from glimo_jax.evaluate import outside
from glimo_jax.evaluate.settings import EvaluateConfig
from simulators import outside as worlds


class FakeLM:
  """Scores by a rule; counts what it is asked."""

  def __init__(self, likes):
    self.likes, self.asked = likes, 0

  def loglik(self, prompts, continuations):
    self.asked += len(prompts)
    return [
      np.array([0.0 if c == self.likes else -1.0 for c in choices])
      for choices in continuations
    ]


def _judge(folder, models):
  name = "minigrid/Empty-6x6"
  config = EvaluateConfig(
    episodes=4, val_episodes=4, max_steps=4, arms=("plain", "options"),
    tuned_arms=("plain",),
  )  # fmt: skip
  rivals = {"script": lambda text_world: text_world.narrator.script()}
  return outside.judge(
    name, lambda seed: worlds.make(name, seed), models, config, folder,
    lambda _: lambda done, total: None, rivals,
  )  # fmt: skip


def test_arms_play_the_same_levels_and_a_restart_asks_nothing(tmp_path):
  models = FakeLM("left"), FakeLM("forward")
  result = _judge(tmp_path, models)
  assert {"random", "oracle", "base", "tuned", "script"} <= result.acted.keys()
  asked = [model.asked for model in models]
  assert all(asked)
  again = _judge(tmp_path, models)
  assert [model.asked for model in models] == asked
  values = outside.report({"minigrid/Empty-6x6": again})
  arms = values["benchmarks"]["minigrid/Empty-6x6"]
  assert arms["base"]["success"]["mean"] == 0.0  # it turns on the spot
  assert arms["oracle"]["success"]["mean"] > 0
  assert values["asked"]["minigrid/Empty-6x6"]["tuned"] == "plain"
  header, _, row = outside.table(values).splitlines()
  assert header.count("|") == row.count("|")
  assert row.startswith("| minigrid/Empty-6x6 | ")


def test_ways_are_chosen_on_other_episodes():
  chosen = worlds.make("minigrid/Empty-6x6", outside.VAL_SEED).reset(range(8))
  judged = worlds.make("minigrid/Empty-6x6").reset(range(8))
  assert chosen != judged

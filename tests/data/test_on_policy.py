"""On-policy play: reproducible, in imperfect worlds, hard moments first."""

import dataclasses

import numpy as np
import pytest

import simulators
from glimo_jax.agent import costs
from glimo_jax.agent.llm import ScriptedLM
from glimo_jax.agent.skills import NextActionSkill
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect, on_policy
from glimo_jax.data.annotate import AnnotateConfig
from glimo_jax.data.collect import CollectConfig
from glimo_jax.data.on_policy import RoundsConfig

PLAYED = CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/slippery(0.3)"),
  levels=6,
  depths=(0,),
  steps=8,
)
CONFIG = RoundsConfig(count=1, episodes=12, moments=10_000)


class Upward(ScriptedLM):
  """Goes up with probability .97 for any text."""

  def loglik(self, prompts, continuations):
    self.requests += prompts
    p = {"up": 0.97}
    return [
      np.log(np.array([p.get(word, 0.01) for word in row]))
      for row in continuations
    ]


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def tools(world):
  return Tools(world, collect.pool_of(world, PLAYED))


def played(tools, config=CONFIG, number=1):
  return on_policy.play(PLAYED, config, Upward({}), tools, number)


@pytest.fixture(scope="module")
def moments(world, tools):
  return played(tools)


def test_replay_reaches_every_moment_despite_slips(tools, moments):
  assert {m.variant for m in moments} == set(PLAYED.variants)
  assert {m.actor for m in moments} == {"policy"}
  assert tools.known(moments).all()


def test_model_takes_likely_actions(moments):
  ups = [m.next_action == 0 for m in moments]
  assert 0.9 < np.mean(ups) < 1


def test_surprise_is_computed_from_the_right_actions(tools, moments):
  for moment, cost in zip(moments, tools.measure(moments), strict=True):
    best = costs.best_actions(cost)
    p = sum(0.97 if a == 0 else 0.01 for a in best)
    assert moment.surprise == pytest.approx(-np.log(p))


def test_wrong_moments_are_sampled_more_often(world, tools, moments):
  few = played(tools, dataclasses.replace(CONFIG, moments=20))
  assert len(few) == 20
  assert set(few) <= set(moments)
  hard = np.mean([m.surprise > 1 for m in moments])
  assert np.mean([m.surprise > 1 for m in few]) > hard


def test_rounds_play_different_episodes_reproducibly(world, tools, moments):
  assert played(tools) == moments
  assert {m.episode for m in played(tools, number=2)} != {
    m.episode for m in moments
  }


def test_rounds_cover_the_whole_pool(world, tools):
  few = dataclasses.replace(CONFIG, episodes=2)  # one of each variant
  met = {m.level for n in range(12) for m in played(tools, few, n)}
  assert len(met) > len(tools.pool) / 2


def test_episode_ends_with_the_world_or_its_steps(tools, moments):
  ends = tools.simulate(moments).done
  assert not ends.any()  # no moment follows an end
  assert max(len(m.actions) for m in moments) == PLAYED.steps - 1


def test_label_source_decides_who_writes_the_rows_of_a_round():
  by_tool = CONFIG.annotate(AnnotateConfig(), 1)
  assert by_tool.drafted == 0
  assert by_tool.rows("next_action") == CONFIG.rows["next_action"] > 0
  assert by_tool.rows("question") == 0
  skills = {"next_action": NextActionSkill(rows=5, drafted=5)}
  first = AnnotateConfig(label_source="self", skills=skills)
  by_model = CONFIG.annotate(first, 1)
  assert by_model.drafted == by_model.rows("next_action")
  assert by_model.drafted == CONFIG.rows["next_action"]


@pytest.mark.parametrize(
  "wrong",
  [
    {"count": -1},
    {"steps": 0},
    {"temperature": 0.0},
    {"count": 1, "rows": {"plan": 0}},
  ],
)
def test_bad_rounds_are_refused(wrong):
  with pytest.raises(ValueError, match=[*wrong][-1]):
    RoundsConfig(**wrong)

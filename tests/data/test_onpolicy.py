"""The model's own play: reproducible, in its own worlds, hard moments first."""

import dataclasses

import numpy as np
import pytest

import simulators
from glimo_jax.agent import weighing
from glimo_jax.agent.llm import ScriptedLM
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect, onpolicy
from glimo_jax.data.annotate import AnnotateConfig
from glimo_jax.data.collect import CollectConfig
from glimo_jax.data.onpolicy import RoundsConfig

PLAYED = CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/slippery(0.3)"),
  levels=6,
  depths=(0,),
  steps=8,
)
CONFIG = RoundsConfig(count=1, episodes=12, moments=10_000)


class Upward(ScriptedLM):
  """Goes up with probability .97, whatever it reads."""

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


def played(world, tools, config=CONFIG, number=1):
  return onpolicy.play(world, PLAYED, config, Upward({}), tools, number)


@pytest.fixture(scope="module")
def moments(world, tools):
  return played(world, tools)


def test_every_moment_comes_back_in_replay_even_where_it_slips(tools, moments):
  assert {m.variant for m in moments} == set(PLAYED.variants)
  assert {m.actor for m in moments} == {"policy"}
  assert tools.known(moments).all()


def test_the_model_does_what_it_holds_likely(moments):
  ups = [m.next_action == 0 for m in moments]
  assert 0.9 < np.mean(ups) < 1


def test_surprise_is_that_of_the_right_actions(tools, moments):
  for moment, cost in zip(moments, tools.measure(moments), strict=True):
    best = weighing.best_actions(cost)
    p = sum(0.97 if a == 0 else 0.01 for a in best)
    assert moment.surprise == pytest.approx(-np.log(p))


def test_what_was_wrong_is_drawn_rather(world, tools, moments):
  few = played(world, tools, dataclasses.replace(CONFIG, moments=20))
  assert len(few) == 20
  assert set(few) <= set(moments)
  hard = np.mean([m.surprise > 1 for m in moments])
  assert np.mean([m.surprise > 1 for m in few]) > hard


def test_rounds_play_other_episodes_and_each_the_same_again(
  world, tools, moments
):
  assert played(world, tools) == moments
  assert {m.episode for m in played(world, tools, number=2)} != {
    m.episode for m in moments
  }


def test_rounds_come_to_the_whole_pool_not_to_its_beginning(world, tools):
  few = dataclasses.replace(CONFIG, episodes=2)  # one of each variant
  met = {m.level for n in range(12) for m in played(world, tools, few, n)}
  assert len(met) > len(tools.pool) / 2


def test_an_episode_ends_with_the_world_or_its_steps(tools, moments):
  ends = tools.simulate(moments).done
  assert not ends.any()  # no moment lies behind an end
  assert max(len(m.actions) for m in moments) == PLAYED.steps - 1


def test_the_tools_write_a_round_where_they_may():
  by_tool = onpolicy.annotating(AnnotateConfig(), CONFIG, 1)
  assert by_tool.drafted == 0
  assert by_tool.next_actions == CONFIG.next_actions
  first = AnnotateConfig(
    label_source="self", next_actions=5, llm_actions=5, llm_plans=0
  )
  by_model = onpolicy.annotating(first, CONFIG, 1)
  assert by_model.llm_actions == by_model.next_actions == CONFIG.next_actions


@pytest.mark.parametrize(
  "wrong", [{"count": -1}, {"steps": 0}, {"temperature": 0.0}]
)
def test_bad_rounds_are_refused(wrong):
  with pytest.raises(ValueError, match=next(iter(wrong))):
    RoundsConfig(**wrong)

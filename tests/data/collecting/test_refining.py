"""The agent plans, fails by replay, reads why, and plans again."""

import collections
import contextlib
import dataclasses

import numpy as np
import pytest
import thread_shares

import simulators
from glimo_jax import mesh
from glimo_jax.agent import prompts
from glimo_jax.agent.llm import Completion, ScriptedLM, TeacherError
from glimo_jax.agent.skills import plan
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect, shared_journal
from glimo_jax.data.collect import CollectConfig

CONFIG = CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/swapped(1)"),
  levels=4,
  depths=(0,),
  episodes=2,
  steps=12,
  actors={"agent": 1.0},
  refinements=1,
  moments=10_000,
)
WRONG = "up up down"


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def tools(world):
  return Tools(world, collect.pool_of(world, CONFIG))


@pytest.fixture(scope="module")
def ways(world, tools):
  """First description -> a plan that succeeds; "" for a success at once."""
  random = dataclasses.replace(CONFIG, actors={"random": 1.0}, steps=1)
  starts = [e for e in collect.collect(world, random) if not e.actions]
  moves = plan.ways(tools, starts)
  return {
    start.description: plan.in_words(tools, way)
    for start, way in zip(starts, moves, strict=True)
    if way is not None
  }


def learner(ways):
  """Plans wrongly, and rightly once it has read a refutation."""

  def answer(request):
    content = request.messages[-1]["content"]
    start = content.partition(f" {prompts.PLAN}")[0]
    return ways[start] if "No: after" in content else WRONG

  return ScriptedLM(answer)


def play(world, lm, config=CONFIG, **more):
  """(moments, what the summary says of the agent)."""
  summary = {}
  found = collect.collect(
    world,
    config,
    summary=summary,
    writer=lambda: contextlib.nullcontext(lm),
    **more,
  )
  return found, summary["agent"]


def test_refuted_plan_and_its_refinement_are_both_experience(
  world, tools, ways
):
  lm = learner(ways)
  found, counts = play(world, lm)
  assert counts["verified"] == 16 == len({m.episode for m in found})
  assert (counts["drafts"], counts["plans"]) == (32, 32)
  assert {m.actor for m in found} == {"agent"}
  assert tools.known(found).all()
  ended = [
    dataclasses.replace(m, actions=(*m.actions, m.next_action)) for m in found
  ]
  after = tools.simulate(ended)
  assert after.description == [m.next_description for m in found]
  episodes = collections.defaultdict(set)
  for moment, success in zip(found, after.success, strict=True):
    episodes[moment.episode].add(success)
    assert moment.success or not success
  assert all(ends == {True, False} for ends in episodes.values())
  assert {m.success for m in found} == {True, False}
  names = [(m.episode, m.actions, m.next_action) for m in found]
  assert len(set(names)) == len(names)
  assert any("No: after" in str(r.messages[-1]) for r in lm.requests)


def test_plan_without_success_is_kept_as_a_failed_episode(world, ways):
  config = dataclasses.replace(CONFIG, refinements=0)
  found, counts = play(world, learner(ways), config)
  assert (counts["refuted"], counts["drafts"]) == (16, 16)
  assert not any(m.success for m in found)
  taken = [world.actions[m.next_action] for m in found]
  assert taken[:3] == WRONG.split()


def test_longest_episode_holds_for_plans(world):
  config = dataclasses.replace(CONFIG, refinements=0, steps=2)
  found, _ = play(world, ScriptedLM(lambda _: WRONG), config)
  assert max(len(m.actions) for m in found) == 1


def test_unreadable_plans_are_counted_and_leave_nothing(world):
  vague = ScriptedLM(lambda _: "I would go north.")
  config = dataclasses.replace(CONFIG, actors={"agent": 0.5, "random": 0.5})
  found, counts = play(world, vague, config)
  assert {m.actor for m in found} == {"random"}
  assert (counts["invalid"], counts["plans"]) == (len(vague.requests) // 2, 0)
  with pytest.raises(ValueError, match="has a move"):
    play(world, vague)


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_play_what_one_plays(world, ways, processes):
  config = dataclasses.replace(
    CONFIG, actors={"agent": 0.5, "random": 0.5}, chunk=2, plateau=1e-9
  )
  expected = play(world, learner(ways), config)
  assert {m.actor for m in expected[0]} == {"agent", "random"}

  def work(shares):
    return play(world, learner(ways), config, in_shares=shares)

  assert all(found == expected for found in thread_shares.run(processes, work))


def test_restart_asks_nothing_twice(world, ways, tmp_path):
  def collected(lm):
    return collect.collect(
      world,
      CONFIG,
      writer=lambda: shared_journal.kept(lm, "1", tmp_path, mesh.Shares()),
    )

  first = collected(learner(ways))
  again = ScriptedLM(lambda _: pytest.fail("asked again"))
  assert collected(again) == first


def test_missing_answers_end_the_collection(world):
  gone = Completion("", "error", 0, 0, "m", None, "timeout", "retry")
  with pytest.raises(TeacherError, match="without an answer"):
    play(world, ScriptedLM(lambda _: gone))


def test_agent_without_a_language_model_is_refused(world):
  with pytest.raises(ValueError, match="no language model"):
    collect.collect(world, CONFIG)


def test_agent_of_weight_zero_changes_nothing(world):
  config = dataclasses.replace(CONFIG, actors={"random": 0.4, "mixed": 0.6})
  zero = dataclasses.replace(config, actors={**config.actors, "agent": 0.0})
  unused = dict(writer=lambda: pytest.fail("opened"))
  assert collect.collect(world, zero, **unused) == collect.collect(
    world, config
  )


def test_agent_needs_no_oracle():
  lift = simulators.make("examples.your_world:World")
  config = dataclasses.replace(
    CONFIG, variants=("imperfect/stuck(0.5)",), levels=4
  )
  config.check(lift)
  found, counts = play(lift, ScriptedLM(lambda _: "up open"), config)
  assert counts["refuted"] + counts["verified"] == 8
  assert np.mean([m.next_action in (0, 2) for m in found]) == 1

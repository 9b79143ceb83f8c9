"""Rows about what fails, drafted and written by tools, from one annotation."""

import collections
import dataclasses

import numpy as np
import pytest

import simulators
from glimo_jax.agent.llm import ScriptedLM
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.skills import PlanSkill, ReflectSkill, RepairSkill
from glimo_jax.agent.tools import Tools
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect, trial
from glimo_jax.data.annotate import AnnotateConfig

COLLECT = collect.CollectConfig(
  variants=("imperfect/swapped(0)",),
  levels=6,
  depths=(0,),
  episodes=2,
  steps=8,
  actors={"random": 1.0},
  moments=40,
)
CONFIG = AnnotateConfig(
  skills={
    "plan": PlanSkill(rows=16, drafted=16),
    "repair": RepairSkill(rows=8, drafted=4),
    "reflect": ReflectSkill(rows=8, drafted=4),
  },
)
WRONG = "left left left"


def _embed(texts):
  return np.ones((len(texts), 1), np.float32)


def _answer(request):
  """A plan that mostly fails, or a mending that some episodes need."""
  turn = request.messages[-1]["content"]
  if "Not: " in turn:  # again
    return turn.partition("Not: ")[2].partition(".")[0]
  if "first mistake" not in turn:
    return WRONG
  return "step 1: left" if request.temperature else "step 1: up"


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def experiences(world):
  return collect.collect(world, COLLECT)


@pytest.fixture(scope="module")
def made(world, experiences):
  return annotate_lib.annotate(
    experiences, world, collect.pool_of(world, COLLECT), CONFIG,
    ScriptedLM(_answer), Memory(_embed),
  )  # fmt: skip


def test_every_planned_row_has_a_verdict_and_rows_of_both_skills(made):
  kinds = made.counts["by_kind"]
  for kind in ("repair", "reflect"):
    count = kinds[kind]
    assert count["verified"] == CONFIG.rows(kind)
    assert made.counts["llm_by_kind"][kind]["planned"] == 4
  # What the model plans wrongly, the tools write.
  assert made.counts["llm_by_kind"]["repair"]["refuted"] == 4
  sources = collections.Counter(
    (row.kind, row.source) for row in (*made.train, *made.val)
  )
  assert sources["repair", "tool"] == 8
  assert 0 < sources["reflect", "llm"] < 4  # a guess is right at times
  assert sources["reflect", "llm"] + sources["reflect", "tool"] == 8


def test_tools_write_repairs_of_the_plans_that_the_model_wrote(made):
  repairs = [r for r in (*made.train, *made.val) if r.kind == "repair"]
  ours = [row for row in repairs if row.question == WRONG]
  assert ours
  for row in ours:
    assert f" Not: {WRONG}. After " in row.messages[-1]["content"]
    assert row.checked_by == "replay+reference"


def test_rows_come_back_in_replay(world, made):
  """By new tools, from the provenance of the row alone."""
  tools = Tools(world, collect.pool_of(world, COLLECT))
  for row in (*made.train, *made.val):
    words = row.answers[0].split()
    if row.kind == "reflect":
      step = int(words[1].rstrip(":"))
      taken = (*row.actions, *row.args)
      before = taken[: len(row.actions) + step - 1]
      there = dataclasses.replace(row, actions=before)
      (cost,) = tools.measure([there])
      assert cost[tools.world.actions.index(words[2])] == cost.min()
      assert cost[row.args[step - 1]] > cost.min()
    else:
      moves = (*row.actions, *tools.action_indices(words))
      there = dataclasses.replace(row, actions=moves)
      assert tools.simulate([there]).success.all()


def test_estimate_and_preview_show_both(world, experiences):
  tools = Tools(world, collect.pool_of(world, COLLECT))
  estimate = trial.estimate(tools, experiences, CONFIG)
  assert estimate.planned + estimate.duplicates == 32
  assert estimate.drafted + estimate.duplicates == 24
  lm = ScriptedLM(_answer)
  outcomes = trial.preview(tools, experiences, CONFIG, lm, None, 6)
  shown = "\n".join(map(trial.shown, outcomes))
  for kind in ("full_plan", "repair", "reflect"):
    assert f"--- {kind}\n" in shown
  assert "Which step was the first mistake" in shown

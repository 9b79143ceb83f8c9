"""Driving rows: the second path checks a sample of each form and can refute."""

import collections
import dataclasses
import types

import pytest

import simulators
from glimo_jax.agent.skills import (
  NextActionSkill,
  PlanSkill,
  PredictSkill,
  QuestionSkill,
  ReflectSkill,
  RepairSkill,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect
from glimo_jax.data.annotate import AnnotateConfig
from simulators.driving import reference
from simulators.driving.types import FAMILIES
from simulators.driving.world import Driving

COLLECT = collect.CollectConfig(
  variants=("imperfect/lag(0.4)", "imperfect/slippery(0.4)"),
  levels=8,
  depths=(FAMILIES.index("pedestrian"), FAMILIES.index("blocked")),
  episodes=1,
  steps=8,
  actors={"random": 1.0},
  moments=24,
)
SKILLS = {
  "question": QuestionSkill(rows=24, per_moment=4),
  "next_action": NextActionSkill(rows=8),
  "plan": PlanSkill(rows=6),
  "predict": PredictSkill(rows=8),
  "repair": RepairSkill(rows=4),
  "reflect": ReflectSkill(rows=4, margin=2.0),
}
CHOICES = {name: SKILLS[name] for name in ("question", "next_action")}
CONFIG = AnnotateConfig(skills=SKILLS, rechecked=3)
KINDS = (  # few, to compile fast; only actions and plans use the planner
  "people", "beside", "pace", "limit", "rule", "halt", "in_time", "speed_after",
)  # fmt: skip
NAMED = ("next_action", "full_plan", "predict", "repair", "reflect")
FORMS = ("question", *NAMED)


@pytest.fixture(scope="module")
def made():
  """Returns the dataset of a configuration, from the same few moments."""
  world = simulators.make("driving", kinds=KINDS)
  experiences = collect.collect(world, COLLECT)
  pool = collect.pool_of(world, COLLECT)

  def make(config: AnnotateConfig):
    return annotate_lib.annotate(experiences, world, pool, config)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(  # few moments: chunks of eight are faster
      annotate_lib,
      "tools_of",
      lambda world, pool, config, in_shares: Tools(
        world,
        pool,
        action_noise=config.action_noise,
        chunk=8,
        in_shares=in_shares,
      ),
    )
    yield make


@pytest.fixture(scope="module")
def rows(made):
  data = made(CONFIG)
  assert data.counts["refuted"] == 0
  return [*data.train, *data.val]


def _form(row) -> str:
  return row.kind if row.kind in NAMED else "question"


def test_second_path_checks_equally_many_rows_of_each_form(rows):
  again = collections.Counter(
    _form(row) for row in rows if row.checked_by == "replay+reference"
  )
  planned = collections.Counter(map(_form, rows))
  assert {row.checked_by for row in rows} == {"replay", "replay+reference"}
  assert planned["question"] == CONFIG.rows("question")
  assert set(planned) == set(FORMS)
  for form in FORMS:
    assert again[form] == min(CONFIG.rechecked, planned[form])


def _wrong(answer=reference.answer, describes=reference.describes, **changed):
  """The reference with other answers or with changed methods of its game."""
  Game = type("Game", (reference.Game,), changed)
  return types.SimpleNamespace(Game=Game, answer=answer, describes=describes)


@pytest.mark.parametrize(
  ("form", "reference_"),
  [
    ("question", _wrong(answer=lambda *asked: reference.answer(*asked) + 1)),
    ("next_action", _wrong(optimal=lambda game: ())),
  ],
)
def test_reference_that_disagrees_refutes_its_rows(
  made, rows, monkeypatch, form, reference_
):
  monkeypatch.setattr(Driving, "reference", reference_)
  data = made(dataclasses.replace(CONFIG, skills=CHOICES))
  left = [*data.train, *data.val]
  asked = {row.row_id for row in rows
           if _form(row) == form and row.checked_by != "replay"}  # fmt: skip
  lost = {row.row_id for row in rows if _form(row) in CHOICES} - {
    row.row_id for row in left
  }
  assert lost == asked
  assert data.counts["refuted"] == len(asked) == CONFIG.rechecked
  counts = data.counts["by_source"]["tool"]
  assert counts["planned"] == counts["verified"] + counts["refuted"]


def test_predictions_that_the_reference_does_not_confirm_are_refuted(
  made, monkeypatch
):
  alone = dataclasses.replace(CONFIG, skills={"predict": SKILLS["predict"]})
  assert made(alone).counts["refuted"] == 0
  monkeypatch.setattr(
    Driving, "reference", _wrong(describes=lambda *asked: False)
  )
  assert made(alone).counts["refuted"] == CONFIG.rechecked


def test_actions_with_regret_and_action_noise_are_rechecked(made, monkeypatch):
  careful = dataclasses.replace(
    CONFIG,
    skills={"next_action": NextActionSkill(rows=8, regret_scale=1.0)},
    action_noise=0.3,
  )
  data = made(careful)
  assert data.counts["refuted"] == 0
  rows = [*data.train, *data.val]
  again = [row for row in rows if row.checked_by == "replay+reference"]
  assert len(again) == CONFIG.rechecked
  assert any(len(set(row.weights)) > 1 for row in rows)
  for row in rows:
    assert sum(row.weights) == pytest.approx(1)
    assert list(row.weights) == sorted(row.weights, reverse=True)
  upside_down = _wrong(
    costs=lambda game: [-c for c in reference.Game.costs(game)]
  )
  monkeypatch.setattr(Driving, "reference", upside_down)
  assert made(careful).counts["refuted"] == CONFIG.rechecked

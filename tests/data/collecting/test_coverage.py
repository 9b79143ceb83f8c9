"""Coverage counts what episodes met; the play stops where little is new."""

import dataclasses

import numpy as np
import pytest
import thread_shares

import simulators
from glimo_jax.data import collect
from glimo_jax.data.collect import CollectConfig
from glimo_jax.data.collecting import coverage
from glimo_jax.types import alone

CONFIG = CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/swapped(1)"),
  levels=6,
  depths=(0,),
  episodes=2,
  steps=8,
  actors={"random": 1.0},
  moments=10_000,
  chunk=2,
)


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def everything(world):
  """(all moments, summary) of a collection that plays all episodes."""
  summary = {}
  return collect.collect(world, CONFIG, summary=summary), summary


def test_last_point_counts_all_that_was_played(world, everything):
  moments, summary = everything
  last = {name: row[-1] for name, row in summary["coverage"].items()}
  texts = {m.description for m in moments}
  texts |= {m.next_description for m in moments}
  words = {w for t in texts for w in t.lower().replace(".", " ").split()}
  uses = {
    use
    for m in moments
    for use in world.rule_uses(
      m.description, world.actions[m.next_action], m.next_description
    )
  }
  assert last["episodes"] == len({m.episode for m in moments}) == 24
  assert last["moments"] == len(moments)
  assert last["texts"] == len(texts)
  words = {w.strip(",") for w in words}
  assert last["words"] == len({w for w in words if w.isalpha()})
  assert last["levels"] == len({m.level for m in moments})
  assert last["variants"] == 2
  assert last["families"] == 1
  assert last["rule_uses"] == len(uses) > 3
  won = len({m.episode for m in moments if m.success})
  assert summary["actors"] == {"random": {"episodes": 24, "succeeded": won}}


def test_curves_never_fall_and_new_texts_add_up(everything):
  _, summary = everything
  curve = dict(summary["coverage"])
  new, texts = curve.pop("new"), curve["texts"]
  for row in curve.values():
    assert (np.diff(row) >= 0).all()
  moments = np.diff([0, *curve["moments"]])
  # First texts of episodes are met, too, and are no moment's next text.
  added = np.round(np.array(new) * moments)
  assert (added <= np.diff([0, *texts])).all()
  assert 0 <= min(new) < max(new) <= 1


def test_same_episodes_again_bring_nothing_new(world, everything):
  moments, _ = everything
  met = coverage.Met(world)
  first = met.add([moments])
  sizes = met.sizes()
  assert first > 0
  assert met.add([moments]) == 0
  counted = ("episodes", "moments")
  again = {k: v for k, v in met.sizes().items() if k not in counted}
  assert again == {k: v for k, v in sizes.items() if k not in counted}


def test_world_without_rule_uses_has_no_such_curve():
  world = simulators.make("examples.your_world:World")
  config = dataclasses.replace(
    CONFIG, variants=("imperfect/stuck(0.5)",), levels=4
  )
  summary = {}
  collect.collect(world, config, summary=summary)
  assert "rule_uses" not in summary["coverage"]
  assert summary["coverage"]["texts"][-1] > 4


@pytest.mark.parametrize("processes", [1, 2])
def test_plateau_stops_the_play_at_the_same_episode_for_all(world, processes):
  config = dataclasses.replace(CONFIG, plateau=1.0)

  def work(shares):
    summary = {}
    found = collect.collect(world, config, in_shares=shares, summary=summary)
    return found, summary

  expected = work(alone)
  played = expected[1]["coverage"]["episodes"][-1]
  assert played == 4 * config.chunk < 24  # one window: some text was known
  assert len({m.episode for m in expected[0]}) == played
  assert all(found == expected for found in thread_shares.run(processes, work))


def test_play_goes_on_while_enough_is_new(world, everything):
  config = dataclasses.replace(CONFIG, plateau=1e-9)
  found = collect.collect(world, config)
  assert {m.episode for m in found} == {m.episode for m in everything[0]}


@pytest.mark.parametrize("plateau", [-0.1, 1.5])
def test_plateau_that_is_no_share_is_refused(plateau):
  with pytest.raises(ValueError, match=r"collect\.plateau"):
    CollectConfig(plateau=plateau)

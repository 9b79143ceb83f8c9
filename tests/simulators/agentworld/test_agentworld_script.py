"""The scripted reader plays by the texts alone, and not too well."""

import jax
import numpy as np
import pytest

import simulators
from simulators.agentworld.script import Script
from simulators.agentworld.text import phrases
from simulators.agentworld.text.scene import scenes

STYLES = ("plain", "compact")
N = 64


@pytest.fixture(scope="module")
def played():
  """(texts of both styles, scores, success) of N episodes of the script.

  The world is the quickstart's: most of the default levels are solved.
  """
  world = simulators.make("agentworld", detour=4)
  params, levels = world.params(), world.pool("val", N).levels
  script = world.script(world.rules(params))
  step = jax.jit(jax.vmap(world.step, (0, 0, None)))
  keys = jax.random.split(jax.random.key(0), N)
  state = jax.vmap(world.reset, (0, None, 0))(keys, params, levels)
  rows = np.arange(N)
  texts, scores, success = [], [], np.zeros(N, bool)
  going = np.ones(N, bool)
  while going.any():
    obs = jax.device_get(state.obs)
    texts.append({s: _written(obs, s) for s in STYLES})
    scores.append(script.scores(texts[-1]["plain"], rows))
    state = step(state, scores[-1].argmax(1), params)
    success |= going & np.asarray(state.terminated & (state.reward > 0))
    going &= ~np.asarray(state.done)
  return texts, scores, success


def _written(obs, style):
  return [phrases.write(scene, style) for scene in scenes(obs, 1)]


def test_script_is_above_chance_and_far_below_the_oracle(played):
  """A world where it does as well as an oracle would measure nothing."""
  assert 0.3 < played[2].mean() < 0.75


def test_both_styles_lead_to_the_same_scores(usual, played):
  texts, scores, _ = played
  script = Script(usual.rules(usual.params()))
  for now, expected in zip(texts, scores, strict=True):
    again = script.scores(now["compact"], np.arange(N))
    np.testing.assert_array_equal(again, expected)


def test_scores_depend_on_the_texts_of_the_row_alone(usual, played):
  """Other rows, and their order, change nothing."""
  texts, scores, _ = played
  script = Script(usual.rules(usual.params()))
  some = [41, 3, 17]
  for now, expected in zip(texts, scores, strict=True):
    few = script.scores([now["plain"][i] for i in some], some)
    np.testing.assert_array_equal(few, expected[some])


def test_rules_decide_which_tool_it_fetches(usual, played):
  """With the pairs of another world it no longer knows what opens what."""
  texts, scores, _ = played
  other = Script(usual.rules(usual.params("imperfect/swapped(0)")))
  first = other.scores(texts[0]["plain"], np.arange(N))
  assert (first.argmax(1) != scores[0].argmax(1)).any()


def test_script_walks_around_what_the_text_names(usual):
  """By hand: a wall ahead, then a closed door, then its tool in hand."""
  rules = usual.rules(usual.params())

  def scores(text):
    return Script(rules).scores([f"moves 9. {text}"], [0])[0]

  assert scores("goal two right").argmax() == 3
  assert scores("wall right. goal two right").argmax() != 3
  shut = "goal two right in B. door one right to B"
  assert scores(shut).argmax() != 3 or scores(shut)[3] < -50
  assert scores(f"hold key. {shut}").argmax() == 3
  assert scores(f"{shut}. key two up").argmax() == 0


def test_script_looks_two_steps_ahead_where_the_text_does(usual):
  """By hand: around a wall behind the next cell, and never into a dead end."""
  rules = usual.rules(usual.params())

  def best(text):
    return Script(rules).scores([f"moves 9. {text}"], [0])[0].argmax()

  aim = "goal two down two right"
  assert best(f"{aim}.") in (1, 3)
  assert best(f"down then none. right then down right. {aim}") == 3
  assert best(f"down then down left. right then up. {aim}") == 1
  assert best("down then none. right then right. goal one down") == 1

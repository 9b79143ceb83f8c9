"""Questions about traffic: two paths agree, and guessing does not help."""

import collections
import dataclasses
import functools
import pathlib
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from benchmarks.checks.words import guessed
from simulators import asking
from simulators.driving import reference
from simulators.driving.questions import forms, sampling
from simulators.driving.reference import answers_driven, answers_seen
from simulators.driving.text import words
from simulators.driving.types import ACTIONS, GO

WORLD = simulators.make("driving")
KINDS = tuple(sampling.KINDS)
DOCS = pathlib.Path(__file__).parents[4] / "docs" / "driving.md"
STATES = 128  # of each variant and draw
WALK = 14  # random steps at most before the questions
NUDGE = 0.02  # m by which rounding can move a threshold
CATEGORIES = 12
# Kinds that name actions as choices: knowledge of actions helps.
NAMING = ("better", "best")


class Game(reference.Game):
  """Caches its costs, which take the reference a third of a second."""

  def costs(self):
    if "known" not in vars(self):
      vars(self)["known"] = super().costs()
    return vars(self)["known"]


@pytest.fixture(scope="module")
def met(drive, random_legal):
  """met(variant, draw=0) -> (params, states, questions, asked again).

  States of random drives, with a sampled question of each kind. One random
  valid question of each state is answered again from its arguments.
  """

  @jax.jit
  @functools.partial(jax.vmap, in_axes=(0, 0, None))
  def ask(key, state, params):
    draw, pick = jax.random.split(key)
    asked = WORLD.sample_questions(draw, state, params)
    chance = jax.random.uniform(pick, asked.valid.shape)
    k = jnp.argmax(jnp.where(asked.valid, chance, -1.0))
    return asked, (k, WORLD.answer(state, params, k, asked.args[k]))

  pool = WORLD.pool("train", 4 * STATES)

  @functools.cache
  def met(variant: str, draw: int = 0):
    params, rng = WORLD.params(variant), np.random.default_rng(draw)
    rows = np.arange(STATES) + STATES * draw
    drives = drive(params, pool, rows, random_legal(rng), WALK)
    over = np.argmax(drives.done, axis=0)  # the first moment after the end
    time = rng.integers(WALK + 1, size=STATES)
    time = np.where(drives.done[-1], np.minimum(time, over - 1), time)
    states = jax.tree.map(lambda x: x[time, np.arange(STATES)], drives)
    keys = jax.random.split(jax.random.key(draw), STATES)
    return params, states, *jax.device_get(ask(keys, states, params))

  return met


@pytest.fixture(scope="module")
def asked_kinds(met):
  """Kind -> questions in words, about 512 moments of training scenes."""
  out = collections.defaultdict(list)
  for draw in range(4):
    _, states, asked, _ = met("real", draw)
    for row in WORLD.ask(asked, states.obs, seed=draw):
      for question in row:
        out[question.kind].append(question)
  return out


# --- Truth --------------------------------------------------------------------


@pytest.mark.parametrize(
  "variant",
  [
    "real", "imperfect/noisy(0.2)", "imperfect/blind(0.3)",
    "imperfect/slippery(0.2)", "imperfect/highway", "imperfect/delay(0.5)",
    "imperfect/no-signals",
  ],
)  # fmt: skip
def test_sampled_answers_agree_with_the_reference(met, variant):
  """All of them, except where moving the ego by two centimetres decides."""
  params, states, asked, _ = met(variant)
  checked, near = collections.Counter(), []
  rows = np.flatnonzero(asked.valid.any(-1))
  for i in rows if variant == "real" else rows[::2]:
    env = jax.tree.map(lambda x, i=i: x[i], states.env_state)
    game = Game.from_state(env, params)
    for k in np.flatnonzero(asked.valid[i]):
      kind, args = KINDS[k], asked.args[i, k]
      if kind in NAMING and i % 8:
        continue  # each takes the reference a third of a second
      code = asked.options[i, k, asked.answer[i, k]]
      checked[kind] += 1
      if reference.answer(game, kind, args) != code:
        nudged = [game.nudged(by) for by in (-NUDGE, NUDGE)]
        assert code in {reference.answer(g, kind, args) for g in nudged}, (
          kind, args, i, forms.ANSWERS[code],
        )  # fmt: skip
        near.append(kind)
  assert len(checked) >= len(KINDS) - 5, checked
  assert len(near) <= 0.005 * checked.total(), near


def test_question_with_the_same_arguments_has_the_same_truth(met):
  seen = set()
  for draw in range(4):
    _, _, asked, (kinds, again) = met("real", draw)
    rows = np.flatnonzero(asked.valid.any(-1))
    kinds = kinds[rows]
    codes = asked.options[rows, kinds, asked.answer[rows, kinds]]
    np.testing.assert_array_equal(again[rows], codes)
    seen |= set(kinds.tolist())
  assert len(seen) >= len(KINDS) - 4


def test_past_in_questions_equals_the_observed_past(drive):
  """Action by action on scenes of at most three lanes, by a second step."""
  pool, real = WORLD.pool("val", 32), WORLD.params("real")
  actions = np.arange(32) % len(ACTIONS)
  states = drive(
    real, pool, range(32), lambda t, player: actions if t else [GO] * 32, 2
  )
  done = collections.Counter()
  for i, action in enumerate(actions):
    start, before, state = (
      jax.tree.map(lambda x, t=t, i=i: x[t, i], states) for t in range(3)
    )
    assert start.obs.last == -1
    was, obs = before.obs, state.obs
    assert (obs.last, obs.was_target, obs.was_lane) == (
      action, was.target, was.lane + was.aims,
    )  # fmt: skip
    np.testing.assert_array_equal(obs.was_gap, was.car_gap)
    np.testing.assert_array_equal(obs.was_seen, was.car_seen)
    game = reference.Game.from_state(state.env_state, real)
    if obs.target == was.target and obs.lane + obs.aims == obs.was_lane:
      continue  # nothing changed: `keep`, or an action without effect here
    code = reference.answer(game, "did", (-1, -1, -1))
    assert forms.ANSWERS[code] == ACTIONS[action]
    done[ACTIONS[action]] += 1
  assert {"slower", "stop", "left"} <= set(done), done


def test_past_is_only_in_the_question_text(met):
  _, states, asked, _ = met("real")
  obs, seen = states.obs, collections.Counter()
  for i, row in enumerate(WORLD.ask(asked, obs, seed=0)):
    for question in row:
      if question.kind == "did":
        seen["did"] += 1
        lanes = words.LANES.get(int(obs.lanes[i]), ("only",))
        assert f"{obs.was_target[i]:.0f} m/s" in question.text
        assert f"{lanes[obs.was_lane[i]]} lane" in question.text
      elif question.kind == "came":
        seen["came"] += 1
        lead = int(np.argmin(np.where(_ahead(obs, i), obs.car_gap[i], 1e6)))
        was = obs.was_gap[i, lead]
        told = min(words.DISTANCES, key=lambda x, was=was: abs(x - was))
        assert f" {told} m" in question.text
  assert min(seen.values()) >= 8, seen
  blank = obs.replace(
    was_gap=obs.was_gap * 0.0, was_target=obs.was_target * 0.0
  )
  assert WORLD.describe(obs) == WORLD.describe(blank)


def _ahead(obs, i):
  lane = (obs.car_road[i] == 0) & (obs.car_side[i] == 0)
  return obs.car_seen[i] & lane & (obs.car_gap[i] >= 0.0)


def test_a_slot_that_is_not_told_is_not_asked_about(met):
  """Some texts are too long for all slots; other questions stay."""
  _, states, asked, _ = met("real")
  obs = states.obs
  asks = {"room": forms.slots_of_side, "nearer_car": forms.slots_of_places}
  counts = collections.Counter()
  untold = [{"left ahead"}] * len(obs.speed)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sampling.describing, "omitted_slots", lambda *_: untold)
    rows = sampling.ask(asked, obs, 0, WORLD.config)
  for before, after in zip(WORLD.ask(asked, obs, 0), rows, strict=True):
    left = {(q.kind, q.args) for q in after}
    for question in before:
      needs = asks.get(question.kind)
      if needs:
        told = untold[0].isdisjoint(needs(question.args))
        assert ((question.kind, question.args) in left) == told
        counts[told] += 1
  assert min(counts[True], counts[False]) >= 1, counts


# --- Balance ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_has_a_dominant_answer(asked_kinds, kind):
  asked = asked_kinds[kind]
  assert len(asked) >= 6
  count = collections.Counter(question.answer for question in asked)
  spread = (
    1.0 / len(asked) ** 0.5
  )  # two standard deviations of a fair coin's share
  assert max(count.values()) / len(asked) <= 0.7 + spread, count


def test_words_of_a_question_do_not_reveal_its_answer(asked_kinds):
  """Naive Bayes on bags of words, trained on one half, tested on the other."""
  excess = {}
  for kind, asked in asked_kinds.items():
    usual, by_words = guessed(asked[::2], asked[1::2]).mean(0)
    excess[kind] = by_words - usual
    few = 2.0 / len(asked) ** 0.5
    assert kind in NAMING or excess[kind] <= 0.05 + few, (kind, excess[kind])
  others = [value for kind, value in excess.items() if kind not in NAMING]
  assert np.mean(others) <= 0.02, excess


# --- Words --------------------------------------------------------------------


def test_questions_of_a_kind_do_not_depend_on_other_kinds(met, few, ask_few):
  kinds = few.question_kinds
  assert kinds == ("did", "rule", "people", "light")
  params, states, asked, _ = met("real")
  keys = jax.random.split(jax.random.key(0), STATES)
  draws = jax.vmap(jax.random.split)(keys)[:, 0]
  fewer = ask_few(draws, states, params)
  rows = [KINDS.index(kind) for kind in kinds]
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x, y[:, rows]), fewer, asked
  )
  words = few.ask(fewer, states.obs, seed=0)
  assert {q.kind for row in words for q in row} == set(kinds)
  with pytest.raises(ValueError, match="did you mean \\['light'\\]"):
    simulators.make("driving", kinds=("lihgt",))


def test_each_kind_has_three_phrasings_and_a_row_in_the_table():
  assert len(KINDS) >= 24
  lines = DOCS.read_text().splitlines()
  cells = [[cell.strip() for cell in line.split("|")] for line in lines]
  # The table of kinds comes before other tables about them.
  table = {row[1]: row[2] for row in reversed(cells) if len(row) > 4}
  for kind in sampling.KINDS.values():
    assert len(set(kind.templates)) >= 3
    assert table[kind.name] == kind.category
  categories = {kind.category for kind in sampling.KINDS.values()}
  assert len(categories) >= CATEGORIES


def test_kind_numbers_have_no_gaps_and_names_are_distinct():
  numbers = [kind.number for kind in sampling.KINDS.values()]
  assert numbers == list(range(len(KINDS)))
  light = sampling.KINDS["light"]
  gap = types.SimpleNamespace(one=light, two=dataclasses.replace(
    sampling.KINDS["lane"], number=2))  # fmt: skip
  with pytest.raises(ValueError, match="next free number"):
    asking.collect((gap,))
  twin = types.SimpleNamespace(
    one=light, two=dataclasses.replace(light, number=1)
  )
  with pytest.raises(ValueError, match="distinct names"):
    asking.collect((twin,))


def test_shares_refer_to_answers_and_actions_of_the_kind():
  for kind in sampling.KINDS.values():
    args = np.zeros(forms.ARGS, int)
    words = {forms.ANSWERS[code] for code in np.asarray(kind.choices(args))}
    for key, share in kind.share.items():
      *action, answer = key.split()
      assert answer in words
      assert set(action) <= set(ACTIONS)
      assert 0 < share < 1


def test_every_kind_has_a_second_path_and_a_missing_one_is_named(met):
  for kind in KINDS:
    assert any(
      callable(getattr(module, kind, None))
      for module in (answers_seen, answers_driven)
    )
  _, states, _, _ = met("real")
  env = jax.tree.map(lambda x: x[0], states.env_state)
  game = reference.Game.from_state(env, WORLD.params("real"))
  with pytest.raises(ValueError, match="'ufo' has no second path"):
    reference.answer(game, "ufo", (-1, -1, -1))


def test_question_texts_offer_the_truth_in_every_phrasing(asked_kinds):
  for kind, asked in asked_kinds.items():
    for question in asked:
      assert question.answer in question.choices
      assert len(set(question.choices)) == len(question.choices) > 1
      assert "{" not in question.text
    assert len({question.text for question in asked}) >= 3, kind


def test_new_answers_are_one_token_of_the_model(smollm2):
  """With and without a leading space; the words of actions are excluded."""
  _, _, tokenizer = smollm2
  for word in set(forms.ANSWERS) - set(ACTIONS):
    assert len(tokenizer.encode(word)) == 1, word
    assert len(tokenizer.encode(" " + word)) == 1, word

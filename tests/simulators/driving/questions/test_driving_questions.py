"""Questions about traffic: true by two paths, and never to be guessed."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from benchmarks.words import guessed
from simulators.driving import (
  moments,
  phrases,
  questions,
  reference,
  text,
  truths,
)
from simulators.driving.types import ACTIONS, GO

WORLD = simulators.make("driving")
STATES = 128  # of each variant and draw
WALK = 14  # random steps at most before a state is asked about
NUDGE = 0.02  # m by which rounding may move a border
CATEGORIES = 12
# Kinds that offer the actions they name: what one knows of actions helps.
NAMING = ("better", "best")


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def _moment(key, level, params):
  reset, walk, length, ask = jax.random.split(key, 4)
  stop = jax.random.randint(length, (), 0, WALK + 1)

  def take(t, state):
    legal = jnp.where(WORLD.legal(state, params), 0.0, -jnp.inf)
    action = jax.random.categorical(jax.random.fold_in(walk, t), legal)
    new = WORLD.step(state, action, params)
    idle = state.done | new.done | (t >= stop)
    return jax.tree.map(lambda a, b: jnp.where(idle, a, b), state, new)

  state = jax.lax.fori_loop(0, WALK, take, WORLD.reset(reset, params, level))
  return state, WORLD.sample_questions(ask, state, params)


@functools.cache
def _moments(variant: str, draw: int = 0):
  """States met on random drives, with a sampled question of each kind."""
  params = WORLD.params(variant)
  rows = np.arange(STATES) + STATES * draw
  levels = WORLD.pool("train", 4 * STATES).take(rows)
  keys = jax.random.split(jax.random.key(draw), STATES)
  states, asked = _moment(keys, levels, params)
  bare = states.env_state.replace(key=jnp.zeros(STATES))
  return params, *jax.device_get((states.replace(env_state=bare), asked))


@functools.cache
def _asked() -> dict[str, list]:
  """kind -> questions in words, about 512 moments of training scenes."""
  out = collections.defaultdict(list)
  for draw in range(4):
    _, states, asked = _moments("real", draw)
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
def test_sampled_answers_agree_with_the_reference(variant):
  """All of them, but for moments that two centimetres would decide."""
  params, states, asked = _moments(variant)
  checked, near = collections.Counter(), []
  for i in np.flatnonzero(asked.valid.any(-1)):
    env = jax.tree.map(lambda x, i=i: x[i], states.env_state)
    game = reference.Game.from_state(env, params)
    for k in np.flatnonzero(asked.valid[i]):
      kind, args = questions.KINDS[k], asked.args[i, k]
      if kind in NAMING and i % 8:
        continue  # each takes the reference a third of a second
      code = asked.options[i, k, asked.answer[i, k]]
      checked[kind] += 1
      if reference.answer(game, k, args) != code:
        nudged = [game.nudged(by) for by in (-NUDGE, NUDGE)]
        assert code in {reference.answer(g, k, args) for g in nudged}, (
          kind, args, i, moments.ANSWERS[code],
        )  # fmt: skip
        near.append(kind)
  assert len(checked) >= len(questions.KINDS) - 4, checked
  assert len(near) <= 0.005 * checked.total(), near


def test_a_question_asked_again_by_its_arguments_has_the_same_truth():
  params, states, asked = _moments("real")
  rows, kinds = np.nonzero(asked.valid)
  some = np.random.default_rng(0).permutation(len(rows))[:64]
  rows, kinds = rows[some], kinds[some]
  again = jax.jit(jax.vmap(WORLD.answer, (0, None, 0, 0)))(
    jax.tree.map(lambda x: x[rows], states), params, kinds,
    asked.args[rows, kinds],
  )  # fmt: skip
  codes = asked.options[rows, kinds, asked.answer[rows, kinds]]
  np.testing.assert_array_equal(again, codes)


def test_the_past_that_is_asked_of_is_the_one_that_was_seen():
  """Action by action on scenes of three lanes at most, by a second step."""
  levels, real = WORLD.pool("val", 32).levels, WORLD.params("real")
  reset, step = jax.jit(WORLD.reset), jax.jit(WORLD.step)
  done = collections.Counter()
  for i in range(32):
    level = jax.tree.map(lambda x, i=i: x[i], levels)
    start = reset(jax.random.key(i), real, level)
    assert start.obs.last == -1
    action = i % len(ACTIONS)
    state = step(step(start, GO, real), action, real)
    was, obs = step(start, GO, real).obs, state.obs
    assert (obs.last, obs.was_target, obs.was_lane) == (
      action, was.target, was.lane + was.aims,
    )  # fmt: skip
    np.testing.assert_array_equal(obs.was_gap, was.car_gap)
    np.testing.assert_array_equal(obs.was_seen, was.car_seen)
    game = reference.Game.from_state(jax.device_get(state.env_state), real)
    if obs.target == was.target and obs.lane + obs.aims == obs.was_lane:
      continue  # nothing has changed: `keep`, or what does nothing here
    code = reference.answer(game, "did", (-1, -1, -1))
    assert moments.ANSWERS[code] == ACTIONS[action]
    done[ACTIONS[action]] += 1
  assert {"slower", "stop", "left"} <= set(done), done


def test_the_words_of_the_past_stand_in_the_question_alone():
  _, states, asked = _moments("real")
  obs, seen = states.obs, collections.Counter()
  for i, row in enumerate(WORLD.ask(asked, obs, seed=0)):
    for question in row:
      if question.kind == "did":
        seen["did"] += 1
        aim = text.number(obs.was_target[i], text.SPEEDS)
        lane = text.WORDS[obs.was_lane[i] + 1]
        assert f"aim {aim}, lane {lane}" in question.text.replace("ed at", "")
      elif question.kind == "came":
        seen["came"] += 1
        lead = int(np.argmin(np.where(_ahead(obs, i), obs.car_gap[i], 1e6)))
        assert text.number(obs.was_gap[i, lead], text.DISTANCES) in (
          question.text
        )
  assert min(seen.values()) >= 8, seen
  blank = obs.replace(last=obs.last * 0, was_gap=obs.was_gap * 0.0)
  assert WORLD.describe(obs) == WORLD.describe(blank)


def _ahead(obs, i):
  lane = (obs.car_road[i] == 0) & (obs.car_side[i] == 0)
  return obs.car_seen[i] & lane & (obs.car_gap[i] >= 1.0)


# --- Balance ------------------------------------------------------------------


@pytest.mark.parametrize("kind", questions.KINDS)
def test_no_kind_has_an_answer_that_is_mostly_right(kind):
  asked = _asked()[kind]
  assert len(asked) >= 16
  count = collections.Counter(question.answer for question in asked)
  spread = 1.0 / len(asked) ** 0.5  # two deviations of a fair coin's share
  assert max(count.values()) / len(asked) <= 0.7 + spread, count


def test_the_words_of_a_question_do_not_tell_its_answer():
  """Naive Bayes on bags of words, learnt on one half, asked of the other."""
  excess = {}
  for kind, asked in _asked().items():
    usual, by_words = guessed(asked[::2], asked[1::2]).mean(0)
    excess[kind] = by_words - usual
    few = 2.0 / len(asked) ** 0.5
    assert kind in NAMING or excess[kind] <= 0.05 + few, (kind, excess[kind])
  others = [value for kind, value in excess.items() if kind not in NAMING]
  assert np.mean(others) <= 0.02, excess


# --- Words --------------------------------------------------------------------


def test_a_world_asks_the_kinds_it_is_told_to_as_it_would_among_others():
  some, more = (
    ("rule", "light", "did"),
    ("limit", "did", "pace", "light", "rule"),
  )
  worlds = [simulators.make("driving", kinds=kinds) for kinds in (some, more)]
  assert [world.question_kinds for world in worlds] == [some, more]
  params, states, _ = _moments("real")
  keys = jax.random.split(jax.random.key(1), STATES)
  fewer, others = (
    jax.device_get(
      jax.jit(jax.vmap(world.sample_questions, (0, 0, None)))(
        keys, states, params
      )
    )
    for world in worlds
  )
  rows = [more.index(kind) for kind in some]
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x, y[:, rows]), fewer, others
  )
  said = worlds[0].ask(fewer, states.obs, seed=0)
  assert {q.kind for row in said for q in row} == set(some)
  with pytest.raises(ValueError, match="did you mean \\['light'\\]"):
    simulators.make("driving", kinds=("lihgt",))


def test_each_kind_has_three_phrasings_a_truth_and_a_line_of_the_table():
  assert len(questions.KINDS) >= 24
  rows = [line.split("|") for line in questions.__doc__.split("\n| ")]
  table = {row[0].strip(): row[1].strip() for row in rows if len(row) > 3}
  for kind in questions.KINDS:
    assert len(set(phrases.TEMPLATES[kind])) >= 3
    assert kind in truths.TRUTHS
    assert table[kind]
  assert len({table[kind] for kind in questions.KINDS}) >= CATEGORIES
  assert set(questions.SHARES) <= set(questions.KINDS)


def test_questions_in_words_offer_the_truth_in_every_phrasing():
  for kind, asked in _asked().items():
    for question in asked:
      assert question.answer in question.choices
      assert len(set(question.choices)) == len(question.choices) > 1
      assert "{" not in question.text
    assert len({question.text for question in asked}) >= 3, kind


def test_new_answers_are_one_token_of_the_model(smollm2):
  """With and without a space before; the actions' words are the world's."""
  _, _, tokenizer = smollm2
  for word in set(moments.ANSWERS) - set(ACTIONS):
    assert len(tokenizer.encode(word)) == 1, word
    assert len(tokenizer.encode(" " + word)) == 1, word

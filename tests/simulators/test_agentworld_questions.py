"""Questions: true by two paths, in words that decide, never a constant."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld import questions, reference

VARIANTS = (
  "real",
  "imperfect/swapped(0)",
  "imperfect/swapped(3)",
  "imperfect/wrong-rules(0.5)",
  "imperfect/blind(0.3)",
)
WORLD = simulators.make("agentworld")
STATES = 160  # of each variant
WALK = 12  # random steps at most before a state is asked about


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def _moment(key, level, params):
  reset, walk, length, ask = jax.random.split(key, 4)
  actions = jax.random.randint(walk, (WALK,), 0, len(WORLD.actions))
  stop = jax.random.randint(length, (), 0, WALK + 1)

  def take(i, state):
    new = WORLD.step(state, actions[i], params)
    idle = state.done | (i >= stop)
    return jax.tree.map(lambda a, b: jnp.where(idle, a, b), state, new)

  state = jax.lax.fori_loop(0, WALK, take, WORLD.reset(reset, params, level))
  return state, WORLD.sample_questions(ask, state, params)


@functools.lru_cache
def _moments(variant: str):
  """States met on random walks, with a sampled question of each kind."""
  params = WORLD.params(variant)
  levels = WORLD.pool("train", STATES).take(np.arange(STATES))
  keys = jax.random.split(jax.random.key(0), STATES)
  return params, *jax.device_get(_moment(keys, levels, params))


def _row(tree, i):
  return jax.tree.map(lambda x: x[i], tree)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sampled_answers_agree_with_the_reference(variant):
  params, states, asked = _moments(variant)
  checked = 0
  for i, k in np.argwhere(asked.valid):
    game = reference.Game.from_state(_row(states.env_state, i), params)
    code = asked.options[i, k, asked.answer[i, k]]
    told = reference.answer(game, k, asked.args[i, k])
    assert questions.ANSWERS[told] == questions.ANSWERS[code], (
      questions.KINDS[k],
      asked.args[i, k],
      game,
    )
    checked += 1
  assert checked > 5 * STATES


@pytest.mark.parametrize("variant", ["real", "imperfect/wrong-rules(0.5)"])
def test_a_question_asked_again_by_its_arguments_has_the_same_truth(variant):
  params, states, asked = _moments(variant)
  rows, kinds = np.nonzero(asked.valid)
  again = jax.jit(jax.vmap(WORLD.answer, (0, None, 0, 0)))(
    _row(states, rows), params, kinds, asked.args[rows, kinds]
  )
  codes = asked.options[rows, kinds, asked.answer[rows, kinds]]
  np.testing.assert_array_equal(again, codes)


def test_wrong_rules_change_what_happens_and_not_what_is_told():
  _, states, asked = _moments("imperfect/wrong-rules(0.5)")
  real = WORLD.params("real")
  differing = collections.Counter()
  for i, k in np.argwhere(asked.valid):
    env, args = _row(states.env_state, i), asked.args[i, k]
    told = questions.ANSWERS[asked.options[i, k, asked.answer[i, k]]]
    kind = questions.KINDS[k]
    if kind in ("which_tool", "if_held"):
      game = reference.Game.from_state(env, real)
      other = questions.ANSWERS[reference.answer(game, k, args)]
      differing[kind] += told != other
  assert differing["which_tool"] == 0
  assert differing["if_held"] > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_appears_and_none_has_a_constant_answer(variant):
  _, _, asked = _moments(variant)
  for k, kind in enumerate(questions.KINDS):
    rows = np.flatnonzero(asked.valid[:, k])
    assert len(rows) >= STATES // 8, (kind, len(rows))
    answers = asked.options[rows, k, asked.answer[rows, k]]
    count = collections.Counter(answers.tolist())
    share = max(count.values()) / len(rows)
    assert share <= 0.75, (kind, share)


def test_nothing_is_asked_once_an_episode_is_over():
  _, states, asked = _moments("real")
  assert states.done.any()
  assert not asked.valid[states.done].any()
  assert asked.valid[~states.done].any(-1).all()


def test_questions_in_words_offer_the_truth_and_fit_the_budget():
  _, states, asked = _moments("imperfect/swapped(0)")
  rows = WORLD.ask(asked, states.obs, seed=1)
  texts = collections.defaultdict(set)
  for i, row in enumerate(rows):
    valid = np.flatnonzero(asked.valid[i])
    assert [q.kind for q in row] == [questions.KINDS[k] for k in valid]
    for question in row:
      assert question.answer in question.choices
      assert len(set(question.choices)) == len(question.choices) > 1
      assert "{" not in question.text
      # A word or a mark is a token in the usual vocabularies.
      assert len(question.text.replace("?", " ?").split()) <= 14
      texts[question.kind].add(question.text)
  assert set(texts) == set(questions.KINDS)
  assert all(len(kind) >= 3 for kind in texts.values())


def test_each_kind_has_three_templates_and_a_category():
  for kind, templates in questions.TEMPLATES.items():
    assert len(set(templates)) >= 3
    assert questions.CATEGORIES[kind]
  assert len(questions.KINDS) == 10
  assert len(set(questions.CATEGORIES.values())) >= 8


def test_phrasing_does_not_depend_on_the_place_in_the_batch():
  _, states, asked = _moments("real")
  order = np.arange(STATES)[::-1]
  forward = WORLD.ask(asked, states.obs, seed=5)
  backward = WORLD.ask(_row(asked, order), _row(states.obs, order), seed=5)
  assert forward == backward[::-1]
  other = WORLD.ask(asked, states.obs, seed=6)
  assert forward != other


def test_only_what_is_in_sight_is_asked_about():
  _, states, asked = _moments("imperfect/blind(0.3)")
  for i, row in enumerate(WORLD.ask(asked, states.obs, seed=0)):
    unseen = np.flatnonzero(states.obs.tool[i] < 0)
    for question in row:
      if question.kind in ("where", "reachable", "plan"):
        assert question.args[0] - 1 not in unseen
      if question.kind == "nearer":
        assert not set(question.args[:2]) & set(unseen + 1)
      if question.kind == "if_held":
        assert question.args[0] not in unseen

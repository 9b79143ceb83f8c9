"""The tools and the verifier: what they say is what the simulator does."""

import dataclasses

import jax
import numpy as np
import pytest

from glimo_jax.agent import verifier, weighing
from glimo_jax.agent.tools import Tools


def test_replay_equals_stepping_the_world_by_hand(world, tools, experiences):
  e = experiences[-1]
  params = world.params(e.variant)
  level = jax.tree.map(lambda x: x[e.level], tools.pool.levels)
  state = jax.jit(world.reset)(jax.random.key(e.seed), params, level)
  step = jax.jit(world.step)
  for action in e.actions:
    state = step(state, np.int32(action), params)
  obs = jax.tree.map(lambda x: np.asarray(x)[None], state.obs)
  assert world.describe(obs) == [e.description]
  np.testing.assert_array_equal(
    tools.measure([e])[0], jax.jit(world.oracle)(state, params)
  )


def test_batches_of_any_size_and_order_say_the_same(tools, experiences):
  whole = tools.measure(experiences)
  fresh = Tools(tools.world, tools.pool)
  order = np.random.default_rng(1).permutation(len(experiences))
  np.testing.assert_array_equal(
    fresh.measure([experiences[i] for i in order]), whole[order]
  )
  again = fresh.ask([experiences[i] for i in order], seed=0)
  assert again == [tools.ask(experiences, seed=0)[i] for i in order]


def test_rewinding_comes_back_to_an_earlier_moment(tools, experiences):
  e = max(experiences, key=lambda e: len(e.actions))
  start = tools.rewind(e, len(e.actions))
  assert start.actions == ()
  assert tools.rewind(e, 0) == e
  assert len(tools.rewind(e, 1).actions) == len(e.actions) - 1


def test_truths_agree_with_the_reference_and_wrong_answers_are_refuted(
  tools, experiences, asked
):
  flat = [
    (e, a) for e, row in zip(experiences, asked, strict=True) for a in row
  ]
  moments, questions = zip(*flat, strict=True)
  assert {a.question.kind for a in questions} >= {"where", "bump", "plan"}
  assert verifier.recheck_answers(tools, moments, questions).all()
  right = [a.question.answer for a in questions]
  wrong = [
    next(c for c in a.question.choices if c != a.question.answer)
    for a in questions
  ]
  for answers, verdict in ((right, "verified"), (wrong, "refuted")):
    checks = verifier.verify_answers(tools, moments, questions, answers)
    assert {c.verdict for c in checks} == {verdict}


def test_a_question_about_another_moment_is_unverifiable(
  tools, experiences, asked
):
  other = dataclasses.replace(asked[0][0], code=asked[0][0].code + 1)
  (check,) = verifier.verify_answers(
    tools, experiences[:1], [other], [other.question.answer]
  )
  assert check.verdict == "unverifiable"


def test_actions_are_verified_exactly_where_they_cost_least(tools, experiences):
  costs = tools.measure(experiences)
  best = [weighing.best_actions(c) for c in costs]
  assert verifier.recheck_actions(tools, experiences, best).all()
  for a, word in enumerate(tools.world.actions):
    checks = verifier.verify_actions(
      tools, experiences, [word] * len(experiences)
    )
    assert [c.verdict == "verified" for c in checks] == [a in b for b in best]
    for e, check in zip(experiences, checks, strict=True):
      if check.verdict == "refuted":
        blocked = e.description.split(". ")[0].split()
        barred = blocked[0] == "blocked" and word in blocked
        assert ("barred" in check.refutation) == barred


def test_who_may_lapse_keeps_off_the_edge_and_the_reference_agrees(
  tools, experiences
):
  careful = Tools(tools.world, tools.pool, lapse=0.5)
  plain, costs = (t.measure(experiences) for t in (tools, careful))
  assert (costs >= plain).all()
  assert (costs > plain).any()
  # By hand: the second moments, asked one by one.
  e, actions = experiences[0], range(len(tools.world.actions))
  for a in actions:
    after = _after(e, (a,))
    if tools.simulate([after]).done[0]:
      assert costs[0, a] == plain[0, a]
      continue
    then = tools.measure([after])[0]
    lost = 0.5 * np.mean(then - then.min())
    np.testing.assert_allclose(costs[0, a] - plain[0, a], lost, rtol=1e-5)
  best = [weighing.best_actions(c) for c in costs]
  assert verifier.recheck_actions(careful, experiences, best).all()
  worst = [(int(c.argmax()),) for c in costs]
  far = costs.max(1) > costs.min(1) + 0.5
  assert far.any()
  agrees = verifier.recheck_actions(careful, experiences, worst)
  np.testing.assert_array_equal(agrees, ~far)


def test_plans_are_verified_by_their_replay(tools, experiences):
  e = experiences[0]
  plan: tuple[int, ...] = ()
  while not tools.simulate([_after(e, plan)]).success[0]:
    costs = tools.measure([_after(e, plan)])[0]
    plan += weighing.best_actions(costs)[:1]
  words = [tools.world.actions[a] for a in plan]
  good, short = verifier.verify_plans(
    tools, [e, e], [" ".join(words), " ".join(words[:-1] or ["up"])]
  )
  assert (good.verdict, good.steps) == ("verified", len(plan))
  assert short.verdict == "refuted"
  assert verifier.recheck_plans(tools, [e], [plan]).all()


def _after(e, plan):
  return dataclasses.replace(e, actions=e.actions + plan)


def test_levels_of_another_pool_are_named(tools, experiences):
  stranger = dataclasses.replace(experiences[0], level_hash="0" * 16)
  assert not tools.known([stranger])[0]
  with pytest.raises(ValueError, match="not in the pool"):
    tools.simulate([stranger])

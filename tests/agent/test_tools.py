"""Tools and skills agree with the simulator and with the reference."""

import dataclasses
import types

import jax
import numpy as np
import pytest
import thread_shares

from glimo_jax.agent import costs as costs_lib
from glimo_jax.agent.skills import (
  NextActionSkill,
  PlannedRow,
  PlanSkill,
  QuestionSkill,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.types import alone
from simulators import base

QUESTION, ACTION, PLAN = QuestionSkill(), NextActionSkill(), PlanSkill()


def _planned(tools, task, actions):
  """A row whose right answers are these actions."""
  words = tuple(tools.world.actions[a] for a in actions)
  return PlannedRow(task, words, (1 / len(words),) * len(words))


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


def test_results_do_not_depend_on_batch_size_and_order(tools, experiences):
  whole = tools.measure(experiences)
  fresh = Tools(tools.world, tools.pool)
  order = np.random.default_rng(1).permutation(len(experiences))
  np.testing.assert_array_equal(
    fresh.measure([experiences[i] for i in order]), whole[order]
  )
  again = fresh.ask([experiences[i] for i in order], seed=0)
  assert again == [tools.ask(experiences, seed=0)[i] for i in order]


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_measure_and_ask_as_one(
  world, tools, experiences, processes
):
  """Search draws other sequences in each chunk, and here the same in each."""
  wrong = dataclasses.replace(experiences[3], description="Elsewhere.")
  moments = [*experiences, wrong]

  def work(shares):
    search = Tools(
      world, tools.pool, "search", width=8, depth=4, chunk=4, in_shares=shares
    )
    return (
      search.measure(moments[:5]).tobytes(),
      search.measure(moments).tobytes(),
      search.ask(moments, seed=1),
      search.chains(moments),
      search.known(moments).tolist(),
    )

  expected = work(alone)
  assert expected[-1] == [True] * len(experiences) + [False]
  assert thread_shares.run(processes, work) == [expected] * processes


def test_rationales_name_what_the_text_names_and_the_reference_checks_them(
  world, experiences
):
  tools = Tools(world, world.pool("train", 6, (1,)))
  moments = [
    dataclasses.replace(
      experiences[0],
      level=i,
      level_hash=f"{int(level_hash):016x}",
      seed=i,
      actions=(),
    )
    for i, level_hash in enumerate(tools.pool.hashes)
  ]
  moments = [
    dataclasses.replace(moment, description=text)
    for moment, text in zip(
      moments, tools.simulate(moments).description, strict=True
    )
  ]
  skill = NextActionSkill(rows=len(moments), rationale=True)
  rows = skill.plan(tools, moments, 0).rows
  said = {row.rationale for row in rows}
  assert len(said) > 1
  for row in rows:
    assert all(w in row.task.experience.description for w in row.rationale)
  assert skill.recheck(tools, rows).all()
  wrong = [dataclasses.replace(row, rationale=("room",)) for row in rows]
  assert not skill.recheck(tools, wrong).any()


def test_rationales_can_end_with_what_each_move_leads_to(tools, experiences):
  rows = {}
  for worked_out in (False, True):
    skill = NextActionSkill(
      rows=len(experiences), rationale=True, worked_out=worked_out
    )
    rows[worked_out] = skill.plan(tools, experiences, 0).rows
    assert skill.recheck(tools, rows[worked_out]).all()
  chosen = 0
  for row, plain in zip(rows[True], rows[False], strict=True):
    assert row.rationale == plain.rationale
    assert not plain.ending
    assert bool(row.ending) == bool(row.rationale)
    moves = {sentence.split()[0].lower() for sentence in row.ending}
    assert not row.ending or moves.issuperset(row.best)
    chosen += bool(row.ending)
  assert chosen


def test_questions_quote_what_decides_their_answers(tools, experiences):
  skill = QuestionSkill(rows=60, rationale=True)
  rows = skill.plan(tools, experiences, 0).rows
  kinds = {row.task.kind for row in rows if row.rationale}
  assert kinds >= {"where", "nearer", "which_tool", "optimal_next", "steps"}
  for row in rows:
    rules, text = (turn["content"] for turn in row.task.prompt)
    for sentence in base.rationale(rules, text, row.rationale).split(". "):
      assert sentence in f"{rules} {text}"
  assert skill.recheck(tools, rows).all()
  plain = QuestionSkill(rows=60).plan(tools, experiences, 0).rows
  assert not any(row.rationale for row in plain)
  way = [row for row in rows if row.task.kind == "steps" and row.rationale]
  wrong = [dataclasses.replace(row, rationale=("room",)) for row in way]
  assert not skill.recheck(tools, wrong).any()


def test_reference_without_chains_is_refused_before_any_work(world):
  skill = NextActionSkill(rationale=True)
  skill.check(world)

  class Partial(type(world)):
    """A world whose reference does not know chains."""

    reference = types.SimpleNamespace(Game=None, answer=None)

  with pytest.raises(ValueError, match=r"no `chain\(game\)`"):
    skill.check(Partial(world.config))


def test_truths_agree_with_the_reference_and_wrong_answers_are_refuted(
  tools, experiences, asked
):
  tasks = [
    QUESTION.task(tools, e, question)
    for e, row in zip(experiences, asked, strict=True)
    for question in row
  ]
  assert {task.kind for task in tasks} >= {"where", "steps", "nearer"}
  right = [task.question.answer for task in tasks]
  rows = [
    PlannedRow(task, (answer,), (1.0,))
    for task, answer in zip(tasks, right, strict=True)
  ]
  assert QUESTION.recheck(tools, rows).all()
  wrong = [
    next(c for c in task.choices if c != task.question.answer) for task in tasks
  ]
  for answers, verdict in ((right, "verified"), (wrong, "refuted")):
    checks = QUESTION.verify(tools, tasks, answers)
    assert {c.verdict for c in checks} == {verdict}


def test_question_about_another_moment_is_unverifiable(
  tools, experiences, asked
):
  other = dataclasses.replace(asked[0][0], code=asked[0][0].code + 1)
  task = QUESTION.task(tools, experiences[0], other)
  (check,) = QUESTION.verify(tools, [task], [other.answer])
  assert check.verdict == "unverifiable"


def test_actions_are_verified_exactly_where_they_cost_least(tools, experiences):
  costs = tools.measure(experiences)
  best = [costs_lib.best_actions(c) for c in costs]
  tasks = [ACTION.task(tools, e) for e in experiences]
  rows = [_planned(tools, *pair) for pair in zip(tasks, best, strict=True)]
  assert ACTION.recheck(tools, rows).all()
  for a, word in enumerate(tools.world.actions):
    checks = ACTION.verify(tools, tasks, [word] * len(tasks))
    assert [c.verdict == "verified" for c in checks] == [a in b for b in best]
    after = tools.simulate(
      [dataclasses.replace(e, actions=(*e.actions, a)) for e in experiences]
    ).description
    for e, check, then in zip(experiences, checks, after, strict=True):
      if check.verdict == "refuted":
        barred = then == e.description
        assert ("barred" in check.refutation) == barred


def test_action_noise_adds_the_regret_of_a_random_action(tools, experiences):
  careful = Tools(tools.world, tools.pool, action_noise=0.5)
  plain, costs = (t.measure(experiences) for t in (tools, careful))
  assert (costs >= plain).all()
  assert (costs > plain).any()
  # By hand: the second moments, one request each.
  e, actions = experiences[0], range(len(tools.world.actions))
  for a in actions:
    after = _after(e, (a,))
    if tools.simulate([after]).done[0]:
      assert costs[0, a] == plain[0, a]
      continue
    then = tools.measure([after])[0]
    lost = 0.5 * np.mean(then - then.min())
    np.testing.assert_allclose(costs[0, a] - plain[0, a], lost, rtol=1e-5)
  tasks = [ACTION.task(careful, e) for e in experiences]

  def recheck(actions):
    pairs = zip(tasks, actions, strict=True)
    return ACTION.recheck(careful, [_planned(careful, *pair) for pair in pairs])

  assert recheck([costs_lib.best_actions(c) for c in costs]).all()
  worst = [(int(c.argmax()),) for c in costs]
  far = costs.max(1) > costs.min(1) + 0.5
  assert far.any()
  np.testing.assert_array_equal(recheck(worst), ~far)


def test_plans_are_verified_by_their_replay(tools, experiences):
  e = experiences[0]
  plan: tuple[int, ...] = ()
  while not tools.simulate([_after(e, plan)]).success[0]:
    costs = tools.measure([_after(e, plan)])[0]
    plan += costs_lib.best_actions(costs)[:1]
  words = [tools.world.actions[a] for a in plan]
  task = PLAN.task(tools, e)
  good, short = PLAN.verify(
    tools, [task, task], [" ".join(words), " ".join(words[:-1] or ["up"])]
  )
  assert (good.verdict, good.steps) == ("verified", len(plan))
  assert short.verdict == "refuted"
  row = PlannedRow(task, (" ".join(words),), (1.0,))
  assert PLAN.recheck(tools, [row]).all()


def _after(e, plan):
  return dataclasses.replace(e, actions=e.actions + plan)


def test_levels_of_another_pool_are_named(tools, experiences):
  stranger = dataclasses.replace(experiences[0], level_hash="0" * 16)
  assert not tools.known([stranger])[0]
  with pytest.raises(ValueError, match="not in the pool"):
    tools.simulate([stranger])

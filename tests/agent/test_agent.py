"""The loop: drafts are replayed, refutations reach the next request."""

import dataclasses
import re

import numpy as np
import pytest

import simulators
from glimo_jax.agent import prompts, skills, verifier
from glimo_jax.agent.agent import Agent, AgentConfig
from glimo_jax.agent.llm import Completion, ScriptedLM
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.tools import Tools
from glimo_jax.types import VERDICTS, Experience

VARIANTS = ("imperfect/swapped(0)", "imperfect/swapped(1)")


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def tools(world):
  return Tools(world, world.pool("train", 4, (0,)))


@pytest.fixture(scope="module")
def experiences(tools):
  """Twelve moments after up to five random actions, under two variants."""
  rng = np.random.default_rng(0)
  moments = []
  for i in range(12):
    level = i % len(tools.pool)
    moments.append(
      Experience(
        world="agentworld",
        variant=VARIANTS[i % 2],
        split="train",
        level=level,
        level_hash=f"{int(tools.pool.hashes[level]):016x}",
        depth=0,
        seed=i,
        actions=tuple(rng.integers(4, size=i % 6).tolist()),
        actor="random",
        description="",
        instruction="",
        next_action=0,
        next_description="",
        success=False,
        surprise=float(i),
      )
    )
  said = tools.simulate(moments)
  return [
    dataclasses.replace(e, description=text)
    for e, text, done in zip(moments, said.description, said.done, strict=True)
    if not done
  ]


@pytest.fixture(scope="module")
def asked(tools, experiences):
  return tools.ask(experiences, seed=0)


def embed(texts):
  rows = [np.random.default_rng(len(t)).normal(size=8) for t in texts]
  x = np.array(rows, np.float32)
  return x / np.linalg.norm(x, axis=1, keepdims=True)


# --- Tools and verifier -------------------------------------------------------


def test_replay_equals_stepping_the_world_by_hand(world, tools, experiences):
  import jax

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
  best = [verifier.best_actions(c) for c in costs]
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


def test_plans_are_verified_by_their_replay(tools, experiences):
  e = experiences[0]
  plan: tuple[int, ...] = ()
  while not tools.simulate([_after(e, plan)]).success[0]:
    costs = tools.measure([_after(e, plan)])[0]
    plan += verifier.best_actions(costs)[:1]
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


# --- The loop -----------------------------------------------------------------


def right_answer(seed, tools):
  if seed.asked is not None:
    return seed.asked.question.answer
  best = verifier.best_actions(tools.measure([seed.experience])[0])
  return tools.world.actions[best[0]]


def wrong_answers(seed, tools):
  if seed.asked is not None:
    return [c for c in seed.choices if c != seed.asked.question.answer]
  best = verifier.best_actions(tools.measure([seed.experience])[0])
  return [w for a, w in enumerate(tools.world.actions) if a not in best]


def seed_of(request, seeds):
  """The task that a request is about, whatever stands around it."""
  last = request.messages[-1]["content"]
  last = re.sub(r"^Seen before: .* -> \w+\. ", "", last)
  fits = [s for s in seeds if last.startswith(s.prompt[-1]["content"])]
  return max(fits, key=lambda s: len(s.prompt[-1]["content"]))


@pytest.fixture(scope="module")
def seeds(tools, experiences, asked):
  acting = [skills.next_action(tools, e) for e in experiences]
  acting = [s for s in acting if wrong_answers(s, tools)]
  questions = [
    skills.question(tools, e, row[0])
    for e, row in zip(experiences, asked, strict=True)
  ]
  return [*questions[:5], *acting[:5]]


def test_a_refutation_stands_in_the_next_request_and_leads_to_a_repair(
  tools, seeds
):
  def answer(request):
    seed = seed_of(request, seeds)
    if request.messages == seed.prompt:
      return wrong_answers(seed, tools)[0]
    return right_answer(seed, tools)

  lm = ScriptedLM(answer)
  outcomes = Agent(lm, tools, None, AgentConfig(refinements=1)).run(seeds)
  assert {(o.verdict, o.attempts) for o in outcomes} == {("verified", 2)}
  first, second = lm.requests[: len(seeds)], lm.requests[len(seeds) :]
  assert [r.messages for r in first] == [s.prompt for s in seeds]
  for draft, repair, outcome in zip(first, second, outcomes, strict=True):
    assert repair.messages[0] == draft.messages[0]  # one shared prefix
    assert outcome.refutations[0] in repair.messages[-1]["content"]
    assert outcome.prompt_hash == prompts.prompt_hash(repair.messages)


def test_what_stays_wrong_is_refuted_after_all_refinements(tools, seeds):
  def wrong(request):
    return wrong_answers(seed_of(request, seeds), tools)[0]

  lm = ScriptedLM(wrong)
  outcomes = Agent(lm, tools, None, AgentConfig(refinements=2)).run(seeds)
  assert {(o.verdict, o.attempts) for o in outcomes} == {("refuted", 3)}
  texts = [r.messages[-1]["content"] for r in lm.requests]
  assert len(set(texts)) == len(texts)  # no request is asked twice


def test_each_trouble_of_the_model_has_its_verdict(tools, seeds):
  def trouble(reason, error_class):
    error = error_class and "x"
    return lambda r: Completion(
      "up and away", reason, 1, 1, "m", error=error, error_class=error_class
    )

  for reason, error_class, verdict, asked_for in (
    ("stop", None, "invalid", 2),  # unreadable: sampled once more
    ("length", None, "invalid", 2),
    ("stop", "resample", "invalid", 2),
    ("error", "retry", "failed", 1),
    ("error", "reject", "failed", 1),
  ):
    lm = ScriptedLM(trouble(reason, error_class))
    (outcome,) = Agent(lm, tools).run(seeds[:1])
    assert outcome.verdict == verdict
    assert len(lm.requests) == asked_for
    assert verdict in VERDICTS


def test_a_second_sample_may_mend_an_unreadable_answer(tools, seeds):
  replies = iter(["hmm, let me see", right_answer(seeds[0], tools)])
  lm = ScriptedLM(lambda r: next(replies))
  (outcome,) = Agent(lm, tools).run(seeds[:1])
  assert outcome.verdict == "verified"
  assert lm.requests[0].seed != lm.requests[1].seed


def test_a_moment_that_replay_does_not_reach_is_never_drafted(tools, seeds):
  lost = dataclasses.replace(
    seeds[0],
    experience=dataclasses.replace(
      seeds[0].experience, description="goal here."
    ),
  )
  lm = ScriptedLM({})
  (outcome,) = Agent(lm, tools).run([lost])
  assert outcome.verdict == "unverifiable"
  assert lm.requests == []


def test_verified_drafts_are_remembered_and_shown_to_other_episodes(
  tools, seeds
):
  def half(request):
    """Right for every other seed, wrong for the rest."""
    seed = seed_of(request, seeds)
    if seeds.index(seed) % 2:
      return wrong_answers(seed, tools)[0]
    return right_answer(seed, tools)

  memory = Memory(embed)
  lm = ScriptedLM(half)
  agent = Agent(lm, tools, memory, AgentConfig(refinements=1, memories=1))
  outcomes = agent.run(seeds)
  assert len(memory) == 5
  rows = {row.id: row for row in memory.rows}
  repaired = [o for o in outcomes if o.attempts == 2]
  assert len(repaired) == agent.usage["retrievals"] == 5
  for outcome, request in zip(repaired, lm.requests[-5:], strict=True):
    (name,) = outcome.memories
    assert rows[name].episode != outcome.seed.experience.episode
    shown = request.messages[-1]["content"]
    assert f"Seen before: {rows[name].text} -> {rows[name].answer}." in shown


@pytest.mark.parametrize(
  ("text", "answer"),
  [("up", "up"), (" Up. ", "up"), ("'LEFT'", "left"), ("up or left", None)],
)
def test_one_word_answers_are_read_whole(tools, experiences, text, answer):
  seed = skills.next_action(tools, experiences[0])
  assert skills.read(tools, seed, text) == answer


@pytest.mark.parametrize(
  ("text", "answer"),
  [
    ("up, up, left.", "up up left"),
    ("Up up LEFT", "up up left"),
    ("go up then left", None),
    ("", None),
  ],
)
def test_plans_are_nothing_but_moves(tools, experiences, text, answer):
  seed = skills.plan(tools, experiences[0])
  assert skills.read(tools, seed, text) == answer

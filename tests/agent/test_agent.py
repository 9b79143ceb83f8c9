"""The agent replays drafts; refutations reach the next request."""

import dataclasses
import re
from unittest import mock

import numpy as np
import pytest

from glimo_jax.agent import costs, prompts, skills
from glimo_jax.agent.agent import Agent, AgentConfig
from glimo_jax.agent.llm import Completion, ScriptedLM
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.skills import NextActionSkill, PlanSkill, QuestionSkill
from glimo_jax.types import VERDICTS


def embed(texts):
  rows = [np.random.default_rng(len(t)).normal(size=8) for t in texts]
  x = np.array(rows, np.float32)
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def right_answer(task, tools):
  if task.question is not None:
    return task.question.answer
  best = costs.best_actions(tools.measure([task.experience])[0])
  return tools.world.actions[best[0]]


def wrong_answers(task, tools):
  if task.question is not None:
    return [c for c in task.choices if c != task.question.answer]
  best = costs.best_actions(tools.measure([task.experience])[0])
  return [w for a, w in enumerate(tools.world.actions) if a not in best]


def task_of(request, tasks):
  """The task that a request is about."""
  last = request.messages[-1]["content"]
  last = re.sub(r"^Seen before: .* -> \w+\. ", "", last)
  fits = [s for s in tasks if last.startswith(s.prompt[-1]["content"])]
  return max(fits, key=lambda s: len(s.prompt[-1]["content"]))


@pytest.fixture(scope="module")
def tasks(tools, experiences, asked):
  acting = [NextActionSkill().task(tools, e) for e in experiences]
  acting = [s for s in acting if wrong_answers(s, tools)]
  questions = [
    QuestionSkill().task(tools, e, row[0])
    for e, row in zip(experiences, asked, strict=True)
  ]
  few = [*questions[:5], *acting[:5]]
  return sorted(
    few, key=lambda s: s.prompt[0]["content"]
  )  # in the order of the requests


def test_refutation_is_in_the_next_request_and_leads_to_a_repair(tools, tasks):
  def answer(request):
    task = task_of(request, tasks)
    if request.messages == task.prompt:
      return wrong_answers(task, tools)[0]
    return right_answer(task, tools)

  lm = ScriptedLM(answer)
  outcomes = Agent(lm, tools, None, AgentConfig(refinements=1)).run(tasks)
  assert {(o.verdict, o.attempts) for o in outcomes} == {("verified", 2)}
  first, second = lm.requests[: len(tasks)], lm.requests[len(tasks) :]
  assert [r.messages for r in first] == [s.prompt for s in tasks]
  for draft, repair, outcome in zip(first, second, outcomes, strict=True):
    assert repair.messages[0] == draft.messages[0]  # one shared prefix
    refuted = wrong_answers(outcome.task, tools)[0]
    assert set(draft.choices) - set(repair.choices) == {refuted}
    assert outcome.refutations[0] in repair.messages[-1]["content"]
    assert outcome.prompt_hash == prompts.prompt_hash(repair.messages)


def test_draft_that_stays_wrong_is_refuted_after_all_refinements(tools, tasks):
  def wrong(request):
    return wrong_answers(task_of(request, tasks), tools)[0]

  lm = ScriptedLM(wrong)
  outcomes = Agent(lm, tools, None, AgentConfig(refinements=2)).run(tasks)
  assert {(o.verdict, o.attempts) for o in outcomes} == {("refuted", 3)}
  texts = [r.messages[-1]["content"] for r in lm.requests]
  assert len(set(texts)) == len(texts)  # requests are distinct


def test_each_model_error_has_its_verdict(tools, tasks):
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
    (outcome,) = Agent(lm, tools).run(tasks[:1])
    assert outcome.verdict == verdict
    assert len(lm.requests) == asked_for
    assert verdict in VERDICTS


def test_only_what_a_later_run_could_get_is_unanswered(tools, tasks):
  def failing(error_class):
    return lambda r: Completion(
      "", "error", 0, 0, "m", error="away", error_class=error_class
    )

  for error_class, unanswered in (("retry", "away"), ("reject", "")):
    lm = ScriptedLM(failing(error_class))
    (outcome,) = Agent(lm, tools).run(tasks[:1])
    assert (outcome.verdict, outcome.unanswered) == ("failed", unanswered)


def test_drafts_are_verified_while_others_are_in_flight(tools, tasks):
  """The order of the answers changes no outcome and no memory."""
  many = [task for task in tasks for _ in range(30)]

  class Late(ScriptedLM):
    """Answers the first requests last, one at a time."""

    def stream(self, requests):
      taken = [requests.popleft() for _ in range(len(requests))]
      for i in reversed(range(len(taken))):
        answered.append(i)
        yield [(i, self._answer(taken[i]))]

  def half(request):
    task = task_of(request, tasks)
    if tasks.index(task) % 2:
      return wrong_answers(task, tools)[0]
    return right_answer(task, tools)

  def run(lm):
    memory = Memory(embed)
    agent = Agent(lm, tools, memory, AgentConfig(refinements=1, memories=1))
    return agent.run(many), [row.id for row in memory.rows]

  answered, verified = [], []
  in_order = run(ScriptedLM(half))
  original = skills.verify

  def watched(*arguments):
    verified.append(len(answered))
    return original(*arguments)

  with mock.patch.object(skills, "verify", watched):
    assert run(Late(half)) == in_order
  assert verified[0] < len(many)  # before the last answer had come


def test_second_sample_can_replace_an_unreadable_answer(tools, tasks):
  replies = iter(["hmm, let me see", right_answer(tasks[0], tools)])
  lm = ScriptedLM(lambda r: next(replies))
  (outcome,) = Agent(lm, tools).run(tasks[:1])
  assert outcome.verdict == "verified"
  assert lm.requests[0].seed != lm.requests[1].seed


def test_moment_that_replay_does_not_reach_is_not_drafted(tools, tasks):
  lost = dataclasses.replace(
    tasks[0],
    experience=dataclasses.replace(
      tasks[0].experience, description="goal here."
    ),
  )
  lm = ScriptedLM({})
  (outcome,) = Agent(lm, tools).run([lost])
  assert outcome.verdict == "unverifiable"
  assert lm.requests == []


def test_verified_drafts_are_stored_and_shown_to_other_episodes(tools, tasks):
  def half(request):
    """Right for even seeds, wrong for odd ones."""
    task = task_of(request, tasks)
    if tasks.index(task) % 2:
      return wrong_answers(task, tools)[0]
    return right_answer(task, tools)

  memory = Memory(embed)
  lm = ScriptedLM(half)
  agent = Agent(lm, tools, memory, AgentConfig(refinements=1, memories=1))
  outcomes = agent.run(tasks)
  assert len(memory) == 5
  rows = {row.id: row for row in memory.rows}
  repaired = [o for o in outcomes if o.attempts == 2]
  assert len(repaired) == agent.usage["retrievals"] == 5
  for outcome, request in zip(repaired, lm.requests[-5:], strict=True):
    (name,) = outcome.memories
    assert rows[name].episode != outcome.task.experience.episode
    shown = request.messages[-1]["content"]
    assert f"Seen before: {rows[name].text} -> {rows[name].answer}." in shown


def test_progress_counts_every_possible_draft(tools, tasks):
  def right(request):
    return right_answer(task_of(request, tasks), tools)

  reported = []
  Agent(ScriptedLM(right), tools, None, AgentConfig(refinements=2)).run(
    tasks * 13, lambda *counts: reported.append(counts)
  )
  assert reported == [(64, 390), (128, 390), (130, 390), (390, 390)]


@pytest.mark.parametrize(
  ("text", "answer"),
  [("up", "up"), (" Up. ", "up"), ("'LEFT'", "left"), ("up or left", None)],
)
def test_one_word_answers_are_parsed_as_a_whole(
  tools, experiences, text, answer
):
  task = NextActionSkill().task(tools, experiences[0])
  assert task.skill.read(tools, task, text) == answer


def test_form_of_the_answer_is_told_to_the_teacher_alone(tools, experiences):
  """At the end of every draft's prompt, and in no row."""
  tasks = [PlanSkill().task(tools, e) for e in experiences[:4]]
  lm = ScriptedLM(lambda request: tools.world.actions[0])
  config = AgentConfig(refinements=1, forms=True)
  outcomes = Agent(lm, tools, None, config).run(tasks)
  form = prompts.form_of_moves(tools.world.actions)
  assert len(lm.requests) > len(tasks)
  assert all(r.messages[-1]["content"].endswith(form) for r in lm.requests)
  assert not any(form in o.task.prompt[-1]["content"] for o in outcomes)


@pytest.mark.parametrize(
  ("text", "answer"),
  [
    ("up, up, left.", "up up left"),
    ("Up up LEFT", "up up left"),
    ("go up then left", None),
    ("", None),
  ],
)
def test_plans_contain_only_moves(tools, experiences, text, answer):
  task = PlanSkill().task(tools, experiences[0])
  assert task.skill.read(tools, task, text) == answer

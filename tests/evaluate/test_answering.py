"""Grading answers: by truth and kind, paired, independent of their order."""

import dataclasses

import numpy as np
import pytest

from glimo_jax.agent import llm
from glimo_jax.evaluate import answering, exam
from glimo_jax.play import scoring
from simulators import base


class FakeLM:
  """log p of a choice by a rule; stores the prompts."""

  name = "fake"

  def __init__(self, rule):
    self.rule, self.prompts = rule, []

  def generate(self, requests):
    raise AssertionError("a closed set is scored, never written")

  def loglik(self, prompts, continuations):
    self.prompts += prompts
    return [
      np.array([self.rule(p[-1]["content"], c) for c in choices])
      for p, choices in zip(prompts, continuations, strict=True)
    ]


def item(kind, text, choices, answer, level, description="door up."):
  question = base.Question(kind, text, choices, answer, (level,))
  return exam.ExamItem(description, question, level)


def paper(n=40):
  """Two kinds; the truth of `which` always comes first."""
  out = []
  for i in range(n):
    yes = "yes" if i % 2 else "no"
    out.append(item("can", f"can you {i}?", ("yes", "no"), yes, i // 4))
    words = ("axe", "key", "rope")
    out.append(item("which", f"which {i}?", words, "axe", i // 4))
  return out


def knows(text, choice):
  number = int("".join(c for c in text if c.isdigit()))
  right = "axe" if "which" in text else ("no", "yes")[number % 2]
  return 0.0 if choice == right else -5.0


def test_informed_model_is_right_and_uninformed_model_is_at_chance():
  sure = answering.answer(FakeLM(knows), "rules", paper())
  assert all(a.correct for a in sure)
  lost = answering.answer(llm.ScriptedLM({}), "rules", paper(300))
  result = answering.summary([lost])
  # All choices tie: chance decides, not the position of the truth.
  assert result["chance"] == pytest.approx((1 / 2 + 1 / 3) / 2)
  for kind, chance in (("can", 1 / 2), ("which", 1 / 3)):
    entry = result["by_kind"][kind]
    assert entry["chance"] == pytest.approx(chance)
    assert entry["lo"] < chance < entry["hi"]


def test_summary_shows_the_score_of_one_constant_answer():
  result = answering.summary([answering.answer(FakeLM(knows), "r", paper())])
  assert result["by_kind"]["which"]["majority"] == 1.0
  assert result["by_kind"]["can"]["majority"] == 0.5
  assert (result["mean"], result["n"]) == (1.0, 80)


def test_prompt_is_rules_then_description_then_question():
  lm = FakeLM(knows)
  shots = [("door left. can you 1?", "yes")]
  answering.answer(lm, "rules", paper(1), shots=shots)
  system, shown, answer, asked = lm.prompts[0]
  assert system == {"role": "system", "content": "rules"}
  assert (shown["content"], answer["content"]) == shots[0]
  assert asked == {"role": "user", "content": "door up. can you 0?"}


def test_each_question_has_its_own_retrieved_cases():
  lm = FakeLM(lambda text, choice: 0.0)
  answering.answer(
    lm, "rules", paper(1), retrieve=lambda turns: [[(t, "x")] for t in turns]
  )
  for prompt in lm.prompts:
    shown, asked = prompt[-1]["content"].split("\n")
    assert shown == f"{asked} x"


def test_calibration_removes_the_bias_without_a_description():
  def biased(text, choice):
    return knows(text, choice) + (9.0 if choice == "no" else 0.0)

  plain = answering.answer(FakeLM(biased), "rules", paper())
  assert answering.summary([plain])["by_kind"]["can"]["mean"] == 0.5

  def reads(text, choice):
    """Knows the answer only if the text mentions the door."""
    known = knows(text, choice) if "door" in text else 0.0
    return known + (9.0 if choice == "no" else 0.0)

  calibrated = answering.answer(FakeLM(reads), "rules", paper(), prior=True)
  assert all(a.correct for a in calibrated)


def test_memo_is_shared_between_arms():
  lm, memo = FakeLM(knows), scoring.Memo()
  answering.answer(lm, "rules", paper(), memo=memo)
  asked = len(lm.prompts)
  answering.answer(lm, "rules", paper(), prior=True, memo=memo)
  assert len(lm.prompts) == asked + 80  # only those without a description
  answering.answer(lm, "rules", paper(), prior=True, memo=memo)
  assert len(lm.prompts) == asked + 80


def test_interval_counts_levels_not_questions():
  """Ten questions about one level are worth less than ten levels."""

  def by_level(text, choice):
    number = int("".join(c for c in text if c.isdigit()))
    return knows(text, choice) * (1 if (number // 4) % 2 else -1)

  apart = [
    exam.ExamItem(i.description, i.question, n) for n, i in enumerate(paper())
  ]
  shared = answering.summary([answering.answer(FakeLM(by_level), "r", paper())])
  alone = answering.summary([answering.answer(FakeLM(by_level), "r", apart)])
  assert shared["mean"] == alone["mean"] == 0.5
  assert shared["hi"] - shared["lo"] > 1.5 * (alone["hi"] - alone["lo"])


def test_gain_is_paired_and_refuses_other_questions():
  lost = answering.answer(llm.ScriptedLM({}), "rules", paper())
  sure = answering.answer(FakeLM(knows), "rules", paper())
  gain = answering.compare([sure], [lost])
  assert gain.mean == pytest.approx(1 - answering.marks([lost]).mean())
  assert gain.lo > 0
  with pytest.raises(ValueError, match="not paired"):
    answering.compare([sure], [lost[1:]])


def test_looked_up_and_simulated_questions_are_reported_separately():
  exam_ = [
    dataclasses.replace(item, looked_up=item.question.kind == "which")
    for item in paper()
  ]
  blind = FakeLM(lambda text, choice: float(choice in ("axe", "yes")))
  runs = [answering.answer(blind, "rules", exam_)] * 3
  summary = answering.summary(runs)
  assert summary["by_group"]["looked_up"]["mean"] == 1.0
  assert summary["by_group"]["simulated"]["mean"] == 0.5
  assert summary["by_group"]["simulated"]["n"] == 40
  assert summary["by_kind"]["can"]["mean"] == 0.5
  assert (
    answering.summary([answering.answer(blind, "", paper())])["by_group"] == {}
  )

"""Ways of asking: what each prompt holds, and how written answers are read."""

import numpy as np
import pytest

from glimo_jax.agent import prompts
from glimo_jax.agent.llm import Completion
from glimo_jax.evaluate import ways
from glimo_jax.evaluate.exam import ExamItem
from glimo_jax.play import scoring
from simulators.base import Question

ACTIONS = ("up", "down")
CASES = ways.SolvedCases(
  shots=(("goal up.", "up"),),
  retrieve=lambda turns: [[("goal down.", "down")] for _ in turns],
)
ITEM = ExamItem(
  "goal up.", Question("way", "which way?", ("north", "south"), "north", ()), 0
)


class FakeTextWorld:
  """What a way reads of a world."""

  actions, preamble = ACTIONS, "the rules."

  @staticmethod
  def parse(text):
    named = [w for w in text.lower().strip(".!").split() if w in ACTIONS]
    return ACTIONS.index(named[0]) if len(named) == 1 else None


class FakeLM:
  """Prefers `up` and `north` whatever it reads; stores what it is asked."""

  name = "fake"

  def __init__(self, *replies):
    self.prompts, self.replies = [], list(replies)

  def loglik(self, prompts, continuations):
    self.prompts += prompts
    return [np.array([-1.0, -3.0]) for _ in prompts]

  def generate(self, requests):
    self.prompts += [r.messages for r in requests]
    assert all(r.max_tokens <= 128 for r in requests)
    return [
      Completion(self.replies.pop(0), "stop", 1, 1, self.name) for _ in requests
    ]


def _acts(name, *replies):
  lm = FakeLM(*replies)
  policy = ways.WAYS[name].policy(lm, FakeTextWorld(), CASES, scoring.Memo())
  return policy.scores(["goal up."], [0])[0], lm.prompts


def _answers(name, *replies):
  lm = FakeLM(*replies)
  found = ways.WAYS[name].answer(
    lm, "the rules.", [ITEM], CASES, scoring.Memo()
  )
  return found[0], lm.prompts


@pytest.mark.parametrize("name", ways.WAYS)
def test_every_way_differs_from_plain_and_holds_rules_and_text(name):
  replies = ["up"] if name in ("reasoned", "rationale") else []
  scores, asked = _acts(name, *replies)
  plain_scores, plain = _acts("plain")
  assert asked[0][0]["content"].startswith("the rules.")
  assert "goal up." in asked[0][-1]["content"]
  if name not in ("plain", "sampled", "rationale"):
    assert asked != plain
  else:
    assert asked[:1] == plain
    same = name in ("plain", "rationale")  # nothing was written before "up"
    assert same == np.array_equal(scores, plain_scores)


@pytest.mark.parametrize("name", ["options", "options_calibrated"])
def test_options_list_the_moves_and_the_answers_in_the_last_turn(name):
  _, asked = _acts(name)
  assert asked[0] == prompts.acting(
    "the rules.",
    "goal up. Possible moves: up, down. Answer with one of them.",
  )
  _, asked = _answers(name)
  assert asked[0] == prompts.question(
    "the rules.", "goal up.",
    "which way? Possible answers: north, south. Answer with one of them.",
  )  # fmt: skip


@pytest.mark.parametrize("name", ["prior", "options", "instructed"])
def test_calibration_keeps_the_words_and_divides_by_the_prior(name):
  calibrated = f"{name}_calibrated"
  plain = "plain" if name == "prior" else name
  scores, asked = _acts(calibrated)
  _, without = _acts(plain)
  assert asked[0] == without[0]
  end = without[0][-1]["content"].removeprefix("goal up.")
  for text, prompt in zip(scoring.CONTENT_FREE, asked[1:], strict=True):
    assert prompt[-1]["content"] == text + end
  # The same bias with and without a description: nothing is preferred.
  assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_actions_are_scored_behind_the_rationale_that_was_written():
  class Choices(FakeLM):
    def loglik(self, prompts, continuations):
      choices.extend(continuations)
      return [np.arange(len(c)) * -1.0 for c in continuations]

  choices, lm = [], Choices("goal up. up")
  policy = ways.WAYS["rationale"].policy(
    lm, FakeTextWorld(), CASES, scoring.Memo()
  )
  scores = policy.scores(["goal up."], [0])
  assert choices == [("goal up. up", "goal up. down")]
  np.testing.assert_array_equal(scores, [[0.0, -1.0]])


def test_answers_are_scored_behind_the_rationale_that_was_written():
  class Choices(FakeLM):
    def loglik(self, prompts, continuations):
      choices.extend(continuations)
      return [np.arange(len(c)) * 1.0 for c in continuations]

  choices: list[tuple[str, ...]] = []
  way = ways.WAYS["rationale"]
  lm = Choices("goal up. north")
  found = way.answer(lm, "the rules.", [ITEM], CASES, scoring.Memo())
  assert choices == [("goal up. north", "goal up. south")]
  assert found[0].chosen == "south"
  nothing = way.answer(Choices(""), "the rules.", [ITEM], CASES, scoring.Memo())
  assert nothing[0].chosen == ""


def test_instruction_stands_with_the_rules_and_differs_by_task():
  _, to_act = _acts("instructed")
  _, to_answer = _answers("instructed")
  assert to_act[0][-1] == _acts("options")[1][0][-1]
  assert to_answer[0][-1] == _answers("options")[1][0][-1]
  assert prompts.INSTRUCTED.to_act in to_act[0][0]["content"]
  assert prompts.INSTRUCTED.to_answer in to_answer[0][0]["content"]


@pytest.mark.parametrize(
  ("written", "action"),
  [
    ("The goal is up. Answer: down", 1),
    ("Not down, it is blocked. So up.", 0),
    ("ANSWER: up. Answer: down.", 1),
    ("Answer: I go up", 0),
    ("I cannot tell.", None),
    ("", None),
  ],
)
def test_action_named_last_is_taken(written, action):
  scores, _ = _acts("reasoned", written)
  if action is None:
    assert np.isnan(scores).all()
  else:
    np.testing.assert_array_equal(scores, np.eye(2)[action])


@pytest.mark.parametrize(
  ("written", "chosen"),
  [
    ("South is blocked. Answer: North", "north"),
    ("north? no, south", "south"),
    ("northern", ""),
    ("I cannot tell.", ""),
  ],
)
def test_choice_named_last_is_the_answer(written, chosen):
  answer, asked = _answers("reasoned", written)
  assert answer.chosen == chosen
  assert answer.correct == (chosen == "north")
  assert prompts.CONCLUSION in asked[0][-1]["content"]


def test_longest_choice_counts_where_one_ends_another():
  item = ExamItem(
    "", Question("what", "what?", ("key", "red key"), "red key", ()), 0
  )
  found = ways.WAYS["reasoned"].answer(
    FakeLM("Answer: the red key"), "r", [item], CASES, scoring.Memo()
  )
  assert found[0].chosen == "red key"

"""No single phrase of a text answers the questions of the exam."""

import numpy as np
import pytest

import simulators
from benchmarks.checks import words
from benchmarks.checks.one_rule import OneRule, gaps, phrases
from configs.quickstart import KINDS as EXAM
from simulators.agentworld.questions.sampling import KINDS
from simulators.base import Question

MOMENTS = 2000
ANSWERED = ("where", "reachable", "held")  # by one phrase, so not in the exam


@pytest.fixture(scope="module", params=["plain", "compact"])
def halves(request):
  """kind -> two halves of the questions about played moments."""
  world = simulators.make(
    "agentworld", rendering=request.param, kinds=(*EXAM, *ANSWERED)
  )
  return words.questions(world, MOMENTS, seed=1)


def _gain(kind, halves):
  """(gain of the best rule over the commonest answer, two standard errors)."""
  one, other = halves
  right, _ = words.by_rule(one, other, KINDS[kind].templates)
  usual = words.guessed([q for _, q in one], [q for _, q in other])[:, 0]
  gain = right - usual
  return gain.mean(), 2 * gain.std() / len(gain) ** 0.5


@pytest.mark.parametrize("kind", EXAM)
def test_no_phrase_answers_a_kind_of_the_exam(kind, halves):
  gain, error = _gain(kind, halves[kind])
  assert sum(map(len, halves[kind])) > MOMENTS / 8
  assert gain <= 0.1 + error


@pytest.mark.parametrize("kind", ANSWERED)
def test_measure_finds_a_phrase_that_answers(kind, halves):
  assert _gain(kind, halves[kind])[0] > 0.3


# --- The rules ----------------------------------------------------------------


def _question(text, answer, choices=("yes", "no")):
  return Question("kind", text, choices, answer, (), 0)


def test_words_of_a_question_are_slots():
  templates = ("is {x} up?", "do you go {plan} to {x}?")
  asked = _question("do you go up up left to the ax?", "yes")
  slots = gaps(asked, ("do you go {plan} to the {x}?",))
  assert slots == {"{plan1}": "up", "{plan3}": "left", "{x}": "ax"}
  with pytest.raises(ValueError, match="give those of its kind"):
    gaps(asked, templates[:1])


def test_phrases_stay_within_a_sentence():
  found = phrases("wall up left. ax two up.", {"{d}": "up", "{x}": "ax"})
  assert {"wall {d}", "wall ... left", "{x} two {d}", "ax two up"} <= found
  assert "left ax" not in found
  assert not {"wall ... {x}", "left ... two"} & found
  assert "{d} ... {x} in any sentence" in found


def _asked(walled, move, answer):
  text = f"moves 9. wall {' '.join(walled)}. goal two up."
  return text, _question(f"can you go {move}?", answer)


def test_rule_is_learnt_and_applied_through_slots():
  moves = ("up", "down", "left", "right")
  rng = np.random.default_rng(0)
  asked = []
  for _ in range(80):
    walled = sorted(rng.permutation(moves)[:2])
    move = str(rng.choice(moves))
    asked.append(_asked(walled, move, "no" if move in walled else "yes"))
  rule = OneRule(asked[:40], ("can you go {d}?",), lambda q: "yes")
  assert {rule.rule.yes, rule.rule.no} == {"yes", "no"}
  assert all(rule.guess(t, q) == q.answer for t, q in asked[40:])


def test_rule_without_a_helpful_phrase_is_the_commonest_answer():
  asked = [_asked(["up"], "left", a) for a in ("no", "no", "yes")]
  rule = OneRule(asked, ("can you go {d}?",), lambda q: "no")
  assert rule.rule.phrase == ""
  assert rule.guess(*asked[0]) == "no"

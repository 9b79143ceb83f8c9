"""The MLP learns from parsed texts, independent of the words for things."""

import types

import numpy as np
import pytest

from glimo_jax.evaluate import mlp
from simulators.agentworld.text.read import parse_description
from simulators.agentworld.vocabulary import NUMBERS

ACTIONS = ("up", "down", "left", "right")


def row(text, answers, rationale=()):
  return types.SimpleNamespace(
    kind="next_action",
    rationale=rationale,
    messages=({"role": "user", "content": text},),
    answers=answers,
    weights=(1 / len(answers),) * len(answers),
  )


def goal(rows, columns):
  """(text, the actions that lead to a goal at this distance)."""
  moves = [(rows, ACTIONS[:2]), (columns, ACTIONS[2:])]
  sentences = [
    f"{NUMBERS[abs(n)] + ' ' if abs(n) > 1 else ''}{words[n > 0]}"
    for n, words in moves
    if n
  ]
  best = tuple(words[n > 0] for n, words in moves if n)
  return f"goal {' '.join(sentences)}.", best


def test_words_are_numbered_by_their_first_appearance():
  one, other = (
    f"blocked up. goal two up past {a} up needs {b}. {b} left."
    for a, b in (("tree", "ax"), ("vine", "coat"))
  )
  first, second = (
    mlp.features(parse_description(t), ACTIONS)[0] for t in (one, other)
  )
  assert first == second
  assert first[".blocked=up"] == 1  # an action's word is not numbered
  assert first[".goal.offset.0"] == -2
  swapped = one.replace("needs ax", "needs key")
  assert mlp.features(parse_description(swapped), ACTIONS)[0] != first


def test_mlp_learns_the_way_to_the_goal_and_generalises():
  cells = [
    (r, c) for r in range(-4, 5) for c in range(-4, 5) if (r, c) != (0, 0)
  ]
  rng = np.random.default_rng(0)
  examples = [goal(*cells[i]) for i in rng.permutation(len(cells))]
  learnt, new = examples[:60], examples[60:]
  policy = mlp.MlpPolicy([row(*t) for t in learnt], parse_description, ACTIONS)
  scores = policy.scores([text for text, _ in new], range(len(new)))
  np.testing.assert_allclose(np.exp(scores).sum(-1), 1, rtol=1e-5)
  hits = [
    ACTIONS[s.argmax()] in best
    for s, (_, best) in zip(scores, new, strict=True)
  ]
  assert np.mean(hits) > 0.9


def test_subgoals_that_the_rows_say_are_learnt_first():
  # Go to the tool that lies up: which of the two it is, only its place tells.
  def moment(rng):
    (near, far), places = rng.permutation(["ax", "key"]), rng.integers(1, 4, 2)
    across = ACTIONS[2:][rng.integers(2)]
    offset = f"{NUMBERS[places[0]]} up {NUMBERS[places[1]]} {across}"
    words = [f"{near} {offset}", f"{far} {NUMBERS[places[0]]} down"]
    text = ". ".join(["moves 9", "goal here", *rng.permutation(words)]) + "."
    return text, ("up", across), (str(near),)

  rng = np.random.default_rng(0)
  rows = [row(*moment(rng)) for _ in range(80)]
  policy = mlp.MlpPolicy(rows, parse_description, ACTIONS)
  tests = [moment(rng) for _ in range(40)]
  scores = policy.scores([text for text, *_ in tests], range(40))
  hits = [
    ACTIONS[s.argmax()] in best
    for s, (_, best, _) in zip(scores, tests, strict=True)
  ]
  assert np.mean(hits) > 0.9


def test_rows_without_a_next_action_are_refused():
  with pytest.raises(ValueError, match="next_action"):
    mlp.MlpPolicy([], parse_description, ACTIONS)

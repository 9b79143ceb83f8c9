"""Policies: draws, shared scores, calibration, solved cases, free writing."""

import dataclasses

import numpy as np

import simulators
from glimo_jax.play import policies, scoring, writers

ACTIONS = ("up", "down", "left", "right")


class FakePolicy:
  """Scores texts by a function; stores the texts."""

  def __init__(self, scores):
    self.table, self.asked = scores, []

  def scores(self, texts, rows):
    self.asked.append((tuple(texts), tuple(rows)))
    return np.array([self.table(text) for text in texts], np.float64)


class FakeLM:
  """log p of an action word by its place in a list; counts calls."""

  name = "fake"

  def __init__(self, logprobs=None, replies=()):
    self.logprobs = logprobs or (lambda text, choice: -1.0)
    self.prompts, self.replies = [], list(replies)

  def loglik(self, prompts, continuations):
    self.prompts += prompts
    return [
      np.array([self.logprobs(p[-1]["content"], c) for c in choices])
      for p, choices in zip(prompts, continuations, strict=True)
    ]

  def generate(self, requests):
    return [self.replies.pop(0) for _ in requests]


@dataclasses.dataclass
class FakeCompletion:
  text: str
  error: str | None = None


# A ring of six rooms: up and down go round it, left and right stay.
def _walk(explorer, steps):
  """(room, action) of each step from room 0."""
  room, steps_taken = 0, []
  for _ in range(steps):
    action = int(explorer.scores([f"room {room}"], [7])[0].argmax())
    steps_taken.append((room, action))
    room = (room + {0: 1, 1: -1}.get(action, 0)) % 6
  return steps_taken


def test_explorer_tries_every_action_before_it_repeats_one():
  for seed in range(8):
    tried: dict[int, set[int]] = {}
    for room, action in _walk(policies.ExplorerPolicy(4, seed), 60):
      known = tried.setdefault(room, set())
      assert action not in known or len(known) == 4
      known.add(action)
    assert {len(known) for known in tried.values()} == {4}


def test_explorer_goes_back_to_what_it_saw_least_and_keeps_episodes_apart():
  explorer = policies.ExplorerPolicy(2, 0)
  # Four times "a"; action 0 leads to "b" and action 1 to "c", then back.
  led = {}
  for _ in range(2):
    action = int(explorer.scores(["a"], [0])[0].argmax())
    led[action] = "bc"[action]
    explorer.scores([led[action]], [0])
  explorer.scores(["b"], [0])
  assert explorer.scores(["a"], [0])[0].argmax() == 1  # "c", seen less
  assert explorer.scores(["a"], [1]).min() >= 0  # another row knows nothing


def test_explorer_takes_texts_of_one_place_for_one():
  """AgentWorld tells the last move: two texts of a cell are one place."""
  place = policies.place_reader(simulators.make("agentworld"))
  one = "moves 9. wall up. went up. goal two right."
  same = "moves 9. wall up. stuck left. goal two right."
  other = "moves 9. wall up. went up. goal one right."
  assert place(one) == place(same) != place(other)
  explorer = policies.ExplorerPolicy(4, 0, place)
  tried = {
    int(explorer.scores([text], [0])[0].argmax())
    for text in (one, same, one, same)
  }
  assert len(tried) == 4
  assert policies.place_reader(object())(one) == one


def test_sampling_follows_softmax_and_does_not_touch_failures():
  base = FakePolicy(lambda text: np.log([0.1, 0.2, 0.3, 0.4]))
  sampled = policies.SampledPolicy(base, 1.0, seed=0)
  draws = sampled.scores(["t"] * 20000, range(20000)).argmax(1)
  share = np.bincount(draws, minlength=4) / 20000
  np.testing.assert_allclose(share, [0.1, 0.2, 0.3, 0.4], atol=0.015)
  cold = policies.SampledPolicy(base, 1e-3, seed=0)
  assert set(cold.scores(["t"] * 50, range(50)).argmax(1)) == {3}
  failing = FakePolicy(lambda text: [np.nan] * 4)
  failed = policies.SampledPolicy(failing, 1.0).scores(["t"], [0])
  assert np.isnan(failed).all()


def test_same_text_is_scored_once_across_arms_with_shared_prompts():
  lm, memo = FakeLM(), scoring.Memo()
  arm = {"lm": lm, "preamble": "p", "actions": ACTIONS, "memo": memo}
  plain = policies.LanguagePolicy(**arm)
  calibrated = policies.LanguagePolicy(**arm, prior=True)
  few = policies.LanguagePolicy(**arm, shots=[("goal 9 left.", "left")])
  for policy in (plain, policies.SampledPolicy(plain, 0.7), plain):
    policy.scores(["a", "b", "a"], range(3))
  assert memo.scored == len(lm.prompts) == 2
  calibrated.scores(["a", "b"], range(2))
  assert memo.scored == 2 + len(scoring.CONTENT_FREE)
  few.scores(["a", "b"], range(2))
  assert memo.scored == 4 + len(scoring.CONTENT_FREE)
  # Another model of the same name shares no scores.
  policies.LanguagePolicy(**(arm | {"lm": FakeLM()})).scores(["a"], [0])
  assert memo.scored == 5 + len(scoring.CONTENT_FREE)


def test_calibration_subtracts_the_score_without_a_text():
  bias = dict(zip(ACTIONS, (0.0, -4.0, -4.0, -4.0), strict=True))

  def logprobs(text, choice):
    gain = 2.0 if text.endswith("goal right.") and choice == "right" else 0.0
    return bias[choice] + gain

  lm = FakeLM(logprobs)
  plain = policies.LanguagePolicy(lm, "p", ACTIONS)
  calibrated = policies.LanguagePolicy(lm, "p", ACTIONS, prior=True)
  text = ["goal right."]
  assert ACTIONS[plain.scores(text, [0])[0].argmax()] == "up"
  assert ACTIONS[calibrated.scores(text, [0])[0].argmax()] == "right"


def test_shots_come_before_and_retrieved_cases_in_the_last_turn():
  lm = FakeLM()
  shots = [("goal left.", "left"), ("goal up.", "up")]
  policies.LanguagePolicy(lm, "p", ACTIONS, shots).scores(["now."], [0])
  found = policies.LanguagePolicy(
    lm, "p", ACTIONS, retrieve=lambda texts: [shots for _ in texts]
  )
  found.scores(["now."], [0])
  few, retrieved = lm.prompts
  turns = ["user", "assistant"] * 2
  assert [m["role"] for m in few] == ["system", *turns, "user"]
  assert few[1:3] == (
    {"role": "user", "content": "goal left."},
    {"role": "assistant", "content": "left"},
  )
  assert [m["role"] for m in retrieved] == ["system", "user"]
  assert retrieved[-1]["content"].startswith("goal left. left\n")
  assert few[0] == retrieved[0]
  assert retrieved[-1]["content"].endswith(few[-1]["content"])


def parse(text):
  words = text.lower().strip("!").split()
  return next((ACTIONS.index(w) for w in words if w in ACTIONS), None)


def test_plan_is_followed_and_renewed_when_it_ends_or_is_blocked():
  replies = ["up right", "left left", "down", "up", "nowhere"]
  lm = FakeLM(replies=[FakeCompletion(text) for text in replies])
  policy = writers.PlanPolicy(lm, "p", ACTIONS, parse)

  def moves(*texts):
    return policy.scores(texts, range(len(texts))).argmax(1).tolist()

  assert moves("a", "b") == [0, 2]  # two plans, for two rows
  assert moves("c", "b") == [3, 2]  # blocked: the plan for b starts again
  assert moves("d", "e") == [1, 2]  # the first row's plan had ended: down
  assert lm.replies == [FakeCompletion("up"), FakeCompletion("nowhere")]
  assert moves("f", "b") == [0, 2]  # ended and ended; b is known
  assert np.isnan(policy.scores(["g"], [0])).all()  # names no move


def test_written_text_is_parsed_and_other_words_fail():
  lm = FakeLM(
    replies=[FakeCompletion("go Right!"), FakeCompletion("", error="429")]
  )
  policy = writers.WritePolicy(lm, "p", ACTIONS, parse)
  first = policy.scores(["a", "b", "a"], range(3))
  assert first[0].argmax() == first[2].argmax() == 3
  assert np.isnan(first[1]).all()
  lm.replies.append(FakeCompletion("perhaps?"))
  assert np.isnan(policy.scores(["c", "a"], range(2))[0]).all()


def test_draws_follow_the_order_of_the_active_rows():
  rng, same = np.random.default_rng(3), np.random.default_rng(3)
  table = {"a": [-1.0, -2.0, -3.0, -4.0], "b": [-2.0, -2.0, -1.0, -9.0]}
  model = policies.RecordedPolicy(FakePolicy(table.__getitem__))
  sampled = policies.SampledPolicy(model, 0.7, rng)
  for texts, rows in ((["a", "b", "a"], [0, 1, 2]), (["b", "a"], [0, 2])):
    scores = sampled.scores(texts, rows)
    for text, score in zip(texts, scores, strict=True):
      logp = np.array(table[text])
      logp = logp - np.logaddexp.reduce(logp)
      np.testing.assert_array_equal(score, logp / 0.7 + same.gumbel(size=4))


def test_recorded_log_probabilities_are_normalised_and_kept_by_row():
  model = policies.RecordedPolicy(FakePolicy(lambda text: [0.0, 0.0, 1.0, 2.0]))
  model.scores(["a", "b"], [0, 3])
  model.scores(["c"], [3])
  assert {row: len(kept) for row, kept in model.logprobs.items()} == {
    0: 1,
    3: 2,
  }
  for kept in model.logprobs.values():
    np.testing.assert_allclose(np.exp(kept).sum(-1), 1)


def test_text_is_scored_at_each_step_without_a_memo():
  lm = FakeLM()
  plain = policies.LanguagePolicy(lm, "p", ACTIONS)
  plain.scores(["a", "b", "a"], range(3))
  plain.scores(["a"], [0])
  assert [p[-1]["content"] for p in lm.prompts] == ["a", "b", "a"]

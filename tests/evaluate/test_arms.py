"""Arms: the base uses its best prompt, chosen on unreported levels."""

import numpy as np
import pytest

from glimo_jax.agent.llm import Completion
from glimo_jax.evaluate import arms, settings
from glimo_jax.evaluate.exam import ExamItem
from glimo_jax.evaluate.ways import SolvedCases
from glimo_jax.play import scoring
from simulators.base import Question

ACTIONS = ("up", "down", "left", "right")


class FakeTextWorld:
  """One step: the text names the right action."""

  actions = ACTIONS
  parse = staticmethod(ACTIONS.index)
  preamble = "go where you are told."

  def reset(self, indices, seed=0):
    self.ways = np.array([i % 4 for i in indices])
    self.instruction = ["go where you are told."] * len(indices)
    self.depths = np.zeros(len(indices), int)
    self.success = np.zeros(len(indices), bool)
    self.done = np.zeros(len(indices), bool)
    self.at = np.zeros(len(indices), int)
    return self._texts()

  def step(self, actions):
    new = (actions == self.ways) & ~self.done
    self.success |= new
    self.at += ~self.done
    self.done |= self.success
    return self._texts(), new.astype(np.float32), self.done.copy()

  def oracle(self):
    return np.where(np.arange(4) == self.ways[:, None], 1.0, 2.0)

  def _texts(self):
    return [
      f"go {ACTIONS[w]} {n}." for w, n in zip(self.ways, self.at, strict=True)
    ]


class FakeLM:
  """Answers from its text only if the prompt has solved cases."""

  name = "fake"

  def __init__(self, needs):
    self.needs, self.prompts = needs, []

  def generate(self, requests):
    raise AssertionError("closed sets are scored")

  def loglik(self, prompts, continuations):
    self.prompts += prompts
    return [
      self._row(p, c) for p, c in zip(prompts, continuations, strict=True)
    ]

  def _row(self, prompt, choices):
    last = prompt[-1]["content"].split("\n")
    shown = {"plain": True, "few_shot": len(prompt) > 2,
             "retrieval": len(last) > 1}[self.needs]  # fmt: skip
    words = last[-1].split()
    return np.array([
      -1.0 if shown and c in words else -2.0 - 0.1 * i
      for i, c in enumerate(choices)
    ])  # fmt: skip


CASES = SolvedCases(
  shots=(("go up 0.", "up"),),
  retrieve=lambda turns: [[("go left 0.", "left")] for _ in turns],
)
CONFIG = settings.EvaluateConfig(episodes=8, val_episodes=8, max_steps=1)
MODELS = {n: (FakeLM("plain"), "plain") for n in ("base", "tuned")}


@pytest.mark.parametrize("best", ["plain", "few_shot", "retrieval"])
def test_base_is_the_best_arm_on_val(best):
  choice = arms.choose_acting(
    CONFIG, CONFIG.arms, FakeLM(best), FakeTextWorld(), range(8), CASES,
    scoring.Memo(),
  )  # fmt: skip
  assert choice.arm == best
  assert tuple(choice.val) == CONFIG.arms
  assert choice.val[best].mean == 1
  items = [
    ExamItem(
      "go left.", Question("way", "left or up?", ("up", "go"), "go", ()), i
    )
    for i in range(4)
  ]
  answered = arms.choose_answering(
    CONFIG, CONFIG.arms, FakeLM(best), "rules", items, CASES, scoring.Memo()
  )
  assert "sampled" not in answered.val  # the most likely answer, no sampling
  assert answered.val[answered.arm].mean == max(
    v.mean for v in answered.val.values()
  )


def test_every_way_plays_some_levels_and_the_better_half_plays_all():
  choice = arms.choose_acting(
    CONFIG, ("options", "prior_calibrated", "few_shot", "retrieval"),
    FakeLM("few_shot"), FakeTextWorld(), range(16), CASES, scoring.Memo(),
  )  # fmt: skip
  played = {arm: rate.n for arm, rate in choice.val.items()}
  assert choice.arm == "few_shot"
  assert sorted(played.values()) == [4, 4, 16, 16]
  assert played["few_shot"] == 16
  two = arms.choose_acting(
    CONFIG, ("options", "plain"), FakeLM("few_shot"), FakeTextWorld(),
    range(16), CASES, scoring.Memo(),
  )  # fmt: skip
  assert [rate.n for rate in two.val.values()] == [16, 16]


def test_all_arms_play_the_same_levels_and_greedy_reuses_scores():
  base, tuned = FakeLM("few_shot"), FakeLM("plain")
  config = settings.EvaluateConfig(max_steps=2, arms=("plain",))
  memo = scoring.Memo()
  models = {"base": (base, "plain"), "tuned": (tuned, "plain")}
  played = arms.act(config, models, FakeTextWorld(), range(12), CASES, memo)
  assert tuple(played) == (
    "random", "explorer", "oracle", "base", "base_greedy", "random_free",
    "tuned", "tuned_greedy",
  )  # fmt: skip
  for run in played.values():
    assert [e.index for e in run] == list(range(12))
  rate = {arm: np.mean([e.success for e in run]) for arm, run in played.items()}
  assert rate["oracle"] == rate["tuned"] == rate["tuned_greedy"] == 1
  assert rate["base"] < 1
  assert len(tuned.prompts) == 4  # four texts, for every arm
  assert memo.scored == len(tuned.prompts) + len(base.prompts)
  del models["base"]
  alone = arms.act(config, models, FakeTextWorld(), range(12), CASES, memo)
  assert alone == {arm: played[arm] for arm in ("tuned", "tuned_greedy")}


def test_models_can_also_act_by_written_text():
  class FakeWriter(FakeLM):
    def generate(self, requests):
      words = [r.messages[-1]["content"].split()[1] for r in requests]
      return [Completion(word, "stop", 1, 1, self.name) for word in words]

  config = settings.EvaluateConfig(max_steps=1, written=("write", "plan"))
  for names in (("base", "tuned"), ("tuned",)):
    models = {name: (FakeWriter("few_shot"), "plain") for name in names}
    played = arms.act(
      config, models, FakeTextWorld(), range(4), CASES, scoring.Memo()
    )
    written = [f"{n}_{form}" for form in config.written for n in names]
    assert [arm for arm in played if arm.endswith(config.written)] == written
    assert all(e.success for arm in written for e in played[arm])


def test_progress_is_reported_by_arm():
  calls = []
  arms.act(
    CONFIG, MODELS, FakeTextWorld(), range(4), CASES, scoring.Memo(),
    lambda *what: calls.append(what),
  )  # fmt: skip
  assert ("tuned", 4, 4) in calls
  assert {arm for arm, _, _ in calls} >= {"random", "oracle", "base"}


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("episodes", 1, "evaluate.episodes 1 must be at least 2"),
    ("ood_episodes", -1, "ood_episodes -1"),
    ("temperature", 0.0, "temperature 0.0 must be above 0"),
    ("depths", (), "depths"),
    ("depths", (-1, 0), "depths"),
    ("arms", (), "name each arm once"),
    ("arms", ("plain", "plain"), "name each arm once"),
    ("arms", ("few_shots",), "did you mean 'few_shot'"),
    ("tuned_arms", (), "tuned_arms .* name each arm once"),
    ("tuned_arms", ("option",), "did you mean 'options'"),
    ("arm", "script", "arm 'script' is the name of another arm"),
    ("written", ("sing",), "written 'sing' is unknown.*Known: write, plan"),
  ],
)
def test_config_refuses_bad_values(field, value, message):
  with pytest.raises(ValueError, match=message):
    settings.EvaluateConfig(**{field: value})


@pytest.mark.parametrize("arm", ["few_shot", "retrieval"])
def test_arm_without_its_help_is_refused_before_any_play(arm):
  lm = FakeLM("plain")
  with pytest.raises(ValueError, match=f"arm '{arm}' needs"):
    arms.choose_acting(
      CONFIG, ("plain", arm), lm, FakeTextWorld(), range(2), SolvedCases(),
      scoring.Memo(),
    )  # fmt: skip
  assert lm.prompts == []


def test_world_without_oracle_has_no_oracle_arm():
  class FakeBlind:
    def __init__(self):
      self.seen = FakeTextWorld()

    def __getattr__(self, name):
      if name == "oracle":
        raise AttributeError(name)
      return getattr(self.seen, name)

  played = arms.act(
    CONFIG, MODELS, FakeBlind(), range(4), CASES, scoring.Memo()
  )
  assert "oracle" not in played
  assert {e.optimal_steps for e in played["tuned"]} == {-1}


def test_world_without_questions_has_no_question_arm():
  choice = arms.choose_answering(
    CONFIG, CONFIG.arms, FakeLM("plain"), "rules", [], SolvedCases(),
    scoring.Memo(),
  )  # fmt: skip
  assert choice == arms.Choice("plain", {})
  assert arms.Choice.from_dict(choice.as_dict()) == choice


def test_single_way_is_taken_without_a_choice():
  lm = FakeLM("plain")
  choice = arms.choose_acting(
    CONFIG, ("options",), lm, FakeTextWorld(), range(8), CASES, scoring.Memo()
  )
  assert choice == arms.Choice("options", {})
  assert lm.prompts == []

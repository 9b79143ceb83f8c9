"""Chats: distance to the base is 0 for the base; brief answers collapse."""

import numpy as np
import pytest

from glimo_jax.evaluate import stats
from glimo_jax.evaluate.retention import chats
from glimo_jax.evaluate.settings import EvaluateConfig


class Model:
  """Answers every prompt alike, and has its own distance to the base."""

  def __init__(self, tokenizer, answer, kl=0.0):
    self.tokenizer, self.answer, self.kl = tokenizer, answer, kl
    self.asked = []

  def continue_ids(self, prompts, max_tokens, temperature, seeds):
    assert temperature == 0
    self.asked += [self.tokenizer.decode(ids) for ids in prompts]
    ids = self.tokenizer.encode_plain(self.answer)
    text = self.tokenizer.decode(ids[:max_tokens])
    reason = "stop" if len(ids) < max_tokens else "length"
    return [(text, reason, len(ids[:max_tokens]))] * len(prompts)


@pytest.fixture
def measured(smollm2, monkeypatch):
  """(base, tuned, what `scores` returned)."""
  base = Model(smollm2[2], "It is a long and friendly answer. " * 9)
  tuned = Model(smollm2[2], "blue", kl=0.5)

  def kl(policy, reference, texts):
    assert reference is base
    return [
      np.array([3 * policy.kl, *[policy.kl] * (len(ids) - read)], np.float32)
      for ids, read in texts
    ]

  monkeypatch.setattr(chats.divergence, "kl", kl)
  return base, tuned, chats.scores(base, {"base": base, "tuned": tuned}, 12)


def test_model_that_says_one_word_has_collapsed(measured):
  _, _, found = measured
  assert found["tuned"].collapsed.all()
  assert not found["base"].collapsed.any()
  assert not found["base"].nats.any()
  assert found["tuned"].first.tolist() == [1.5] * 12
  tokens = found["tuned"].tokens
  np.testing.assert_allclose(found["tuned"].nats, 0.5 * tokens + 1.0)
  assert found["base"].tokens.tolist() == tokens.tolist()


def test_prompts_are_in_the_chat_format_and_alike(measured):
  base, tuned, _ = measured
  assert sorted(set(base.asked)) == sorted(set(tuned.asked))
  assert all(p.endswith("<|im_start|>assistant\n") for p in base.asked)


@pytest.mark.parametrize(
  ("text", "reason", "brief"),
  [
    ("blue", "stop", True),
    ("Dark blue.", "stop", True),
    ("", "stop", True),
    ("It is blue.", "stop", False),
    ("unfinished", "length", False),
  ],
)
def test_brief_answers_have_ended_after_two_words(text, reason, brief):
  assert chats._brief(text, reason) == brief


def score(kl, collapsed=(0, 0, 0, 0), followed=(1, 0, 1, 0)):
  tokens = np.array([10.0, 20.0, 30.0, 40.0])
  return chats.ChatScore(
    kl * tokens, tokens, np.full(4, 2 * kl), np.array(collapsed, float),
    np.array(followed, float),
  )  # fmt: skip


def test_summary_is_per_token_and_holds_at_zero():
  one = score(0.25)
  found = chats.summary({"tuned": [one]})
  assert found["chat_kl"]["tuned"]["mean"] == pytest.approx(0.25)
  assert found["first_token_kl"]["tuned"]["mean"] == pytest.approx(0.5)
  assert found["collapsed"]["tuned"] == stats.wilson(0, 4).as_dict()
  assert found["collapsed"]["tuned"]["hi"] > 0.3  # of four prompts
  assert found["instructions"]["tuned"]["mean"] == 0.5
  several = chats.summary({"tuned": [one, score(0.75)]})
  assert several["chat_kl"]["tuned"]["mean"] == pytest.approx(0.5)
  assert chats.summary({}) == {}


def test_instructions_are_paired():
  base = score(0.0, followed=(1, 1, 1, 0))
  gain = chats.compare([score(0.1)], base)["instructions_difference"]
  assert gain["mean"] == -0.25


def test_more_prompts_than_there_are_is_refused():
  with pytest.raises(ValueError, match=r"evaluate\.chat_prompts 1000"):
    EvaluateConfig(chat_prompts=1000)

"""One protocol: it scores choices, writes free text and keeps the order."""

import numpy as np
import pytest

from glimo_jax.agent.llm import LocalLM, Request, ScriptedLM


class CountingSampler:
  """Scores a choice by its length; repeats the prompt's last word."""

  class tokenizer:
    @staticmethod
    def render_chat(messages, generation_prompt=False):
      del generation_prompt
      ids = list(range(sum(len(m["content"].split()) for m in messages)))
      return ids, ids

  def __init__(self):
    self.calls = []

  def score(self, prompts, choices):
    self.calls.append(("score", len(prompts)))
    return [np.array([-float(len(c)) for c in row]) for row in choices]

  def generate(self, prompts, max_tokens, temperature, top_p, stop, seeds):
    self.calls.append(("generate", len(prompts), max_tokens, temperature))
    assert len(seeds) == len(prompts)
    return [(p[-1]["content"].split()[-1], "stop", 1) for p in prompts]


def user(text):
  return ({"role": "user", "content": text},)


def test_results_keep_the_order_of_the_requests():
  sampler = CountingSampler()
  lm = LocalLM(sampler, "tiny")
  requests = [
    Request(user("say a"), max_tokens=4),
    Request(user("pick"), choices=("left", "up", "right")),
    Request(user("say b"), max_tokens=8),
    Request(user("pick"), choices=("no", "maybe")),
    Request(user("say c"), max_tokens=4),
  ]
  texts = [c.text for c in lm.generate(requests)]
  assert texts == ["a", "up", "b", "no", "c"]
  assert sorted(sampler.calls) == [
    ("generate", 1, 8, 0.0),
    ("generate", 2, 4, 0.0),
    ("score", 2),
  ]


def test_logprobs_of_all_choices_come_back():
  lm = LocalLM(CountingSampler(), "tiny")
  (completion,) = lm.generate([Request(user("a b c"), choices=("up", "left"))])
  assert completion.logprobs == (-2.0, -4.0)
  assert completion.prompt_tokens == 3


def test_sampled_choices_follow_the_softmax_and_their_seed():
  lm = LocalLM(CountingSampler(), "tiny")
  requests = [
    Request(user("x"), choices=("a", "bb"), temperature=1.0, seed=s)
    for s in range(2000)
  ]
  first = [c.text for c in lm.generate(requests)]
  assert first == [c.text for c in lm.generate(requests)]
  expected = 1 / (1 + np.exp(-1.0))  # softmax of (-1, -2)
  assert abs(first.count("a") / 2000 - expected) < 0.04


def test_low_temperature_tends_to_the_argmax():
  lm = LocalLM(CountingSampler(), "tiny")
  requests = [
    Request(user("x"), choices=("a", "bb"), temperature=0.01, seed=s)
    for s in range(50)
  ]
  assert {c.text for c in lm.generate(requests)} == {"a"}


def test_scripted_model_answers_by_prompt_and_names_a_missing_one():
  lm = ScriptedLM({"which way?": "up"})
  assert lm.generate([Request(user("which way?"))])[0].text == "up"
  with pytest.raises(ValueError, match="no answer to 'why"):
    lm.generate([Request(user("why?"))])

"""A run's replay text: made where the KL needs it, and what budgets allow."""

import json
import math

import numpy as np
import pytest

from glimo_jax.config import TrainConfig
from glimo_jax.data.replay import ReplaySource
from glimo_jax.replay import Replay

CHAT = [
  {"role": "user", "content": "What is a pond?"},
  {"role": "assistant", "content": "A small lake."},
]


class Half:
  """A model that gives every token a probability of one half."""

  def token_logprobs(self, ids):
    return np.full(len(ids), -math.log(2))


@pytest.fixture
def make(smollm2, tmp_path):
  """Settings of training -> Replay, on a file with a chat and a text."""
  rows = [{"messages": CHAT}, {"text": "A pond is a small lake."}]
  files = {"both": rows, "chats": rows[:1], "texts": rows[1:]}
  for name, lines in files.items():
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / f"{name}.jsonl").write_text(text)

  def build(name, **settings):
    source = ReplaySource(f"path:{tmp_path / name}.jsonl")
    config = TrainConfig(replay=(source,), replay_length=32, **settings)
    folder = tmp_path / "run"
    return Replay(config, 10, folder, smollm2[2], Half)

  return build


def test_text_is_copied_to_the_run_and_named_by_its_digest(make, tmp_path):
  replay = make("both")
  assert [pool.chat for pool in replay.pools] == [True, False]
  ((name, digest),) = replay.digests().items()
  (tmp_path / "both.jsonl").write_text('{"text": "Another text."}\n')
  again = make("both")  # what the run has read stays
  assert again.digests() == {name: digest}
  assert len(again.pools) == 2


@pytest.mark.parametrize(
  "settings",
  [{"kl_coef": 0.0}, {"kl_tokens": "completion"}, {"replay_batch": 0}],
)
def test_nothing_is_read_or_written_without_a_kl_on_it(
  make, tmp_path, settings
):
  replay = make("both", **settings)
  assert (replay.pools, replay.digests(), replay.budgets()) == ([], {}, {})
  assert not (tmp_path / "run").exists()


def test_budget_of_bits_is_a_share_of_what_the_base_needs(make):
  replay = make("both", max_chat_kl=0.1, max_bits_increase=0.01)
  assert replay.budgets()["chat"] == 0.1
  assert replay.budgets()["text"] == pytest.approx(0.01 * math.log(2))
  assert make("both").budgets() == {}


def test_budget_without_its_text_is_refused(make):
  with pytest.raises(ValueError, match=r"max_chat_kl 0\.1 needs chats"):
    make("texts", max_chat_kl=0.1).budgets()
  with pytest.raises(ValueError, match=r"max_bits_increase .* needs text"):
    make("chats", max_bits_increase=0.1).budgets()


@pytest.mark.parametrize(
  "settings", [{"kl_coef": 0.0}, {"kl_tokens": "all"}, {"replay_batch": 0}]
)
def test_budget_that_nothing_holds_is_refused(settings):
  with pytest.raises(ValueError, match=r"max_chat_kl.*train\.kl_coef above 0"):
    TrainConfig(max_chat_kl=0.1, **settings)

"""The base model's own text: deterministic, resumable, apart from tests."""

import json

import pytest

from glimo_jax.data import texts
from glimo_jax.data.replay import ReplaySource, file_of, prepare
from glimo_jax.data.replay.self_written import SelfWritten
from glimo_jax.evaluate import language

SOURCES = (ReplaySource("self:chats", 3.0), ReplaySource("self:prose"))


class Echo:
  """Writes what it was asked, with its seed; may stop after some calls."""

  def __init__(self, tokenizer, calls=99):
    self.tokenizer, self.calls, self.asked = tokenizer, calls, []

  def continue_ids(self, prompts, max_tokens, temperature, seeds):
    if not self.calls:
      raise KeyboardInterrupt
    self.calls -= 1
    self.asked += [self.tokenizer.decode(ids) for ids in prompts]
    return [(f" {s} {max_tokens} {temperature}", "stop", 3) for s in seeds]


@pytest.fixture(scope="module")
def tokenizer(smollm2):
  return smollm2[2]


def test_pools_are_ordinary_different_and_apart():
  pools = {name: texts.prompts(name) for name in texts.PROMPTS}
  assert len(pools["chats"]) >= 200
  assert len(pools["held_out_chats"]) >= 100
  assert len(pools["openings"]) >= 60
  together = [prompt for pool in pools.values() for prompt in pool]
  assert len(set(together)) == len(together)
  assert all(prompt == prompt.strip() != "" for prompt in together)
  trained = "\n".join(pools["chats"] + pools["openings"])
  language.check_apart(trained, texts.held_out())


def test_killed_writing_ends_with_the_same_bytes(tokenizer, tmp_path):
  task = SelfWritten("self:chats", 100, 20, seed=3)

  def write(name, calls=99):
    writer = Echo(tokenizer, calls)
    try:
      task.write(tmp_path / name, writer, tokenizer, lambda *_: None)
    except KeyboardInterrupt:
      assert not (tmp_path / name).exists()
    return len(writer.asked)

  assert write("whole") == 100
  written = write("cut", calls=2)
  with (tmp_path / "cut.part").open("ab") as out:
    out.write(b'{"messages": [{"role"')  # killed within a line
  assert written + write("cut") == 100
  assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()


def test_prompts_and_draws_follow_from_the_seed(tokenizer, tmp_path):
  def write(seed, source="self:chats"):
    writer = Echo(tokenizer)
    SelfWritten(source, 40, 20, seed).write(
      tmp_path / "out", writer, tokenizer, lambda *_: None
    )
    return (tmp_path / "out").read_text(), writer.asked

  assert write(0) == write(0)
  assert write(0)[0] != write(1)[0]
  chats = [json.loads(line)["messages"] for line in write(0)[0].splitlines()]
  assert {tuple(m["role"] for m in c) for c in chats} == {("user", "assistant")}
  assert len({c[1]["content"] for c in chats}) == 40  # each has its own seed
  asked = write(0)[1][0]
  assert asked.startswith("<|im_start|>user\n")
  assert asked.endswith("<|im_start|>assistant\n")
  lines, asked = write(0, "self:prose")
  assert asked[0] in texts.prompts("openings")  # no chat format
  assert json.loads(lines.splitlines()[0])["text"].startswith(asked[0])


def test_each_source_is_made_once_and_held_out_passages_are_left_out(
  tokenizer, tmp_path
):
  writer = Echo(tokenizer)

  def make(shares):
    return prepare(
      SOURCES, tmp_path, lambda: writer, tokenizer, rows=80, length=64, seed=0,
      shares=shares, progress=lambda name: lambda *_: None,
    )  # fmt: skip

  found = make(lambda text: False)
  # Three quarters of the rows are chats; the other source has the rest.
  assert [len(documents) for documents in found.values()] == [60, 20]
  assert len(writer.asked) == 80
  path = file_of(tmp_path, SOURCES, SOURCES[0])
  assert len(path.read_text().splitlines()) == 60
  known = language.passages([found["self:chats"][7].words], 5)
  kept = make(lambda text: language.shares(text, known, 5))
  assert len(writer.asked) == 80
  assert found["self:chats"][7] not in kept["self:chats"]
  assert len(kept["self:chats"]) < 60

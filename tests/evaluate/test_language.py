"""Bits per byte: closed forms, pairing, and texts that must not overlap."""

import math

import numpy as np
import pytest

from glimo_jax.evaluate import language


class FakeBytes:
  """A tokenizer of pairs of bytes: two bytes a token."""

  def encode(self, text):
    data = text.encode()
    return [data[i] * 256 + data[i + 1] for i in range(0, len(data) - 1, 2)]

  def decode(self, ids):
    data = b"".join(bytes([i // 256, i % 256]) for i in ids)
    return data.decode(errors="replace")


TEXT = "the quick brown fox jumps over the lazy dog. " * 40


def test_uniform_model_needs_log2_vocabulary_bits_a_token():
  score = language.bits_per_byte(
    lambda ids: np.full(len(ids), -math.log(65536)), FakeBytes(), TEXT, 600
  )
  assert score.bits_per_byte == pytest.approx(16 / 2)
  assert score.tokens == 600
  assert score.bytes.sum() == 1200


def test_first_token_without_context_is_not_counted():
  def without_first(ids):
    return np.full(len(ids) - 1, -math.log(65536))

  score = language.bits_per_byte(without_first, FakeBytes(), TEXT, 600)
  assert score.bits_per_byte == pytest.approx(8)
  assert (score.tokens, score.bytes.sum()) == (599, 1198)


def test_bytes_of_blocks_add_up_although_blocks_cut_characters():
  text = "añb" * 600  # four bytes: every other token cuts the middle one
  score = language.bits_per_byte(
    lambda ids: np.zeros(len(ids)), FakeBytes(), text, 800
  )
  assert score.bytes.sum() == 1600


def test_blocks_are_weighted_by_bytes():
  rng = np.random.default_rng(0)
  logprobs = -rng.exponential(3.0, 500)
  score = language.bits_per_byte(lambda ids: logprobs, FakeBytes(), TEXT, 500)
  whole = -logprobs.sum() / (1000 * math.log(2))
  assert score.bits_per_byte == pytest.approx(whole)


def test_ratio_is_paired_by_block():
  rng = np.random.default_rng(0)
  hard = rng.exponential(3.0, 640)
  base = language.bits_per_byte(lambda ids: -hard, FakeBytes(), TEXT, 640)
  tuned = language.bits_per_byte(
    lambda ids: -1.01 * hard, FakeBytes(), TEXT, 640
  )
  ratio = language.compare(tuned, base)
  assert ratio.mean == pytest.approx(1.01)
  # Every block is worse by the same share: the interval has no width.
  assert (ratio.lo, ratio.hi) == pytest.approx((1.01, 1.01))
  other = language.bits_per_byte(
    lambda ids: -np.ones(len(ids)), FakeBytes(), "x" * 4000, 700
  )
  with pytest.raises(ValueError, match="unlike texts"):
    language.compare(tuned, other)


@pytest.mark.parametrize(
  ("logprobs", "text", "message"),
  [
    (lambda ids: np.full(len(ids), -np.inf), TEXT, "log p of token 0"),
    (lambda ids: np.zeros(len(ids) + 1), TEXT, "301 log p for 300"),
    (lambda ids: np.zeros(len(ids)), "short", "too short"),
  ],
)
def test_broken_scores_are_refused(logprobs, text, message):
  with pytest.raises(ValueError, match=message):
    language.bits_per_byte(logprobs, FakeBytes(), text, 300)


def test_overlap_counts_shared_thirteen_grams_of_words():
  words = [f"w{i}" for i in range(30)]
  a, b = " ".join(words), "Intro: " + ", ".join(words[5:20]).upper() + "!"
  found = language.overlap(a, b)
  # b has 16 words, four 13-grams, three of them without the first word.
  assert found.fraction == pytest.approx(3 / 4)
  assert found.example == " ".join(words[5:18])
  assert language.overlap(a, " ".join(words[:12])).fraction == 0
  assert language.overlap(a, b, n=17).fraction == 0


def test_shared_passage_stops_the_run_and_is_shown():
  passage = "one two three four five six seven eight nine ten a b c d"
  clean = {"prose": "nothing of the kind is here " * 5}
  language.check_apart(f"before {passage} after", clean)
  with pytest.raises(ValueError, match=r"'technical'.*one two three"):
    language.check_apart(
      f"before {passage} after", clean | {"technical": f"so {passage}"}
    )

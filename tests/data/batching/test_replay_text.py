"""Replay text: chats and texts in rows of their own, only in the KL."""

import collections
import itertools

import numpy as np
import pytest

from glimo_jax.data.batching import replay_text
from glimo_jax.data.batching.replay_text import Piece, ReplayBatches, ReplayPool
from glimo_jax.data.replay import Document


def pool(sizes, name="text", weight=1.0, chat=False):
  """Documents of these sizes; each token is different."""
  ends = np.cumsum([0, *sizes])
  return ReplayPool(
    name, weight, chat,
    [
      Piece(np.arange(a, b, dtype=np.int32), np.ones(b - a, np.float32))
      for a, b in itertools.pairwise(ends)
    ],
  )  # fmt: skip


def epoch(batches):
  return [next(batches)[0] for _ in range(len(batches))]


def chat(*contents):
  roles = ("user", "assistant") * len(contents)
  return tuple(
    {"role": role, "content": content}
    for role, content in zip(roles, contents, strict=False)
  )


def test_kl_of_a_chat_covers_what_the_assistant_writes(smollm2):
  """From what predicts its first token to what predicts the turn's end."""
  tokenizer = smollm2[2]
  messages = chat("Hello?", "Yes, please.", "Why?", "Because.")
  (found,) = replay_text.encode(
    "a", 1.0, [Document(messages=messages)], tokenizer, 64
  )
  assert found.chat
  (piece,) = found.documents
  ids, mask = tokenizer.render_chat(messages)
  predicted = [ids[t + 1] for t in np.flatnonzero(piece.weights)]
  assert predicted == [i for i, m in zip(ids, mask, strict=True) if m]
  assert (
    tokenizer.decode(predicted) == "Yes, please.<|im_end|>Because.<|im_end|>"
  )
  # The last token of an answer is read, the end of its turn is predicted.
  assert tokenizer.decode([piece.ids[-1]]) == "."
  (batch,) = next(ReplayBatches([found], 1, 64))
  assert batch.kl_weight.sum() == len(predicted)
  assert not batch.ce_weight.any()
  np.testing.assert_array_equal(batch.scored[0], np.arange(64))


def test_chat_that_is_longer_than_a_row_is_cut_at_its_end(smollm2):
  tokenizer = smollm2[2]
  long = Document(messages=chat("Hello?", "word " * 100))
  (found,) = replay_text.encode("a", 1.0, [long], tokenizer, 32)
  (piece,) = found.documents
  assert piece.ids.tolist() == tokenizer.render_chat(long.messages)[0][:32]
  assert piece.weights[-1] == 1
  unanswered = Document(messages=chat("word " * 100, "yes"))
  with pytest.raises(ValueError, match="source a: nothing in its 1 documents"):
    replay_text.encode("a", 1.0, [unanswered], tokenizer, 32)


def test_chats_and_texts_of_a_source_share_its_weight(smollm2):
  documents = [Document(messages=chat("Hello?", "Yes.")), Document(text="One.")]
  found = replay_text.encode("a", 3.0, documents * 2, smollm2[2], 32)
  assert {p.chat: p.weight for p in found} == {True: 1.5, False: 1.5}
  assert all(p.weights.all() for p in found[1].documents)


def test_pieces_of_a_row_see_each_other_as_separate_segments():
  batches = ReplayBatches([pool([10, 20, 30, 5, 7])], 1, 32)
  for batch in epoch(batches):
    tokens, segments = batch.tokens[0], batch.segment_ids[0]
    assert batch.kl_weight.sum() == (segments >= 0).sum()
    for segment in sorted({*segments.tolist()} - {-1}):
      here = np.flatnonzero(segments == segment)
      assert segment % 256 == 0
      np.testing.assert_array_equal(np.diff(tokens[here]), 1)  # one document
      assert batch.positions[0, here].tolist() == list(range(len(here)))


def test_every_token_comes_once_an_epoch_and_cuts_differ():
  batches = ReplayBatches([pool([300, 40, 9])], 1, 32)
  cuts = []
  for _ in range(2):
    seen = collections.Counter()
    rows = epoch(batches)
    for batch in rows:
      seen.update(batch.tokens[batch.segment_ids >= 0].tolist())
    assert set(seen) == set(range(349))
    assert set(seen.values()) == {1}
    cuts.append({batch.tokens.tobytes() for batch in rows})
  assert not cuts[0] & cuts[1]


@pytest.mark.parametrize("rows", [1, 3])
def test_sources_have_their_shares_of_the_batches(rows):
  """Each batch is of one source, however few documents it has."""
  few, many = pool([32] * 4, "few", 3.0), pool([32] * 50, "many", 1.0)
  few = ReplayPool(
    "few", 3.0, True,
    [Piece(p.ids + 10_000, p.weights) for p in few.documents],
  )  # fmt: skip
  batches = epoch(ReplayBatches([few, many], rows, 32))
  of_few = [bool((batch.tokens >= 10_000).any()) for batch in batches]
  assert all(
    (batch.tokens >= 10_000).all() == is_few
    for batch, is_few in zip(batches, of_few, strict=True)
  )
  assert np.mean(of_few) == pytest.approx(0.75, abs=0.02)
  seen = {int(t) for batch in batches for t in batch.tokens.ravel()}
  assert len(seen) == 54 * 32


def test_batches_return_in_another_order():
  pools = [pool([40] * 20, "a"), pool([70] * 9, "b")]

  def epochs(returning, n=3):
    batches = ReplayBatches(pools, 2, 64, returning=returning)
    return [[b.tokens.tobytes() for b in epoch(batches)] for _ in range(n)]

  first, *later = epochs(6)
  assert len(first) == 6
  assert all(sorted(e) == sorted(first) for e in later)
  assert any(e != first for e in later)
  fresh = epochs(None)
  assert not set(fresh[0]) & set(fresh[1])


def test_no_pools_are_refused():
  with pytest.raises(ValueError, match=r"name a source in --config\.train"):
    ReplayBatches([], 1, 32)

"""Packed rows equal the chats, once an epoch, from any position."""

import collections
import dataclasses
import json

import jax
import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from glimo_jax.data.batching import encoding, packing
from glimo_jax.data.batching import tasks as batching
from glimo_jax.data.batching.epochs import zip_batches
from glimo_jax.data.batching.replay_text import Piece, ReplayBatches, ReplayPool
from glimo_jax.models import decoder, parameters
from glimo_jax.models.tokenizer import END, START, Tokenizer
from glimo_jax.train import losses
from glimo_jax.types import BRANCHES, InstructionExample

WORDS = ("up", "down", "left", "right")
OTHERS = ("goal", "tree", "system", "user", "assistant")


@pytest.fixture(scope="module")
def tokenizer():
  """A byte-level BPE with our words; `unlock` is several tokens."""
  backend = tokenizers.Tokenizer(models.BPE())
  backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  backend.decoder = decoders.ByteLevel()
  corpus = [" ".join(OTHERS), *WORDS] * 20
  backend.train_from_iterator(
    corpus,
    trainers.BpeTrainer(
      vocab_size=400,
      special_tokens=[START, END],
      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
      show_progress=False,
    ),
  )
  return Tokenizer(backend)


def example(i, system, user, answers, weights=None, moment=None):
  """An InstructionExample; batching reads six of its fields."""
  blank = {
    f.name: "" for f in dataclasses.fields(InstructionExample)
  }  # provenance, unused here
  return InstructionExample(
    **blank
    | {
      "row_id": f"row{i}",
      "episode": f"episode {i if moment is None else moment}",
      "actions": (),
      "messages": (
        {"role": "system", "content": system},
        {"role": "user", "content": user},
      ),
      "answers": tuple(answers),
      "weights": tuple(weights or [1 / len(answers)] * len(answers)),
    }
  )


@pytest.fixture(scope="module")
def examples():
  """60 rows about 24 moments under two prefixes, with one to three answers."""
  rng = np.random.default_rng(0)

  def words(least, most):
    return rng.choice(["tree", "goal", "up"], rng.integers(least, most))

  seen = [words(3, 8) for _ in range(24)]
  moments = rng.integers(24, size=60).tolist()
  return [
    example(
      i,
      ("goal", "tree tree")[moment % 2],
      " ".join([*seen[moment], *words(0, 4)]),
      rng.choice(WORDS, rng.integers(1, 4), replace=False).tolist(),
      moment=moment,
    )
    for i, moment in enumerate(moments)
  ]


def segments(batch):
  """(row, example, columns of its trunk and branch) for each example."""
  for b, ids in enumerate(batch.segment_ids):
    branches = [s for s in np.unique(ids) if s > 0 and s % BRANCHES]
    examples = [int(i) for i in batch.row_ids[b] if i >= 0]
    for i, branch in zip(examples, branches, strict=True):
      trunk = branch - branch % BRANCHES
      yield b, i, np.flatnonzero((ids == trunk) | (ids == branch))


def test_packed_row_is_the_rendered_chat(tokenizer, examples):
  """Prefix + trunk + branch + last target = render_chat of the chat."""
  batch = batching.pack(examples, tokenizer, 96)
  seen = set()
  for b, i, columns in segments(batch):
    prefix = np.flatnonzero(batch.segment_ids[b] == 0)
    last = list(batch.scored[b]).index(columns[-1])
    ids = [
      *batch.tokens[b, prefix],
      *batch.tokens[b, columns],
      batch.target_ids[b, last, 0],
    ]
    np.testing.assert_array_equal(
      batch.positions[b, [*prefix, *columns]], np.arange(len(ids) - 1)
    )
    chats = [
      (*examples[i].messages, {"role": "assistant", "content": answer})
      for answer in examples[i].answers
    ]
    rendered = [tokenizer.render_chat(chat)[0] for chat in chats]
    assert ids in [r[: len(ids)] for r in rendered]
    # The prompt of acting is a prefix of the training row.
    prompt, _ = tokenizer.render_chat(examples[i].messages, True)
    assert ids[: len(prompt)] == prompt
    seen.add(i)
  assert seen == set(range(len(examples)))


def test_soft_targets_weigh_every_answer(tokenizer):
  row = example(0, "goal", "tree", ["up", "left"], [0.75, 0.25])
  batch = batching.pack([row], tokenizer, 64)
  up, left = (tokenizer.encode(word)[0] for word in ("up", "left"))
  np.testing.assert_array_equal(batch.target_ids[0, 0, :2], [up, left])
  np.testing.assert_allclose(batch.target_probs[0, 0, :2], [0.75, 0.25])
  assert not batch.target_probs[0, 0, 2:].any()
  assert batch.target_ids[0, 1, 0] == tokenizer.end_of_turn
  assert batch.ce_weight[0].sum() == 2
  short = batching.pack([row], tokenizer, 64, train_end=False)
  assert short.ce_weight[0].sum() == 1


def test_rationale_comes_first_and_answers_are_weighed_after_it(tokenizer):
  row = dataclasses.replace(
    example(0, "goal", "tree", ["up", "left"], [0.75, 0.25]),
    rationale=("tree",),
    ending=(),
  )
  assert row.completions == ("tree. up", "tree. left")
  batch = batching.pack([row], tokenizer, 64)
  said = [tokenizer.encode(text) for text in row.completions]
  fork = next(i for i, (a, b) in enumerate(zip(*said, strict=True)) if a != b)
  assert fork > 0
  assert batch.target_ids[0, :fork, 0].tolist() == said[0][:fork]
  assert not batch.target_probs[0, :fork, 1:].any()
  assert batch.target_ids[0, fork, :2].tolist() == [s[fork] for s in said]
  assert batch.target_probs[0, fork, :2].tolist() == [0.75, 0.25]
  # The row goes on with one of the answers.
  last = batch.scored[0][int(batch.ce_weight[0].sum()) - 1]
  assert batch.tokens[0, last] in (said[0][-1], said[1][-1])


def test_answers_behind_a_rationale_weigh_more(tokenizer):
  plain = example(0, "goal", "tree", ["up"])
  reasoned = dataclasses.replace(
    example(1, "goal", "tree", ["up"]),
    rationale=("tree",),
    ending=("up nearer", "left away"),
  )
  assert reasoned.completions[0] == "tree. up nearer. left away. up"
  batches = batching.TaskBatches(
    [plain, reasoned], tokenizer, 1, 64, answer_weight=8.0
  )
  (batch,) = next(batches)
  weights = [w for w in batch.ce_weight[0].tolist() if w]
  said = len(tokenizer.encode("tree. up nearer. left away."))
  answer = len(tokenizer.encode("tree. up nearer. left away. up")) - said
  # An answer, and the token that ends the turn.
  alone = [1.0] * (len(tokenizer.encode("up")) + 1)
  behind = [1.0] * said + [8.0] * (answer + 1)
  assert weights in (alone + behind, behind + alone)


def test_only_the_first_answer_is_kept_where_two_go_on_alike(tokenizer):
  alike = example(0, "goal", "tree", ["up up", "up down left", "up down up"])
  batch = batching.pack([alike], tokenizer, 64)
  assert set(np.unique(batch.target_probs)) == {0.0, 1.0}
  first = tokenizer.encode("up up")
  assert batch.target_ids[0, : len(first), 0].tolist() == first


def test_heaviest_answers_are_kept_if_there_are_too_many(tokenizer):
  words = [*WORDS, *OTHERS]
  assert len(words) == encoding.SLOTS + 1
  weights = [1.0, 1.0, 0.5, *[1.0] * (len(words) - 3)]
  total = sum(weights) - 0.5
  row = example(0, "goal", "tree", words, [w / sum(weights) for w in weights])
  batch = batching.pack([row], tokenizer, 64)
  kept = [tokenizer.encode(w)[0] for w in words if w != words[2]]
  assert batch.target_ids[0, 0].tolist() == kept
  np.testing.assert_allclose(batch.target_probs[0, 0], 1.0 / total, rtol=1e-6)


def test_answers_are_drawn_by_their_weights(tokenizer):
  rows = [
    example(i, "goal", "tree", ["up", "left"], [0.8, 0.2]) for i in range(400)
  ]
  batch = batching.pack(rows, tokenizer, 96)
  up = tokenizer.encode("up")[0]
  drawn = [batch.tokens[b, c[-1]] == up for b, _, c in segments(batch)]
  assert 0.72 < np.mean(drawn) < 0.88  # 4 standard errors


def test_packed_loss_equals_unpacked_loss(tokenizer, examples):
  """A row of many segments scores as rows of one example each."""
  config = decoder.DecoderConfig(
    vocab_size=tokenizer.vocab_size,
    dim=32,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_dim=64,
  )
  params = parameters.init(jax.random.key(0), config)
  params = jax.tree.map(lambda p: 4 * p, params)  # far from uniform

  @jax.jit
  def ce(batch):
    hidden = decoder.hidden_states(
      config, params, batch.tokens, batch.positions, batch.segment_ids
    )
    at = jax.numpy.take_along_axis(hidden, batch.scored[..., None], 1)
    return losses.ce_and_kl(
      at,
      None,
      decoder.head(params),
      batch.target_ids,
      batch.target_probs,
      batch.ce_weight,
      batch.kl_weight,
    )

  examples = [e for e in examples if len(e.answers) == 1]
  packed = batching.pack(examples, tokenizer, 128)
  assert len(packed.tokens) < len(examples) / 2
  single = [batching.pack([e], tokenizer, 128, scored=8) for e in examples]
  alone = ce(jax.tree.map(lambda *x: np.concatenate(x), *single))
  together = ce(packed)
  assert float(together.ce_weight) == float(alone.ce_weight)
  np.testing.assert_allclose(together.ce, alone.ce, rtol=1e-5)


def test_moment_is_read_once(tokenizer):
  asked = [
    example(i, "goal", "tree " * 20 + word, ["up"], moment="one")
    for i, word in enumerate(("goal", "up", "goal up", "tree goal"))
  ]
  batch = batching.pack(asked, tokenizer, 128)
  (ids,) = batch.segment_ids
  trunk, *branches = [int((ids == BRANCHES + i).sum()) for i in range(5)]
  assert trunk > 20 > max(branches) > 0
  assert (ids >= 0).sum() == (ids == 0).sum() + trunk + sum(branches)


def test_rows_of_different_moments_share_no_trunk(tokenizer):
  """Equal texts are not enough: rows share a trunk by moment."""
  rows = [example(i, "goal", "tree goal", ["up"]) for i in range(3)]
  ids = batching.pack(rows, tokenizer, 128).segment_ids[0]
  own = [t * BRANCHES + 1 for t in (1, 2, 3)]
  assert sorted(set(ids.tolist())) == [-1, 0, *own]


def test_moment_longer_than_a_row_is_read_again(tokenizer):
  """Its other questions are in the next row, after the same trunk."""
  asked = [
    example(i, "goal", "tree " * 20 + "up " * (i % 9), ["up"], moment="one")
    for i in range(30)
  ]
  batch = batching.pack(asked, tokenizer, 96)
  assert len(batch.tokens) > 3
  rows = collections.Counter(b for b, *_ in segments(batch))
  assert rows.total() == 30
  trunks = [int((ids == BRANCHES).sum()) for ids in batch.segment_ids]
  assert min(trunks) == max(trunks) > 20


def test_every_example_appears_once_an_epoch(tokenizer, examples):
  batches = batching.TaskBatches(examples, tokenizer, 3, 96, seed=1)
  layouts = []
  for _ in range(3):
    ids = [next(batches)[0].row_ids for _ in range(len(batches))]
    counts = collections.Counter(np.concatenate(ids).ravel().tolist())
    del counts[-1]
    assert counts == dict.fromkeys(range(len(examples)), 1)
    layouts.append(np.concatenate(ids).tobytes())
  assert len(set(layouts)) == 3


def test_batches_return_in_another_order_without_repacking(tokenizer, examples):
  batches = batching.TaskBatches(examples, tokenizer, 1, 96, repack=False)
  repacked = batching.TaskBatches(examples, tokenizer, 1, 96)
  epochs = []
  for _ in range(3):
    epoch = [next(batches)[0] for _ in range(len(batches))]
    epochs.append([b.tokens.tobytes() + b.scored.tobytes() for b in epoch])
  first = [next(repacked)[0].tokens.tobytes() for _ in range(len(repacked))]
  assert len(first) > 2
  assert [e[: len(f)] for e, f in zip(epochs[0], first, strict=True)] == first
  assert len(set(map(tuple, epochs))) == 3
  assert len(set(map(frozenset, epochs))) == 1


def test_shapes_are_the_same_in_every_batch(tokenizer, examples):
  batches = batching.TaskBatches(examples, tokenizer, 4, 96)
  shapes = {
    tuple(x.shape for x in jax.tree.leaves(next(batches))) for _ in range(40)
  }
  assert len(shapes) == 1


@pytest.mark.parametrize("returning", [None, 4])
@pytest.mark.parametrize("steps", [0, 3, 25])
def test_saved_position_resumes_with_the_same_batches(
  tokenizer, examples, steps, returning
):
  ids = np.arange(500, dtype=np.int32) % 97
  text = ReplayPool("a", 1.0, False, [Piece(ids, np.ones(500, np.float32))])

  def make():
    return zip_batches(
      batching.TaskBatches(
        examples, tokenizer, 2, 96, seed=3, repack=returning is None
      ),
      ReplayBatches([text], 2, 32, seed=3, returning=returning),
    )

  straight, resumed = make(), make()
  for _ in range(steps):
    next(straight)
  resumed.set_state(json.loads(json.dumps(straight.get_state())))
  for _ in range(12):
    jax.tree.map(np.testing.assert_array_equal, next(straight), next(resumed))


def test_position_of_other_data_is_refused(tokenizer, examples):
  state = batching.TaskBatches(examples, tokenizer, 2, 96).get_state()
  other = batching.TaskBatches(examples[1:], tokenizer, 2, 96)
  with pytest.raises(ValueError, match="saved over data"):
    other.set_state(state)


def test_bad_input_is_named(tokenizer, examples):
  long = example(7, "goal", "tree " * 80, ["up"])
  with pytest.raises(ValueError, match=r"row row7 needs .* length is 64"):
    batching.TaskBatches([*examples, long], tokenizer, 2, 64)
  with pytest.raises(ValueError, match="row row1 has answers"):
    batching.pack([example(1, "a", "b", ["up"], [0.0])], tokenizer, 64)
  with pytest.raises(ValueError, match="row row2 has an empty answer"):
    batching.pack([example(2, "a", "b", [""])], tokenizer, 64)
  with pytest.raises(ValueError, match="no examples"):
    batching.TaskBatches([], tokenizer, 2, 64)
  with pytest.raises(ValueError, match="scored 2 is below"):
    batching.TaskBatches(
      [example(3, "a", "b", ["up down left"])], tokenizer, 2, 64, scored=2
    )


class InOrder(np.random.Generator):
  """Keeps trunks and rows in their order."""

  def permutation(self, x):
    return np.arange(x)


@pytest.mark.parametrize("scored", [5, 90])
def test_first_fit_leaves_no_row_that_a_later_segment_fits(tokenizer, scored):
  """No part fits into the free space of an earlier row."""
  words = np.random.default_rng(0).integers(0, 40, 150).tolist()
  rows = [
    example(i, ("goal", "tree tree")[i % 2], "tree " * n, ["up"])
    for i, n in enumerate(words)
  ]
  encoded = encoding.encode(rows, tokenizer, 96)
  packed = packing.Packing(encoded, 96, scored, InOrder(np.random.PCG64(0)))

  def need(part):  # columns, targets
    (i,) = part.items
    return np.array([encoded.items[i].size(0), len(packed.answer(i))])

  opened = {0: [], 1: []}  # prefix -> free space of its rows
  for row in packed.rows:
    group = encoded.trunks[row[0].trunk].group
    parts = [need(part) for part in row]
    for left in opened[group]:
      assert not any(np.all(part <= left) for part in parts)
    room = np.array([96 - len(encoded.prefixes[group]), scored])
    opened[group].append(room - sum(parts))
    assert np.all(opened[group][-1] >= 0)
  assert min(map(len, opened.values())) > 5
  assert max(map(len, packed.rows)) > 1


def test_show_marks_targets(tokenizer):
  row = example(0, "goal", "tree", ["up", "left"], [0.75, 0.25])
  text = batching.show(batching.pack([row], tokenizer, 64), tokenizer)
  assert "[up 0.75 | left 0.25]" in text
  assert "segment 0: '<|im_start|>system\\ngoal<|im_end|>\\n'" in text

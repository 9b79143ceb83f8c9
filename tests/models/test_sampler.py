"""Fast scoring and generation equal the slow, obvious implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import thread_shares

from glimo_jax.models import (
  divergence,
  generation,
  lora,
  sampler,
  scoring_rows,
)
from glimo_jax.models.numerics import drawing
from glimo_jax.types import alone

RULES = {"role": "system", "content": "walk. answer with one word."}


def chat(text, *before):
  return (*before, {"role": "user", "content": text})


@pytest.fixture(scope="module")
def plain(tiny):
  return sampler.Sampler(tiny.config, tiny.params, tiny.tokenizer)


@pytest.fixture(scope="module")
def prompts():
  words = np.random.default_rng(0).choice(["goal", "up", "axe", "two"], (7, 4))
  many = [chat(" ".join(w[: 1 + i % 4]), RULES) for i, w in enumerate(words)]
  return [*many, chat("alone"), chat("one", RULES, *chat("zero"))]


def naive_score(tiny, messages, choice, **options):
  """log p of the choice's tokens in one forward of the whole text."""
  prompt, _ = tiny.tokenizer.render_chat(messages, generation_prompt=True)
  answer = tiny.tokenizer.encode_plain(choice)
  log_probs = tiny.log_probs([*prompt, *answer], **options)
  places = range(len(prompt) - 1, len(prompt) - 1 + len(answer))
  return sum(log_probs[p, t] for p, t in zip(places, answer, strict=True))


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize(
  "choices",
  [
    ("up", "down"),
    ("up", "axe", "two left", "up up"),
    ("two left. up", "two left. down", "two left. up up"),
  ],
  ids=["single tokens", "several tokens", "a common beginning"],
)
def test_scores_equal_the_likelihood_of_the_whole_text(
  tiny, plain, prompts, choices, adapted
):
  adapter = tiny.adapter if adapted else None
  scores = plain.with_adapter(adapter).score(prompts, [choices] * len(prompts))
  for messages, got in zip(prompts, scores, strict=True):
    want = [naive_score(tiny, messages, c, adapter=adapter) for c in choices]
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_scores_do_not_depend_on_batch_or_order(plain, prompts):
  choices = [("up", "down") if i % 2 else ("up", "no") for i in range(9)]
  seen = []
  together = plain.score(prompts, choices, progress=seen.append)
  backwards = plain.score(prompts[::-1], choices[::-1])[::-1]
  for i, messages in enumerate(prompts):
    alone = plain.score([messages], [choices[i]])[0]
    np.testing.assert_allclose(together[i], alone, atol=1e-4)
    np.testing.assert_allclose(together[i], backwards[i], atol=1e-4)
  assert sum(seen) == len(prompts)


def test_changing_the_adapter_does_not_recompile(tiny, plain):
  prompts, choices = [chat("up", RULES)] * 2, [("up", "down")] * 2
  before = plain.score(prompts, choices)
  compiled = scoring_rows.log_probs._cache_size()
  adapted = plain.with_adapter(tiny.adapter)
  moved = adapted.score(prompts, choices)
  back = adapted.with_adapter(None).score(prompts, choices)
  assert scoring_rows.log_probs._cache_size() == compiled
  np.testing.assert_array_equal(before, back)
  np.testing.assert_array_equal(before, plain.score(prompts, choices))
  assert np.abs(moved[0] - before[0]).max() > 0.01


@pytest.mark.parametrize(
  "choices", [[[1], [2]], [[1], [2, 3], [4, 5, 6]]], ids=["single", "several"]
)
def test_packing_keeps_every_text_once_and_wastes_little(choices):
  rng = np.random.default_rng(0)
  items = [
    scoring_rows.closed_item([i] * n, choices, start=5)
    for i, n in enumerate(rng.integers(20, 45, 100))
  ]
  batches = list(scoring_rows.pack(items))
  packed = [item for b in batches for row in b.items for item in row]
  assert sorted(i.tokens[0] for i in packed) == list(range(100))
  columns = sum(len(b.items) * b.length for b in batches)
  assert sum(len(i.tokens) for i in items) > 0.85 * columns
  assert len({(len(b.items), b.length) for b in batches}) <= 3
  for batch in batches:
    _, _, segments, asked, _ = scoring_rows.arrays(batch)
    flat = segments.reshape(-1)
    count = sum(len(i.columns) for row in batch.items for i in row)
    assert len(set(asked[:count])) == count
    assert np.all(flat[asked[:count]] > 0)


def test_too_many_choices_for_the_branches_are_refused(plain):
  with pytest.raises(ValueError, match="at most 255"):
    plain.score([chat("up")], [["up up", "no up"] * 128])
  assert len(plain.score([chat("up")], [["up"] * 256])[0]) == 256


def test_windows_score_each_token_once_given_their_context(tiny, plain):
  ids = np.random.default_rng(1).integers(3, 260, 50).tolist()
  start = tiny.tokenizer.end_of_text
  whole = tiny.log_probs([start, *ids[:-1]])[np.arange(50), ids]
  np.testing.assert_allclose(
    plain.token_logprobs(ids, window=64, stride=32), whole, atol=1e-4
  )
  rolled = plain.token_logprobs(ids, window=16, stride=6)
  assert rolled.shape == (50,)
  np.testing.assert_allclose(rolled[:16], whole[:16], atol=1e-4)
  for first, last in ((16, 22), (22, 28), (46, 50)):
    seen = [start, *ids][last - 16 : last]
    part = tiny.log_probs(seen)[-(last - first) :]
    want = part[np.arange(last - first), ids[first:last]]
    np.testing.assert_allclose(rolled[first:last], want, atol=1e-4)


def argmax_loop(tiny, messages, count):
  ids, _ = tiny.tokenizer.render_chat(messages, generation_prompt=True)
  written = []
  ends = {tiny.tokenizer.end_of_turn, tiny.tokenizer.end_of_text}
  while len(written) < count:
    written.append(int(tiny.log_probs(ids)[-1].argmax()))
    ids.append(written[-1])
    if written[-1] in ends:
      break
  return written


def test_greedy_writing_equals_an_argmax_loop_without_cache(
  tiny, plain, prompts
):
  answers = plain.generate(prompts, max_tokens=11)
  for messages, (text, reason, count) in zip(prompts, answers, strict=True):
    want = argmax_loop(tiny, messages, 11)
    ended = want[-1] in (tiny.tokenizer.end_of_turn, tiny.tokenizer.end_of_text)
    assert reason == ("stop" if ended else "length")
    assert count == len(want)
    assert text == tiny.tokenizer.decode(want[: len(want) - ended])


def test_a_bfloat16_base_scores_nearly_alike_and_keeps_its_adapter_apart(
  tiny, plain, prompts
):
  low = jax.tree.map(lambda p: p.astype(jnp.bfloat16), tiny.params)
  other = sampler.Sampler(tiny.config, low, tiny.tokenizer, tiny.adapter)
  assert other.weights == (low, tiny.adapter)
  choices = [("up", "axe", "two left")] * len(prompts)
  want = plain.with_adapter(tiny.adapter).score(prompts, choices)
  got = other.score(prompts, choices)
  np.testing.assert_allclose(np.array(got), np.array(want), atol=0.5)
  assert np.corrcoef(np.ravel(got), np.ravel(want))[0, 1] > 0.99
  # Written with a cache, the first words are the likeliest of a whole pass.
  [(text, _, count)] = other.generate(prompts[:1], max_tokens=1)
  prompt, _ = tiny.tokenizer.render_chat(prompts[0], generation_prompt=True)
  last = tiny.log_probs(prompt, params=low, adapter=tiny.adapter)[-1]
  assert (text, count) == (tiny.tokenizer.decode([int(last.argmax())]), 1)


def test_adapter_of_a_large_model_stays_apart(
  tiny, plain, prompts, monkeypatch
):
  """So that base and tuned model are not both whole in memory."""
  merged = plain.with_adapter(tiny.adapter)
  assert merged.weights[1] is None
  monkeypatch.setattr(lora, "MERGED_BYTES", 0)
  apart = plain.with_adapter(tiny.adapter)
  assert apart.weights == (tiny.params, tiny.adapter)
  choices = [("up", "axe", "two left")] * len(prompts)
  want = np.array(merged.score(prompts, choices))
  np.testing.assert_allclose(apart.score(prompts, choices), want, atol=2e-4)
  assert apart.generate(prompts, max_tokens=4) == merged.generate(
    prompts, max_tokens=4
  )


def test_draws_depend_on_the_seed_and_not_on_the_batch(plain, prompts):
  options = {"max_tokens": 8, "temperature": 1.0}
  seeds = list(range(len(prompts)))
  together = plain.generate(prompts, seeds=seeds, **options)
  for i in (0, 3, 7, 8):
    alone = plain.generate([prompts[i]], seeds=[seeds[i]], **options)
    assert alone == [together[i]]
  same = plain.generate([prompts[0]] * 6, seeds=[1, 2, 3, 4, 5, 1], **options)
  assert same[0] == same[5]
  assert len({text for text, _, _ in same}) > 3


def test_rows_that_stop_leave_the_batch(plain, prompts, monkeypatch):
  """And what the others write stays the same."""
  sizes, write = [], generation._write

  def counted(*args):
    sizes.append(len(args[6]))
    return write(*args)

  monkeypatch.setattr(generation, "_write", counted)
  monkeypatch.setattr(generation, "LEAST", 2)
  options = {"max_tokens": 40, "temperature": 1.0, "stop": ("k", "J", "3")}
  seeds = list(range(16))
  many = [prompts[seed % 7] for seed in seeds]
  together = plain.generate(many, seeds=seeds, **options)
  assert sizes[0] == 16
  assert sizes == sorted(sizes, reverse=True)
  assert sizes[-1] < 16
  for i in seeds[::3]:
    assert plain.generate([many[i]], seeds=[i], **options) == [together[i]]


def test_cache_that_grows_changes_nothing(plain, prompts, monkeypatch):
  options = {"max_tokens": 70, "temperature": 1.0, "seeds": range(len(prompts))}
  want = plain.generate(prompts, **options)
  assert max(count for *_, count in want) > 64
  monkeypatch.setattr(generation, "GROW", 32)
  assert plain.generate(prompts, **options) == want
  monkeypatch.setattr(generation, "GROW", 96)
  assert plain.generate(prompts, **options) == want


def test_keys_and_values_of_a_batch_are_bounded(tiny):
  sizes = [
    generation._batch_size(tiny.config, length, jnp.float32)
    for length in (1, 10**5, 10**9)
  ]
  assert sizes[0] == generation.BATCH > sizes[1] >= sizes[2]
  assert sizes[2] == generation.LEAST


def test_draws_follow_the_distribution_within_the_nucleus():
  probs = np.array([0.05, 0.4, 0.02, 0.3, 0.15, 0.08], np.float32)
  seeds = jnp.arange(4000, dtype=jnp.uint32)
  logits = jnp.broadcast_to(jnp.log(probs), (4000, 6))
  draw = jax.jit(drawing.draw)

  def frequency(temperature, top_p):
    tokens = draw(
      logits, seeds, 3, jnp.float32(temperature), jnp.float32(top_p)
    )
    return np.bincount(tokens, minlength=6) / 4000

  np.testing.assert_allclose(frequency(1, 1), probs, atol=0.03)
  kept = probs * np.isin(np.arange(6), [1, 3, 4])  # .4 + .3 + .15 >= .8
  np.testing.assert_allclose(frequency(1, 0.8), kept / kept.sum(), atol=0.03)
  sharp = probs**2 / (probs**2).sum()
  np.testing.assert_allclose(frequency(0.5, 1), sharp, atol=0.03)
  np.testing.assert_array_equal(frequency(0, 1), np.arange(6) == 1)


def test_stop_strings_are_cut_and_their_tokens_counted(tiny):
  ids = tiny.tokenizer.encode("go up; then down")
  end = tiny.tokenizer.end_of_turn
  settings = generation.GenerationSettings(40, 0.0, 1.0, (";", "then"))

  def finish(ids, settings):
    return generation.finish(tiny.tokenizer, ids, settings)

  cut = len(tiny.tokenizer.encode("go up;"))
  assert finish(ids, settings) == ("go up", "stop", cut)
  free = generation.GenerationSettings(40, 0.0, 1.0, ())
  assert finish(ids, free) == ("go up; then down", "length", len(ids))
  ended = [*ids[:3], end, *ids]
  assert finish(ended, settings) == ("go ", "stop", 4)
  short = generation.GenerationSettings(2, 0.0, 1.0, ())
  assert finish(ids, short) == ("go", "length", 2)


def test_bad_calls_are_named(tiny, plain):
  with pytest.raises(ValueError, match="2 prompts but 1 lists"):
    plain.score([chat("a")] * 2, [("up",)])
  with pytest.raises(ValueError, match="empty"):
    plain.score([chat("a")], [("up", "")])
  with pytest.raises(ValueError, match=r"prompt 0 has .* context is 2048"):
    plain.score([chat("a" * 2048)], [("up",)])
  with pytest.raises(ValueError, match="0 < stride <= window"):
    plain.token_logprobs([1, 2], window=16, stride=32)
  with pytest.raises(ValueError, match="top_p 0"):
    plain.generate([chat("a")], top_p=0)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_continued_ids_are_the_answers_of_the_same_chats(plain, temperature):
  """In any batch: 35 prompts are one full batch and one that is padded."""
  chats = [chat(f"{i} goal" * (1 + i % 3)) for i in range(35)]
  ids = [plain.tokenizer.render_chat(c, True)[0] for c in chats]
  seeds = list(range(100, 135))
  written = plain.continue_ids(ids, 12, temperature, seeds)
  alone = [
    plain.generate([c], 12, temperature, seeds=[s])[0]
    for c, s in zip(chats, seeds, strict=True)
  ]
  assert written == alone
  assert len({text for text, *_ in written}) > 5
  assert plain.continue_ids([], 12, temperature, []) == []


@pytest.mark.parametrize("processes", [2, 7])
def test_several_processes_compute_what_one_computes_bit_for_bit(
  tiny, processes
):
  """Also where only one of them has computed a prefix before."""
  words = ["goal", "up", "axe", "two"]
  asked = [
    chat(" ".join(words[: 1 + i % 4]) + f" {i}", {**RULES, "content": rules})
    for i in range(30)
    for rules in ("walk.", "one word.")
  ]
  asked.append(chat("alone", {**RULES, "content": "once."}))
  choices = [("up", "down", "up up")] * len(asked)
  ids = np.random.default_rng(0).integers(3, 250, 300).tolist()
  texts = [(ids[i : i + 40], 5) for i in range(0, 240, 8)]

  def work(shares):
    base = sampler.Sampler(
      tiny.config, tiny.params, tiny.tokenizer, in_shares=shares
    )
    tuned = base.with_adapter(tiny.adapter)
    return (
      [x.tobytes() for x in tuned.score(asked, choices)],
      [x.tobytes() for x in tuned.score(asked[-3:], choices[-3:])],
      tuned.generate(asked[:40], max_tokens=4, temperature=1.0),
      tuned.continue_ids([ids[:9]] * 3, 4, 0.0, [0] * 3),
      tuned.token_logprobs(ids, window=32, stride=16).tobytes(),
      [x.tobytes() for x in divergence.kl(tuned, base, texts)],
    )

  expected = work(alone)
  assert thread_shares.run(processes, work) == [expected] * processes

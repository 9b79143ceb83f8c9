"""What the model has forgotten: bits per byte of texts it was not tuned on.

Unlike perplexity, bits per byte do not depend on the tokenizer.
"""

import dataclasses
import functools
import itertools
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from glimo_jax.evaluate import stats
from glimo_jax.models.sampler import Sampler
from glimo_jax.models.tokenizer import Tokenizer

_log = logging.getLogger(__name__)

NGRAM = 13  # words, as in GPT-3's test of contamination (arXiv 2005.14165, C)
_BLOCKS = 64  # blocks of text that an interval redraws
_WINDOW = 512  # tokens that a model sees at a time


@dataclasses.dataclass(frozen=True)
class Score:
  """How well a model predicts a text, block by block.

  Attributes:
    nats: f64[W], -log p of the tokens of each block.
    bytes: f64[W], UTF-8 bytes of these tokens.
    tokens: tokens scored.
  """

  nats: np.ndarray
  bytes: np.ndarray
  tokens: int

  @property
  def bits_per_byte(self) -> float:
    """Of the whole text."""
    return float(self.nats.sum() / (self.bytes.sum() * math.log(2)))


Scores = Mapping[str, Mapping[str, Score]]  # text -> arm -> Score


def scores(
  models: Mapping[str, Sampler], texts: Mapping[str, str], max_tokens: int
) -> dict[str, dict[str, Score]]:
  """text -> arm -> Score.

  Args:
    models: by arm, such as `base` and `tuned`.
    texts: by name; texts that nobody trains on.
    max_tokens: tokens read of each.
  """
  out = {}
  for name, text in texts.items():
    _log.info("bits per byte of %s", name)
    out[name] = {
      arm: bits_per_byte(
        functools.partial(model.token_logprobs, window=_WINDOW, stride=_WINDOW),
        model.tokenizer,
        text,
        max_tokens,
      )
      for arm, model in models.items()
    }
  return out


def bits_per_byte(
  token_logprobs: Callable[[list[int]], np.ndarray],
  tokenizer: Tokenizer,
  text: str,
  max_tokens: int,
) -> Score:
  """Scores the first `max_tokens` tokens of a text in rolling windows.

  Args:
    token_logprobs: ids -> log p of each token given those before it in its
      window, in nats, every token once; the first tokens, which nothing
      precedes, may be left out.
    tokenizer: encodes the text and decodes its tokens.
    text: the text to predict.
    max_tokens: tokens read.

  Raises:
    ValueError: the text is too short to be cut into blocks, a log p is not
      finite, or there are more or fewer than tokens.
  """
  ids = tokenizer.encode(text[: 16 * max_tokens])[:max_tokens]
  logprobs = np.asarray(token_logprobs(ids), np.float64)
  if not 0 <= len(ids) - len(logprobs) < len(ids):
    raise ValueError(f"{len(logprobs)} log p for {len(ids)} tokens")
  if not np.isfinite(logprobs).all():
    where = int(np.flatnonzero(~np.isfinite(logprobs))[0])
    raise ValueError(f"log p of token {where} is {logprobs[where]}")
  ids = ids[len(ids) - len(logprobs) :]
  if len(ids) < 2 * _BLOCKS:
    raise ValueError(
      f"a text of {len(ids)} tokens is too short: give at least {2 * _BLOCKS}"
    )
  ends = np.linspace(0, len(ids), _BLOCKS + 1).astype(int)
  blocks = list(itertools.starmap(slice, itertools.pairwise(ends)))
  # A character may be cut by a block's edge: sizes are differences of
  # prefixes, so they add up to the whole.
  sizes = [len(tokenizer.decode(ids[:end]).encode()) for end in ends]
  return Score(
    nats=np.array([-logprobs[block].sum() for block in blocks]),
    bytes=np.diff(sizes).astype(np.float64),
    tokens=len(ids),
  )


def compare(tuned: Score, base: Score) -> stats.Interval:
  """Bits per byte of the tuned model over the base's, blocks redrawn.

  1.01 is one percent worse.

  Raises:
    ValueError: the scores are of different texts.
  """
  if not np.array_equal(tuned.bytes, base.bytes):
    raise ValueError("the scores are of unlike texts: score the same one")
  return stats.ratio(tuned.nats, base.nats)


@dataclasses.dataclass(frozen=True)
class Overlap:
  """How much of text b occurs in text a.

  Attributes:
    fraction: share of b's n-grams that a contains.
    example: one of them, "" if none.
  """

  fraction: float
  example: str


def overlap(a: str, b: str, n: int = NGRAM) -> Overlap:
  """The n-grams of words (lower case, without punctuation) that b shares.

  Raises:
    ValueError: n < 1.
  """
  if n < 1:
    raise ValueError(f"n {n} must be at least 1")
  known = passages([a], n)
  grams = _ngrams(b, n)
  shared = [gram for gram in grams if gram in known]
  if not shared:
    return Overlap(0.0, "")
  return Overlap(len(shared) / len(grams), " ".join(shared[0]))


def passages(texts: Iterable[str], n: int = NGRAM) -> set[tuple[str, ...]]:
  """The n-grams of words of some texts."""
  return {gram for text in texts for gram in _ngrams(text, n)}


def shares(text: str, known: set[tuple[str, ...]], n: int = NGRAM) -> bool:
  """Whether a text has an n-gram among those of `passages`."""
  return any(gram in known for gram in _ngrams(text, n))


def check_apart(
  training: str, held_out: Mapping[str, str], n: int = NGRAM
) -> None:
  """Raises ValueError where a held-out text shares an n-gram with training."""
  for name, text in held_out.items():
    found = overlap(training, text, n)
    if found.example:
      raise ValueError(
        f"{found.fraction:.2%} of the {n}-grams of text {name!r} stand in the "
        f"training text too, e.g. {found.example!r}: use another text"
      )


def _ngrams(text: str, n: int) -> Sequence[tuple[str, ...]]:
  words = re.findall(r"\w+", text.lower())
  return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

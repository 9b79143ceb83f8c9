"""How varied a set of rows is: words, sentences, meanings and states."""

import collections
import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from glimo_jax.types import InstructionExample

_WORDS = 5_000  # words that distinct n-grams are counted in
_EMBEDDED = 100  # texts whose meanings are compared
_COMPARED = 200  # texts that are compared word by word
_SIMILAR = 0.7  # ROUGE-L from which on a text is not novel

Counts = Sequence[Sequence[collections.Counter]]  # [text][order]


def summary(
  rows: Sequence[InstructionExample],
  embed: Callable[[list[str]], np.ndarray] | None = None,
) -> dict[str, Any]:
  """The variety of a dataset's user turns, for the report.

  All but `states` and `unseen` are measured on samples of fixed size, so that
  datasets of any size take seconds and can be compared.

  Args:
    rows: the training rows.
    embed: texts -> f32[n, D], unit rows; None leaves out what is measured on
      meanings.

  Returns:
    `rows`; `distinct_1` and `distinct_2` (None where there are fewer than
    5,000 words); `self_bleu`; `novel`, the share of 200 texts whose ROUGE-L
    with each of the others is below 0.7; `vendi` and `spread`, of 100 texts;
    `states`, the number of distinct (variant, level, actions), and `unseen`,
    the chance that the next row shows a new one. Empty without at least two
    rows.
  """
  if len(rows) < 2:
    return {}
  rng = np.random.default_rng(0)
  texts = [rows[i].messages[-1]["content"] for i in rng.permutation(len(rows))]
  long_enough = sum(len(text.split()) for text in texts) >= _WORDS
  states = state_coverage(
    [(row.variant, row.level_hash, row.seed, row.actions) for row in rows]
  )
  meanings = None if embed is None else embed(texts[:_EMBEDDED])
  return {
    "rows": len(rows),
    "distinct_1": distinct_n(texts, 1, _WORDS) if long_enough else None,
    "distinct_2": distinct_n(texts, 2, _WORDS) if long_enough else None,
    "self_bleu": self_bleu(texts),
    "novel": novel(texts[:_COMPARED]),
    "vendi": None if meanings is None else vendi(meanings),
    "spread": None if meanings is None else spread(meanings),
    "states": states.distinct,
    "unseen": states.unseen,
  }


def distinct_n(texts: Sequence[str], n: int, budget: int) -> float:
  """Distinct n-grams over all n-grams in the first `budget` words.

  (Li et al. 2016, section 5.2, https://arxiv.org/abs/1510.03055.) The share
  falls with the number of words, so sets are compared at the same budget. No
  n-gram crosses from one text into the next.

  Raises:
    ValueError: the texts hold fewer words than the budget, or no n-gram.
  """
  left, grams = budget, []
  for text in texts:
    words = text.split()[:left]
    left -= len(words)
    grams += _ngrams(words, n)
  if left > 0:
    raise ValueError(
      f"the texts have {budget - left} words, fewer than the budget {budget}: "
      "lower the budget for all sets that are compared"
    )
  if not grams:
    raise ValueError(f"no text has {n} words: lower n")
  return len(set(grams)) / len(grams)


def self_bleu(
  texts: Sequence[str], sample: int = 200, n: int = 4, seed: int = 0
) -> float:
  """Mean BLEU-n of each sampled text against the others; 1: all alike.

  (Zhu et al. 2018, "Texygen", https://arxiv.org/abs/1802.01886.) BLEU as
  Papineni et al. 2002 define it; zero counts above unigrams become half a
  count. Texts of fewer than n words use the orders they have.

  Args:
    texts: at least two with a word.
    sample: most texts that are compared.
    n: longest n-gram.
    seed: of the sample.

  Raises:
    ValueError: fewer than two texts that hold a word.
  """
  words = [text.split() for text in texts if text.split()]
  if len(words) < 2:
    raise ValueError(f"self-BLEU of {len(words)} texts: give at least 2")
  rng = np.random.default_rng(seed)
  chosen = rng.permutation(len(words))[:sample]
  words = [words[i] for i in chosen]
  counts = [
    [collections.Counter(_ngrams(w, order)) for order in range(1, n + 1)]
    for w in words
  ]
  best = [_two_largest(row[order] for row in counts) for order in range(n)]
  lengths = [len(w) for w in words]
  return float(
    np.mean([_bleu(i, counts, best, lengths) for i in range(len(words))])
  )


def _two_largest(
  rows: Iterable[collections.Counter],
) -> dict[tuple, tuple[int, int, int]]:
  """n-gram -> (largest count, which text has it, second largest)."""
  best: dict[tuple, tuple[int, int, int]] = {}
  for i, row in enumerate(rows):
    for gram, count in row.items():
      top, who, second = best.get(gram, (0, -1, 0))
      if count > top:
        best[gram] = (count, i, top)
      elif count > second:
        best[gram] = (top, who, count)
  return best


def _bleu(
  i: int,
  counts: Counts,
  best: Sequence[dict[tuple, tuple[int, int, int]]],
  lengths: Sequence[int],
) -> float:
  """BLEU of text i against all others."""
  logs = []
  for order, row in enumerate(counts[i]):
    total = sum(row.values())
    if not total:
      continue
    hits = 0
    for gram, count in row.items():
      top, who, second = best[order][gram]
      hits += min(count, second if who == i else top)
    if not hits and order == 0:
      return 0.0
    logs.append(math.log((hits or 0.5) / total))
  others = [length for j, length in enumerate(lengths) if j != i]
  closest = min(others, key=lambda other: (abs(other - lengths[i]), other))
  brevity = min(0.0, 1 - closest / lengths[i])
  return math.exp(sum(logs) / len(logs) + brevity)


def rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
  """ROUGE-L of two texts in words, between 0 and 1: the F measure.

  Of the longest common subsequence (Lin 2004, "ROUGE", section 3.1,
  https://aclanthology.org/W04-1013), with equal weights. 0 for an empty text.
  """
  if not a or not b:
    return 0.0
  # Each bit of `row` is a word of a; Hyyro 2004, "Bit-parallel LCS-length
  # computation revisited".
  places = collections.defaultdict(int)
  for i, word in enumerate(a):
    places[word] |= 1 << i
  whole = (1 << len(a)) - 1
  row = whole
  for word in b:
    met = row & places.get(word, 0)
    row = ((row + met) | (row - met)) & whole
  return 2 * (len(a) - row.bit_count()) / (len(a) + len(b))


def novel(texts: Sequence[str], limit: float = _SIMILAR) -> float:
  """Share of the texts whose ROUGE-L with each of the others is below `limit`.

  (Wang et al. 2023, "Self-Instruct", section 2.2,
  https://arxiv.org/abs/2212.10560, keep only such instructions.) The time grows
  with the square of the number of texts: 200 take a second or two.

  Raises:
    ValueError: fewer than two texts.
  """
  if len(texts) < 2:
    raise ValueError(f"novelty among {len(texts)} texts: give at least 2")
  words = [text.split() for text in texts]
  alike = np.zeros(len(words), bool)
  for i, one in enumerate(words):
    for j, other in enumerate(words[:i]):
      if not (alike[i] and alike[j]) and rouge_l(one, other) >= limit:
        alike[[i, j]] = True
  return 1 - float(alike.mean())


def spread(embeddings: np.ndarray) -> float:
  """Mean cosine distance of two different texts, from 0 (all alike) to 2.

  Args:
    embeddings: f[n, D], unit rows.

  Raises:
    ValueError: fewer than two rows, or rows that are not unit.
  """
  x = _unit_rows(embeddings)
  if len(x) < 2:
    raise ValueError(f"spread of {len(x)} texts: give at least 2")
  pairs = len(x) * (len(x) - 1)
  return float(1 - (np.square(x.sum(0)).sum() - len(x)) / pairs)


def vendi(embeddings: np.ndarray) -> float:
  """The effective number of different meanings, between 1 and n.

  exp(-sum lambda ln lambda) over the eigenvalues of K / n, K the cosine
  similarities (Friedman & Dieng 2023, definition 3.1,
  https://arxiv.org/abs/2210.02410).

  Args:
    embeddings: f[n, D], unit rows.

  Raises:
    ValueError: no rows, or rows that are not unit.
  """
  x = _unit_rows(embeddings)
  # K / n and the D x D matrix share their nonzero eigenvalues.
  small = x.T @ x if x.shape[1] < len(x) else x @ x.T
  values = np.linalg.eigvalsh(small / len(x))
  values = values[values > 1e-12]
  return float(np.exp(-(values * np.log(values)).sum()))


@dataclasses.dataclass(frozen=True)
class Coverage:
  """How much of the state space a set of rows has seen.

  Attributes:
    rows: how many rows.
    distinct: different states among them.
    unseen: chance that the next row shows a new state, the share of states
      seen once (Good 1953, Biometrika 40:237-264).
  """

  rows: int
  distinct: int
  unseen: float


def state_coverage(states: Sequence[Hashable]) -> Coverage:
  """Coverage by rows, each with its state (a description, say).

  Raises:
    ValueError: no rows.
  """
  if not len(states):
    raise ValueError("coverage of no rows: give at least one")
  counts = collections.Counter(states)
  once = sum(count == 1 for count in counts.values())
  return Coverage(len(states), len(counts), once / len(states))


def _unit_rows(embeddings: np.ndarray) -> np.ndarray:
  x = np.asarray(embeddings, np.float64)
  if x.ndim != 2 or not len(x):
    raise ValueError(f"embeddings of shape {x.shape} are not [n > 0, D]")
  if not np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-3):
    raise ValueError("embeddings must be unit rows: divide by their norms")
  return x


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
  return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

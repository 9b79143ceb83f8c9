"""Do the words of a question reveal its answer without the moment?

  python -m benchmarks.words --world=agentworld|driving [--moments=4000]
    [--variants real imperfect/swapped(0)]

Asks every kind about moments of random play under true rules, and guesses the
answers among the choices: by their frequency (`common`), and by naive Bayes on
the question's bag of words, trained on one half and tested on the other
(`words`). All play on one level is in one half. With two variants, each variant
is a half: the guesser trains on one and is tested on the other, as models train
and are evaluated in different variants.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

import simulators
from benchmarks import agreement, common
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect
from simulators.base import Question

# World -> fields of the worlds under test; a kind is reported for the first
# world that asks it.
WORLDS = {
  "agentworld": ({}, agreement.CROWDED),
  "driving": ({},),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """How well the answers of one kind are guessed.

  Attributes:
    kind: its name.
    asked: questions guessed.
    chance: share that a random choice has right.
    common: share guessed right by the frequency of answers.
    words: share guessed right by the words of the question.
    error: two standard errors of `words` minus `common`, paired by question.
  """

  kind: str
  asked: int
  chance: float
  common: float
  words: float
  error: float


class NaiveBayes:
  """Answers by bags of words, each word counted once; 1/2 for those unseen."""

  def __init__(self, seen: Sequence[Question]):
    self._answers = collections.Counter(q.answer for q in seen)
    self._words = collections.defaultdict(collections.Counter)
    for q in seen:
      self._words[q.answer].update(set(q.text.split()))
    self._known = set().union(*self._words.values())

  def guess(self, question: Question, words: bool) -> str:
    """The most likely choice, by the words or by the frequency of answers."""
    evidence = self._known & set(question.text.split()) if words else ()

    def score(answer: str) -> float:
      n = self._answers[answer]
      rates = [(self._words[answer][w] + 0.5) / (n + 1.0) for w in evidence]
      return np.log(n + 0.5) + np.log(rates).sum()

    return max(question.choices, key=score)


def guessed(one: Sequence[Question], other: Sequence[Question]) -> np.ndarray:
  """f32[N, 2]: whether the guess by frequency and by words is right.

  Args:
    one, other: the two halves of N questions; each is guessed from the other.
  """
  right = []
  for seen, asked in ((one, other), (other, one)):
    bayes = NaiveBayes(seen)
    right += [
      [bayes.guess(q, words) == q.answer for words in (False, True)]
      for q in asked
    ]
  return np.array(right, np.float32)


def questions(
  world, moments: int, seed: int, variants: Sequence[str] = ("real",)
) -> dict[str, tuple[list, list]]:
  """kind -> questions about one half of the levels, or variants; the other."""
  played = collect.CollectConfig(
    variants=variants, trained_on_real=True, levels=max(8, moments // 4),
    depths=world.depths("train"), episodes=1, steps=16,
    actors={"random": 1.0}, moments=moments, seed=seed,
  )  # fmt: skip
  experiences = collect.collect(world, played)
  tools = Tools(world, collect.pool_of(world, played))
  out = collections.defaultdict(lambda: ([], []))
  for e, asked in zip(experiences, tools.ask(experiences, seed), strict=True):
    half = int(e.level_hash, 16) % 2
    if len(variants) > 1:
      half = variants.index(e.variant)
    for question in asked:
      out[question.kind][half].append(question)
  return out


def rows(
  world, moments: int, seed: int, variants: Sequence[str] = ("real",)
) -> list[Row]:
  """One Row for each kind that both halves were asked."""
  out = []
  for kind, (one, other) in sorted(
    questions(world, moments, seed, variants).items()
  ):
    if not one or not other:
      continue
    right_Nx2 = guessed(one, other)
    gain = right_Nx2[:, 1] - right_Nx2[:, 0]
    usual, words = right_Nx2.mean(0)
    out.append(
      Row(
        kind=kind,
        asked=len(gain),
        chance=float(np.mean([1 / len(q.choices) for q in one + other])),
        common=float(usual),
        words=float(words),
        error=float(2.0 * gain.std() / len(gain) ** 0.5),
      )
    )
  return out


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--world", choices=WORLDS, default="agentworld")
  flags.add_argument("--moments", type=int, default=4000)
  flags.add_argument("--seed", type=int, default=0)
  flags.add_argument("--variants", nargs="+", default=["real"])
  args = flags.parse_args()
  if len(args.variants) > 2:
    flags.error(f"--variants {args.variants}: give one, or two, a half each")
  first_rows: dict[str, Row] = {}
  for fields in WORLDS[args.world]:
    world = simulators.make(args.world, **fields)
    for row in rows(world, args.moments, args.seed, tuple(args.variants)):
      first_rows.setdefault(row.kind, row)
  print(
    f"{'kind':14} {'asked':>6} {'chance':>6} {'common':>6} {'words':>6} "
    f"{'gain':>6} {'+-':>5}"
  )
  for row in first_rows.values():
    print(
      f"{row.kind:14} {row.asked:6} {row.chance:6.2f} {row.common:6.2f} "
      f"{row.words:6.2f} {row.words - row.common:+6.2f} {row.error:5.2f}"
    )
  common.report(list(first_rows.values()), {}, args.json)


if __name__ == "__main__":
  main()

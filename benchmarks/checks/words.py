"""Does one word reveal the answer to a question?

  python -m benchmarks.checks.words --world=agentworld|driving [--moments=4000]
    [--variants real imperfect/swapped(0)] [--rendering=compact]

Asks every kind about moments of play under true rules, and guesses the answers
among the choices: by their frequency (`common`), by naive Bayes on the
question's bag of words (`words`), and by one phrase of the description (`rule`,
see `one_rule`). Each guesser learns from one half and is tested on the other.
All play on one level is in one half. With two variants, each variant is a half:
the guesser learns from one and is tested on the other, as models train and are
evaluated in different variants.
"""

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

import simulators
from benchmarks import common
from benchmarks.checks import agreement
from benchmarks.checks.one_rule import Asked, OneRule
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect
from simulators.agentworld.questions import sampling as grid_questions
from simulators.asking import Kind
from simulators.base import HasOracle, Question
from simulators.driving.questions import sampling as road_questions

# World -> fields of the worlds under test, each with its share of the moments;
# a kind is reported for the first world that asks it.
_BUSY = {**agreement.CROWDED, "kinds": ("task", "pushes", "deadly", "bump")}
WORLDS = {
  "agentworld": (({}, 1.0), (_BUSY, 0.1)),
  "driving": (({}, 1.0),),
}
KINDS = {"agentworld": grid_questions.KINDS, "driving": road_questions.KINDS}


@dataclasses.dataclass(frozen=True)
class Row:
  """How well the answers of one kind are guessed.

  Attributes:
    kind: its name.
    asked: questions guessed.
    chance: share that a random choice has right.
    common: share guessed right by the frequency of answers.
    words: share guessed right by the words of the question.
    rule: share guessed right by one rule on the description.
    error: two standard errors of `rule` minus `common`, paired by question.
    phrase: the rule of the first half.
  """

  kind: str
  asked: int
  chance: float
  common: float
  words: float
  rule: float
  error: float
  phrase: str


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


def by_rule(
  one: Sequence[Asked], other: Sequence[Asked], templates: Sequence[str]
) -> tuple[np.ndarray, str]:
  """(bool[N] whether the guess by one rule is right, the first half's rule).

  Args:
    one, other: the halves of N questions, with the descriptions of the moments.
    templates: of their kind.
  """
  right, rules = [], []
  for seen, asked in ((one, other), (other, one)):
    bayes = NaiveBayes([question for _, question in seen])
    usual = functools.partial(bayes.guess, words=False)
    rule = OneRule(seen, templates, usual)
    right += [rule.guess(text, q) == q.answer for text, q in asked]
    rules.append(str(rule.rule))
  return np.array(right), rules[0]


def questions(
  world, moments: int, seed: int, variants: Sequence[str] = ("real",)
) -> dict[str, tuple[list[Asked], list[Asked]]]:
  """kind -> questions about one half of the levels, or variants; the other.

  With the description of the moment that each is about.
  """
  actors = {"random": 1.0}
  if isinstance(world, HasOracle) and not getattr(world.config, "boxes", 0):
    actors = {"random": 0.3, "mixed": 0.7}
  played = collect.CollectConfig(
    variants=variants, trained_on_real=True, levels=max(8, moments // 4),
    depths=_depths(world), episodes=1, steps=24, actors=actors,
    moments=moments, seed=seed, one_variant_per_level=len(variants) > 1,
  )  # fmt: skip
  experiences = collect.collect(world, played)
  tools = Tools(world, collect.pool_of(world, played))
  out = collections.defaultdict(lambda: ([], []))
  for e, asked in zip(experiences, tools.ask(experiences, seed), strict=True):
    half = int(e.level_hash, 16) % 2
    if len(variants) > 1:
      half = variants.index(e.variant)
    for question in asked:
      out[question.kind][half].append((e.description, question))
  return out


def _depths(world) -> tuple[int, ...]:
  """Those of the pool; 0 too, where it is left out unless asked for."""
  depths = world.depths("train")
  return (0, *depths) if world.name == "agentworld" else depths


def rows(
  world,
  kinds: Mapping[str, Kind],
  moments: int,
  seed: int,
  variants: Sequence[str] = ("real",),
) -> list[Row]:
  """One Row for each kind that both halves were asked."""
  out = []
  for kind, (one, other) in sorted(
    questions(world, moments, seed, variants).items()
  ):
    if not one or not other:
      continue
    right_Nx2 = guessed([q for _, q in one], [q for _, q in other])
    right_N, phrase = by_rule(one, other, kinds[kind].templates)
    gain = right_N - right_Nx2[:, 0]
    usual, words = right_Nx2.mean(0)
    out.append(
      Row(
        kind=kind,
        asked=len(gain),
        chance=float(np.mean([1 / len(q.choices) for _, q in one + other])),
        common=float(usual),
        words=float(words),
        rule=float(right_N.mean()),
        error=float(2.0 * gain.std() / len(gain) ** 0.5),
        phrase=phrase,
      )
    )
  return out


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--world", choices=WORLDS, default="agentworld")
  flags.add_argument("--moments", type=int, default=4000)
  flags.add_argument("--seed", type=int, default=0)
  flags.add_argument("--variants", nargs="+", default=["real"])
  flags.add_argument("--rendering", help="default: that of the world")
  args = flags.parse_args()
  if len(args.variants) > 2:
    flags.error(f"--variants {args.variants}: give one, or two, a half each")
  first_rows: dict[str, Row] = {}
  for fields, share in WORLDS[args.world]:
    if args.rendering:
      fields = fields | {"rendering": args.rendering}
    world = simulators.make(args.world, **fields)
    moments, variants = int(args.moments * share), tuple(args.variants)
    found = rows(world, KINDS[args.world], moments, args.seed, variants)
    for row in found:
      first_rows.setdefault(row.kind, row)
  print(
    f"{'kind':14} {'asked':>6} {'chance':>6} {'common':>6} {'words':>6} "
    f"{'rule':>6} {'gain':>6} {'+-':>5}  rule of the first half"
  )
  for row in first_rows.values():
    print(
      f"{row.kind:14} {row.asked:6} {row.chance:6.2f} {row.common:6.2f} "
      f"{row.words:6.2f} {row.rule:6.2f} {row.rule - row.common:+6.2f} "
      f"{row.error:5.2f}  {row.phrase}"
    )
  common.report(list(first_rows.values()), {}, args.json)


if __name__ == "__main__":
  main()

"""Questions about states, answered from a closed set and marked by the truth.

The items come from `data.exam`; no model judges an answer.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.data.exam import ExamItem
from glimo_jax.evaluate import scoring, stats


@dataclasses.dataclass(frozen=True)
class Answer:
  """What a model chose.

  Attributes:
    kind: the question's kind.
    level: the level it was asked about; answers about one level are not
      independent.
    chosen: the choice with the highest log-likelihood.
    truth: the right one.
    choices: how many there were.
    looked_up: as in ExamItem.
  """

  kind: str
  level: int
  chosen: str
  truth: str
  choices: int
  looked_up: bool = False

  @property
  def correct(self) -> bool:
    return self.chosen == self.truth


def answer(
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  *,
  shots: Sequence[scoring.Shot] = (),
  retrieve: scoring.Retrieve | None = None,
  prior: bool = False,
  memo: scoring.Memo | None = None,
  seed: int = 0,
) -> list[Answer]:
  """Answers each item with the most likely of its choices.

  Args:
    lm: a LanguageModel with `loglik`.
    preamble: the world's rules, the shared prefix of every prompt.
    items: the exam.
    shots: solved questions (user turn, answer) put before every prompt.
    retrieve: gives solved questions of its own to each user turn.
    prior: whether to divide by what the model answers where the question
      stands without a description.
    memo: scores already paid for.
    seed: of the lot that breaks ties, so that no order of choices helps.

  Returns:
    One Answer for each item, in order.
  """
  memo = scoring.Memo() if memo is None else memo

  def ask(description: str, item: ExamItem) -> scoring.Prompt:
    prompt = prompts.question(preamble, description, item.question.text)
    return scoring.with_shots(prompt, shots)

  asked = [ask(item.description, item) for item in items]
  if retrieve is not None:
    found = retrieve([prompt[-1]["content"] for prompt in asked])
    asked = [
      scoring.with_retrieved(prompt, cases)
      for prompt, cases in zip(asked, found, strict=True)
    ]
  choices = [tuple(item.question.choices) for item in items]
  scores = memo.loglik(lm, asked, choices)
  if prior:
    free = [ask(scoring.CONTENT_FREE[0], item) for item in items]
    before = memo.loglik(lm, free, choices)
    scores = [s - b for s, b in zip(scores, before, strict=True)]
  return [
    Answer(
      kind=item.question.kind,
      level=item.level,
      chosen=item.question.choices[_best(score, seed, i)],
      truth=item.question.answer,
      choices=len(item.question.choices),
      looked_up=item.looked_up,
    )
    for i, (item, score) in enumerate(zip(items, scores, strict=True))
  ]


def _best(score: np.ndarray, seed: int, i: int) -> int:
  lot = np.random.default_rng([seed, i]).random(len(score))
  return int(np.lexsort((lot, score))[-1])


def marks(runs: Sequence[Sequence[Answer]]) -> np.ndarray:
  """f64[S, N]: 1 for each right answer (column) in each run (row).

  Raises:
    ValueError: the runs answered other questions.
  """
  papers = [[(a.kind, a.level, a.truth) for a in run] for run in runs]
  if any(paper != papers[0] for paper in papers):
    raise ValueError("runs over different questions are not paired")
  return np.array([[a.correct for a in run] for run in runs], np.float64)


def levels(answers: Sequence[Answer]) -> list[int]:
  """The level of each answer: the clusters of every interval."""
  return [a.level for a in answers]


def summary(runs: Sequence[Sequence[Answer]]) -> dict[str, Any]:
  """{"mean", "lo", "hi", "n"} of accuracy, drawn by level; `chance`, `by_kind`.

  A kind's entry has `chance` (mean of 1 / choices) and `majority` (the share of
  its commonest truth: what a model reaches that does not read), too. Beside it
  `by_group`, where the kinds fall into those of `groups`.
  """
  marks_SxN = marks(runs)
  first = runs[0]
  by_kind = collections.defaultdict(list)
  for i, a in enumerate(first):
    by_kind[a.kind].append(i)
  return {
    **stats.bootstrap(marks_SxN, levels(first)).as_dict(),
    "chance": _chance(first),
    "by_kind": {
      kind: _kind(marks_SxN[:, rows], [first[i] for i in rows])
      for kind, rows in sorted(by_kind.items())
    },
    "by_group": {
      name: stats.bootstrap(
        marks_SxN[:, rows], [first[i].level for i in rows]
      ).as_dict()
      for name, rows in groups(first).items()
    },
  }


def groups(answers: Sequence[Answer]) -> dict[str, list[int]]:
  """Places of the answers that were `looked_up`, and of those `simulated`.

  Nothing where all are alike or one group is about a single level: there is
  nothing to tell apart.
  """
  out = {
    name: [i for i, a in enumerate(answers) if a.looked_up == is_group]
    for name, is_group in (("looked_up", True), ("simulated", False))
  }
  several = all(len({answers[i].level for i in out[n]}) > 1 for n in out)
  return out if several else {}


def compare(
  a: Sequence[Sequence[Answer]],
  b: Sequence[Sequence[Answer]],
  between: stats.Spread | None = None,
) -> stats.Interval:
  """Accuracy of a less that of b, paired by question; see `stats.paired`."""
  marks([*a, *b])  # the same questions, or ValueError
  return stats.paired(marks(a), marks(b), levels(a[0]), between=between)


def _kind(marks_SxN: np.ndarray, answers: Sequence[Answer]) -> dict[str, Any]:
  if len(marks_SxN) == 1 or len(set(levels(answers))) < 2:
    told = stats.wilson(int(marks_SxN.sum()), marks_SxN.size)
  else:
    told = stats.bootstrap(marks_SxN, levels(answers))
  truths = collections.Counter(a.truth for a in answers)
  return {
    **told.as_dict(),
    "chance": _chance(answers),
    "majority": max(truths.values()) / len(answers),
  }


def _chance(answers: Sequence[Answer]) -> float:
  return float(np.mean([1 / a.choices for a in answers]))

"""Questions about states, answered from a closed set and marked by the truth.

The items come from `exam`; no model judges an answer.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.evaluate import stats
from glimo_jax.evaluate.exam import ExamItem
from glimo_jax.play import scoring, writers


@dataclasses.dataclass(frozen=True)
class Answer:
  """A model's answer to one question.

  Attributes:
    kind: the question's kind.
    level: the level of the state; answers about one level are not independent.
    chosen: the choice with the highest log-likelihood, or the written one; ""
      where none was written.
    truth: the right choice.
    choices: number of choices.
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
    """Whether the truth was chosen."""
    return self.chosen == self.truth


def answer(
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  *,
  form: prompts.Form = prompts.PLAIN,
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
    form: the words of the prompt.
    shots: solved questions (user turn, answer) before every prompt.
    retrieve: finds solved questions for each user turn.
    prior: whether to divide by the probability of each choice where the
      question has no description.
    memo: keeps scores; None: nothing is kept.
    seed: of the random order of equal scores, so that the order of the choices
      does not matter.

  Returns:
    One Answer for each item, in order.
  """
  memo = scoring.Memo() if memo is None else memo

  def prompt(description: str, item: ExamItem) -> scoring.Prompt:
    return scoring.with_shots(_ask(form, preamble, description, item), shots)

  asked = [prompt(item.description, item) for item in items]
  if retrieve is not None:
    found = retrieve([turns[-1]["content"] for turns in asked])
    asked = [
      scoring.with_retrieved(turns, cases)
      for turns, cases in zip(asked, found, strict=True)
    ]
  choices = [tuple(item.question.choices) for item in items]
  scores = memo.loglik(lm, asked, choices)
  if prior:
    free = [prompt(scoring.CONTENT_FREE[0], item) for item in items]
    before = memo.loglik(lm, free, choices)
    scores = [s - b for s, b in zip(scores, before, strict=True)]
  return [
    _answer(item, item.question.choices[_best(score, seed, i)])
    for i, (item, score) in enumerate(zip(items, scores, strict=True))
  ]


def after_rationale(
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  *,
  memo: scoring.Memo | None = None,
  max_tokens: int = writers.LONGEST_RATIONALE,
  seed: int = 0,
) -> list[Answer]:
  """Writes a rationale to each item, then takes the most likely choice.

  An error, or an empty text, is a wrong answer.

  Args:
    lm: a LanguageModel with `loglik`.
    preamble, items, memo, seed: as in `answer`.
    max_tokens: longest rationale with its answer.
  """
  memo = scoring.Memo() if memo is None else memo
  asked = [_ask(prompts.PLAIN, preamble, i.description, i) for i in items]
  written = _written(lm, asked, max_tokens)
  choices = [item.question.choices for item in items]
  scores = writers.after_rationales(lm, memo, asked, written, choices)
  return [
    _answer(item, item.question.choices[_best(score, seed, i)] if text else "")
    for i, (item, text, score) in enumerate(
      zip(items, written, scores, strict=True)
    )
  ]


def write(
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  *,
  form: prompts.Form,
  max_tokens: int,
) -> list[Answer]:
  """Writes an answer to each item; the choice that is named last counts.

  A text that names no choice, or an error, is a wrong answer.

  Args:
    lm: a LanguageModel.
    preamble, items, form: as in `answer`.
    max_tokens: longest answer.
  """
  asked = [_ask(form, preamble, item.description, item) for item in items]
  written = _written(lm, asked, max_tokens)
  return [
    _answer(item, writers.concluded_choice(text, item.question.choices))
    for item, text in zip(items, written, strict=True)
  ]


def _written(
  lm: llm.LanguageModel, asked: Sequence[scoring.Prompt], max_tokens: int
) -> list[str]:
  """What the model writes after each prompt; "" on an error."""
  requests = [
    llm.Request(messages=messages, max_tokens=max_tokens) for messages in asked
  ]
  written = lm.generate(requests) if requests else []
  return [c.text if c.error is None else "" for c in written]


def _ask(
  form: prompts.Form, preamble: str, description: str, item: ExamItem
) -> scoring.Prompt:
  question = item.question
  return form.question(preamble, description, question.text, question.choices)


def _answer(item: ExamItem, chosen: str) -> Answer:
  return Answer(
    kind=item.question.kind,
    level=item.level,
    chosen=chosen,
    truth=item.question.answer,
    choices=len(item.question.choices),
    looked_up=item.looked_up,
  )


def _best(score: np.ndarray, seed: int, i: int) -> int:
  order = np.random.default_rng([seed, i]).random(len(score))
  return int(np.lexsort((order, score))[-1])


def marks(runs: Sequence[Sequence[Answer]]) -> np.ndarray:
  """f64[S, N]: 1 for each right answer (column) in each run (row).

  Raises:
    ValueError: the runs answered different questions.
  """
  papers = [[(a.kind, a.level, a.truth) for a in run] for run in runs]
  if any(paper != papers[0] for paper in papers):
    raise ValueError("runs over different questions are not paired")
  return np.array([[a.correct for a in run] for run in runs], np.float64)


def levels(answers: Sequence[Answer]) -> list[int]:
  """The level of each answer: the clusters of every interval."""
  return [a.level for a in answers]


def summary(runs: Sequence[Sequence[Answer]]) -> dict[str, Any]:
  """{"mean", "lo", "hi", "n"} of accuracy, and its parts.

  Intervals redraw levels. Further keys: `chance` (mean of 1 / choices),
  `by_kind` and, where `groups` finds some, `by_group`. A kind's entry has
  `chance` too, and `majority`: the share of its commonest truth, which a model
  reaches without reading.
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

  Empty where one of the groups has fewer than two levels.
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
  """Accuracy of a minus that of b, paired by question; see `stats.paired`."""
  marks([*a, *b])  # the same questions, or ValueError
  return stats.paired(marks(a), marks(b), levels(a[0]), between=between)


def _kind(marks_SxN: np.ndarray, answers: Sequence[Answer]) -> dict[str, Any]:
  if len(marks_SxN) == 1 or len(set(levels(answers))) < 2:
    accuracy = stats.wilson(int(marks_SxN.sum()), marks_SxN.size)
  else:
    accuracy = stats.bootstrap(marks_SxN, levels(answers))
  truths = collections.Counter(a.truth for a in answers)
  return {
    **accuracy.as_dict(),
    "chance": _chance(answers),
    "majority": max(truths.values()) / len(answers),
  }


def _chance(answers: Sequence[Answer]) -> float:
  return float(np.mean([1 / a.choices for a in answers]))

"""The best rule of the form "if the text has this phrase, say A, else B".

A phrase is one to three successive words of a sentence of the description, or
two words of a sentence in their order (`wall ... up`). Words of the
question count as slots: `{d}` in `wall ... {d}` is the move asked about. Slots
in the whole text form pairs too: `{x} ... {y}` is a text that names x before y.
A and B are words or slots.
"""

import collections
import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from simulators.base import Question

_LEAST = 0.01  # share of the texts that a phrase must be in
Asked = tuple[str, Question]  # a description and a question about it


def gaps(question: Question, templates: Sequence[str]) -> dict[str, str]:
  """Slot -> word, for the words that fill a question's template.

  A gap of several words has several slots, `{plan1}` and so on.
  """
  for template in templates:
    names = re.findall(r"{(\w+)}", template)
    pattern = re.sub(r"\\{\w+\\}", "(.+)", re.escape(template))
    match = re.fullmatch(pattern, question.text)
    if match is None:
      continue
    out = {}
    for name, words in zip(names, match.groups(), strict=True):
      parts = re.findall(r"\w+", words)
      for i, word in enumerate(parts):
        slot = f"{name}{i + 1}" if len(parts) > 1 else name
        out.setdefault(word, f"{{{slot}}}")
    return {slot: word for word, slot in out.items()}
  raise ValueError(
    f"question {question.text!r} fits none of its templates {templates}: give "
    "those of its kind"
  )


def phrases(text: str, slots: Mapping[str, str]) -> set[str]:
  """The phrases of a description: as it is, and with slots of a question."""
  slot_of = {word: slot for slot, word in slots.items()}
  found, order = set(), []
  for sentence in re.split(r"[.\n]", text.lower()):
    plain = re.findall(r"\w+|[^\w\s,]", sentence)
    words = [slot_of.get(word, word) for word in plain]
    order += [word for word in words if word in slots]
    found |= _phrases(plain) | _phrases(words)
  found.update(
    f"{a} ... {b} in any sentence" for a, b in itertools.combinations(order, 2)
  )
  return found


def _phrases(words: Sequence[str]) -> set[str]:
  """Those of one sentence."""
  count = len(words)
  runs = {
    " ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(count - n + 1)
  }
  pairs = itertools.combinations(words, 2)
  return runs | {f"{one} ... {other}" for one, other in pairs}


@dataclasses.dataclass(frozen=True)
class Rule:
  """If the text has `phrase`, the answer is `yes`, else `no`.

  Where the answer is none of the choices, the commonest of them is given.
  """

  phrase: str
  yes: str
  no: str

  def __str__(self) -> str:
    return f"{self.phrase!r}: {self.yes}, else {self.no}"


class OneRule:
  """The best rule on some questions of one kind.

  Args:
    seen: descriptions and questions.
    templates: of the kind.
    usual: question -> the commonest of its choices.
  """

  def __init__(
    self,
    seen: Sequence[Asked],
    templates: Sequence[str],
    usual: Callable[[Question], str],
  ):
    self._templates, self._usual = templates, usual
    slots = [gaps(q, templates) for _, q in seen]
    labels = sorted({q.answer for _, q in seen} | {s for g in slots for s in g})
    right = np.array(
      [
        [self._word(label, q, g) == q.answer for label in labels]
        for (_, q), g in zip(seen, slots, strict=True)
      ]
    )
    rows = collections.defaultdict(list)  # phrase -> questions
    for i, ((text, _), g) in enumerate(zip(seen, slots, strict=True)):
      for phrase in phrases(text, g):
        rows[phrase].append(i)
    total = right.sum(0)
    best, self.rule = total.max(), Rule("", labels[0], labels[total.argmax()])
    for phrase in sorted(rows, key=lambda p: (len(p), p)):
      if len(rows[phrase]) < _LEAST * len(seen):
        continue
      within = right[rows[phrase]].sum(0)
      score = within.max() + (total - within).max()
      if score > best:
        yes, no = within.argmax(), (total - within).argmax()
        best, self.rule = score, Rule(phrase, labels[yes], labels[no])

  def guess(self, text: str, question: Question) -> str:
    slots = gaps(question, self._templates)
    has = self.rule.phrase in phrases(text, slots)
    return self._word(self.rule.yes if has else self.rule.no, question, slots)

  def _word(self, label: str, q: Question, slots: Mapping[str, str]) -> str:
    word = slots.get(label, label)
    return word if word in q.choices else self._usual(q)

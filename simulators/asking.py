"""Questions in words: the spec of one kind, and how a batch is asked."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from simulators import fields
from simulators.base import Question, QuestionArrays


@dataclasses.dataclass(frozen=True)
class Requirement:
  """A condition on the world's Config, without which no level has the question.

  Attributes:
    field: name of the field.
    holds: value of the field -> whether it satisfies the condition.
    fix: values that satisfy it, as in "set boxes to 1 or 2".
  """

  field: str
  holds: Callable[[Any], bool]
  fix: str


@dataclasses.dataclass(frozen=True)
class Kind:
  """One kind of question: everything about it in one place.

  A world keeps its kinds in `questions/<category>.py`. It defines the arguments
  of their functions, such as a moment and the question's arguments i32[M]. The
  independent second implementation is separate, in `reference/`.

  Attributes:
    name: unique in its world.
    number: index of the kind among all kinds of its world. Random draws depend
      on it, so a new kind takes the next free number.
    category: perception, rules, planning, ...
    templates: phrasings; names in braces are gaps.
    arguments: (moment, ...) -> i32[N, M], all questions of the kind that can
      be asked about a moment; -1 pads.
    choices: (moment, args) -> i32[n], codes of the answers offered; -1 pads.
    truth: (moment, args) -> (code i32[], weight f32[]): the true answer and a
      sampling weight; weight 0 excludes the question.
    gaps: (...) -> the word for each gap of the templates.
    needs: what a description must contain so that it decides the answer; the
      world defines its form. None: nothing.
    requires: what the world's Config must be. None: anything.
    share: answer -> share of the moments with this answer in which the
      question is asked; 1 for answers that are not named.
    about: (moment, args) -> i32[n], codes of the things that decide the answer,
      the next one first; -1 pads. None: no thing.
    by_way: as in `Question`.
    works_out: (text, rules, args, things) -> sentences that follow from the
      prompt and lead to the answer, as in `HasSubgoals.work_out`.
    looked_up: whether the answer can be read from the description or the
      rules, so that nothing has to be simulated.
    two_sided: ask only if more than one answer is possible.
    shuffled: whether the choices are shuffled; they have no natural order.
  """

  name: str
  number: int
  category: str
  templates: tuple[str, ...]
  arguments: Callable[..., Any]
  choices: Callable[..., Any]
  truth: Callable[..., Any]
  gaps: Callable[..., Mapping[str, str]]
  needs: Any = None
  share: Mapping[str, float] = dataclasses.field(default_factory=dict)
  about: Callable[..., Any] | None = None
  by_way: bool = False
  works_out: Callable[..., tuple[str, ...]] | None = None
  looked_up: bool = False
  two_sided: bool = False
  shuffled: bool = False
  requires: Requirement | None = None


def collect(modules: Sequence[ModuleType]) -> dict[str, Kind]:
  """Name -> kind, for all kinds that modules define, by number.

  Raises:
    ValueError: the numbers are not 0, 1, 2, ... or two kinds share a name.
  """
  found = [
    value
    for module in modules
    for value in vars(module).values()
    if isinstance(value, Kind)
  ]
  found.sort(key=lambda kind: kind.number)
  numbers = [kind.number for kind in found]
  if numbers != list(range(len(found))):
    raise ValueError(
      f"numbers of question kinds {numbers} must be 0, 1, 2, ...: give a new "
      "kind the next free number"
    )
  kinds = {kind.name: kind for kind in found}
  if len(kinds) < len(found):
    raise ValueError(
      f"question kinds {[kind.name for kind in found]} must have distinct "
      "names: rename one"
    )
  return kinds


def chosen(
  kinds: tuple[str, ...], known: Sequence[str], what: str = "question kinds"
) -> tuple[str, ...]:
  """The kinds as given, checked.

  Args:
    kinds: names of question kinds.
    known: all names of the world.
    what: what errors call them.

  Raises:
    ValueError: some kinds are unknown (the nearest names are given), or one is
      named twice.
  """
  unknown = [kind for kind in kinds if kind not in known]
  if unknown:
    near = [fields.nearest(kind, known) for kind in unknown]
    raise ValueError(
      f"{what} {unknown} are unknown: did you mean {near}? "
      f"Kinds are {', '.join(known)}"
    )
  if len(set(kinds)) < len(kinds):
    raise ValueError(f"{what} {kinds} name one twice: drop it")
  return kinds


def ask(
  arrays: QuestionArrays,
  moments: Sequence[np.ndarray],
  seed: int,
  *,
  kinds: Sequence[str],
  answers: Sequence[str],
  templates: Mapping[str, Sequence[str]],
  words: Callable[[int, str, tuple[int, ...]], Mapping[str, str]],
  shuffled: Sequence[str] = (),
  by_way: Sequence[str] = (),
) -> list[list[Question]]:
  """The valid questions of each row in words.

  The phrasing depends on the seed, the question and the moment, but not on the
  row's place in the batch.

  Args:
    arrays: numpy leaves [B, kinds, ...].
    moments: arrays [B, ...] that tell moments apart.
    seed: draws the template and the order of the choices.
    kinds: names of the kinds, in the arrays' order.
    answers: code -> word.
    templates: kind -> its phrasings.
    words: (row, kind, args) -> the word for each gap of a template.
    shuffled: kinds whose choices are shuffled; they have no natural order.
    by_way: kinds whose answers the best way decides.
  """
  asked = []
  for i in range(len(arrays.valid)):
    moment = b"".join(np.asarray(x[i]).tobytes() for x in moments)
    salt = (seed, zlib.crc32(moment))
    row = []
    for k in np.flatnonzero(arrays.valid[i]).tolist():
      kind, args = kinds[k], tuple(int(x) for x in arrays.args[i, k])
      codes = np.asarray(arrays.options[i, k])
      choices = [answers[int(code)] for code in codes[codes >= 0]]
      truth = int(codes[arrays.answer[i, k]])
      rng = np.random.default_rng([*salt, k, *(1 + x for x in args)])
      template = templates[kind][int(rng.integers(len(templates[kind])))]
      about = [] if arrays.about is None else np.asarray(arrays.about[i, k])
      if kind in shuffled:
        rng.shuffle(choices)
      row.append(
        Question(
          kind=kind,
          text=template.format(**words(i, kind, args)),
          choices=tuple(choices),
          answer=answers[truth],
          args=args,
          code=truth,
          about=tuple(answers[int(code)] for code in about if code >= 0),
          by_way=kind in by_way,
        )
      )
    asked.append(row)
  return asked

"""Questions in words: the part that all worlds share."""

import difflib
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from simulators.base import Question, QuestionArrays


def chosen(
  kinds: tuple[str, ...], known: Sequence[str], what: str = "question kinds"
) -> tuple[str, ...]:
  """The kinds that are told to be asked, called `what` in errors.

  Raises:
    ValueError: for unknown kinds, each with the nearest known, or a kind named
      twice.
  """
  unknown = [kind for kind in kinds if kind not in known]
  if unknown:
    near = [difflib.get_close_matches(k, known, 1, 0.0)[0] for k in unknown]
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
) -> list[list[Question]]:
  """Batched arrays in words: for each row the questions that can be asked.

  The phrasing depends on the seed, the question and the moment, not on where
  in the batch it stands.

  Args:
    arrays: numpy leaves [B, kinds, ...].
    moments: arrays [B, ...] by which moments differ.
    seed: draws the template and the order of the choices.
    kinds: names of the kinds, in the arrays' order.
    answers: code -> word.
    templates: kind -> its phrasings.
    words: (row, kind, args) -> what fills the gaps of a template.
    shuffled: kinds whose choices have no order of their own.
  """
  asked = []
  for i in range(len(arrays.valid)):
    told = b"".join(np.asarray(x[i]).tobytes() for x in moments)
    salt = (seed, zlib.crc32(told))
    row = []
    for k in np.flatnonzero(arrays.valid[i]):
      kind, args = kinds[k], tuple(int(x) for x in arrays.args[i, k])
      codes = arrays.options[i, k]
      choices = [answers[code] for code in codes[codes >= 0]]
      rng = np.random.default_rng([*salt, k, *(1 + x for x in args)])
      template = templates[kind][rng.integers(len(templates[kind]))]
      if kind in shuffled:
        rng.shuffle(choices)
      row.append(
        Question(
          kind=kind,
          text=template.format(**words(i, kind, args)),
          choices=tuple(choices),
          answer=answers[codes[arrays.answer[i, k]]],
          args=args,
        )
      )
    asked.append(row)
  return asked

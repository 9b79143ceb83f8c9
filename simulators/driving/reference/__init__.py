"""Urban Driving's rules a second time, in plain Python on floats and tuples.

This is the second, independent path by which drives, best actions and answers
are derived again, car by car, in float64. It shares no code with `game/` or
with the truths in `questions/`, only the numbers of docs/driving.md and the
list of answer words. The two paths may differ where a value lies within
float32's rounding of a border. Such an answer changes when the ego stands two
centimetres further forward or back (`Game.nudged`).
"""

from collections.abc import Sequence

from simulators.driving.questions.forms import ANSWERS
from simulators.driving.reference import answers_driven, answers_seen
from simulators.driving.reference.claims import claims
from simulators.driving.reference.descriptions import describes
from simulators.driving.reference.game import Game
from simulators.driving.reference.sight import look

__all__ = ["Game", "answer", "claims", "describes"]


def answer(game: Game, kind: str, args: Sequence[int]) -> int:
  """The code, index into `forms.ANSWERS`, of a question's true answer.

  Args:
    game: the moment asked about.
    kind: name of the question kind; the function of this name answers it.
    args: the numbers of `Question.args`.

  Raises:
    ValueError: the kind has no answer here, or the question cannot be asked of
      this moment.
  """
  for module in (answers_seen, answers_driven):
    function = getattr(module, kind, None)
    if function is not None:
      break
  else:
    raise ValueError(
      f"question kind {kind!r} has no second path: add a function of this name "
      "to reference/answers_seen.py or reference/answers_driven.py"
    )
  word = function(game, look(game), *map(int, args))
  if isinstance(word, bool):
    word = "yes" if word else "no"
  return ANSWERS.index(word)

"""AgentWorld's rules a second time, in plain Python on ints, tuples and sets.

This is the second, independent path by which optimal actions and answers are
derived again: a breadth-first search instead of the table, sums of moves
instead of the trail. It shares no code with `game/` or with the truths in
`questions/`, only the words of `vocabulary`. Chance is ignored: the agent never
slips here.

The function that answers a kind of question has the name of the kind and lives
in one of the three files `answers_*.py`. It takes the game and the question's
arguments and returns a word or a bool, or "" where the moment has no single
answer.
"""

import inspect
from collections.abc import Sequence

from simulators.agentworld.reference import (
  answers_played,
  answers_searched,
  answers_seen,
)
from simulators.agentworld.reference.claims import claims
from simulators.agentworld.reference.descriptions import describes
from simulators.agentworld.reference.game import Game
from simulators.agentworld.reference.queries import facts
from simulators.agentworld.reference.subgoals import needed
from simulators.agentworld.vocabulary import ANSWERS, SUBGOALS

__all__ = [
  "SEARCHED",
  "Game",
  "answer",
  "answered",
  "chain",
  "claims",
  "describes",
  "facts",
]

_FUNCTIONS = {
  name: function
  for module in (answers_seen, answers_played, answers_searched)
  for name, function in vars(module).items()
  if inspect.isfunction(function)
  and function.__module__ == module.__name__
  and not name.startswith("_")
}
# Kinds whose answer searches the whole level, which takes some milliseconds.
SEARCHED = tuple(
  name
  for name, function in _FUNCTIONS.items()
  if function.__module__ == answers_searched.__name__
)


def answered() -> tuple[str, ...]:
  """Names of the kinds that have an answer here."""
  return tuple(_FUNCTIONS)


def answer(game: Game, kind: str, args: Sequence[int]) -> int:
  """The code, index into `vocabulary.ANSWERS`, of a question's true answer.

  Args:
    game: the moment asked about.
    kind: name of the question kind; the function of this name answers it.
    args: the numbers of `Question.args`.

  Raises:
    ValueError: the kind has no function here, or the question has no single
      answer in this moment.
  """
  if kind not in _FUNCTIONS:
    raise ValueError(
      f"question kind {kind!r} is unknown here: add a function of this name to "
      "one of reference/answers_*.py"
    )
  word = _FUNCTIONS[kind](game, *(int(x) for x in args))
  if isinstance(word, bool):
    word = "yes" if word else "no"
  if word not in ANSWERS:
    raise ValueError(
      f"question {kind}{tuple(args)} has no single answer here: ask it only "
      "where QuestionArrays.valid is True"
    )
  return ANSWERS.index(word)


def chain(game: Game) -> list[int]:
  """The indices of `AgentWorld.subgoals` that `AgentWorld.chain` gives."""
  return [SUBGOALS.index(word) for word in needed(game)]

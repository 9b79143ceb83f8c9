"""Parts of a world that help players: scripts, and names for what comes next.

`base` lists these protocols with the others.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from simulators.types import Array, PyTree, Question, State


class Reader(Protocol):
  """A short program that plays one batch by what it reads."""

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]: how good each action is; `rows` name the live episodes."""
    ...


@runtime_checkable
class HasScript(Protocol):
  """A world with a scripted reader, which reports show beside the models."""

  def script(self, rules: str) -> Reader:
    """A new reader; it knows the text of `World.rules` and nothing else."""
    ...


@runtime_checkable
class HasSubgoals(Protocol):
  """A world that names what the best way leads to.

  Where the world is `HasReference`, `reference.chain(game)` gives the same
  indices in a list, found independently.

  Attributes:
    subgoals: the words for it. A description names those that a player may
      go to.
  """

  subgoals: tuple[str, ...]

  def work_out(
    self,
    text: str,
    rules: str,
    things: Sequence[str],
    question: Question | None = None,
  ) -> tuple[str, ...]:
    """Sentences that follow from the prompt and lead to an answer; () for none.

    Args:
      text: the description.
      rules: the rules of the prompt.
      things: of the rationale, the next one first.
      question: None for the choice of the next action.
    """
    ...

  def chain(self, state: State, params: PyTree) -> Array:
    """i32[K]: indices into `subgoals`, the next first; -1 fills.

    All are -1 where there is no way to succeed, or where it is not clear what
    comes next, as the best ways lead to different things.
    """
    ...


def check_subgoals(world: Any) -> HasSubgoals:
  """The world itself, where it names subgoals.

  Raises:
    ValueError: it names none, or its reference does not.
  """
  name = world.name
  if not isinstance(world, HasSubgoals):
    raise ValueError(
      f"world {name!r} names no subgoals: give it `subgoals`, `work_out` "
      "and `chain` (simulators.base.HasSubgoals), or set `rationale` of "
      "annotate.skills.next_action and `worked_out` of .question to False"
    )
  reference = getattr(world, "reference", None)
  if reference is not None and not hasattr(reference, "chain"):
    raise ValueError(
      f"the reference of world {name!r} has no `chain(game)`, so rows "
      "could not be checked: add it (simulators.base.HasSubgoals), or set "
      "`rationale` of annotate.skills.next_action and `worked_out` of "
      ".question to False"
    )
  return world


def subgoals_in(text: str, subgoals: Sequence[str]) -> tuple[str, ...]:
  """The subgoals that a text names, in the order given."""
  words = set(re.findall(r"\w+", text))
  return tuple(word for word in subgoals if word in words)


def sentence_of(text: str, word: str) -> str:
  """The last sentence or line about a word, without its stop; no question.

  It begins with the word; `You hold`, `The` and `open` may stand before. A text
  without such a sentence gives the word itself.
  """
  it = re.escape(word)
  begins = re.compile(
    rf"(?:(?:you )?hold )?(?:the |open )*{it}\b", re.IGNORECASE
  )
  for sentence in reversed(re.split(r"\. |\n", text.strip().removesuffix("."))):
    if begins.match(sentence) and not sentence.endswith("?"):
      return sentence
  return word


def rationale(
  rules: str, text: str, things: Sequence[str], ending: Sequence[str] = ()
) -> str:
  """Why the next thing on a way is next, in sentences of the prompt.

  From the end of the way back to what comes next: what the text says of each
  thing, what the rules say of it, and what the text says of what they name. The
  last of these sentences is about what comes next, even where it stands before,
  too. Then comes the ending.

      goal two up in B. door one up to B. door needs key. key three left

  Args:
    rules: the start of the prompt.
    text: the description.
    things: words of what the way leads to, the next first.
    ending: sentences of their own, without stops.

  Returns:
    The sentences, without the last stop; "" without things.
  """
  sentences: list[str] = []
  backwards = things[::-1]
  for i, word in enumerate(backwards):
    sentences.append(sentence_of(text, word))
    clause = _clause_of(rules, word)
    sentences += [clause] if clause else []
    for named in re.findall(r"\w+", clause):
      sentence = sentence_of(text, named)
      if named not in backwards[i : i + 2] and sentence != named:
        sentences.append(sentence)
  return ". ".join([*sentences, *ending])


def with_rationale(sentences: str, answer: str) -> str:
  """The assistant's turn: the sentences of a rationale, then the answer."""
  return f"{sentences}. {answer}" if sentences else answer


def _clause_of(rules: str, word: str) -> str:
  """The first clause of the rules that begins with a word; "" for none."""
  begins = re.compile(rf"(?:the )?{re.escape(word)}\b", re.IGNORECASE)
  clauses = re.split(r"[.,:;]\s+", rules.strip().removesuffix("."))
  return next(filter(begins.match, clauses), "")

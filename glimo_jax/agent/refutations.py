"""The reasons that the verifier gives for a wrong answer.

The model reads them before its next draft. They state what the simulator shows
and do not name the right answer. Where only two answers are possible, refuting
one leaves the other.
"""

from collections.abc import Sequence

_REFUSED = "No, {}: {}"
_UNFINISHED = "No: something is missing at the end."
_QUOTED = 80  # characters of an answer that a refutation repeats


def of_answer(answer: str) -> str:
  """The refutation of a wrong answer to a question."""
  return f"No: not {answer}."


def of_action(action: str, moved: bool) -> str:
  """The refutation of an action that is not best.

  Args:
    action: its word.
    moved: whether it changed the description.
  """
  if moved:
    return f"No: {action} is no shortest way."
  return f"No: {action} is barred."


def of_plan(moves: int, description: str) -> str:
  """The refutation of a plan that does not succeed.

  Args:
    moves: number of its moves.
    description: of the moment after them.
  """
  return f"No: after {moves} moves: {description}"


def of_end(moves: int, over: bool, description: str) -> str:
  """The refutation of a plan, with whether it ends the episode.

  Args:
    moves: number of its moves that are taken.
    over: whether the episode ends there, without success.
    description: of the moment after them.
  """
  ended = "it is over" if over else "the goal is not reached"
  return f"After {moves} moves {ended}: {description}"


def of_step(step: int, steps: int) -> str:
  """The refutation of a reflection on a step that there is not."""
  return f"No: there is no step {step}, but steps 1 to {steps}."


def of_mistake(step: int, later: bool) -> str:
  """The refutation of a reflection that names another step than it should.

  Args:
    step: the step, counted from 1.
    later: whether it is a mistake, but not the first one.
  """
  fault = "not the first mistake" if later else "no mistake"
  return f"No: step {step} was {fault}."


def of_mending(action: str, step: int, costs_more: bool) -> str:
  """The refutation of a reflection whose action does not mend the mistake.

  Args:
    action: its word.
    step: the step, counted from 1.
    costs_more: whether another action costs less there; else the replay with
      this action does not succeed.
  """
  if costs_more:
    return f"No: {action} at step {step} is a mistake, too."
  return f"No: with {action} at step {step} the goal is not reached either."


def of_prediction(sentence: str, missing: bool) -> str:
  """The refutation of a wrong description; it does not tell what is right.

  Args:
    sentence: its first sentence that differs, "" for its end.
    missing: whether something is missing before the sentence.
  """
  shown = _short(sentence)
  if not missing:
    return f'No: not "{shown}".'
  return f'No: something is missing before "{shown}".' if shown else _UNFINISHED


def of_claim(sentence: str) -> str:
  """The refutation of an answer with a false claim."""
  return f'No: "{_short(sentence)}" is false.'


def of_sentence(sentence: str, forms: Sequence[str]) -> str:
  """The refutation of an answer with a sentence that is no claim.

  Args:
    sentence: of the answer.
    forms: examples of claims.
  """
  shown = ". ".join(forms)
  return f'No: "{_short(sentence)}" is no claim. Claims are such as: {shown}.'


def of_silence(action: str) -> str:
  """The refutation of true claims that say nothing of the action."""
  return f"No: nothing says what {action} does."


def of_length(most: int) -> str:
  """The refutation of an answer of more claims than are read."""
  return f"No: more than {most} claims."


def of_query(reason: str, details: str) -> str:
  """The refutation of a query that makes no good question.

  Args:
    reason: its name.
    details: what is wrong, and the fix; may quote the query.
  """
  return _REFUSED.format(reason, details)


def _short(text: str) -> str:
  """A text of a model, bounded, as a part of a refutation."""
  return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} ..."

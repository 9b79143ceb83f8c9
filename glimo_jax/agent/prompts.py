"""All words that a language model reads, apart from the world's own words.

The student's prompt is the same in training and in evaluation. A refinement
adds refutations and memories to the last turn, so that the rules before it stay
one prefix, which is computed once. Prompts are short: on a CPU each token costs
a millisecond.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from glimo_jax.types import Message

PROMPT_VERSION = "1"

PLAN = "Name all moves to the goal."
_AGAIN = "Another answer?"
_SEEN = "Seen before: {text} -> {answer}."

Prompt = tuple[Message, ...]


def acting(rules: str, description: str) -> Prompt:
  """Asks for the next action in a moment."""
  return _turns(rules, description)


def question(rules: str, description: str, text: str) -> Prompt:
  """Asks a question about a moment."""
  return _turns(rules, f"{description} {text}")


def plan(rules: str, description: str) -> Prompt:
  """Asks for all moves to the goal."""
  return _turns(rules, f"{description} {PLAN}")


# --- Other ways to ask -------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Form:
  """What a way of asking adds to the prompts of training; "" adds nothing.

  Attributes:
    to_act, to_answer: instruction after the rules, for actions and questions.
    moves, answers: end of the last turn; {} stands for the list of them.
  """

  to_act: str = ""
  moves: str = ""
  to_answer: str = ""
  answers: str = ""

  def acting(
    self, rules: str, description: str, actions: Sequence[str]
  ) -> Prompt:
    """Asks for the next action in a moment."""
    listed = self.moves.format(", ".join(actions))
    return acting(_joined(rules, self.to_act), _joined(description, listed))

  def question(
    self, rules: str, description: str, text: str, choices: Sequence[str]
  ) -> Prompt:
    """Asks a question about a moment."""
    listed = self.answers.format(", ".join(choices))
    return question(
      _joined(rules, self.to_answer), description, _joined(text, listed)
    )


PLAIN = Form()
OPTIONS = Form(
  moves="Possible moves: {}. Answer with one of them.",
  answers="Possible answers: {}. Answer with one of them.",
)
INSTRUCTED = dataclasses.replace(
  OPTIONS,
  to_act="You act in this world, one move at a time. Each time you read what "
  "you perceive now. Find the goal and what stands in its way, think what each "
  "possible move would do under the rules, and answer with the move that leads "
  "to the goal soonest. Never choose a move that is impossible or harmful.",
  to_answer="You read what is perceived at one moment of this world, then a "
  "question. Find what the question is about, and work the answer out from the "
  "text and the rules. Answer with one of the possible answers, word for word.",
)
CONCLUSION = "Answer:"  # what ends the reasons
_REASONS = (
  "Possible {what}: {{}}. Reason in one short sentence, then write "
  f'"{CONCLUSION}" and one of them.'
)
REASONED = Form(
  moves=_REASONS.format(what="moves"), answers=_REASONS.format(what="answers")
)


def refine(
  prompt: Prompt,
  refutations: tuple[str, ...],
  memories: tuple[tuple[str, str], ...] = (),
) -> Prompt:
  """A prompt after drafts that the verifier refuted.

  Args:
    prompt: the student's prompt that the drafts answered.
    refutations: the verifier's refutation of each draft, first to last.
    memories: (situation, right answer) of similar moments.
  """
  lines = [_SEEN.format(text=text, answer=answer) for text, answer in memories]
  lines += [prompt[-1]["content"], *refutations, _AGAIN]
  return (*prompt[:-1], {"role": "user", "content": " ".join(lines)})


# --- Refutations of the verifier ---------------------------------------------


def refute_answer(answer: str) -> str:
  """The refutation of a wrong answer to a question."""
  return f"No: not {answer}."


def refute_action(action: str, moved: bool) -> str:
  """The refutation of an action that is not best.

  Args:
    action: its word.
    moved: whether it changed the description.
  """
  if moved:
    return f"No: {action} is no shortest way."
  return f"No: {action} is barred."


def refute_plan(moves: int, description: str) -> str:
  """The refutation of a plan that does not succeed.

  Args:
    moves: number of its moves.
    description: of the moment after them.
  """
  return f"No: after {moves} moves: {description}"


def prompt_hash(prompt: Prompt) -> str:
  """Hash of a prompt, in hex."""
  return text_hash(json.dumps(list(prompt), sort_keys=True))


def text_hash(text: str) -> str:
  """Hash of a text, in hex."""
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def _joined(*parts: str) -> str:
  return " ".join(part for part in parts if part)


def _turns(system: str, user: str) -> Prompt:
  return (
    {"role": "system", "content": system},
    {"role": "user", "content": user},
  )

"""All words that a language model reads, apart from the world's own words.

What the verifier says of a wrong answer is in `refutations`. The student's
prompt is the same in training and in evaluation. A refinement adds refutations
and memories to the last turn, so that the rules before it stay one prefix,
which is computed once. Prompts are short: on a CPU each token costs a
millisecond.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from glimo_jax.types import Message

PROMPT_VERSION = "1"

PLAN = "Name all moves to the goal."
_PREDICT = "What do you read after {}?"
_AGAIN = "Another answer?"
_EXPLAIN = "Why {}?"
_STEP = "Step {}, {}: {}"
_REFLECT = (
  "The goal was not reached. Which step was the first mistake, and which move "
  "was right there?"
)
_REFLECTION = "step {}: {}"
_COMPOSE = (
  "You write questions about moments of a world, as queries in JSON: "
  '{{"op": NAME, "args": [...]}}. An argument is a word, or a query that gives '
  "what is wanted. The answer must follow from the text. {}"
)
_ASKED = "{} Write one query that begins with {}."
_WRONG = "Not: {}."
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


def predict(actions: Sequence[str]) -> str:
  """The question for the description after some actions, given as words."""
  return _PREDICT.format(", ".join(actions))


def explain(action: str) -> str:
  """The question why an action, given as a word, is right."""
  return _EXPLAIN.format(action)


def repair(rules: str, description: str, wrong: str, refutation: str) -> Prompt:
  """Asks for all moves to the goal in place of a plan that fails.

  Args:
    rules: of the prompt.
    description: of the moment.
    wrong: the plan.
    refutation: what is wrong with it.
  """
  return refine(plan(rules, description), (_WRONG.format(wrong), refutation))


def reflect(steps: Sequence[tuple[str, str]]) -> str:
  """The question for the first mistake of a failed episode.

  Args:
    steps: (action, description after it) of each step, from the moment on that
      the prompt describes.
  """
  lines = [_STEP.format(i, *step) for i, step in enumerate(steps, 1)]
  return " ".join([*lines, _REFLECT])


def reflection(step: int, action: str) -> str:
  """The answer that names the mistake (a step from 1) and what mends it."""
  return _REFLECTION.format(step, action)


def compose(manual: str, description: str, hint: str) -> Prompt:
  """Asks a teacher for a query about a moment.

  Args:
    manual: the language of queries in words.
    description: of the moment.
    hint: the operator to begin with.
  """
  return _turns(_COMPOSE.format(manual), _ASKED.format(description, hint))


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


def form_of_moves(actions: Sequence[str]) -> str:
  """Tells that an answer is a list of these actions."""
  return (
    "Answer with the moves alone, in order, with spaces between them. Each is "
    f"one of: {', '.join(actions)}."
  )


FORM_OF_TEXT = (
  "Answer with that text alone, in the same kind of sentences, and in the same "
  "order, as the text above."
)


def form_of_claims(examples: Sequence[str]) -> str:
  """Tells that an answer consists of sentences like these."""
  return (
    "Answer with one to three true sentences, the last one about what it does. "
    f"Only sentences of these forms count: {'. '.join(examples)}."
  )


def form_of_reflection(actions: Sequence[str]) -> str:
  """Tells that an answer names a step and one of these actions."""
  return (
    f"Answer with the step and the move alone, such as "
    f'"{reflection(2, actions[0])}". The moves are: {", ".join(actions)}.'
  )


def with_form(prompt: Prompt, form: str) -> Prompt:
  """A prompt whose last turn ends with what is said of the answer's form."""
  if not form:
    return prompt
  content = _joined(prompt[-1]["content"], form)
  return (*prompt[:-1], {"role": "user", "content": content})


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

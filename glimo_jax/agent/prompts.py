"""All words that a language model reads, apart from the world's own words.

The student's prompt is the same in training and in evaluation. A refinement
adds refutations and memories to the last turn, so that the rules before it stay
one prefix, which is computed once. Prompts are short: on a CPU each token costs
a millisecond.
"""

import hashlib
import json

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


def _turns(system: str, user: str) -> Prompt:
  return (
    {"role": "system", "content": system},
    {"role": "user", "content": user},
  )

"""Every word a language model reads, apart from the world's own words.

A student's prompt is the same in training and in evaluation. A teacher's
refinement puts what it learnt behind the student's prompt, in the last turn,
so that the rules before it stay one prefix that is computed once. Short on
purpose: every token costs a millisecond on a CPU.
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
    refutations: what the verifier said of each draft, first to last.
    memories: (situation, what proved right in it), to learn from.
  """
  said = [_SEEN.format(text=text, answer=answer) for text, answer in memories]
  said += [prompt[-1]["content"], *refutations, _AGAIN]
  return (*prompt[:-1], {"role": "user", "content": " ".join(said)})


# --- What the verifier says of a wrong answer --------------------------------


def refute_answer(answer: str) -> str:
  """Of a wrong answer to a question."""
  return f"No: not {answer}."


def refute_action(action: str, moved: bool) -> str:
  """Of an action that is not the best one."""
  if moved:
    return f"No: {action} is no shortest way."
  return f"No: {action} is barred."


def refute_plan(moves: int, description: str) -> str:
  """Of a plan that ends elsewhere than in the goal."""
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

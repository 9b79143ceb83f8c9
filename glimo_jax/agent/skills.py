"""Skills: how the agent puts a task into words, reads answers, checks them.

| skill | asks for | answer | verified by |
|---|---|---|---|
| question | the truth of a question | a choice | the truth, replayed |
| next_action | the next action | an action's word | cost to go |
| full_plan | all moves to the goal | words | their replay |

After a refutation each becomes a repair: the same task with what the verifier
said, and what was seen before in moments like it.
"""

import dataclasses
from collections.abc import Sequence

from glimo_jax.agent import prompts, verifier
from glimo_jax.agent.tools import Asked, Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience

NEXT_ACTION, PLAN = "next_action", "full_plan"  # no world's question kinds
_PLAN_TOKENS = 48


@dataclasses.dataclass(frozen=True)
class Seed:
  """A task for the agent: the seed of one row.

  Attributes:
    kind: a question kind, next_action or full_plan.
    experience: the moment it is about.
    prompt: what the student will be asked.
    choices: the closed set of answers, empty for a plan.
    asked: the question, None for acting.
  """

  kind: str
  experience: Experience
  prompt: prompts.Prompt
  choices: tuple[str, ...]
  asked: Asked | None = None

  @property
  def stage(self) -> int:
    """1 understanding, 2 acting."""
    return 2 if self.asked is None else 1

  @property
  def max_tokens(self) -> int:
    """Most tokens that an answer may take."""
    return 8 if self.choices else _PLAN_TOKENS


def question(tools: Tools, experience: Experience, asked: Asked) -> Seed:
  """The skill of answering a question about a moment."""
  prompt = prompts.question(
    tools.rules(experience.variant),
    experience.description,
    asked.question.text,
  )
  choices = tuple(asked.question.choices)
  return Seed(asked.question.kind, experience, prompt, choices, asked)


def next_action(tools: Tools, experience: Experience) -> Seed:
  """The skill of choosing the next action."""
  rules = tools.rules(experience.variant)
  prompt = prompts.acting(rules, experience.description)
  return Seed(NEXT_ACTION, experience, prompt, tools.world.actions)


def plan(tools: Tools, experience: Experience) -> Seed:
  """The skill of planning to the goal."""
  rules = tools.rules(experience.variant)
  prompt = prompts.plan(rules, experience.description)
  return Seed(PLAN, experience, prompt, ())


def read(tools: Tools, seed: Seed, text: str) -> str | None:
  """The answer in a completion, None if there is none.

  Questions and actions are one of the choices, whatever the case and the
  marks around; a plan is nothing but the world's actions.
  """
  words = text.lower().replace(",", " ").split()
  words = [w for w in (word.strip(".!?\"'`*") for word in words) if w]
  if seed.kind == PLAN:
    known = all(word in tools.world.actions for word in words)
    return " ".join(words) if words and known else None
  folded = {choice.lower(): choice for choice in seed.choices}
  return folded.get(" ".join(words))


def verify(
  tools: Tools, seeds: Sequence[Seed], answers: Sequence[str]
) -> list[Check]:
  """The verifier's verdict on each answer, one batch a skill."""
  out: list[Check | None] = [None] * len(seeds)
  groups: dict[str, list[int]] = {}
  for i, seed in enumerate(seeds):
    form = "question" if seed.asked is not None else seed.kind
    groups.setdefault(form, []).append(i)
  for form, rows in groups.items():
    moments = [seeds[i].experience for i in rows]
    said = [answers[i] for i in rows]
    if form == "question":
      asked = [seeds[i].asked for i in rows]
      checks = verifier.verify_answers(tools, moments, asked, said)
    elif form == PLAN:
      checks = verifier.verify_plans(tools, moments, said)
    else:
      checks = verifier.verify_actions(tools, moments, said)
    for i, check in zip(rows, checks, strict=True):
      out[i] = check
  return out

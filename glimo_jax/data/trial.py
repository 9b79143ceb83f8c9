"""Before an annotation: what it would ask and cost, and a few drafts to read.

Nothing is written.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent import prompts
from glimo_jax.agent.agent import Agent, Outcome
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.served import wire
from glimo_jax.agent.served.answers import CHARACTERS, tokens_of
from glimo_jax.agent.skills import Task
from glimo_jax.agent.tools import Tools
from glimo_jax.data import annotate
from glimo_jax.data.annotate import AnnotateConfig
from glimo_jax.types import Experience

Bounds = tuple[int, int]  # every first draft is right; none is, or readable


@dataclasses.dataclass(frozen=True)
class Estimate:
  """What an annotation would ask; token counts are estimates.

  Attributes:
    planned: rows.
    drafted: rows that the language model drafts; the tools write the others.
    duplicates: planned rows that were left out.
    requests: least and most.
    prompt_tokens: least and most.
    completion_tokens: least and most.
  """

  planned: int
  drafted: int
  duplicates: int
  requests: Bounds
  prompt_tokens: Bounds
  completion_tokens: Bounds

  def table(self, cost: Callable[[int, int], float] | None = None) -> str:
    """The estimate as text.

    Args:
      cost: of prompt and completion tokens; None where it is unknown.
    """
    lines = [
      f"{self.drafted:,} of {self.planned:,} planned rows would be drafted by "
      f"the language model ({self.duplicates:,} duplicates are left out)"
    ]
    for name in ("requests", "prompt_tokens", "completion_tokens"):
      least, most = getattr(self, name)
      lines.append(f"  {name:<18}{least:>12,} to {most:>12,}")
    if cost is not None:
      pairs = zip(self.prompt_tokens, self.completion_tokens, strict=True)
      least, most = (cost(*pair) for pair in pairs)
      lines.append(f"  {'cost':<18}{least:>12,.2f} to {most:>12,.2f}")
    lines += [
      "Least: every first draft is right. Most: none is, and each is sampled "
      "twice.",
      f"Tokens are estimated: {CHARACTERS} characters each.",
    ]
    return "\n".join(lines)


def estimate(
  tools: Tools, experiences: Sequence[Experience], config: AnnotateConfig
) -> Estimate:
  """Plans all rows, and counts what their drafts would ask."""
  to_draft, to_write, duplicates = annotate.plan(tools, experiences, config)
  drafts = 2 * (1 + config.refinements)  # each sampled twice
  prompt = sum(
    tokens_of(turn["content"])
    for row in to_draft
    for turn in _asked(row.task, config.forms)
  )
  answers = sum(tokens_of("".join(row.answers[:1])) for row in to_draft)
  longest = sum(
    row.task.skill.max_tokens + wire.SCHEMA_TOKENS for row in to_draft
  )
  return Estimate(
    planned=len(to_draft) + len(to_write),
    drafted=len(to_draft),
    duplicates=duplicates,
    requests=(len(to_draft), drafts * len(to_draft)),
    prompt_tokens=(prompt, drafts * prompt),
    completion_tokens=(answers, drafts * longest),
  )


def preview(
  tools: Tools,
  experiences: Sequence[Experience],
  config: AnnotateConfig,
  lm: LanguageModel,
  memory: Memory | None,
  count: int,
) -> list[Outcome]:
  """Drafts and verifies `count` of the planned rows, spread over all."""
  to_draft, _, _ = annotate.plan(tools, experiences, config)
  places = np.linspace(0, len(to_draft), count, endpoint=False).astype(int)
  chosen = [to_draft[i].task for i in sorted(set(places.tolist()))]
  return Agent(lm, tools, memory, config.agent).run(chosen if to_draft else [])


def shown(outcome: Outcome, forms: bool = False) -> str:
  """A draft as text: prompt, answer, verdict, refutations.

  Args:
    outcome: the draft.
    forms: whether the teacher was told the form of the answer.
  """
  asked = _asked(outcome.task, forms)
  turns = [f"{turn['role']}: {turn['content']}" for turn in asked]
  lines = [f"--- {outcome.task.kind}", *turns]
  lines += [f"refuted: {text}" for text in outcome.refutations]
  lines.append(
    f"answer: {outcome.answer or '-'} ({outcome.verdict} after "
    f"{outcome.attempts} drafts)"
  )
  if outcome.unanswered:
    lines.append(f"no answer: {outcome.unanswered}")
  return "\n".join(lines)


def _asked(task: Task, forms: bool) -> prompts.Prompt:
  """The prompt of a first draft."""
  return prompts.with_form(task.prompt, task.form if forms else "")

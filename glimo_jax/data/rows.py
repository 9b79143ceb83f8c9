"""Verified tasks as rows of the dataset, with their whole provenance."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from glimo_jax.agent import prompts
from glimo_jax.agent.agent import Outcome
from glimo_jax.agent.skills import PlannedRow, Task
from glimo_jax.types import InstructionExample


def drafted(
  outcome: Outcome, planned: PlannedRow, label_source: str, teacher: str
) -> InstructionExample:
  """The row of a verified draft.

  Args:
    outcome: the draft.
    planned: the row that it was drafted for.
    label_source: of the planned answers.
    teacher: name of the model.
  """
  return _row(
    outcome.task,
    (outcome.answer,),
    (1.0,),
    source="llm",
    label_source=label_source,
    checked_by=planned.task.skill.checked_by,
    attempts=outcome.attempts,
    rationale=planned.rationale,
    ending=planned.ending,
    teacher=teacher,
    prompt_hash=outcome.prompt_hash,
    memories=outcome.memories,
  )


def by_tool(
  planned: PlannedRow, label_source: str, checked_by: str
) -> InstructionExample:
  """The row that the tools answer.

  Args:
    planned: the row, verified.
    label_source: of its right answers.
    checked_by: `replay` or `replay+reference`.
  """
  labelled = planned.task.skill.labelled
  return _row(
    planned.task,
    planned.answers,
    planned.weights,
    source="tool",
    label_source=label_source,
    checked_by=checked_by,
    attempts=0,
    rationale=planned.rationale,
    ending=planned.ending,
    teacher=label_source if labelled else "simulator",
    prompt_hash="",
    memories=(),
  )


def _row(
  task: Task,
  answers: Sequence[str],
  weights: tuple[float, ...],
  **fields: Any,
) -> InstructionExample:
  e, question = task.experience, task.question
  content = json.dumps(
    [
      task.kind,
      list(task.prompt),
      answers,
      weights,
      e.episode,
      e.actions,
      fields,
    ],
    sort_keys=True,
  )
  return InstructionExample(
    row_id=prompts.text_hash(content),
    kind=task.kind,
    stage=task.skill.stage,
    messages=task.prompt,
    answers=tuple(answers),
    weights=weights,
    choices=task.choices,
    verdict="verified",
    world=e.world,
    variant=e.variant,
    split=e.split,
    level=e.level,
    level_hash=e.level_hash,
    depth=e.depth,
    seed=e.seed,
    actions=e.actions,
    episode=e.episode,
    prompt_version=prompts.PROMPT_VERSION,
    question=question.text if question else "",
    args=tuple(question.args) if question else (),
    **fields,
  )


def held_out(episode: str, share: float, seed: int) -> bool:
  """Whether an episode is for validation; decided by its name alone."""
  digest = hashlib.sha256(f"{seed}/{episode}".encode()).digest()
  return int.from_bytes(digest[:8], "big") / 2**64 < share

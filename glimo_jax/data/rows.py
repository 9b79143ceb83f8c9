"""Verified tasks as dataset rows with their whole provenance."""

import hashlib
import json

from glimo_jax.agent import prompts, skills
from glimo_jax.agent.agent import Outcome
from glimo_jax.data.planning import Planned
from glimo_jax.types import InstructionExample


def drafted(
  outcome: Outcome, label_source: str, teacher: str
) -> InstructionExample:
  """The row of a verified draft."""
  return _row(
    outcome.seed,
    (outcome.answer,),
    (1.0,),
    source="llm",
    label_source=label_source,
    checked_by="replay",
    attempts=outcome.attempts,
    rationale=outcome.rationale,
    teacher=teacher,
    prompt_hash=outcome.prompt_hash,
    memories=outcome.memories,
  )


def by_tool(
  planned: Planned, label_source: str, checked_by: str
) -> InstructionExample:
  """The row that the tools answer."""
  return _row(
    planned.seed,
    planned.answers,
    planned.weights,
    source="tool",
    label_source=label_source,
    checked_by=checked_by,
    attempts=0,
    rationale="",
    teacher="simulator" if planned.seed.stage == 1 else label_source,
    prompt_hash="",
    memories=(),
  )


def _row(seed: skills.Seed, answers, weights, **fields) -> InstructionExample:
  e = seed.experience
  question = seed.asked.question if seed.asked is not None else None
  content = json.dumps(
    [
      seed.kind,
      list(seed.prompt),
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
    kind=seed.kind,
    stage=seed.stage,
    messages=seed.prompt,
    answers=tuple(answers),
    weights=weights,
    choices=seed.choices,
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
  """Whether an episode is for validation: by its name, whatever else is."""
  digest = hashlib.sha256(f"{seed}/{episode}".encode()).digest()
  return int.from_bytes(digest[:8], "big") / 2**64 < share

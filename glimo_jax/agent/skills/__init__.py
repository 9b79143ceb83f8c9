"""Skills: what the agent can write, each one class in one file.

| skill | asks for | answer | verified by |
|---|---|---|---|
| question | the truth of a question | a choice | the truth, replayed |
| next_action | the next action | an action's word | cost to success |
| plan | all moves to the goal | words | replay of the moves |
| predict | the text after some actions | a text | the replayed text |
| explain | why an action | claims | each claim, checked |
| repair | all moves, after a wrong plan | words | replay of the moves |
| reflect | the first mistake | a step, an action | replay with that action |
| compose | a question of its own | a query | both paths, and its words |

To add a skill, write its file and name its class in SKILLS.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from glimo_jax import fields
from glimo_jax.agent.skills.compose import ComposeSkill
from glimo_jax.agent.skills.explain import ExplainSkill
from glimo_jax.agent.skills.next_action import NextActionSkill
from glimo_jax.agent.skills.plan import PlanSkill
from glimo_jax.agent.skills.predict import PredictSkill
from glimo_jax.agent.skills.question import QuestionSkill
from glimo_jax.agent.skills.reflect import ReflectSkill
from glimo_jax.agent.skills.repair import RepairSkill
from glimo_jax.agent.skills.task import Plan, PlannedRow, Skill, Task
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check

__all__ = [
  "SKILLS",
  "ComposeSkill",
  "ExplainSkill",
  "NextActionSkill",
  "Plan",
  "PlanSkill",
  "PlannedRow",
  "PredictSkill",
  "QuestionSkill",
  "ReflectSkill",
  "RepairSkill",
  "Skill",
  "Task",
  "by_skill",
  "skill_class",
  "verify",
]

T = TypeVar("T")
# In the order in which their rows are planned.
SKILLS: dict[str, type[Skill]] = {
  skill.name: skill
  for skill in (
    QuestionSkill,
    NextActionSkill,
    PlanSkill,
    PredictSkill,
    ExplainSkill,
    RepairSkill,
    ReflectSkill,
    ComposeSkill,
  )
}


def skill_class(name: str) -> type[Skill]:
  """The class of a skill; ValueError names the nearest."""
  fields.check_known("skill", name, SKILLS)
  return SKILLS[name]


def by_skill(tasks: Sequence[Task]) -> list[tuple[Skill, list[int]]]:
  """(skill, indices of its tasks), skills in order of appearance."""
  groups: dict[str, tuple[Skill, list[int]]] = {}
  for i, task in enumerate(tasks):
    groups.setdefault(task.skill.name, (task.skill, []))[1].append(i)
  return list(groups.values())


def verify(
  tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
) -> list[Check]:
  """The verifier's verdict on each answer, skill by skill, in shares."""
  out: dict[int, Check] = {}
  for skill, rows in by_skill(tasks):
    asked, said = [tasks[i] for i in rows], [answers[i] for i in rows]
    out.update(zip(rows, _checks(tools, skill, asked, said), strict=True))
  return [out[i] for i in range(len(tasks))]


def _checks(
  tools: Tools, skill: Skill, tasks: Sequence[Task], answers: Sequence[str]
) -> list[Check]:
  def checked(rows: range) -> list[Check]:
    span = slice(rows.start, rows.stop)
    return skill.verify(tools, tasks[span], answers[span])

  return in_shares(tools, skill, len(tasks), checked, lambda c: Check(**c))


def in_shares(
  tools: Tools,
  skill: Skill,
  count: int,
  work: Callable[[range], Sequence[T]],
  read: Callable[[Any], T] = lambda result: result,
) -> list[T]:
  """What a skill makes of its rows; see `Replayer.by_chunk`.

  The checks of a skill that measures moments are made in each process:
  `Tools.measure` shares out its work itself, so it cannot be part of a piece.
  """
  if skill.measures:
    return list(work(range(count)))
  return tools.by_chunk(count, work, read)

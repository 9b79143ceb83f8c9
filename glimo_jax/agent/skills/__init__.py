"""Skills: what the agent can write, each one class in one file.

| skill | asks for | answer | verified by |
|---|---|---|---|
| question | the truth of a question | a choice | the truth, replayed |
| next_action | the next action | an action's word | cost to success |
| plan | all moves to the goal | words | replay of the moves |

To add a skill, write its file and name its class in SKILLS.
"""

from collections.abc import Sequence

from glimo_jax import fields
from glimo_jax.agent.skills.next_action import NextActionSkill
from glimo_jax.agent.skills.plan import PlanSkill
from glimo_jax.agent.skills.question import QuestionSkill
from glimo_jax.agent.skills.task import Plan, PlannedRow, Skill, Task
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check

__all__ = [
  "SKILLS",
  "NextActionSkill",
  "Plan",
  "PlanSkill",
  "PlannedRow",
  "QuestionSkill",
  "Skill",
  "Task",
  "by_skill",
  "skill_class",
  "verify",
]

# In the order in which their rows are planned.
SKILLS: dict[str, type[Skill]] = {
  skill.name: skill for skill in (QuestionSkill, NextActionSkill, PlanSkill)
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
  """The verifier's verdict on each answer, one batch a skill."""
  out: dict[int, Check] = {}
  for skill, rows in by_skill(tasks):
    checks = skill.verify(
      tools, [tasks[i] for i in rows], [answers[i] for i in rows]
    )
    out.update(zip(rows, checks, strict=True))
  return [out[i] for i in range(len(tasks))]

"""The skill of planning all moves to the goal."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import costs, prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  after,
  shuffled,
  words_of,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience

_LONGEST = 32  # moves; longer ways are not planned


@dataclasses.dataclass(frozen=True)
class PlanSkill(Skill):
  """Names all moves to the goal; any plan that succeeds is right."""

  name = "plan"
  stage = 2
  labelled = True
  max_tokens = 48

  kind = "full_plan"  # of its rows; no question kind has this name

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans ways to the goal, each by steps of least cost."""
    del student
    chosen = shuffled(experiences, seed)[: self.rows]
    plan = Plan()
    for moment, moves in zip(chosen, ways(tools, chosen), strict=True):
      answers = () if moves is None else (in_words(tools, moves),)
      plan.add(
        PlannedRow(self.task(tools, moment), answers, (1.0,) * len(answers))
      )
    return plan

  def task(self, tools: Tools, experience: Experience) -> Task:
    """The task of planning from a moment to the goal."""
    rules = tools.rules(experience.variant)
    prompt = prompts.plan(rules, experience.description)
    form = prompts.form_of_moves(tools.world.actions)
    return Task(self, self.kind, experience, prompt, (), form=form)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The moves, joined by spaces; None where any word is no action."""
    words = words_of(text)
    known = all(word in tools.world.actions for word in words)
    return " ".join(words) if words and known else None

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Replays each plan; a plan that succeeds is verified."""
    plans = [tools.action_indices(answer.split()) for answer in answers]
    ends = tools.simulate(
      [
        after(task.experience, moves)
        for task, moves in zip(tasks, plans, strict=True)
      ]
    )
    checks = []
    for i, moves in enumerate(plans):
      if ends.success[i]:
        checks.append(Check("verified", steps=len(moves)))
      else:
        refutation = refutations.of_plan(len(moves), ends.description[i])
        checks.append(Check("refuted", refutation))
    return checks

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether the reference's rules take the plans to success."""
    if tools.label_source != "oracle":
      return None
    games = tools.games([row.task.experience for row in rows])
    if games is None:
      return None
    done = []
    for game, row in zip(games, rows, strict=True):
      for action in tools.action_indices(row.answers[0].split()):
        game = game.step(action)
      done.append(game.done)
    return np.array(done, bool)


def ways(
  tools: Tools, moments: Sequence[Experience]
) -> list[tuple[int, ...] | None]:
  """Moves of least cost from each moment to success.

  () if the moment is a success already; None if no way is known, or if 32 moves
  do not succeed.
  """
  moves: list[tuple[int, ...]] = [()] * len(moments)
  arrived: set[int] = set()
  going = list(range(len(moments)))
  for _ in range(_LONGEST + 1):
    ends = tools.simulate([after(moments[i], moves[i]) for i in going])
    arrived |= {i for i, ok in zip(going, ends.success, strict=True) if ok}
    going = [i for i, over in zip(going, ends.done, strict=True) if not over]
    measured = tools.measure([after(moments[i], moves[i]) for i in going])
    best = {
      i: costs.best_actions(c)[:1] for i, c in zip(going, measured, strict=True)
    }
    going = [i for i in going if best[i]]  # elsewhere no way is known
    if not going:
      break
    for i in going:
      moves[i] += best[i]
  return [m if i in arrived else None for i, m in enumerate(moves)]


def in_words(tools: Tools, moves: Sequence[int]) -> str:
  """Moves as an answer has them."""
  return " ".join(tools.world.actions[a] for a in moves)

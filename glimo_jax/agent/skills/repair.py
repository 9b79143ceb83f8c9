"""The skill of repairing a plan that the simulator has refuted."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from glimo_jax.agent import prompts, refutations
from glimo_jax.agent.llm import LanguageModel, Request
from glimo_jax.agent.skills.plan import PlanSkill, in_words, ways
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Task,
  after,
  in_batches,
  question_of,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience
from simulators.base import Question

Moves = tuple[int, ...]
_TRIES = 8  # changed plans of a moment, of which the first that fails is taken


@dataclasses.dataclass(frozen=True)
class Failure:
  """A plan that fails, where another one succeeds.

  Attributes:
    moment: from which on both are played.
    right: the moves of the other plan, in words.
    wrong: the moves that fail.
  """

  moment: Experience
  right: str
  wrong: Moves


@dataclasses.dataclass(frozen=True)
class RepairSkill(PlanSkill):
  """Names all moves to the goal, given a plan that fails and where it ends.

  The prompt is that of a plan, the wrong plan, and what is perceived where the
  simulator ends it. So it can be answered wherever the skill `plan` can. Any
  plan that succeeds in the replay is right.
  """

  name = "repair"

  kind = "repair"

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans moments with a known way and a plan that fails.

    The wrong plans are those of the student where it is given and errs, else
    the right plan with one to four random edits. Replay has shown that they
    fail. Moments without both are passed over.
    """
    plan, rng = Plan(), np.random.default_rng([seed, 7])
    for moments in in_batches(experiences, seed, self.rows):
      if len(plan.rows) >= self.rows:
        break
      failures = self._failures(tools, moments, rng, student)
      for row in self.rows_of(tools, failures):
        if len(plan.rows) < self.rows:
          plan.add(row)
    return plan

  def _failures(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    rng: np.random.Generator,
    student: LanguageModel | None,
  ) -> list[Failure]:
    """The first plan that fails, for each moment that has one."""
    found = zip(moments, ways(tools, moments), strict=True)
    known = [(moment, way) for moment, way in found if way]
    drafts = self._drafts(tools, [moment for moment, _ in known], student)
    offered = [
      Failure(moment, in_words(tools, way), wrong)
      for (moment, way), draft in zip(known, drafts, strict=True)
      for wrong in (*draft, *_changed(tools, way, rng))
    ]
    ends = tools.simulate([after(f.moment, f.wrong) for f in offered])
    first: dict[Experience, Failure] = {}
    for failure, ok in zip(offered, ends.success, strict=True):
      if not ok:
        first.setdefault(failure.moment, failure)
    return list(first.values())

  def _drafts(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    student: LanguageModel | None,
  ) -> list[list[Moves]]:
    """The student's plan for each moment, if it writes one."""
    if student is None:
      return [[] for _ in moments]
    tasks = [self.task(tools, moment) for moment in moments]
    answers = student.generate(
      [Request(task.prompt, max_tokens=self.max_tokens) for task in tasks]
    )
    plans = [
      None if answer.error else self.read(tools, task, answer.text)
      for task, answer in zip(tasks, answers, strict=True)
    ]
    return [[tools.action_indices(p.split())] if p else [] for p in plans]

  def rows_of(
    self, tools: Tools, failures: Sequence[Failure]
  ) -> list[PlannedRow]:
    """A row for each plan that fails."""
    return [
      PlannedRow(
        self.repair(tools, f, refutations.of_end(*end)), (f.right,), (1.0,)
      )
      for f, end in zip(failures, _ends(tools, failures), strict=True)
    ]

  def repair(self, tools: Tools, failure: Failure, fault: str) -> Task:
    """The task of naming all moves in place of a plan that fails.

    Args:
      tools: the world.
      failure: the plan.
      fault: what the simulator says of it.
    """
    moment, words = failure.moment, in_words(tools, failure.wrong)
    asked = Question(self.kind, words, (), "", failure.wrong)
    rules = tools.rules(moment.variant)
    prompt = prompts.repair(rules, moment.description, words, fault)
    form = prompts.form_of_moves(tools.world.actions)
    return Task(self, self.kind, moment, prompt, (), asked, form=form)

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether by the reference's rules the plans succeed, the wrong ones fail.

    A wrong plan is played only up to the move where the simulator ended it,
    because the reference may not know the step budget.
    """
    failures = [
      Failure(row.task.experience, "", question_of(row.task).args)
      for row in rows
    ]
    ends = _ends(tools, failures)
    wrong = [
      dataclasses.replace(row, answers=(in_words(tools, f.wrong[: end.moves]),))
      for row, f, end in zip(rows, failures, ends, strict=True)
    ]
    succeeds = super().recheck(tools, [*rows, *wrong])
    if succeeds is None:
      return None
    return succeeds[: len(rows)] & ~succeeds[len(rows) :]


def _changed(
  tools: Tools, moves: Moves, rng: np.random.Generator
) -> list[Moves]:
  """Plans with one to four random edits: a move is removed or replaced."""
  actions, out = len(tools.world.actions), []
  for turn in range(_TRIES):
    changed = list(moves)
    for _ in range(1 + turn // 2):
      at = int(rng.integers(len(changed)))
      if len(changed) > 1 and rng.random() < 0.5:
        changed.pop(at)
      else:
        changed[at] = (changed[at] + int(rng.integers(1, actions))) % actions
    out.append(tuple(changed))
  return out


class _End(NamedTuple):
  """After how many moves a plan ends, if the episode is over, and the text."""

  moves: int
  over: bool
  text: str


def _ends(tools: Tools, failures: Sequence[Failure]) -> list[_End]:
  """Where each plan ends: with the episode, or after its last move."""
  begun = [
    (i, n) for i, f in enumerate(failures) for n in range(1, len(f.wrong) + 1)
  ]
  played = tools.simulate(
    [after(failures[i].moment, failures[i].wrong[:n]) for i, n in begun]
  )
  out = [_End(0, False, "")] * len(failures)
  for (i, n), over, text in zip(
    begun, played.done, played.description, strict=True
  ):
    if not out[i].over:
      out[i] = _End(n, bool(over), text)
  return out

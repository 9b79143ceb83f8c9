"""Rows that the tools write: verified by replay, and by a second path.

Also turns verified drafts into the rows that they teach, and refuted plans into
repair rows.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import prompts, skills
from glimo_jax.agent.agent import Outcome
from glimo_jax.agent.llm import TeacherError
from glimo_jax.agent.skills import PlannedRow, PlanSkill, Skill, compose
from glimo_jax.agent.skills.repair import Failure, RepairSkill
from glimo_jax.agent.tools import Tools


def check_answered(outcomes: Sequence[Outcome]) -> None:
  """Raises TeacherError if a later run could still get answers."""
  missing = [o.unanswered for o in outcomes if o.unanswered]
  if missing:
    raise TeacherError(
      f"{len(missing)} of {len(outcomes)} drafts ended without an answer, the "
      f"first with: {missing[0]}; start again when the server answers: only "
      "what has no answer is asked"
    )


def check_tool_rows(
  tools: Tools, planned: Sequence[PlannedRow], rechecked: int, seed: int
) -> tuple[list[str], list[str]]:
  """The verdict on each row that the tools answer, and how it was checked.

  Each answer is compared with the truth of the replayed moment. Up to
  `rechecked` rows of each skill, chosen at random, are derived a second time
  by the world's reference, where it has one. A row on which the two paths
  disagree is refuted.

  Args:
    tools: the world.
    planned: the rows.
    rechecked: rows of each skill that the reference derives again, at most.
    seed: of the choice of those rows.

  Returns:
    verdicts: one of types.VERDICTS for each row.
    checked_by: `replay` or `replay+reference` for each row.
  """
  verdicts = ["unverifiable"] * len(planned)
  checked = ["replay"] * len(planned)
  known = tools.known([row.task.experience for row in planned])
  ready = [i for i, row in enumerate(planned) if known[i] and row.answers]
  rng = np.random.default_rng([seed, 2])
  for skill, places in skills.by_skill([planned[i].task for i in ready]):
    members = [ready[place] for place in places]
    again = rng.permutation(len(members))[:rechecked]
    checks = _checks(
      tools,
      skill,
      [planned[i] for i in members],
      np.isin(np.arange(len(members)), again),
    )
    for i, (verdict, agrees) in zip(members, checks, strict=True):
      verdicts[i] = verdict
      if agrees is not None:
        checked[i] = "replay+reference"
        verdicts[i] = verdict if agrees else "refuted"
  return verdicts, checked


def _checks(
  tools: Tools, skill: Skill, rows: Sequence[PlannedRow], again: np.ndarray
) -> list[tuple[str, bool | None]]:
  """The verdict on each row of a skill, and whether the reference agrees.

  None where no reference has derived the row. The rows are checked in shares.

  Args:
    tools: the world.
    skill: that has planned the rows.
    rows: n of them.
    again: bool[n], which of them the reference derives.
  """

  def checked(places: range) -> list[tuple[str, bool | None]]:
    checks = skill.verify(
      tools,
      [rows[i].task for i in places],
      [rows[i].answers[0] for i in places],
    )
    derived = [i for i in places if again[i]]
    agree = None
    if derived:
      agree = skill.recheck(tools, [rows[i] for i in derived])
    agrees = {}
    if agree is not None:
      agrees = dict(zip(derived, map(bool, agree), strict=True))
    return [
      (check.verdict, agrees.get(i))
      for i, check in zip(places, checks, strict=True)
    ]

  return skills.in_shares(tools, skill, len(rows), checked)


def with_repairs(
  tools: Tools,
  to_write: Sequence[PlannedRow],
  to_draft: Sequence[PlannedRow],
  drafts: Sequence[Outcome],
) -> list[PlannedRow]:
  """The rows of the tools, with repairs of what the model planned wrongly.

  Plans of the language model that replay refutes take the place of rows of the
  skill `repair`, one for one, so that the number of rows stays.

  Args:
    tools: the world.
    to_write: rows that the tools write.
    to_draft: rows that the language model drafted.
    drafts: the outcome of each.
  """
  out = list(to_write)
  repairs = [
    (i, skill)
    for i, row in enumerate(out)
    if isinstance(skill := row.task.skill, RepairSkill)
  ]
  failures = [
    Failure(row.task.experience, row.answers[0], tools.action_indices(moves))
    for row, outcome in zip(to_draft, drafts, strict=True)
    if isinstance(row.task.skill, PlanSkill) and row.answers
    for moves in map(str.split, outcome.wrong)
  ]
  if not (repairs and failures):
    return out
  made = repairs[0][1].rows_of(tools, failures)
  fresh = {prompts.prompt_hash(row.task.prompt): row for row in made}
  for row in (*to_write, *to_draft):
    fresh.pop(prompts.prompt_hash(row.task.prompt), None)
  for (i, _), row in zip(repairs, fresh.values(), strict=False):
    out[i] = row
  return out


def taught(tools: Tools, outcomes: Sequence[Outcome]) -> list[Outcome]:
  """The outcomes with the tasks and answers that rows are made of.

  A draft that repeats an earlier one is refuted here, and not in the rounds,
  where drafts come in any order.
  """
  out = list(outcomes)
  ready = [i for i, o in enumerate(out) if o.verdict == "verified"]
  for skill, places in skills.by_skill([out[i].task for i in ready]):
    members = [ready[place] for place in places]
    rows = skill.taught(
      tools, [out[i].task for i in members], [out[i].answer for i in members]
    )
    for i, row in zip(members, rows, strict=True):
      if isinstance(row, str):
        said = (*out[i].refutations, row)
        out[i] = dataclasses.replace(
          out[i], verdict="refuted", refutations=said
        )
      else:
        task, answer = row
        out[i] = dataclasses.replace(out[i], task=task, answer=answer)
  return out


def composed(
  tools: Tools, drafts: Sequence[Outcome], outcomes: Sequence[Outcome]
) -> dict[str, int]:
  """{"tries", "kept", "shapes", each of compose.REASONS}, counted in drafts.

  Args:
    tools: the world.
    drafts: what the agent returned.
    outcomes: the same after `taught`.

  Returns:
    The counts; {} where no query was asked for. A try may be refused once for
    each of its drafts.
  """
  kept = [
    draft.answer
    for draft, outcome in zip(drafts, outcomes, strict=True)
    if outcome.task.kind == compose.COMPOSED and outcome.verdict == "verified"
  ]
  tries = [o for o in outcomes if o.task.kind == compose.COMPOSED]
  if not tries:
    return {}
  said = collections.Counter(
    compose.reason_of(text) for o in tries for text in o.refutations
  )
  return {
    "tries": len(tries),
    "kept": len(kept),
    "shapes": len(compose.shapes(tools, kept)),
    **{reason: said[reason] for reason in compose.REASONS},
  }

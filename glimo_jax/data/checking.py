"""Rows that the tools write: verified by replay, and by a second path."""

from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import skills
from glimo_jax.agent.skills import PlannedRow
from glimo_jax.agent.tools import Tools


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
    checks = skill.verify(
      tools,
      [planned[i].task for i in members],
      [planned[i].answers[0] for i in members],
    )
    for i, check in zip(members, checks, strict=True):
      verdicts[i] = check.verdict
    again = [members[j] for j in rng.permutation(len(members))][:rechecked]
    agree = skill.recheck(tools, [planned[i] for i in again]) if again else None
    if agree is None:
      continue
    for i, same in zip(again, agree, strict=True):
      checked[i] = "replay+reference"
      if not same:
        verdicts[i] = "refuted"
  return verdicts, checked

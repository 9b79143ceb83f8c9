"""The rows that tools write: replayed, and derived again by a second path."""

from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import skills, verifier
from glimo_jax.agent.tools import Tools
from glimo_jax.data.planning import Planned


def by_tools(
  tools: Tools, plan: Sequence[Planned], rechecked: int, seed: int
) -> tuple[list[str], list[str]]:
  """The verdict on each row that the tools answer, and how it was checked.

  Truths are computed again from the replayed moment, and for at most
  `rechecked` rows of each form, by lot, once more by the world's reference,
  where it has one; search has no second path to what is shortest. Two paths
  that disagree refute the row.
  """
  verdicts = ["unverifiable"] * len(plan)
  checked = ["replay"] * len(plan)
  known = tools.known([p.seed.experience for p in plan])
  groups: dict[str, list[int]] = {}
  for i, planned in enumerate(plan):
    if known[i] and planned.answers:
      form = "question" if planned.seed.asked else planned.seed.kind
      groups.setdefault(form, []).append(i)
  rng = np.random.default_rng([seed, 2])
  for form, members in groups.items():
    first = skills.verify(
      tools,
      [plan[i].seed for i in members],
      [plan[i].answers[0] for i in members],
    )
    for i, check in zip(members, first, strict=True):
      verdicts[i] = check.verdict
    again = [members[j] for j in rng.permutation(len(members))]
    again = again[:rechecked]
    second = _recheck(tools, form, [plan[i] for i in again])
    if second is None:
      continue
    for i, agree in zip(again, second, strict=True):
      checked[i] = "replay+reference"
      if not agree:
        verdicts[i] = "refuted"
  return verdicts, checked


def _recheck(
  tools: Tools, form: str, rows: Sequence[Planned]
) -> np.ndarray | None:
  """bool[n]: whether the reference agrees; None where there is no such path."""
  moments = [row.seed.experience for row in rows]
  if not rows:
    return None
  if form == "question":
    asked = [row.seed.asked for row in rows]
    return verifier.recheck_answers(tools, moments, asked)
  if tools.label_source != "oracle":
    return None
  if form == skills.PLAN:
    ways = [_indices(tools, row.answers[0].split()) for row in rows]
    return verifier.recheck_plans(tools, moments, ways)
  best = [_indices(tools, row.best) for row in rows]
  return verifier.recheck_actions(tools, moments, best)


def _indices(tools: Tools, words: Sequence[str]) -> tuple[int, ...]:
  return tuple(tools.world.actions.index(word) for word in words)

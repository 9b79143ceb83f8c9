"""The verifier: a program that checks every answer against the simulator.

The first path replays the moment and lets the simulator say what is true. The
second derives it again from the world's plain reference, where it has one.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import prompts, weighing
from glimo_jax.agent.tools import Asked, Tools
from glimo_jax.types import Experience

_ALIKE = 0.5  # by which two paths may differ in a mean of rounded costs


@dataclasses.dataclass(frozen=True)
class Check:
  """The verifier's verdict on one answer.

  Attributes:
    verdict: verified, refuted or unverifiable.
    refutation: what to tell its author; "" unless refuted.
    steps: steps that a verified plan takes, else 0.
  """

  verdict: str
  refutation: str = ""
  steps: int = 0


def verify_answers(
  tools: Tools,
  experiences: Sequence[Experience],
  asked: Sequence[Asked],
  answers: Sequence[str],
) -> list[Check]:
  """Answers to questions, against the truth computed again by replay."""
  if not asked:
    return []
  codes = tools.truths(experiences, asked)
  checks = []
  for code, a, answer in zip(codes, asked, answers, strict=True):
    if code != a.code:  # the moment is not the one that was asked about
      checks.append(Check("unverifiable"))
    elif answer == a.question.answer:
      checks.append(Check("verified"))
    else:
      checks.append(Check("refuted", prompts.refute_answer(answer)))
  return checks


def verify_actions(
  tools: Tools, experiences: Sequence[Experience], answers: Sequence[str]
) -> list[Check]:
  """Next actions: verified if none is better, by cost to go."""
  costs = tools.measure(experiences)
  actions = [tools.world.actions.index(answer) for answer in answers]
  tried = [
    dataclasses.replace(e, actions=(*e.actions, a))
    for e, a in zip(experiences, actions, strict=True)
  ]
  after = tools.simulate(tried).description
  checks = []
  for i, (e, a) in enumerate(zip(experiences, actions, strict=True)):
    best = weighing.best_actions(costs[i])
    if not best:  # nothing leads to success: no action is right
      checks.append(Check("unverifiable"))
    elif a in best:
      checks.append(Check("verified"))
    else:
      moved = after[i] != e.description
      why = prompts.refute_action(answers[i], moved)
      checks.append(Check("refuted", why))
  return checks


def verify_plans(
  tools: Tools, experiences: Sequence[Experience], answers: Sequence[str]
) -> list[Check]:
  """Plans, the moves' words joined by spaces: verified if they succeed."""
  plans = [
    tuple(tools.world.actions.index(word) for word in answer.split())
    for answer in answers
  ]
  moments = tools.simulate(
    [
      dataclasses.replace(e, actions=(*e.actions, *plan))
      for e, plan in zip(experiences, plans, strict=True)
    ]
  )
  checks = []
  for i, plan in enumerate(plans):
    if moments.success[i]:
      checks.append(Check("verified", steps=len(plan)))
    else:
      why = prompts.refute_plan(len(plan), moments.description[i])
      checks.append(Check("refuted", why))
  return checks


# --- The second path ----------------------------------------------------------
# bool[n] each, or None where the world has no reference.


def recheck_answers(
  tools: Tools, experiences: Sequence[Experience], asked: Sequence[Asked]
) -> np.ndarray | None:
  """Whether the world's reference gives the same truths."""
  games = tools.games(experiences)
  if games is None:
    return None
  answer = tools.world.reference.answer
  same = [
    answer(game, a.question.kind, a.question.args) == a.code
    for game, a in zip(games, asked, strict=True)
  ]
  return np.array(same, bool)


def recheck_actions(
  tools: Tools,
  experiences: Sequence[Experience],
  best: Sequence[tuple[int, ...]],
) -> np.ndarray | None:
  """Whether exactly these actions are optimal by the reference.

  With lapses, a mean of many costs: whether none is better by half a unit.
  """
  games = tools.games(experiences)
  if games is None:
    return None
  same = []
  for game, actions in zip(games, best, strict=True):
    if tools.lapse:
      costs = _costs_with_lapses(game, tools.lapse)
      same.append(costs[list(actions)].max() <= costs.min() + _ALIKE)
    else:
      same.append(tuple(game.optimal()) == tuple(actions))
  return np.array(same, bool)


def _costs_with_lapses(game, lapse: float) -> np.ndarray:
  """f64[A]: as `Tools.measure` reckons them, by the reference."""
  costs = np.array(game.costs())
  for action in range(len(costs)):
    after = game.step(action)
    if not (after.done or after.failed):
      legal = np.isin(np.arange(len(costs)), list(after.legal()))
      costs[action] += lapse * weighing.lapse_cost(
        np.array(after.costs()), legal
      )
  return costs


def recheck_plans(
  tools: Tools,
  experiences: Sequence[Experience],
  plans: Sequence[tuple[int, ...]],
) -> np.ndarray | None:
  """Whether the reference's rules take the plans to success."""
  games = tools.games(experiences)
  if games is None:
    return None
  done = []
  for game, plan in zip(games, plans, strict=True):
    for action in plan:
      game = game.step(action)
    done.append(game.done)
  return np.array(done, bool)

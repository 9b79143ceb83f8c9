"""The skill of choosing the next action."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import costs, prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  after,
  choice_in,
  follows,
  in_batches,
  reference_chain,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import World, check_subgoals


@dataclasses.dataclass(frozen=True)
class NextActionSkill(Skill):
  """Chooses among the world's actions; an action is right if none costs less.

  Attributes:
    regret_scale: how much worse an action may be and still be taught, in the
      unit of the world's costs: an action with regret r has weight
      exp(-r / regret_scale); 0 teaches the best actions alone.
    rationale: whether the answer first says why: what the prompt tells of the
      things that the best way leads to, by the world's oracle (`HasSubgoals`).
    worked_out: whether the rationale goes on with what follows for each move
      (`HasSubgoals.work_out`).
  """

  regret_scale: float = 0.0
  rationale: bool = False
  worked_out: bool = False

  name = "next_action"
  stage = 2
  labelled = True

  def __post_init__(self):
    super().__post_init__()
    fields.check_ranges(self, self.section, at_least={"regret_scale": 0})

  def check(self, world: World) -> None:
    if self.rationale:
      check_subgoals(world)

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans moments until `rows` of them have a right action.

    Moments without a known right action, or without the rationale that the row
    should have, are planned, too: they are counted as unverifiable.
    """
    del student
    plan, found = Plan(), 0
    for moments in in_batches(experiences, seed, self.rows):
      none: list[tuple[str, ...]] = [()] * len(moments)
      chains = tools.chains(moments) if self.rationale else none
      measured = tools.measure(moments)
      for moment, cost, chain in zip(moments, measured, chains, strict=True):
        if found >= self.rows:
          return plan
        weights = costs.target_weights(cost, self.regret_scale)
        if self.rationale and not chain:
          weights = {}
        words = tuple(tools.world.actions[a] for a in weights)
        task = self.task(tools, moment)
        ending = follows(tools, task, chain) if self.worked_out else ()
        row = PlannedRow(task, words, tuple(weights.values()), chain, ending)
        found += plan.add(row) and bool(words)
    if self.rationale and self.rows and not found:
      raise ValueError(
        "annotate.skills.next_action.rationale is True, but no text names what "
        "the best way leads to: set it to False, or choose another rendering"
      )
    return plan

  def task(self, tools: Tools, experience: Experience) -> Task:
    """The task of choosing the next action in a moment."""
    rules = tools.rules(experience.variant)
    prompt = prompts.acting(rules, experience.description)
    return Task(self, self.name, experience, prompt, tools.world.actions)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    return choice_in(task, text)

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Verifies an action if no other has a lower cost to success."""
    moments = [task.experience for task in tasks]
    measured = tools.measure(moments)
    actions = [tools.world.actions.index(answer) for answer in answers]
    tried = [after(e, (a,)) for e, a in zip(moments, actions, strict=True)]
    texts = tools.simulate(tried).description
    checks = []
    for i, (moment, action) in enumerate(zip(moments, actions, strict=True)):
      best = costs.best_actions(measured[i])
      if not best:  # nothing leads to success: no action is right
        checks.append(Check("unverifiable"))
      elif action in best:
        checks.append(Check("verified"))
      else:
        moved = texts[i] != moment.description
        refutation = refutations.of_action(answers[i], moved)
        checks.append(Check("refuted", refutation))
    return checks

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether exactly the best answers are optimal by the reference.

    With action noise a cost is a mean of many: whether none is better by half
    a unit. A rationale has to be the reference's, too. A search has no second
    path to what is shortest.
    """
    if tools.label_source != "oracle":
      return None
    games = tools.games([row.task.experience for row in rows])
    if games is None:
      return None
    same = []
    for game, row in zip(games, rows, strict=True):
      best = tools.action_indices(row.best)
      if tools.action_noise:
        cost = reference_costs(game, tools.action_noise)
        same.append(cost[list(best)].max() <= cost.min() + costs.ROUNDING)
      else:
        same.append(tuple(game.optimal()) == best)
      if row.rationale:
        chain = reference_chain(tools.world, game)
        same[-1] &= chain == row.rationale
    return np.array(same, bool)


def reference_costs(game: Any, action_noise: float) -> np.ndarray:
  """f64[A]: what `Tools.measure` computes, by the reference."""
  cost = np.array(game.costs())
  if not action_noise:
    return cost
  for action in range(len(cost)):
    then = game.step(action)
    if not (then.done or then.failed):
      legal = np.isin(np.arange(len(cost)), list(then.legal()))
      cost[action] += action_noise * costs.random_action_regret(
        np.array(then.costs()), legal
      )
  return cost

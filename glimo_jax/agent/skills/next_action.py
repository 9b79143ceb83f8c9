"""The skill of choosing the next action."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import costs, prompts
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  choice_in,
  reference_chain,
  shuffled,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import World, barriers_in, check_subgoals

_ROUNDING = 0.5  # by which two paths may differ in a mean of rounded costs


@dataclasses.dataclass(frozen=True)
class NextActionSkill(Skill):
  """Chooses among the world's actions; an action is right if none costs less.

  Attributes:
    regret_scale: how much worse an action may be and still be taught, in the
      unit of the world's costs: an action with regret r has weight
      exp(-r / regret_scale); 0 teaches the best actions alone.
    rationale: whether the answer first says why: what the prompt tells of the
      things that the best way leads to, by the world's oracle (`HasSubgoals`).
    barriers: whether the rationale ends with what bars a move from here.
  """

  regret_scale: float = 0.0
  rationale: bool = False
  barriers: bool = False

  name = "next_action"
  stage = 2
  labelled = True

  def __post_init__(self):
    super().__post_init__()
    fields.check_ranges(self, self.section, at_least={"regret_scale": 0})
    if self.barriers and not self.rationale:
      raise ValueError(
        f"{self.section}barriers is True without a rationale to end with them: "
        f"set {self.section}rationale to True, too"
      )

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
    plan, order, found = Plan(), shuffled(experiences, seed), 0
    for at in range(0, len(order), max(1, self.rows)):
      moments = order[at : at + self.rows]
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
        said = (*self._barriers(tools, moment), *chain) if chain else ()
        row = PlannedRow(
          self.task(tools, moment), words, tuple(weights.values()), said
        )
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
    tried = [
      dataclasses.replace(e, actions=(*e.actions, a))
      for e, a in zip(moments, actions, strict=True)
    ]
    after = tools.simulate(tried).description
    checks = []
    for i, (moment, action) in enumerate(zip(moments, actions, strict=True)):
      best = costs.best_actions(measured[i])
      if not best:  # nothing leads to success: no action is right
        checks.append(Check("unverifiable"))
      elif action in best:
        checks.append(Check("verified"))
      else:
        moved = after[i] != moment.description
        refutation = prompts.refute_action(answers[i], moved)
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
        cost = _noisy_costs(game, tools.action_noise)
        same.append(cost[list(best)].max() <= cost.min() + _ROUNDING)
      else:
        same.append(tuple(game.optimal()) == best)
      if row.rationale:
        chain = reference_chain(tools.world, game)
        barriers = self._barriers(tools, row.task.experience)
        same[-1] &= (*barriers, *chain) == row.rationale
    return np.array(same, bool)

  def _barriers(self, tools: Tools, moment: Experience) -> tuple[str, ...]:
    """What bars a move from here, where a rationale tells it."""
    if not self.barriers:
      return ()
    words = check_subgoals(tools.world).barriers
    return barriers_in(moment.description, words)


def _noisy_costs(game, action_noise: float) -> np.ndarray:
  """f64[A]: what `Tools.measure` computes, by the reference."""
  cost = np.array(game.costs())
  for action in range(len(cost)):
    after = game.step(action)
    if not (after.done or after.failed):
      legal = np.isin(np.arange(len(cost)), list(after.legal()))
      cost[action] += action_noise * costs.random_action_regret(
        np.array(after.costs()), legal
      )
  return cost

"""The skill of finding the first mistake in a failed episode, and mending it.

Verbal self-reflection after Shinn et al. 2023, "Reflexion", section 3
(https://arxiv.org/abs/2303.11366), with a proof: what the reflection advises is
tried in the simulator.
"""

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import costs, prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.next_action import reference_costs
from glimo_jax.agent.skills.plan import ways
from glimo_jax.agent.skills.stretch import Stretch, stretches
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  in_batches,
  question_of,
  words_of,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import Question

_ANSWER = re.compile(r"(?:step )?(\d{1,2}) (\S+)", re.ASCII)


@dataclasses.dataclass(frozen=True)
class ReflectSkill(Skill):
  """Names the first mistake in a stretch of a failed episode, and its mending.

  A step is a mistake if its action costs more than `margin` above the best one,
  by the label source. An answer is right if it names the first mistake, if the
  action that it proposes there is not one, and if the counterfactual succeeds:
  the episode is replayed up to that step, takes that action, and goes on with
  actions of least cost.

  The prompt holds the texts before and after each step. A reader can answer it
  wherever a right action follows from the text of its moment.

  Attributes:
    steps: most steps of a stretch; each has at least two.
    margin: largest regret of an action that is no mistake, in the unit of the
      world's costs: steps in AgentWorld, seconds in Urban Driving.
  """

  steps: int = 3
  margin: float = 0.5

  name = "reflect"
  stage = 1
  labelled = True
  max_tokens = 16
  recalls = "reflect"  # reflections on episodes that are alike
  measures = True

  def __post_init__(self):
    super().__post_init__()
    least, most = {"steps": 2, "margin": 0}, {"steps": 99}
    fields.check_ranges(self, self.section, at_least=least, at_most=most)

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans stretches that end with the action after a moment.

    Moments of episodes that succeed, or that no other action saves, are passed
    over. The place of the mistake is as balanced as possible.
    """
    del student
    failed = [e for e in experiences if not e.success and e.next_action >= 0]
    plan, places = Plan(), collections.Counter[int]()
    for moments in in_batches(failed, seed, tools.chunk):
      if len(plan.rows) >= self.rows:
        break
      for row in self._mended(tools, self._chosen(tools, moments, places)):
        if len(plan.rows) < self.rows and plan.add(row):
          places[_read(tools, row.answers[0])[0]] += 1
    return plan

  def _chosen(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    places: collections.Counter[int],
  ) -> list[Stretch]:
    """A stretch for each moment that has one with a mistake.

    Args:
      tools: the world.
      moments: of failed episodes.
      places: how many mistakes there are at each step so far; the rarest is
        chosen.
    """
    places, starts, tails = places.copy(), list[Experience](), []
    for moment in moments:
      taken = (*moment.actions, moment.next_action)
      begin = max(0, len(taken) - self.steps)
      starts.append(dataclasses.replace(moment, actions=taken[:begin]))
      tails.append(taken[begin:])
    out = []
    for whole in stretches(tools, starts, tails, self.margin):
      lengths = range(len(whole.actions), 1, -1)
      offered = [s for s in map(whole.last, lengths) if s.mistakes]
      if offered:
        rarest = min(offered, key=lambda s: places[s.mistakes[0]])
        places[rarest.mistakes[0]] += 1
        out.append(rarest)
    return out

  def _mended(
    self, tools: Tools, chosen: Sequence[Stretch]
  ) -> list[PlannedRow]:
    """The rows of the stretches that the best action at the mistake saves."""
    first = [s.mistakes[0] for s in chosen]
    best = [
      costs.best_actions(s.regrets[step])
      for s, step in zip(chosen, first, strict=True)
    ]
    tried = [
      s.instead(step, actions[0])
      for s, step, actions in zip(chosen, first, best, strict=True)
    ]
    saved = [way is not None for way in ways(tools, tried)]
    passed = tools.simulate([moment for s in chosen for moment in s.passed()])
    outcomes = iter(zip(passed.description, passed.success, strict=True))
    out = []
    for s, step, actions, ok in zip(chosen, first, best, saved, strict=True):
      texts, reached = zip(*[next(outcomes) for _ in s.passed()], strict=True)
      if ok and not reached[-1]:
        words = [tools.world.actions[action] for action in actions]
        answers = tuple(prompts.reflection(step + 1, word) for word in words)
        weights = (1 / len(answers),) * len(answers)
        task = self.task(tools, s, texts, answers[0])
        out.append(PlannedRow(task, answers, weights))
    return out

  def task(
    self,
    tools: Tools,
    stretch: Stretch,
    texts: Sequence[str],
    answer: str = "",
  ) -> Task:
    """The task of reflecting on a stretch of a failed episode.

    Args:
      tools: the world.
      stretch: of the episode.
      texts: descriptions before its first step and after each.
      answer: that is known to be right, if any.
    """
    words = [tools.world.actions[a] for a in stretch.actions]
    text = prompts.reflect(list(zip(words, texts[1:], strict=True)))
    asked = Question(self.name, text, (), answer, stretch.actions)
    moment = dataclasses.replace(
      stretch.start,
      description=texts[0],
      next_action=stretch.actions[0],
      next_description=texts[1],
    )
    prompt = prompts.question(tools.rules(moment.variant), texts[0], text)
    form = prompts.form_of_reflection(tools.world.actions)
    return Task(self, self.name, moment, prompt, (), asked, form=form)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The step and the action; None where anything else is said."""
    words = " ".join(words_of(text.replace(":", " ")))
    found = _ANSWER.fullmatch(words)
    if found is None or found[2] not in tools.world.actions:
      return None
    return prompts.reflection(int(found[1]), found[2])

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Refutes another step, a costly action, and one that does not succeed.

    Where no step is a mistake, nothing is right.
    """
    shown = self._stretches(tools, tasks)
    named = [_read(tools, answer) for answer in answers]
    faults = [
      self._fault(tools, s, *each) for s, each in zip(shown, named, strict=True)
    ]
    tried = [i for i, s in enumerate(shown) if s.mistakes and not faults[i]]
    found = ways(tools, [shown[i].instead(*named[i]) for i in tried])
    for i, way in zip(tried, found, strict=True):
      if way is None:
        step, action = named[i]
        word = tools.world.actions[action]
        faults[i] = refutations.of_mending(word, step + 1, costs_more=False)
    return [
      Check("unverifiable") if not s.mistakes
      else Check("refuted", fault) if fault
      else Check("verified")
      for s, fault in zip(shown, faults, strict=True)
    ]  # fmt: skip

  def _stretches(self, tools: Tools, tasks: Sequence[Task]) -> list[Stretch]:
    starts = [task.experience for task in tasks]
    actions = [question_of(task).args for task in tasks]
    return stretches(tools, starts, actions, self.margin)

  def _fault(
    self, tools: Tools, stretch: Stretch, step: int, action: int
  ) -> str:
    """What is wrong with naming an action at a step, by costs; "" for nothing.

    Args:
      tools: the world.
      stretch: which is reflected on.
      step: from 0.
      action: its index.
    """
    steps, mistakes = len(stretch.actions), stretch.mistakes
    if not 0 <= step < steps:
      return refutations.of_step(step + 1, steps)
    if step not in mistakes[:1]:
      return refutations.of_mistake(step + 1, later=step in mistakes)
    if stretch.regrets[step][action] > self.margin:
      word = tools.world.actions[action]
      return refutations.of_mending(word, step + 1, costs_more=True)
    return ""

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether the reference confirms each row.

    It must find the same first mistake and succeed after the correction. None
    where the world has no reference, or where labels come from search, whose
    costs have no second path.
    """
    games = tools.games([row.task.experience for row in rows])
    if games is None or tools.label_source != "oracle":
      return None
    shown = self._stretches(tools, [row.task for row in rows])
    named = [_read(tools, row.answers[0]) for row in rows]
    tried = [s.instead(*each) for s, each in zip(shown, named, strict=True)]
    found = ways(tools, tried)
    same = [
      way is not None and self._agrees(tools, game, s.actions, *each, way)
      for game, s, each, way in zip(games, shown, named, found, strict=True)
    ]
    return np.array(same, bool)

  def _agrees(
    self,
    tools: Tools,
    game: Any,
    taken: tuple[int, ...],
    step: int,
    action: int,
    way: tuple[int, ...],
  ) -> bool:
    """Whether the reference finds the same first mistake and then succeeds.

    Args:
      tools: the world.
      game: the reference's game, before the first step.
      taken: the actions of the stretch.
      step: the named step, from 0.
      action: the correction there.
      way: the actions after it.
    """
    slack = costs.ROUNDING if tools.action_noise else 0.0
    for i, done in enumerate(taken[: step + 1]):
      cost = reference_costs(game, tools.action_noise)
      regret, last = cost - cost.min(), i == step
      if last and regret[done] <= self.margin - slack:
        return False
      if regret[action if last else done] > self.margin + slack:
        return False
      game = game.step(action if last else done)
    for move in way:
      game = game.step(move)
    return bool(game.done)


def _read(tools: Tools, answer: str) -> tuple[int, int]:
  """(step, from 0, and action) of an answer that was read."""
  _, step, word = answer.replace(":", "").split()
  return int(step) - 1, tools.world.actions.index(word)

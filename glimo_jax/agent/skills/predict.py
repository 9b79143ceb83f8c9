"""The skill of predicting what is perceived after some actions."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  after,
  in_batches,
  question_of,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import HasReference, ParsesDescriptions, Question

_SHARE = 0.5  # of the draws of chance that must agree with a prediction


@dataclasses.dataclass(frozen=True)
class PredictSkill(Skill):
  """Writes the description of the moment that some actions lead to.

  The answer is verified word for word: it is what the world says in the replay,
  under the row's own rules. So it also tells what comes into sight there.

  Attributes:
    steps: most actions before the moment; the number is drawn from 1 to this.
  """

  steps: int = 1

  name = "predict"
  stage = 1
  labelled = False
  max_tokens = 192

  def __post_init__(self):
    super().__post_init__()
    fields.check_ranges(self, self.section, at_least={"steps": 1})

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans moments with random possible actions that do not end the episode.

    Where other draws of chance mostly give other texts, no answer is right, and
    the row is counted as unverifiable.
    """
    del student
    plan, rng = Plan(), np.random.default_rng([seed, 5])
    for moments in in_batches(experiences, seed, self.rows):
      if len(plan.rows) >= self.rows:
        break
      chosen = self._actions(tools, moments, rng)
      ends = tools.simulate(list(map(after, moments, chosen)))
      shares = tools.agreement(moments, chosen, ends.description, seed)
      for i, moment in enumerate(moments):
        if ends.done[i] or not chosen[i] or len(plan.rows) >= self.rows:
          continue
        text = ends.description[i] if shares[i] > _SHARE else ""
        answers = (text,) if text else ()
        task = self.task(tools, moment, chosen[i], text)
        plan.add(PlannedRow(task, answers, (1.0,) * len(answers)))
    return plan

  def _actions(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    rng: np.random.Generator,
  ) -> list[tuple[int, ...]]:
    """Random possible actions for each moment; () where none is possible."""
    lengths = rng.integers(1, self.steps + 1, len(moments))
    chosen: list[tuple[int, ...]] = [()] * len(moments)
    for step in range(self.steps):
      legal = tools.legal(list(map(after, moments, chosen)))
      for i, actions in enumerate(legal):
        if step < lengths[i] and actions.any():
          action = int(rng.choice(np.flatnonzero(actions)))
          chosen[i] = (*chosen[i], action)
    return chosen

  def task(
    self,
    tools: Tools,
    experience: Experience,
    actions: tuple[int, ...],
    answer: str,
  ) -> Task:
    """The task of predicting what is perceived after `actions`.

    Args:
      tools: the world.
      experience: the moment before them.
      actions: their indices, at least one.
      answer: the description after them; "" where chance decides it.
    """
    words = tuple(tools.world.actions[a] for a in actions)
    asked = Question(self.name, prompts.predict(words), (), answer, actions)
    rules = tools.rules(experience.variant)
    prompt = prompts.question(rules, experience.description, asked.text)
    form = prompts.FORM_OF_TEXT
    return Task(self, self.name, experience, prompt, (), asked, form=form)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The text, without space around it; None if nothing is left."""
    return text.strip() or None

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Replays the actions; refutes by the first sentence that differs."""
    questions = [question_of(task) for task in tasks]
    ends = tools.simulate(
      [
        after(task.experience, asked.args)
        for task, asked in zip(tasks, questions, strict=True)
      ]
    )
    checks = []
    for asked, truth, answer in zip(
      questions, ends.description, answers, strict=True
    ):
      if asked.answer != truth:  # chance decides, or it is another moment
        checks.append(Check("unverifiable"))
      elif answer == truth:
        checks.append(Check("verified"))
      else:
        refutation = refutations.of_prediction(*difference(answer, truth))
        checks.append(Check("refuted", refutation))
    return checks

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether the reference confirms what the descriptions say, fact by fact.

    None where the reference, or the reading of descriptions, is missing.
    """
    world = tools.world
    games = tools.games([row.task.experience for row in rows])
    describes = getattr(getattr(world, "reference", None), "describes", None)
    if games is None or describes is None:
      return None
    if not (
      isinstance(world, ParsesDescriptions) and isinstance(world, HasReference)
    ):
      return None
    same = [
      describes(
        game,
        question_of(row.task).args,
        world.parse_description(row.answers[0]),
        world.config,
      )
      for game, row in zip(games, rows, strict=True)
    ]
    return None if None in same else np.array(same, bool)


def difference(answer: str, truth: str) -> tuple[str, bool]:
  """The first sentence in which two texts differ.

  Args:
    answer: a wrong description.
    truth: the right one.

  Returns:
    sentence: of the answer, "" for its end.
    missing: whether the sentence is right, but another is missing before it.
  """
  said, so = _sentences(answer), _sentences(truth)
  for i, sentence in enumerate(said):
    if so[i : i + 1] != [sentence]:
      return sentence, sentence in so[i:]
  return "", True


def _sentences(text: str) -> list[str]:
  return [s for s in re.split(r"\. |\.?\n|\.$", text.strip()) if s.strip()]

"""The skill of answering a question about a moment."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  choice_in,
  follows,
  question_of,
  reference_chain,
  shuffled,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators import asking
from simulators.base import (
  AsksQuestions,
  HasReference,
  Question,
  World,
  check_subgoals,
)

_DRAWS = 3  # questions of a kind that a moment offers to choose from


@dataclasses.dataclass(frozen=True)
class QuestionSkill(Skill):
  """Answers questions from a closed set; the simulator knows the truth.

  Attributes:
    kinds: kinds of question; () for all that the world asks.
    per_moment: questions about a moment, on average; training encodes the
      description of a moment once for all of them.
    rationale: whether the answer first says why: what the prompt tells of the
      things that decide it (`Question.about`).
    worked_out: whether the rationale goes on with what follows from that
      (`HasSubgoals.work_out`).
  """

  kinds: tuple[str, ...] = ()
  per_moment: int = 1
  rationale: bool = False
  worked_out: bool = False

  name = "question"
  stage = 1
  labelled = False

  def __post_init__(self):
    super().__post_init__()
    fields.check_ranges(self, self.section, at_least={"per_moment": 1})

  def check(self, world: World) -> None:
    if self.rows and self.rationale and self.worked_out:
      check_subgoals(world)
    if isinstance(world, AsksQuestions):
      known = world.question_kinds
      asking.chosen(self.kinds, known, f"{self.section}kinds")
    elif self.rows:
      raise ValueError(
        f"{self.section}rows is {self.rows}, but the world "
        f"{world.name} asks no questions: set it to 0"
      )

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans questions with kinds and answers as balanced as possible.

    Moments are added until there are `per_moment` questions for each, on
    average. Moments take turns. In each turn a moment gives a question of the
    kind that is rarest so far; ties go to the rarest answer.
    """
    plan, order = Plan(), shuffled(experiences, seed)
    kinds: Counter[str] = Counter()
    answers: Counter[tuple[str, str]] = Counter()
    while order and kinds.total() < self.rows:
      needed = -(-(self.rows - kinds.total()) // self.per_moment)
      moments, order = order[:needed], order[needed:]
      left = self._offers(tools, moments, seed)
      if student is not None:
        left = self._answered_wrongly(tools, moments, left, student)
      ways = self._ways(tools, moments, left)
      while kinds.total() < self.rows and any(left):
        for moment, offered, way in zip(moments, left, ways, strict=True):
          if not offered or kinds.total() >= self.rows:
            continue
          rarest = min(
            offered,
            key=lambda q: (kinds[q.kind], answers[q.kind, q.answer]),
          )
          offered.remove(rarest)
          task = self.task(tools, moment, rarest)
          about = rarest.about + (way if rarest.by_way else ())
          about = about if self.rationale else ()
          ending = follows(tools, task, about) if self.worked_out else ()
          row = PlannedRow(task, (rarest.answer,), (1.0,), about, ending)
          if plan.add(row):
            kinds[rarest.kind] += 1
            answers[rarest.kind, rarest.answer] += 1
    if self.rationale and plan.rows and not any(r.rationale for r in plan.rows):
      raise ValueError(
        f"{self.section}rationale is True, but the world {tools.world.name} "
        "names nothing that decides an answer (Question.about): set it to False"
      )
    return plan

  def task(
    self, tools: Tools, experience: Experience, question: Question
  ) -> Task:
    """The task of answering one question about a moment."""
    rules = tools.rules(experience.variant)
    prompt = prompts.question(rules, experience.description, question.text)
    choices = tuple(question.choices)
    return Task(self, question.kind, experience, prompt, choices, question)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    return choice_in(task, text)

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Compares answers with the truth, computed again from the replay."""
    questions = [question_of(task) for task in tasks]
    codes = tools.truths([task.experience for task in tasks], questions)
    checks = []
    for code, question, answer in zip(codes, questions, answers, strict=True):
      if code != question.code:  # not the moment that was asked about
        checks.append(Check("unverifiable"))
      elif answer == question.answer:
        checks.append(Check("verified"))
      else:
        checks.append(Check("refuted", refutations.of_answer(answer)))
    return checks

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether the world's reference gives the same truths."""
    games = tools.games([row.task.experience for row in rows])
    if games is None or not isinstance(tools.world, HasReference):
      return None
    answer = tools.world.reference.answer
    same = []
    for game, row in zip(games, rows, strict=True):
      asked = question_of(row.task)
      same.append(answer(game, asked.kind, asked.args) == asked.code)
      if row.rationale and asked.by_way:
        way = reference_chain(tools.world, game)
        same[-1] &= asked.about + way == row.rationale
    return np.array(same, bool)

  def _ways(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    offers: Sequence[list[Question]],
  ) -> list[tuple[str, ...]]:
    """What the best way of each moment leads to, where a rationale needs it."""
    by_way = any(q.by_way for offered in offers for q in offered)
    if self.rationale and by_way:
      return tools.chains(moments)
    return [()] * len(moments)

  def _offers(
    self, tools: Tools, moments: Sequence[Experience], seed: int
  ) -> list[list[Question]]:
    """The different questions that can be asked about each moment."""
    draws = [tools.ask(moments, seed + d * 1_000_003) for d in range(_DRAWS)]
    return [
      list(
        {
          (q.kind, q.args): q
          for q in chain(*offered)
          if not self.kinds or q.kind in self.kinds
        }.values()
      )
      for offered in zip(*draws, strict=True)
    ]

  def _answered_wrongly(
    self,
    tools: Tools,
    moments: Sequence[Experience],
    offers: Sequence[list[Question]],
    student: LanguageModel,
  ) -> list[list[Question]]:
    """The questions whose most likely choice is not the answer."""
    pairs = [(i, q) for i, some in enumerate(offers) for q in some]
    if not pairs:
      return list(offers)
    tasks = [self.task(tools, moments[i], q) for i, q in pairs]
    scores = student.loglik(
      [task.prompt for task in tasks], [task.choices for task in tasks]
    )
    out: list[list[Question]] = [[] for _ in moments]
    for (i, question), score in zip(pairs, scores, strict=True):
      if question.choices[int(np.argmax(score))] != question.answer:
        out[i].append(question)
    return out

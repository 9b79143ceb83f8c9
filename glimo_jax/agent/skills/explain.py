"""The skill of saying why an action is right, in claims that are checked."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import costs, prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  in_batches,
  question_of,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import HasSubgoals, Question, World
from simulators.claims import Claim, HasClaims, Outlook, check_claims

MOST = 8  # claims of an answer


@dataclasses.dataclass(frozen=True)
class ExplainSkill(Skill):
  """Says why an action is right, in short claims, one a sentence.

  An answer is right if every sentence is a claim of the world (`HasClaims`),
  every claim is true by the simulator under the row's own rules, and one of
  them is about what the action does. So there are many right answers.
  """

  name = "explain"
  stage = 1
  labelled = True  # the action that is explained
  max_tokens = 96

  def check(self, world: World) -> None:
    if self.rows:
      check_claims(world, self.section)

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans moments with a right action.

    Rows whose best action the world has no claims for are counted as
    unverifiable.
    """
    del student
    plan = Plan()
    for moments in in_batches(experiences, seed, self.rows):
      if len(plan.rows) >= self.rows:
        break
      best = [costs.best_actions(c)[:1] for c in tools.measure(moments)]
      things: list[tuple[str, ...]] = [()] * len(moments)
      if isinstance(tools.world, HasSubgoals):
        things = tools.chains(moments)
      outlooks = tools.outlooks(moments)
      for i, moment in enumerate(moments):
        if not best[i] or len(plan.rows) >= self.rows:
          continue
        word = tools.world.actions[best[i][0]]
        said = _claims_of(tools).explain(word, outlooks[i], things[i])
        text = ". ".join(said)
        answers = (text,) if text else ()
        task = self.task(tools, moment, best[i][0], text)
        plan.add(PlannedRow(task, answers, (1.0,) * len(answers)))
    return plan

  def task(
    self, tools: Tools, experience: Experience, action: int, answer: str = ""
  ) -> Task:
    """The task of saying why an action is right.

    Args:
      tools: the world.
      experience: the moment.
      action: its index.
      answer: claims that are known to be right, if any.
    """
    text = prompts.explain(tools.world.actions[action])
    asked = Question(self.name, text, (), answer, (action,))
    rules = tools.rules(experience.variant)
    prompt = prompts.question(rules, experience.description, text)
    form = prompts.form_of_claims(_claims_of(tools).claim_forms)
    return Task(self, self.name, experience, prompt, (), asked, form=form)

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The sentences in lower case, each once; None if there is none."""
    sentences = [" ".join(s.split()) for s in re.split(r"[.;\n]+", text)]
    said = dict.fromkeys(s.lower() for s in sentences if s)
    return ". ".join(said) or None

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Checks each claim; refutes by the first that is none, or is false."""
    outlooks = tools.outlooks([task.experience for task in tasks])
    checks = []
    for task, answer, outlook in zip(tasks, answers, outlooks, strict=True):
      refutation = self._refutation(tools, task, answer.split(". "), outlook)
      checks.append(
        Check("refuted", refutation) if refutation else Check("verified")
      )
    return checks

  def _refutation(
    self, tools: Tools, task: Task, sentences: list[str], outlook: Outlook
  ) -> str:
    """What is wrong with an answer; "" for nothing."""
    world, claims = _claims_of(tools), list[Claim]()
    if len(sentences) > MOST:
      return refutations.of_length(MOST)
    for sentence in sentences:
      claim = world.parse_claim(sentence)
      if claim is None:
        return refutations.of_sentence(sentence, world.claim_forms)
      claims.append(claim)
    for sentence, claim in zip(sentences, claims, strict=True):
      if not world.check_claim(claim, outlook):
        return refutations.of_claim(sentence)
    (action,) = question_of(task).args
    word = tools.world.actions[action]
    if word not in {claim.action for claim in claims}:
      return refutations.of_silence(word)
    return ""

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """Whether every claim is true by the reference, too.

    None where there is none. That the action is best is checked by the rows of
    the skill `next_action`.
    """
    games = tools.games([row.task.experience for row in rows])
    if games is None:
      return None
    world, same = _claims_of(tools), []
    claims = tools.world.reference.claims  # pyright: ignore[reportAttributeAccessIssue]
    for game, row in zip(games, rows, strict=True):
      said = map(world.parse_claim, row.answers[0].split(". "))
      same.append(all(claim and claims(game, claim) for claim in said))
    return np.array(same, bool)


def _claims_of(tools: Tools) -> HasClaims:
  return check_claims(tools.world, "annotate.skills.explain.")

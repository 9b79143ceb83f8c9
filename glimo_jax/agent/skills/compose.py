"""The skill of composing questions: the teacher writes a query, we prove it."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from glimo_jax.agent import prompts, refutations
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills.task import (
  Plan,
  PlannedRow,
  Skill,
  Task,
  shuffled,
)
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import Question, World
from simulators.queries import answering, forms, reading, wording
from simulators.queries.language import (
  Facts,
  Queries,
  Query,
  QueryError,
  Undefined,
  check_queries,
)

COMPOSED = "composed"  # kind of the rows; no question kind has this name
# Why a query is refused.
REASONS = (
  "malformed", "ambiguous", "disputed", "rare", "trivial", "undecidable",
  "duplicate",
)  # fmt: skip
_TRIALS = 64  # other moments that a query is tried in
_DEFINED = 0.15  # share of them in which it must have an answer
_TRIVIAL = 0.9  # share of them with the same answer


@dataclasses.dataclass(frozen=True)
class ComposeTask(Task):
  """The task of writing a query, with other moments to try it in."""

  trials: tuple[Experience, ...] = ()


@dataclasses.dataclass(frozen=True)
class ComposeSkill(Skill):
  """Writes questions of its own, as queries that the world answers (`Queries`).

  A query is right if it has one answer in the moment by the simulator, the same
  by the reference, if not nearly all moments have the same answer, and if all
  moments with the same description have it. The row that it makes is a
  question: the words, the choices and the answer are the world's, so nothing
  that a teacher writes reaches the student unproved. Rows are fewer than tries.
  """

  name = "compose"
  stage = 1
  labelled = False
  tools_write = False
  checked_by = "replay+reference"
  max_tokens = 160

  def __post_init__(self):
    super().__post_init__()
    if self.drafted != self.rows:
      raise ValueError(
        f"{self.section}drafted {self.drafted} must equal rows {self.rows}: "
        "no tool composes questions"
      )

  def check(self, world: World) -> None:
    if self.rows:
      check_queries(world, self.section)

  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans one try for each moment.

    The operator to begin with is drawn at random, with replacement.
    """
    del student
    language = _world(tools).queries
    order = shuffled(experiences, seed)
    trials = tuple(shuffled(experiences, seed + 1)[:_TRIALS])
    names = wording.operators(language)
    plan, rng = Plan(), np.random.default_rng([seed, 6])
    for moment in order[: self.rows]:
      hint = names[int(rng.integers(len(names)))]
      plan.add(PlannedRow(self.task(tools, moment, hint, trials), (), ()))
    return plan

  def task(
    self,
    tools: Tools,
    experience: Experience,
    hint: str,
    trials: tuple[Experience, ...],
  ) -> ComposeTask:
    """The task of writing a query about a moment.

    Args:
      tools: the world.
      experience: the moment.
      hint: the operator that the query should begin with.
      trials: other moments, in which a query is tried.
    """
    language = _world(tools).queries
    prompt = prompts.compose(
      wording.manual(language), experience.description, hint
    )
    schema = wording.schema(language)
    return ComposeTask(
      self, COMPOSED, experience, prompt, (), schema=schema, trials=trials
    )

  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The text, without space around it; None if nothing is left."""
    return text.strip() or None

  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """Refutes what is no query, or no good question; see REASONS."""
    world, games = _world(tools), tools.games([t.experience for t in tasks])
    states = tools.states([task.experience for task in tasks])
    trials = next((t.trials for t in tasks if isinstance(t, ComposeTask)), ())
    others = [world.facts(*each) for each in tools.states(trials)]
    checks = []
    for i, text in enumerate(answers):
      try:
        query = reading.parse(text, world.queries)
        game = games[i] if games else None
        again = tools.world.reference.facts(game)  # pyright: ignore[reportAttributeAccessIssue]
        self._prove(world, query, states[i], again, others)
        checks.append(Check("verified"))
      except QueryError as error:
        refutation = refutations.of_query("malformed", str(error))
        checks.append(Check("refuted", refutation))
      except _Refused as error:
        checks.append(Check("refuted", refutations.of_query(*error.args)))
    return checks

  def _prove(
    self,
    world: Queries,
    query: Query,
    state: tuple,
    again: Facts,
    others: Sequence[Facts],
  ) -> None:
    """Raises _Refused with the reason and the details of the first fault."""
    language, facts = world.queries, world.facts(*state)
    try:
      truth = answering.answer(query, facts, language)
    except Undefined as error:
      raise _Refused("ambiguous", str(error)) from None
    if _answer(query, again, language) != truth:
      raise _Refused("disputed", "the two paths do not agree")
    offered = answering.choices(query, facts, language)
    if len(offered) < 2 or truth not in offered:
      raise _Refused("trivial", "there is one possible answer")
    self._check_trials(query, others, language)
    seed = len(forms.canonical(query))
    for other in world.lookalikes(state[0], state[1], seed):
      if _answer(query, other, language) != truth:
        raise _Refused("undecidable", "the text does not tell the answer")

  @staticmethod
  def _check_trials(query: Query, others: Sequence[Facts], language) -> None:
    """Refuses a query whose shape has one answer in nearly all moments."""
    rng = np.random.default_rng(len(others))
    found = [
      _answer(forms.stand_ins(query, other, language, rng), other, language)
      for other in others
    ]
    counts = collections.Counter(answer for answer in found if answer)
    total = counts.total()
    if total < _DEFINED * len(others):
      raise _Refused(
        "rare", f"only {total} of {len(others)} moments have an answer"
      )
    if total:
      answer, most = counts.most_common(1)[0]
      if most > _TRIVIAL * total:
        raise _Refused("trivial", f"the answer is nearly always {answer}")

  def taught(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[tuple[Task, str] | str]:
    """The question of each query; a query that came before is refuted."""
    world, known = _world(tools), set[str]()
    out: list[tuple[Task, str] | str] = []
    states = tools.states([task.experience for task in tasks])
    for task, text, state in zip(tasks, answers, states, strict=True):
      query = reading.parse(text, world.queries)
      name = forms.canonical(query)
      if name in known:
        out.append(refutations.of_query("duplicate", "it was written before"))
        continue
      known.add(name)
      facts = world.facts(*state)
      answer = answering.answer(query, facts, world.queries)
      choices = answering.choices(query, facts, world.queries)
      words = wording.in_words(query, world.queries)
      asked = Question(COMPOSED, words, choices, answer, ())
      moment = task.experience
      prompt = prompts.question(
        tools.rules(moment.variant), moment.description, words
      )
      out.append((Task(self, COMPOSED, moment, prompt, choices, asked), answer))
    return out

  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """None: `verify` asks the reference, and no tool writes these rows."""
    return None


class _Refused(Exception):
  """A query is refused: (reason, details)."""


def reason_of(refutation: str) -> str:
  """Why a query was refused: one of REASONS; "" for another refutation."""
  begun = (
    reason
    for reason in REASONS
    if refutation.startswith(refutations.of_query(reason, ""))
  )
  return next(begun, "")


def shapes(tools: Tools, queries: Sequence[str]) -> set[str]:
  """The different shapes of some queries that were verified."""
  language = _world(tools).queries
  return {forms.shape(reading.parse(q, language), language) for q in queries}


def _answer(query: Query, facts: Facts, language) -> str:
  """The answer; "" where there is not one."""
  try:
    return answering.answer(query, facts, language)
  except Undefined:
    return ""


def _world(tools: Tools) -> Queries:
  return check_queries(tools.world, "annotate.skills.compose.")

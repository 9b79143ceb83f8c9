"""Tasks for the agent and the rows planned from them."""

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from glimo_jax import fields
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.prompts import Prompt
from glimo_jax.agent.tools import Tools
from glimo_jax.agent.verifier import Check
from glimo_jax.types import Experience
from simulators.base import Question, World, check_subgoals


@dataclasses.dataclass(frozen=True)
class Task:
  """One task for the agent; a verified answer makes it a row of the dataset.

  Attributes:
    skill: the skill that made the task, reads answers and verifies them.
    kind: a question kind, or a name that its skill gives.
    experience: the moment that the task is about.
    prompt: what the student is asked.
    choices: the closed set of answers; empty for free text.
    question: the question with its true answer, where it is known; None for
      acting tasks.
    schema: JSON schema of an answer; None for other texts.
    form: what a teacher is told of the answer's form, where its config says so;
      "" for nothing. The student learns the form from the rows.
  """

  skill: "Skill"
  kind: str
  experience: Experience
  prompt: Prompt
  choices: tuple[str, ...]
  question: Question | None = None
  schema: dict[str, Any] | None = None
  form: str = ""


@dataclasses.dataclass(frozen=True)
class PlannedRow:
  """A task and its right answers.

  Attributes:
    task: the task.
    answers: all right answers by the label source; () where it found none.
    weights: target probability of each answer, the best first; they sum to 1.
    rationale: the things that decide the answer, or that the best way leads
      to, the next one first, by the simulator; () for no rationale.
    ending: sentences that the rationale ends with.
  """

  task: Task
  answers: tuple[str, ...]
  weights: tuple[float, ...]
  rationale: tuple[str, ...] = ()
  ending: tuple[str, ...] = ()

  @property
  def best(self) -> tuple[str, ...]:
    """The answers of the largest weight."""
    pairs = zip(self.answers, self.weights, strict=True)
    return tuple(a for a, w in pairs if w == self.weights[0])


class Plan:
  """Planned rows without duplicates.

  Attributes:
    rows: in order of planning.
    duplicates: number of rows that were left out.
  """

  def __init__(self):
    self.rows: list[PlannedRow] = []
    self.duplicates = 0
    self._known: set[tuple] = set()

  def add(self, planned: PlannedRow) -> bool:
    """Adds a row; False where its prompt and answers are there already."""
    contents = tuple(m["content"] for m in planned.task.prompt)
    name = (contents, planned.answers)
    if name in self._known:
      self.duplicates += 1
      return False
    self._known.add(name)
    self.rows.append(planned)
    return True


@dataclasses.dataclass(frozen=True)
class Skill(abc.ABC):
  """What the agent can write: how rows are planned, asked, read and verified.

  A skill is one class in one file; its fields are its settings in
  `AnnotateConfig.skills`.

  Attributes:
    rows: number of rows to plan.
    drafted: how many of them the language model drafts; if a draft fails, the
      tools write the row instead.
    name: key of the skill in the settings.
    stage: training stage of its rows: 1 understanding, 2 acting.
    labelled: whether the right answers come from the label source; otherwise
      the simulator computes them whatever the label source is.
    tools_write: whether the tools write what the language model does not.
    checked_by: how a draft is verified: `replay` or `replay+reference`.
    max_tokens: most tokens of an answer.
    recalls: kind of the memories that its drafts are shown; "" for any.
    measures: whether its checks need costs of moments that planning has not
      measured.
  """

  rows: int = 0
  drafted: int = 0

  name: ClassVar[str]
  stage: ClassVar[int]
  labelled: ClassVar[bool]
  tools_write: ClassVar[bool] = True
  checked_by: ClassVar[str] = "replay"
  max_tokens: ClassVar[int] = 8
  recalls: ClassVar[str] = ""
  measures: ClassVar[bool] = False

  @property
  def section(self) -> str:
    """Prefix of the skill's settings in errors."""
    return f"annotate.skills.{self.name}."

  def __post_init__(self):
    at_least = {"rows": 0, "drafted": 0}
    fields.check_ranges(self, self.section, at_least=at_least)
    if self.drafted > self.rows:
      raise ValueError(
        f"{self.section}drafted {self.drafted} must be at most rows "
        f"{self.rows}: drafted rows are a part of them"
      )

  def check(self, world: World) -> None:
    """Raises ValueError where the world does not support the settings."""
    del world

  @abc.abstractmethod
  def plan(
    self,
    tools: Tools,
    experiences: Sequence[Experience],
    seed: int,
    student: LanguageModel | None = None,
  ) -> Plan:
    """Plans up to `rows` rows about some moments.

    Args:
      tools: the world.
      experiences: the moments.
      seed: of all draws.
      student: if given, and if the skill supports it, only questions that this
        model answers wrongly are planned.
    """

  @abc.abstractmethod
  def read(self, tools: Tools, task: Task, text: str) -> str | None:
    """The answer in a completion; None if there is none."""

  @abc.abstractmethod
  def verify(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[Check]:
    """The verdict on each answer, by replay in the simulator."""

  def taught(
    self, tools: Tools, tasks: Sequence[Task], answers: Sequence[str]
  ) -> list[tuple[Task, str] | str]:
    """What verified drafts teach, in the order of the tasks.

    Returns:
      The task and the answer of each row, or why it is refuted after all.
    """
    del tools
    return list(zip(tasks, answers, strict=True))

  @abc.abstractmethod
  def recheck(
    self, tools: Tools, rows: Sequence[PlannedRow]
  ) -> np.ndarray | None:
    """bool[n]: whether the independent second path gives the same answers.

    None where there is no second path.
    """


def after(moment: Experience, actions: Sequence[int]) -> Experience:
  """The moment that some more actions lead to; for `Tools`, which replays."""
  return dataclasses.replace(moment, actions=(*moment.actions, *actions))


def question_of(task: Task) -> Question:
  """The question of a task; ValueError if it has none."""
  if task.question is None:
    raise ValueError(f"task of kind {task.kind!r} has no question")
  return task.question


def words_of(text: str) -> list[str]:
  """The words of an answer in lower case, without marks around them."""
  words = text.lower().replace(",", " ").split()
  return [w for w in (word.strip(".!?\"'`*") for word in words) if w]


def choice_in(task: Task, text: str) -> str | None:
  """The choice that a text names, ignoring case and punctuation."""
  folded = {choice.lower(): choice for choice in task.choices}
  return folded.get(" ".join(words_of(text)))


def shuffled(experiences: Sequence[Experience], seed: int) -> list[Experience]:
  """The moments in random order: the same order for all skills."""
  rng = np.random.default_rng([seed, 1])
  return [experiences[i] for i in rng.permutation(len(experiences))]


def in_batches(
  experiences: Sequence[Experience], seed: int, size: int
) -> Iterator[list[Experience]]:
  """The moments in the order of `shuffled`, `size` at a time, at least one."""
  order = shuffled(experiences, seed)
  for at in range(0, len(order), max(1, size)):
    yield order[at : at + size]


def reference_chain(world: World, game: Any) -> tuple[str, ...]:
  """What the best way of a game leads to, by the world's reference."""
  indices = world.reference.chain(game)  # pyright: ignore[reportAttributeAccessIssue]
  return tuple(check_subgoals(world).subgoals[index] for index in indices)


def follows(
  tools: Tools, task: Task, things: tuple[str, ...]
) -> tuple[str, ...]:
  """What follows from the prompt, in sentences; () without things.

  Raises:
    ValueError: the world works nothing out.
  """
  if not things:
    return ()
  moment, world = task.experience, check_subgoals(tools.world)
  rules = tools.rules(moment.variant)
  return world.work_out(moment.description, rules, things, task.question)

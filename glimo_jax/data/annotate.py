"""Annotate: experience -> instructions, each verified against the simulator.

    plan rows -> the agent drafts some -> the verifier replays every draft
              -> the tools write the rest and what the agent got wrong

planned = verified + refuted + unverifiable + invalid + failed, always.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from glimo_jax import fields
from glimo_jax.agent import skills as skills_lib
from glimo_jax.agent.agent import Agent, AgentConfig, Outcome, Progress
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.skills import PlannedRow, Skill
from glimo_jax.agent.tools import LABEL_SOURCES, Tools
from glimo_jax.data import checking, counts, rows
from glimo_jax.types import Experience, InShares, InstructionDataset, alone
from simulators.base import LevelPool, World


def _default_skills() -> dict[str, Skill]:
  return {
    "question": skills_lib.QuestionSkill(rows=600, drafted=200),
    "next_action": skills_lib.NextActionSkill(rows=1200, drafted=200),
  }


@dataclasses.dataclass(frozen=True)
class AnnotateConfig:
  """How many rows, who writes them, and how they are checked.

  Attributes:
    label_source: where right actions come from: `oracle` (privileged),
      `search` (the simulator alone), or `agent` and `self`, where the language
      model writes all acting rows and search only verifies them.
    skills: name -> skill with its numbers; see `agent.skills`.
    action_noise: weight of the expected cost of a random next action in the
      cost of an action; see `Tools.measure`. 0 turns it off.
    refinements: further drafts after a refuted one.
    memories: verified memories shown in each refinement.
    temperature: of refinements.
    forms: whether the teacher is told the form of the answer: for one that was
      not trained on such rows.
    rechecked: largest number of tool rows of each skill that the world's
      reference checks, too; each row records whether it was checked.
    val_share: share of episodes kept for validation.
    search_width: action sequences tried for each state.
    search_depth: their length.
    seed: of all draws.
  """

  label_source: str = "oracle"
  skills: dict[str, Skill] = dataclasses.field(default_factory=_default_skills)
  action_noise: float = 0.0
  refinements: int = 1
  memories: int = 1
  temperature: float = 0.7
  forms: bool = False
  rechecked: int = 20000
  val_share: float = 0.1
  search_width: int = 256
  search_depth: int = 24
  seed: int = 0

  def __post_init__(self):
    known = "annotate.label_source"
    fields.check_known(known, self.label_source, LABEL_SOURCES)
    fields.check_ranges(
      self,
      "annotate.",
      at_least={
        "refinements": 0, "memories": 0, "temperature": 0, "rechecked": 0,
        "action_noise": 0, "seed": 0, "search_width": 1, "search_depth": 1,
        "val_share": 0,
      },
    )  # fmt: skip
    if self.val_share >= 1:
      raise ValueError(
        f"annotate.val_share {self.val_share} must be below 1: lower it"
      )
    for name, skill in self.skills.items():
      if not isinstance(skill, skills_lib.skill_class(name)):
        raise ValueError(
          f"annotate.skills.{name} is a {type(skill).__name__}: give "
          f"{skills_lib.skill_class(name).__name__}"
        )
      if skill.labelled and not self.tools_act and skill.drafted != skill.rows:
        raise ValueError(
          f"annotate.skills.{name}.drafted {skill.drafted} must equal rows "
          f"{skill.rows} where label_source is {self.label_source!r}: no tool "
          "writes acting rows then"
        )
    if self.rationale and self.label_source != "oracle":
      raise ValueError(
        "annotate.skills.next_action.rationale is True, but a rationale comes "
        f"from the oracle and annotate.label_source is {self.label_source!r}: "
        "set one of them otherwise"
      )

  @property
  def rationale(self) -> bool:
    """Whether acting rows have a rationale before the action."""
    skill = self.skills.get("next_action")
    return isinstance(skill, skills_lib.NextActionSkill) and skill.rationale

  @property
  def tools_act(self) -> bool:
    """Whether the tools write acting rows."""
    return self.label_source in ("oracle", "search")

  @property
  def agent(self) -> AgentConfig:
    """How the agent works."""
    return AgentConfig(
      self.refinements,
      self.memories,
      self.temperature,
      seed=self.seed,
      forms=self.forms,
    )

  @property
  def drafted(self) -> int:
    """Rows that the language model drafts."""
    return sum(skill.drafted for skill in self.skills.values())

  def rows(self, skill: str) -> int:
    """Rows planned of a skill; 0 where it is not named."""
    return self.skills[skill].rows if skill in self.skills else 0


def annotate(
  experiences: Sequence[Experience],
  world: World,
  pool: LevelPool,
  config: AnnotateConfig,
  lm: LanguageModel | None = None,
  memory: Memory | None = None,
  progress: Progress | None = None,
  student: LanguageModel | None = None,
  in_shares: InShares = alone,
) -> InstructionDataset:
  """Writes the instruction dataset of some experience.

  Args:
    experiences: moments to write about, of the split `train`.
    world: the simulator they come from.
    pool: the levels they were played on.
    config: see AnnotateConfig.
    lm: the teacher; wrap it in `journal.JournaledLM` to survive a kill.
    memory: empty, or with earlier verified rows; verified drafts are added.
    progress: of the drafts, as in `Agent.run`.
    student: if given, only questions that this model answers wrongly become
      rows.
    in_shares: divides the work among processes that all annotate alike.

  Raises:
    ValueError: an experience of an evaluation split, no experience, most of
      it of another world, or rows to draft and no language model.
    TeacherError: the teacher cannot serve, or some drafts were never answered.
  """
  _check(experiences, config, lm)
  tools = tools_of(world, pool, config, in_shares)
  _check_known(tools, experiences)
  to_draft, to_write, duplicates = plan(tools, experiences, config, student)
  drafts: list[Outcome] = []
  usage: Mapping[str, int] = {}
  if to_draft and lm is not None:
    agent = Agent(lm, tools, memory, config.agent)
    drafts = agent.run([row.task for row in to_draft], progress)
    usage = agent.usage
    checking.check_answered(drafts)
    to_write = checking.with_repairs(tools, to_write, to_draft, drafts)
  outcomes = checking.taught(tools, drafts)
  # The tools write what the agent could not, where they may.
  to_write += [
    row
    for row, outcome in zip(to_draft, outcomes, strict=True)
    if outcome.verdict in ("refuted", "invalid", "failed")
    and row.task.skill.tools_write
    and (config.tools_act or not row.task.skill.labelled)
  ]
  verdicts, checked_by = checking.check_tool_rows(
    tools, to_write, config.rechecked, config.seed
  )

  tally = counts.Tally({"llm": len(to_draft), "tool": len(to_write)})
  kept = []
  for row, outcome in zip(to_draft, outcomes, strict=True):
    tally.add("llm", outcome.task.kind, outcome.verdict)
    if outcome.verdict == "verified" and lm is not None:
      kept.append(rows.drafted(outcome, row, config.label_source, lm.name))
  for row, verdict, how in zip(to_write, verdicts, checked_by, strict=True):
    tally.add("tool", row.task.kind, verdict)
    if verdict == "verified":
      kept.append(rows.by_tool(row, config.label_source, how))
  at_once = sum(o.verdict == "verified" and o.attempts == 1 for o in outcomes)
  numbers = {
    **tally.counts(),
    **counts.usage(usage),
    "llm_first_drafts": at_once,
    "duplicates": duplicates,
    "composed": checking.composed(tools, drafts, outcomes),
  }
  counts.check(numbers, [row.row_id for row in kept])
  out = [rows.held_out(r.episode, config.val_share, config.seed) for r in kept]
  return InstructionDataset(
    train=[row for row, is_out in zip(kept, out, strict=True) if not is_out],
    val=[row for row, is_out in zip(kept, out, strict=True) if is_out],
    counts=numbers,
  )


def tools_of(
  world: World,
  pool: LevelPool,
  config: AnnotateConfig,
  in_shares: InShares = alone,
) -> Tools:
  """The tools that write and check the rows of a configuration."""
  return Tools(
    world,
    pool,
    config.label_source,
    width=config.search_width,
    depth=config.search_depth,
    seed=config.seed,
    action_noise=config.action_noise,
    in_shares=in_shares,
  )


def _check(
  experiences: Sequence[Experience],
  config: AnnotateConfig,
  lm: LanguageModel | None,
) -> None:
  if not experiences:
    raise ValueError("no experience: run the collect stage with more moments")
  splits = sorted({e.split for e in experiences} - {"train"})
  if splits:
    raise ValueError(
      f"experiences of splits {splits}: only `train` may be used for training"
    )
  if config.drafted and lm is None:
    raise ValueError(
      f"{config.drafted} rows are to be drafted, but there is no language "
      "model: give one, or set `drafted` of all skills to 0"
    )


def _check_known(tools: Tools, experiences: Sequence[Experience]) -> None:
  """Raises if most moments do not replay; a few are tolerated and counted."""
  known = int(tools.known(experiences).sum())
  if known < len(experiences) / 2:
    raise ValueError(
      f"only {known} of {len(experiences)} moments come back in replay: the "
      "world, its levels or its words are not those of the experience; run "
      "the collect stage again, in another workdir"
    )


def plan(
  tools: Tools,
  experiences: Sequence[Experience],
  config: AnnotateConfig,
  student: LanguageModel | None = None,
) -> tuple[list[PlannedRow], list[PlannedRow], int]:
  """Rows for the agent, rows for the tools, and the number of duplicates."""
  to_draft: list[PlannedRow] = []
  to_write: list[PlannedRow] = []
  duplicates = 0
  for name in skills_lib.SKILLS:
    if not config.rows(name):
      continue
    skill = config.skills[name]
    planned = skill.plan(tools, experiences, config.seed, student)
    duplicates += planned.duplicates
    drafted = skill.drafted
    if skill.labelled and not config.tools_act:
      drafted = len(planned.rows)
    rng = np.random.default_rng([config.seed, 4])
    chosen = set(rng.permutation(len(planned.rows))[:drafted].tolist())
    for i, row in enumerate(planned.rows):
      (to_draft if i in chosen else to_write).append(row)
  return to_draft, to_write, duplicates

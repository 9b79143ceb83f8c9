"""Annotate: experience -> instructions, each verified against the simulator.

    plan rows -> the agent drafts some -> the verifier replays every draft
              -> the tools answer the rest and what the agent got wrong

planned = verified + refuted + unverifiable + invalid + failed, always.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from glimo_jax.agent.agent import Agent, AgentConfig, Outcome, Progress
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.tools import LABEL_SOURCES, Tools
from glimo_jax.data import checking, counts, planning, rows
from glimo_jax.data.planning import Planned
from glimo_jax.types import (
  Experience,
  InstructionDataset,
)
from simulators.base import LevelPool, World


@dataclasses.dataclass(frozen=True)
class AnnotateConfig:
  """How many rows, who writes them, and how they are checked.

  Attributes:
    label_source: where right actions come from: `oracle` (privileged),
      `search` (the simulator alone), or `agent` and `self`, where the language
      model writes all acting rows and search only verifies them.
    questions: rows that ask about a moment.
    kinds: of questions; () for all that the world asks.
    questions_per_moment: of them on average; training reads a moment once.
    next_actions: rows that ask for the next action.
    regret_scale: how much worse an action may be and still be taught, in the
      unit of the world's costs: what costs r more than the best weighs
      exp(-r / scale) as much. 0: the best ones alone.
    lapse: how much is made of what a random action after the next would cost
      beyond the best, as costs are reckoned (`Tools.measure`); 0: nothing.
    plans: rows that ask for all moves to the goal.
    llm_questions, llm_actions, llm_plans: how many of those the language
      model drafts; where it fails, the tools write the row in addition.
    refinements: further drafts after a refuted one.
    memories: verified memories shown in each refinement.
    temperature: of refinements.
    rechecked: of the rows by tools, at most how many questions, actions and
      plans each the world's reference derives again, by lot; each row says
      whether it was.
    val_share: share of episodes kept for validation.
    search_width: action sequences tried a state.
    search_depth: their length.
    seed: of everything.
  """

  label_source: str = "oracle"
  questions: int = 600
  kinds: tuple[str, ...] = ()
  questions_per_moment: int = 1
  next_actions: int = 1200
  regret_scale: float = 0.0
  lapse: float = 0.0
  plans: int = 0
  llm_questions: int = 200
  llm_actions: int = 200
  llm_plans: int = 0
  refinements: int = 1
  memories: int = 1
  temperature: float = 0.7
  rechecked: int = 20000
  val_share: float = 0.1
  search_width: int = 256
  search_depth: int = 24
  seed: int = 0

  def __post_init__(self):
    if self.label_source not in LABEL_SOURCES:
      raise ValueError(
        f"label_source {self.label_source!r} must be one of {LABEL_SOURCES}"
      )
    for part, drafted in (
      ("questions", "llm_questions"),
      ("next_actions", "llm_actions"),
      ("plans", "llm_plans"),
    ):
      planned, llm = getattr(self, part), getattr(self, drafted)
      if not 0 <= llm <= planned:
        raise ValueError(
          f"{drafted} {llm} must lie in 0..{part} = {planned}: they are a part"
        )
      acting = part != "questions"
      if acting and not self.tools_act and llm != planned:
        raise ValueError(
          f"{drafted} {llm} must be {part} = {planned} where label_source is "
          f"{self.label_source}: no tool writes acting rows then"
        )
    if self.questions_per_moment < 1:
      raise ValueError(
        f"questions_per_moment {self.questions_per_moment} must be at least 1"
      )
    for name in (
      "refinements", "memories", "temperature", "rechecked", "regret_scale",
      "lapse", "seed",
    ):  # fmt: skip
      if getattr(self, name) < 0:
        raise ValueError(f"{name} {getattr(self, name)} must not be negative")
    for name in ("search_width", "search_depth"):
      if getattr(self, name) < 1:
        raise ValueError(f"{name} {getattr(self, name)} must be at least 1")
    if not 0 <= self.val_share < 1:
      raise ValueError(f"val_share {self.val_share} must lie in [0, 1)")

  @property
  def tools_act(self) -> bool:
    """Whether tools write acting rows."""
    return self.label_source in ("oracle", "search")

  @property
  def drafted(self) -> int:
    """Rows that the language model drafts."""
    return self.llm_questions + self.llm_actions + self.llm_plans


def annotate(
  experiences: Sequence[Experience],
  world: World,
  pool: LevelPool,
  config: AnnotateConfig,
  lm: LanguageModel | None = None,
  memory: Memory | None = None,
  progress: Progress | None = None,
  examined: LanguageModel | None = None,
) -> InstructionDataset:
  """Writes the instruction dataset of some experience.

  Args:
    experiences: moments to write about, of the split `train`.
    world: the simulator they come from.
    pool: the levels they were played on.
    config: see AnnotateConfig.
    lm: the teacher; wrap it in `journal.JournaledLM` to survive a kill.
    memory: starts empty, or with earlier verified rows; filled on the way.
    progress: of the drafts, as in `Agent.run`; tools need no time.
    examined: a model that is asked about nothing but what it answers wrongly;
      None: questions of all kinds, whoever could answer them.

  Raises:
    ValueError: an experience of an evaluation split, no experience, most of
      it of another world, or rows to draft and nobody to draft them.
  """
  _check(experiences, config, lm)
  tools = tools_of(world, pool, config)
  _check_known(tools, experiences)
  drafted, by_tool, duplicates = _plan(tools, experiences, config, examined)
  outcomes: list[Outcome] = []
  usage: dict[str, int] = {}
  if drafted:
    agent = Agent(
      lm,
      tools,
      memory,
      AgentConfig(
        config.refinements, config.memories, config.temperature,
        seed=config.seed,
      ),
    )  # fmt: skip
    outcomes = agent.run([p.seed for p in drafted], progress)
    usage = agent.usage
  # What the agent could not write, the tools do, if they may.
  by_tool += [
    planned
    for planned, outcome in zip(drafted, outcomes, strict=True)
    if outcome.verdict in ("refuted", "invalid", "failed")
    and (config.tools_act or planned.seed.stage == 1)
  ]
  verdicts, checked = checking.by_tools(
    tools, by_tool, config.rechecked, config.seed
  )

  tally = counts.Tally({"llm": len(drafted), "tool": len(by_tool)})
  kept = []
  for outcome in outcomes:
    tally.add("llm", outcome.seed.kind, outcome.verdict)
    if outcome.verdict == "verified":
      kept.append(rows.drafted(outcome, config.label_source, lm.name))
  for planned, verdict, how in zip(by_tool, verdicts, checked, strict=True):
    tally.add("tool", planned.seed.kind, verdict)
    if verdict == "verified":
      kept.append(rows.by_tool(planned, config.label_source, how))
  at_once = sum(o.verdict == "verified" and o.attempts == 1 for o in outcomes)
  numbers = {
    **tally.counts(),
    **_usage(usage),
    "llm_first_drafts": at_once,
    "duplicates": duplicates,
  }
  counts.check(numbers, [row.row_id for row in kept])
  out = [rows.held_out(r.episode, config.val_share, config.seed) for r in kept]
  return InstructionDataset(
    train=[row for row, is_out in zip(kept, out, strict=True) if not is_out],
    val=[row for row, is_out in zip(kept, out, strict=True) if is_out],
    counts=numbers,
  )


def tools_of(world: World, pool: LevelPool, config: AnnotateConfig) -> Tools:
  """The tools that a configuration's rows are made and checked with."""
  return Tools(
    world,
    pool,
    config.label_source,
    width=config.search_width,
    depth=config.search_depth,
    seed=config.seed,
    lapse=config.lapse,
  )


def _usage(usage: dict[str, int]) -> dict[str, Any]:
  """What the drafts cost, and how much memory stood in their prompts."""
  names = ("requests", "retrievals", "prompts_with_memories")
  return {name: usage.get(name, 0) for name in names} | {
    "tokens": {
      "prompt": usage.get("prompt_tokens", 0),
      "completion": usage.get("completion_tokens", 0),
    }
  }


# --- Planning -----------------------------------------------------------------


def _check(experiences, config: AnnotateConfig, lm) -> None:
  if not experiences:
    raise ValueError("no experience: run the collect stage with more moments")
  splits = sorted({e.split for e in experiences} - {"train"})
  if splits:
    raise ValueError(
      f"experiences of splits {splits}: only `train` may be learnt from"
    )
  if config.drafted and lm is None:
    raise ValueError(
      f"{config.drafted} rows are to be drafted by nobody: give a language "
      "model, or set llm_questions, llm_actions and llm_plans to 0"
    )


def _check_known(tools: Tools, experiences) -> None:
  """Stops where replay shows another world; a few lost moments only count."""
  known = int(tools.known(experiences).sum())
  if known < len(experiences) / 2:
    raise ValueError(
      f"only {known} of {len(experiences)} moments come back in replay: the "
      "world, its levels or its words are not those of the experience; run "
      "the collect stage again, in another workdir"
    )


def _plan(
  tools: Tools, experiences, config: AnnotateConfig, examined
) -> tuple[list[Planned], list[Planned], int]:
  """Rows for the agent, rows for the tools, and how many were left out."""
  drafted, by_tool, duplicates = [], [], 0
  questions = functools.partial(
    planning.questions,
    per_moment=config.questions_per_moment,
    kinds=config.kinds,
    examined=examined,
  )
  actions = functools.partial(
    planning.next_actions, regret_scale=config.regret_scale
  )
  for write, count, llm_count in (
    (questions, config.questions, config.llm_questions),
    (actions, config.next_actions, config.llm_actions),
    (planning.plans, config.plans, config.llm_plans),
  ):
    plan = planning.Plan()
    if count:
      write(plan, tools, experiences, count, config.seed)
    duplicates += plan.duplicates
    rng = np.random.default_rng([config.seed, 4])
    if write is not questions and not config.tools_act:
      llm_count = len(plan.rows)
    mine = set(rng.permutation(len(plan.rows))[:llm_count].tolist())
    for i, planned in enumerate(plan.rows):
      (drafted if i in mine else by_tool).append(planned)
  return drafted, by_tool, duplicates

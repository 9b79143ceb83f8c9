"""The agent as an actor: it plans, the plan is executed, it plans again.

    goal -> plan -> replay in the imperfect world -> verdict -> refined plan

The plan is that of the skill `plan`, and so are its prompt, its verdict and the
refutation that a refinement reads. Every plan that was executed is experience.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import jax

from glimo_jax.agent.agent import Agent, AgentConfig, Outcome
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills import PlanSkill
from glimo_jax.agent.skills.task import after
from glimo_jax.agent.tools import Tools
from glimo_jax.data import checking
from glimo_jax.data.collecting.episodes import history
from glimo_jax.data.collecting.settings import CollectConfig
from glimo_jax.types import VERDICTS, Experience


@dataclasses.dataclass(frozen=True)
class Seen:
  """What the world says of a moment.

  Attributes:
    text: its description.
    goal: its instruction.
    done: whether the episode is over.
    success: whether its goal is reached.
  """

  text: str
  goal: str
  done: bool
  success: bool


class AgentActor:
  """Plays whole episodes by plans that a language model writes.

  Args:
    lm: writes the plans.
    tools: replay them.
    config: see CollectConfig.

  Attributes:
    counts: episodes by the verdict on their last plan, `drafts` that were asked
      for, and `plans` that were executed.
  """

  def __init__(self, lm: LanguageModel, tools: Tools, config: CollectConfig):
    self._lm, self._tools, self._config = lm, tools, config
    self.counts: Counter[str] = Counter(
      dict.fromkeys((*VERDICTS, "drafts", "plans"), 0)
    )

  def play(self, starts: Sequence[Experience]) -> list[list[Experience]]:
    """The moments of one episode for each start, in their order.

    An episode has the moments of all plans that were executed from its start;
    those that several plans share stand in it once, with the success of the
    last. It is empty where no plan could be read.

    Args:
      starts: moments without actions, from `episodes.opening`.

    Raises:
      TeacherError: some drafts were never answered.
    """
    config, skill = self._config, PlanSkill()
    starts = [
      dataclasses.replace(start, description=seen.text, instruction=seen.goal)
      for start, seen in zip(starts, self._seen(starts), strict=True)
    ]
    how = AgentConfig(
      config.refinements,
      0,
      config.temperature,
      seed=config.seed,
      forms=config.forms,
    )
    outcomes = Agent(self._lm, self._tools, None, how).run(
      [skill.task(self._tools, start) for start in starts]
    )
    checking.check_answered(outcomes)
    for outcome in outcomes:
      self.counts[outcome.verdict] += 1
      self.counts["drafts"] += outcome.attempts
    plans = [
      (i, self._tools.action_indices(plan.split())[: config.steps])
      for i, outcome in enumerate(outcomes)
      for plan in _executed(outcome)
    ]
    self.counts["plans"] += len(plans)
    found: list[dict[tuple, Experience]] = [{} for _ in starts]
    played = self._played([(starts[i], moves) for i, moves in plans])
    for (i, _), moments in zip(plans, played, strict=True):
      found[i] |= {(m.actions, m.next_action): m for m in moments}
    return [
      sorted(episode.values(), key=lambda moment: len(moment.actions))
      for episode in found
    ]

  def _played(
    self, plans: Sequence[tuple[Experience, tuple[int, ...]]]
  ) -> list[list[Experience]]:
    """The moments of each plan, up to the end of its episode."""
    passed = [
      [after(start, moves[:t]) for t in range(len(moves) + 1)]
      for start, moves in plans
    ]
    views = iter(self._seen([moment for each in passed for moment in each]))
    out = []
    for (start, moves), each in zip(plans, passed, strict=True):
      seen = [next(views) for _ in each]
      ends = [t for t, moment in enumerate(seen) if moment.done]
      seen = seen[: ends[0] + 1] if ends else seen
      texts, goals = [s.text for s in seen], [s.goal for s in seen]
      out.append(history(start, texts, goals, moves, seen[-1].success))
    return out

  def _seen(self, moments: Sequence[Experience]) -> list[Seen]:
    """What the world says of each moment, by replay."""
    world = self._tools.world

    def seen(rows: range) -> list[Seen]:
      ((_, _, state),) = self._tools.replayed([moments[i] for i in rows])
      obs, done, success = jax.device_get(
        (state.obs, state.done, state.metrics["success"])
      )
      texts, goals = world.describe(obs), world.instruction(obs)
      return [
        Seen(texts[j], goals[j], bool(done[j]), bool(success[j] > 0))
        for j in range(len(rows))
      ]

    return self._tools.by_chunk(len(moments), seen, lambda s: Seen(**s))


def _executed(outcome: Outcome) -> list[str]:
  """The plans that were executed, each once, the last one at the end."""
  last = [outcome.answer] if outcome.verdict == "verified" else []
  return list(dict.fromkeys([*outcome.wrong, *last]))

"""The arms of an evaluation, and the choice of the base's best way to be asked.

The base is the best of several ways to ask the same model, chosen on `val`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glimo_jax.agent import llm
from glimo_jax.evaluate import stats
from glimo_jax.evaluate.exam import ExamItem
from glimo_jax.evaluate.settings import EvaluateConfig
from glimo_jax.evaluate.ways import WAYS, SolvedCases
from glimo_jax.play import loop, policies, scoring, writers
from simulators.text_world import HasTextOracle, TextWorldProtocol

Progress = Callable[[str, int, int], object]  # arm, episodes ended, episodes


@dataclasses.dataclass(frozen=True)
class Choice:
  """The base's arm, and what every candidate reached on `val`.

  Attributes:
    arm: the best candidate; the first of equals.
    val: candidate -> success or accuracy.
  """

  arm: str
  val: dict[str, stats.Interval]

  def as_dict(self) -> dict[str, Any]:
    """JSON-able."""
    val = {arm: interval.as_dict() for arm, interval in self.val.items()}
    return {"arm": self.arm, "val": val}

  @classmethod
  def from_dict(cls, values: dict[str, Any]) -> "Choice":
    """The inverse of `as_dict`."""
    val = {arm: stats.Interval(**row) for arm, row in values["val"].items()}
    return cls(values["arm"], val)


def choose_acting(
  config: EvaluateConfig,
  lm: llm.LanguageModel,
  text_world: TextWorldProtocol,
  indices: Sequence[int],
  cases: SolvedCases,
  memo: scoring.Memo,
  progress: Progress | None = None,
) -> Choice:
  """Plays the `val` levels in every candidate arm; the best one is the base.

  Raises:
    ValueError: an arm lacks the solved cases that it needs.
  """
  for arm in config.arms:
    WAYS[arm].check(cases)
  val = {}
  for arm in config.arms:
    policy = _policy(config, arm, lm, text_world, cases, memo)
    run = _play(config, arm, policy, text_world, indices, True, progress)
    val[arm] = stats.wilson(sum(e.success for e in run), len(run))
  return Choice(_best(val), val)


def choose_answering(
  config: EvaluateConfig,
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  cases: SolvedCases,
  memo: scoring.Memo,
) -> Choice:
  """Answers the `val` exam in every candidate arm; the best one is the base.

  Without questions it is `plain`, and nothing was measured.

  Raises:
    ValueError: an arm lacks the solved cases that it needs.
  """
  if not items:
    return Choice("plain", {})
  arms = [arm for arm in config.arms if WAYS[arm].answers] or ["plain"]
  for arm in arms:
    WAYS[arm].check(cases)
  val = {}
  for arm in arms:
    run = WAYS[arm].answer(lm, preamble, items, cases, memo, seed=config.seed)
    val[arm] = stats.wilson(sum(a.correct for a in run), len(run))
  return Choice(_best(val), val)


def act(
  config: EvaluateConfig,
  base: llm.LanguageModel,
  tuned: llm.LanguageModel,
  base_arm: str | None,
  text_world: TextWorldProtocol,
  indices: Sequence[int],
  cases: SolvedCases,
  memo: scoring.Memo,
  progress: Progress | None = None,
  extra: Mapping[str, loop.Policy] | None = None,
) -> dict[str, list[loop.Episode]]:
  """Plays the same levels in every arm, by the untried-action rule.

  Args:
    config: how much, and which arms.
    base, tuned: the two models.
    base_arm: how the base is asked; None leaves out all but the tuned model.
    text_world: the world.
    indices: levels of its pool.
    cases: solved cases about actions.
    memo: keeps scores.
    progress: called with (arm, episodes ended, episodes).
    extra: further policies, by arm; they play last.

  Returns:
    Episodes by arm: random, explorer, oracle (where the world has one), base
    (asked in the way of `base_arm`) and tuned (asked plainly). `base_greedy`,
    `tuned_greedy` and `random_free` play without the rule, which frees a
    greedy player from its loops and ends a random walk sooner. The explorer
    plays without it, too: it walks back over known texts. `base_write`,
    `tuned_plan` and the like, named by `config.written`, act by what they
    write.
  """
  models, plan = {"tuned": tuned}, {}
  if base_arm is not None:
    models = {"base": base, **models}
    actions = len(text_world.actions)
    plan["random"] = policies.RandomPolicy(actions, config.seed), True
    plan["explorer"] = policies.ExplorerPolicy(actions, config.seed), False
    if isinstance(text_world, HasTextOracle):
      plan["oracle"] = policies.OraclePolicy(text_world), True
    asked = _policy(config, base_arm, base, text_world, cases, memo)
    plan["base"], plan["base_greedy"] = (asked, True), (asked, False)
    plan["random_free"] = policies.RandomPolicy(actions, config.seed), False
  asked = _policy(config, "plain", tuned, text_world, cases, memo)
  plan["tuned"], plan["tuned_greedy"] = (asked, True), (asked, False)
  for form in config.written:
    for name, lm in models.items():
      writer = writers.WRITERS[form](
        lm, text_world.preamble, text_world.actions, text_world.parse
      )
      plan[f"{name}_{form}"] = writer, True
  plan |= {arm: (policy, True) for arm, policy in (extra or {}).items()}
  return {
    arm: _play(config, arm, policy, text_world, indices, untried, progress)
    for arm, (policy, untried) in plan.items()
  }


def _policy(
  config: EvaluateConfig,
  arm: str,
  lm: llm.LanguageModel,
  text_world: TextWorldProtocol,
  cases: SolvedCases,
  memo: scoring.Memo,
) -> loop.Policy:
  return WAYS[arm].policy(
    lm, text_world, cases, memo,
    temperature=config.temperature, seed=config.seed,
  )  # fmt: skip


def _play(
  config: EvaluateConfig,
  arm: str,
  policy: loop.Policy,
  text_world: TextWorldProtocol,
  indices: Sequence[int],
  untried: bool,
  progress: Progress | None,
) -> list[loop.Episode]:
  def report(ended: int, episodes: int) -> None:
    if progress is not None:
      progress(arm, ended, episodes)

  return loop.play(
    policy,
    text_world,
    indices,
    untried=untried,
    seed=config.seed,
    max_steps=config.max_steps,
    progress=report,
  )


def _best(val: Mapping[str, stats.Interval]) -> str:
  return max(val, key=lambda arm: val[arm].mean)

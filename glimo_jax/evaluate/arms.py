"""The arms of an evaluation, and the choice of the best way to ask a model.

Base and tuned model are each the best of several ways to ask them, chosen on
`val`.
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
_FIRST = 4  # every way plays one in so many levels, the better half all
Asked = tuple[llm.LanguageModel, str]  # a model, and the way it is asked


@dataclasses.dataclass(frozen=True)
class Choice:
  """How a model is asked, and what every candidate reached on `val`.

  Attributes:
    arm: the best candidate; the first of equals.
    val: candidate -> success or accuracy; empty where there was no choice.
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
  candidates: Sequence[str],
  lm: llm.LanguageModel,
  text_world: TextWorldProtocol,
  indices: Sequence[int],
  cases: SolvedCases,
  memo: scoring.Memo,
  progress: Progress | None = None,
) -> Choice:
  """Plays `val` levels in the candidate ways; the best one is taken.

  Every candidate plays a quarter of the levels. The better half of them, two
  at least, play all levels. A single candidate is taken unplayed.

  Raises:
    ValueError: a way lacks the solved cases that it needs.
  """
  for arm in candidates:
    WAYS[arm].check(cases)
  if len(candidates) == 1:
    return Choice(candidates[0], {})
  asked = {
    arm: _policy(config, arm, lm, text_world, cases, memo) for arm in candidates
  }

  def rates(
    arms: Sequence[str], indices: Sequence[int]
  ) -> dict[str, stats.Interval]:
    out = {}
    for arm in arms:
      run = _play(config, arm, asked[arm], text_world, indices, True, progress)
      out[arm] = stats.wilson(sum(e.success for e in run), len(run))
    return out

  first = rates(candidates, indices[: -(-len(indices) // _FIRST)])
  ranked = sorted(candidates, key=lambda arm: -first[arm].mean)
  better = ranked[: max(2, -(-len(ranked) // 2))]
  final = rates([arm for arm in candidates if arm in better], indices)
  return Choice(_best(final), {**first, **final})


def choose_answering(
  config: EvaluateConfig,
  candidates: Sequence[str],
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  cases: SolvedCases,
  memo: scoring.Memo,
) -> Choice:
  """Answers the `val` exam in every candidate way; the best one is taken.

  A single candidate is taken unasked. Without questions it is `plain`.

  Raises:
    ValueError: a way lacks the solved cases that it needs.
  """
  if not items:
    return Choice("plain", {})
  arms = [arm for arm in candidates if WAYS[arm].answers] or ["plain"]
  for arm in arms:
    WAYS[arm].check(cases)
  if len(arms) == 1:
    return Choice(arms[0], {})
  val = {}
  for arm in arms:
    run = WAYS[arm].answer(lm, preamble, items, cases, memo, seed=config.seed)
    val[arm] = stats.wilson(sum(a.correct for a in run), len(run))
  return Choice(_best(val), val)


def act(
  config: EvaluateConfig,
  models: Mapping[str, Asked],
  text_world: TextWorldProtocol,
  indices: Sequence[int],
  cases: SolvedCases,
  memo: scoring.Memo,
  progress: Progress | None = None,
  rivals: Mapping[str, loop.Policy] | None = None,
) -> dict[str, list[loop.Episode]]:
  """Plays the same levels in every arm, by the untried-action rule.

  Args:
    config: how much, and which arms.
    models: `base` and `tuned`, each with the way in which it is asked. Without
      `base`, only the tuned model plays.
    text_world: the world.
    indices: levels of its pool.
    cases: solved cases about actions.
    memo: keeps scores.
    progress: called with (arm, episodes ended, episodes).
    rivals: further players, by arm; they play last.

  Returns:
    Episodes by arm: random, explorer, oracle (where the world has one), base
    and tuned. `base_greedy`, `tuned_greedy` and `random_free` play without the
    rule, which frees a greedy player from its loops and ends a random walk
    sooner. The explorer plays without it, too: it walks back over known texts.
    `base_write`, `tuned_plan` and the like, named by `config.written`, act by
    what they write.
  """
  actions, plan = len(text_world.actions), {}
  if "base" in models:
    plan["random"] = policies.RandomPolicy(actions, config.seed), True
    place = policies.place_reader(getattr(text_world, "world", None))
    plan["explorer"] = (
      policies.ExplorerPolicy(actions, config.seed, place),
      False,
    )
    if isinstance(text_world, HasTextOracle):
      plan["oracle"] = policies.OraclePolicy(text_world), True
  for name, (lm, way) in models.items():
    asked = _policy(config, way, lm, text_world, cases, memo)
    plan[name], plan[f"{name}_greedy"] = (asked, True), (asked, False)
    if name == "base":
      plan["random_free"] = policies.RandomPolicy(actions, config.seed), False
  for form in config.written:
    for name, (lm, _) in models.items():
      writer = writers.WRITERS[form](
        lm, text_world.preamble, text_world.actions, text_world.parse
      )
      plan[f"{name}_{form}"] = writer, True
  plan |= {arm: (policy, True) for arm, policy in (rivals or {}).items()}
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

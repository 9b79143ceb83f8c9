"""The arms of a run, and how the base is given its best chance."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glimo_jax.agent import llm
from glimo_jax.data.exam import ExamItem
from glimo_jax.evaluate import acting, answering, policies, scoring, stats
from glimo_jax.evaluate.settings import EvaluateConfig, check_arm

Progress = Callable[[str, int, int], Any]  # arm, episodes ended, episodes


@dataclasses.dataclass(frozen=True)
class Help:
  """Solved cases that a prompt may hold, from verified training rows.

  Attributes:
    shots: (user turn, answer) of a few fixed cases.
    retrieve: gives the cases nearest to each of a list of user turns.
  """

  shots: tuple[scoring.Shot, ...] = ()
  retrieve: scoring.Retrieve | None = None

  def check(self, arms: Sequence[str]) -> None:
    """Raises ValueError where an arm lacks what it needs."""
    if "few_shot" in arms and not self.shots:
      raise ValueError("arm 'few_shot' needs shots: give some or drop it")
    if "retrieval" in arms and self.retrieve is None:
      raise ValueError("arm 'retrieval' needs a memory: give one or drop it")


@dataclasses.dataclass(frozen=True)
class Choice:
  """The base's arm and what every candidate reached on `val`.

  Attributes:
    arm: the best one; the earlier one of equals.
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


def policy(
  arm: str,
  lm: llm.LanguageModel,
  text_world,
  help_: Help,
  memo: scoring.Memo,
  *,
  temperature: float = 1.0,
  seed: int = 0,
) -> acting.Policy:
  """The policy that asks `lm` in the way of one of `settings.CANDIDATES`."""
  check_arm(arm)
  help_.check([arm])
  asked = policies.LanguagePolicy(
    lm,
    text_world.preamble,
    text_world.actions,
    shots=help_.shots if arm == "few_shot" else (),
    retrieve=help_.retrieve if arm == "retrieval" else None,
    prior=arm == "prior_calibrated",
    memo=memo,
  )
  if arm == "sampled":
    return policies.SampledPolicy(asked, temperature, seed)
  return asked


def answers(
  arm: str,
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  help_: Help,
  memo: scoring.Memo,
  *,
  seed: int = 0,
) -> list[answering.Answer]:
  """What `lm` answers, asked in the way of `arm` (`sampled` is `plain`)."""
  check_arm(arm)
  help_.check([arm])
  return answering.answer(
    lm,
    preamble,
    items,
    shots=help_.shots if arm == "few_shot" else (),
    retrieve=help_.retrieve if arm == "retrieval" else None,
    prior=arm == "prior_calibrated",
    memo=memo,
    seed=seed,
  )


def choose_acting(
  config: EvaluateConfig,
  lm: llm.LanguageModel,
  text_world,
  indices: Sequence[int],
  help_: Help,
  memo: scoring.Memo,
  progress: Progress | None = None,
) -> Choice:
  """Plays the `val` levels in every candidate arm; the best one is the base."""
  help_.check(config.arms)
  val = {}
  for arm in config.arms:
    asked = policy(
      arm, lm, text_world, help_, memo,
      temperature=config.temperature, seed=config.seed,
    )  # fmt: skip
    run = _play(config, arm, asked, text_world, indices, True, progress)
    val[arm] = stats.wilson(sum(e.success for e in run), len(run))
  return Choice(_best(val), val)


def choose_answering(
  config: EvaluateConfig,
  lm: llm.LanguageModel,
  preamble: str,
  items: Sequence[ExamItem],
  help_: Help,
  memo: scoring.Memo,
) -> Choice:
  """Answers the `val` exam in every candidate arm; the best one is the base."""
  arms = [arm for arm in config.arms if arm != "sampled"] or ["plain"]
  help_.check(arms)
  val = {}
  for arm in arms:
    run = answers(arm, lm, preamble, items, help_, memo, seed=config.seed)
    val[arm] = stats.wilson(sum(a.correct for a in run), len(run))
  return Choice(_best(val), val)


def act(
  config: EvaluateConfig,
  base: llm.LanguageModel,
  tuned: llm.LanguageModel,
  base_arm: str | None,
  text_world,
  indices: Sequence[int],
  help_: Help,
  memo: scoring.Memo,
  progress: Progress | None = None,
  beside: Mapping[str, acting.Policy] | None = None,
) -> dict[str, list[acting.Episode]]:
  """Plays the same levels in every arm, by the untried-action rule.

  Returns:
    Episodes by arm: random, oracle, base (asked in the way of `base_arm`) and
    tuned (asked plainly); `base_greedy`, `tuned_greedy` and `random_free` are
    played without the rule. It frees a greedy player from its loops and ends
    a walk at random sooner. `base_write`, `tuned_plan` and the like act by
    what they write, where `config.written` names it. Where `base_arm` is None
    only the tuned ones. Those of `beside`, further policies, come last.
  """
  tuned_policy = policy("plain", tuned, text_world, help_, memo)
  plan = {"tuned": (tuned_policy, True), "tuned_greedy": (tuned_policy, False)}
  if base_arm is not None:
    base_policy = policy(
      base_arm, base, text_world, help_, memo,
      temperature=config.temperature, seed=config.seed,
    )  # fmt: skip
    actions = len(text_world.actions)
    plan = {
      "random": (policies.RandomPolicy(actions, config.seed), True),
      "oracle": (policies.OraclePolicy(text_world), True),
      "base": (base_policy, True),
      "base_greedy": (base_policy, False),
      "random_free": (policies.RandomPolicy(actions, config.seed), False),
      **plan,
    }
  writers = {"tuned": tuned}
  if base_arm is not None:
    writers = {"base": base, **writers}
  plan |= {
    f"{name}_{form}": (_written(form, lm, text_world), True)
    for form in config.written
    for name, lm in writers.items()
  }
  plan |= {arm: (asked, True) for arm, asked in (beside or {}).items()}
  return {
    arm: _play(config, arm, asked, text_world, indices, untried, progress)
    for arm, (asked, untried) in plan.items()
  }


def _written(form: str, lm: llm.LanguageModel, text_world) -> acting.Policy:
  made = {"write": policies.WritePolicy, "plan": policies.PlanPolicy}[form]
  return made(lm, text_world.preamble, text_world.actions, text_world.parse)


def _play(config, arm, asked, text_world, indices, untried, progress):
  return acting.play(
    asked,
    text_world,
    indices,
    untried=untried,
    seed=config.seed,
    max_steps=config.max_steps,
    progress=progress and (lambda done, n: progress(arm, done, n)),
  )


def _best(val: dict[str, stats.Interval]) -> str:
  return max(val, key=lambda arm: val[arm].mean)

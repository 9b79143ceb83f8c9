"""The arms of a run, and how the base is given its best chance."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glimo_jax.agent import llm
from glimo_jax.data.exam import ExamItem
from glimo_jax.evaluate import acting, answering, policies, scoring, stats

# Ways to ask the same model; the best of them on `val` is the base.
CANDIDATES = ("plain", "few_shot", "retrieval", "prior_calibrated", "sampled")
SUITES = ("test", "val")
WRITTEN = ("write", "plan")
Progress = Callable[[str, int, int], Any]  # arm, episodes ended, episodes


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """How much is measured; every number costs time in proportion.

  Attributes:
    episodes: levels of `test` that every arm plays.
    val_episodes: levels of `val` on which the base's arm is chosen.
    per_kind: questions of each kind, on `test`.
    kinds: of questions; () for all that the world asks.
    val_per_kind: questions of each kind on which the base's arm is chosen.
    depths: chain depths of `test` and `val`.
    ood_episodes: levels of each out-of-distribution split; 0 leaves them out.
    language_tokens: tokens of each held-out text.
    max_steps: actions after which an episode is truncated.
    temperature: of the `sampled` arm.
    shots: solved cases before a prompt of the `few_shot` arm.
    seed: of every draw.
    arms: those of CANDIDATES that the base may choose from.
    suite: `test`, with what lies out of distribution, or `val`, where choices
      are made, at the sizes of `test`.
    tuned_only: leave base, random and oracle to another run's fragment.
    arm: what the tuned model is called where runs are put side by side.
    written: further ways in which both models act, of WRITTEN: `write` an
      action freely instead of choosing it, or a whole `plan` that is followed.
  """

  episodes: int = 128
  val_episodes: int = 24
  per_kind: int = 16
  val_per_kind: int = 4
  kinds: tuple[str, ...] = ()
  depths: tuple[int, ...] = (0, 1)
  ood_episodes: int = 32
  language_tokens: int = 16384
  max_steps: int = 30
  temperature: float = 0.7
  shots: int = 4
  seed: int = 0
  arms: tuple[str, ...] = CANDIDATES
  suite: str = "test"
  tuned_only: bool = False
  arm: str = "tuned"
  written: tuple[str, ...] = ()

  def __post_init__(self):
    least = {
      "episodes": 2, "val_episodes": 2, "per_kind": 1, "val_per_kind": 1,
      "ood_episodes": 0, "language_tokens": 256, "max_steps": 1, "shots": 1,
      "seed": 0,
    }  # fmt: skip
    for name, low in least.items():
      value = getattr(self, name)
      if value < low:
        raise ValueError(
          f"evaluate.{name} {value} must be at least {low}: raise it"
        )
    if self.temperature <= 0:
      raise ValueError(
        f"evaluate.temperature {self.temperature} must be positive: the "
        "'plain' arm is the one without sampling"
      )
    if not self.depths or min(self.depths) < 0:
      raise ValueError(
        f"evaluate.depths {self.depths} must name depths from 0 up, e.g. (0, 1)"
      )
    if not self.arms or len(set(self.arms)) != len(self.arms):
      raise ValueError(
        f"evaluate.arms {self.arms} must name each arm once, e.g. ('plain',)"
      )
    for arm in self.arms:
      _check(arm)
    for name in self.written:
      if name not in WRITTEN:
        raise ValueError(
          f"evaluate.written {name!r} is not one of {WRITTEN}: name some of "
          "these, or none"
        )
    if self.suite not in SUITES:
      raise ValueError(
        f"evaluate.suite {self.suite!r} is not one of {SUITES}: choose one"
      )
    if not self.arm or self.arm in ("base", "random", "oracle"):
      raise ValueError(
        f"evaluate.arm {self.arm!r} is the name of another arm: call the tuned "
        "model otherwise"
      )

  def shifted(self, splits: Sequence[str]) -> list[str]:
    """Those of a world's splits that are judged out of distribution."""
    if self.suite != "test" or not self.ood_episodes:
      return []
    return [split for split in splits if split.startswith("ood-")]


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
  """The policy that asks `lm` in the way of `arm`, one of CANDIDATES."""
  _check(arm)
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
  _check(arm)
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


def _check(arm: str) -> None:
  if arm not in CANDIDATES:
    near = difflib.get_close_matches(arm, CANDIDATES, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no arm {arm!r}: {hint}known are {', '.join(CANDIDATES)}")

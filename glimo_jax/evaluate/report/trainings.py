"""What a figure of a trained arm says about the recipe that trained it.

A figure of one training stands for one draw. Read as the recipe's quality, its
interval also holds the known spread between trainings.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from glimo_jax.evaluate import stats
from glimo_jax.evaluate.settings import EvaluateConfig


@dataclasses.dataclass(frozen=True)
class KnownSpread:
  """Standard deviations between trainings of one recipe; 0 where unknown.

  Attributes:
    success: of success; taken for SPL, too.
    qa: of the accuracy of answers.
  """

  success: float = 0.0
  qa: float = 0.0

  @classmethod
  def of(cls, facts: Mapping[str, Any]) -> "KnownSpread":
    """The spread in the settings of a report's facts, or the default."""
    settings = facts.get("config", {}).get("evaluate", {})
    success, qa = (
      settings.get(name, getattr(EvaluateConfig, name))
      for name in ("training_spread", "training_spread_qa")
    )
    return cls(success, qa)

  def spread(self, measure: str) -> stats.Spread | None:
    """The spread of a measure, `success` or `qa`; None where it is unknown."""
    sd = getattr(self, measure)
    return stats.Spread(sd, math.inf) if sd else None


def trained(arm: str, recipes: Collection[str]) -> bool:
  """Whether an arm is one of these trained models, or a form of one."""
  return any(arm == r or arm.startswith(f"{r}_") for r in recipes)


def marked(
  interval: stats.Interval | Mapping[str, Any],
  seeds: int,
  spread: stats.Spread | None = None,
  share: bool = False,
) -> dict[str, Any]:
  """An interval as JSON with its number of trainings, `seeds`.

  Args:
    interval: over levels and, where there are several, trainings; as an
      Interval, or as JSON with further keys.
    seeds: trainings.
    spread: between trainings; widens the interval of a single one.
    share: whether the interval stays in 0..1.
  """
  if isinstance(interval, stats.Interval):
    interval = interval.as_dict()
  values = {**interval, "seeds": seeds}
  if seeds == 1 and spread is not None and values["lo"] is not None:
    one = stats.Interval(*(values[key] for key in ("mean", "lo", "hi", "n")))
    wider = stats.widened(one, spread)
    bounds = (0.0, 1.0) if share else (-math.inf, math.inf)
    ends = np.clip((wider.lo, wider.hi), *bounds)
    values |= dict(zip(("lo", "hi"), ends.tolist(), strict=True))
  return values

"""Retention budgets: whether a report exceeds what its run allows."""

from collections.abc import Mapping, Sequence
from typing import Any


class OverBudget(ValueError):
  """The tuned model has lost more than the run allows.

  Nothing else is lost: adapter and report are written.
  """

  def __init__(self, lines: Sequence[str]):
    super().__init__(
      "over budget: "
      + "; ".join(lines)
      + ". Adapter and report are written. Raise --config.train.kl_coef, train "
      "for fewer steps, or raise the budget"
    )


def exceeded(
  limits: Mapping[str, float],
  retention: Mapping[str, Mapping[str, Any]],
  comparisons: Mapping[str, Mapping[str, Any]],
) -> list[str]:
  """One line for each budget that is exceeded.

  Args:
    limits: the settings of training: `max_chat_kl` in nats per token and
      `max_bits_increase` as a share, each 0 or absent where it is not set.
    retention: measure -> arm -> interval.
    comparisons: `language/TEXT` -> `bits_per_byte_ratio` -> interval. It is
      absent where the base is left to another run; then bits are not checked.
  """
  out = []
  limit = limits.get("max_chat_kl")
  if limit:
    kl = retention["chat_kl"]["tuned"]["mean"]
    if kl > limit:
      out.append(f"chat KL {kl:.4f} is above train.max_chat_kl {limit}")
  limit = limits.get("max_bits_increase")
  for name, compared in comparisons.items() if limit else ():
    if "bits_per_byte_ratio" in compared:
      increase = compared["bits_per_byte_ratio"]["mean"] - 1
      if increase > limit:
        out.append(
          f"bits per byte of {name} rise by {increase:.2%}, above "
          f"train.max_bits_increase {limit:.2%}"
        )
  return out

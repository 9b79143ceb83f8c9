"""Which rules of a world a step has shown, to measure a collection."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class HasRuleUses(Protocol):
  """A world that tells which of its rules a step has shown."""

  def rule_uses(self, text: str, action: str, then: str) -> tuple[str, ...]:
    """Names of the rules that a step shows, such as `key opens door`.

    Args:
      text: the description before the step.
      action: the word of the action that was chosen.
      then: the description after it.
    """
    ...

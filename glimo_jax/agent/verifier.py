"""Verdicts of the verifier: a program that checks against the simulator.

Each skill verifies its own answers by replay, and checks them a second time
against the world's plain reference where there is one; see `agent.skills`.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Check:
  """The verdict on one answer.

  Attributes:
    verdict: verified, refuted or unverifiable.
    refutation: what its author is shown; "" unless refuted.
    steps: steps that a verified plan takes, else 0.
  """

  verdict: str
  refutation: str = ""
  steps: int = 0

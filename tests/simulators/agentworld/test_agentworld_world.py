"""AgentWorld implements every optional part of a world."""

import pytest

import simulators
from simulators import base


@pytest.mark.parametrize(
  "protocol",
  [
    base.HasOracle,
    base.AsksQuestions,
    base.HasReference,
    base.ParsesDescriptions,
    base.Renders,
  ],
)
def test_every_optional_protocol_is_implemented(protocol):
  assert isinstance(simulators.make("agentworld"), protocol)


def test_worlds_with_equal_settings_share_compiled_code():
  """A world is a static argument of jitted functions."""
  one, two = (simulators.make("agentworld", size=9) for _ in range(2))
  other = simulators.make("agentworld", size=8)
  assert one == two != other
  assert len({one, two, other}) == 2

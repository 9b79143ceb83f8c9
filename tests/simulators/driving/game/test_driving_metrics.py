"""The closed-loop score on episodes that are computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from simulators.driving.game import metrics, score
from simulators.driving.text import describing
from simulators.driving.types import FAR

# A lawful drive of 20 s that reaches its goal.
PERFECT = dict.fromkeys(score.LIMITS, 0.0) | {
  "ttc": FAR, "stop_line": FAR, "progress": 1.0, "success": 1.0, "lasted": 20.0,
}  # fmt: skip


def _score(**changed):
  episode = {k: jnp.float32(v) for k, v in (PERFECT | changed).items()}
  return float(metrics.closed_loop_score(episode))


@pytest.mark.parametrize(
  ("changed", "expected"),
  [
    ({}, 1.0),
    # Half the way, and nothing else: (5 / 2 + 5 + 4 + 2) / 16.
    ({"progress": 0.5}, 13.5 / 16),
    ({"progress": 0.21}, (0.21 * 5 + 11) / 16),
    ({"progress": 0.19}, 0.0),
    # Too close once: weight 5 is lost. Three seconds away is close enough.
    ({"ttc": 0.94}, 11 / 16),
    ({"ttc": 0.96}, 1.0),
    # 1 m/s too fast for 10 of 20 s: 10 m / (2.23 m/s * 20 s).
    ({"speeding": 10.0}, (12 + 4 * (1 - 10 / 44.6)) / 16),
    ({"speeding": 100.0}, 12 / 16),
    # One uncomfortable moment: weight 2 is lost, however many there are.
    ({"jerk": 4.2}, 14 / 16),
    ({"brake": -4.1, "jerk": 20.0, "yaw_accel": 2.0}, 14 / 16),
    ({"accel": 2.5}, 14 / 16),
    ({"lateral": 4.9}, 14 / 16),
    ({"yaw": 0.96}, 14 / 16),
    ({"jerk_total": 8.4}, 14 / 16),
    ({"jerk": 4.1, "brake": -4.0, "lateral": 4.8, "jerk_total": 8.3}, 1.0),
    ({"wrong_way": 1.9}, 1.0),
    ({"wrong_way": 2.1}, 0.5),
    ({"wrong_way": 6.1}, 0.0),
    # Someone else's fault costs only the way that is left.
    ({"collision": 1.0, "progress": 0.6}, 14 / 16),
    # Too late, too close, too rough: 5 * 0.8 + 4 of 16.
    ({"progress": 0.8, "ttc": 0.5, "jerk": 9.0}, 8 / 16),
  ],
)
def test_score_equals_hand_computed_episodes(changed, expected):
  assert _score(**changed) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("gate", score.GATES)
def test_a_violated_gate_voids_the_score(gate):
  assert _score(**{gate: 1.0}) == 0.0


def test_every_rule_of_the_prompt_is_a_term_of_the_score():
  """Breaking the rule, and nothing else, lowers the score."""
  rules = {
    "Do not hit anything": {"at_fault": 1.0},
    "keep on the road": {"off_road": 1.0},
    "stop before a red light": {"red_light": 1.0},
    "let people cross": {"no_yield": 1.0},
    "let oncoming cars go first": {"forced": 1.0},
    "keep the limit": {"speeding": 10.0},
  }
  stated = describing.rules("plain").split(". ")[1]
  assert stated == ", ".join(rules)
  for broken in rules.values():
    assert _score(**broken) < 1.0


def test_lawful_episode_keeps_every_limit():
  def lawful(**changed):
    episode = {k: jnp.float32(v) for k, v in (PERFECT | changed).items()}
    return bool(score.lawful(episode))

  assert lawful()
  assert lawful(progress=0.3, success=0.0)  # slow is lawful
  for name in score.LAWS:
    least, greatest = score.LIMITS[name]
    beyond = least - 0.01 if name in ("ttc", "brake") else greatest + 0.01
    assert not lawful(**{name: beyond}), name


def test_score_is_elementwise():
  many = {k: jnp.full(3, v, jnp.float32) for k, v in PERFECT.items()}
  many["progress"] = jnp.array([1.0, 0.5, 0.1])
  scores = metrics.closed_loop_score(many)
  np.testing.assert_allclose(scores, [1.0, 13.5 / 16, 0.0], atol=1e-6)

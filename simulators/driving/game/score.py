"""The limits of good driving, and the score of a whole episode.

The metrics themselves are defined in `metrics`.
"""

from collections.abc import Mapping

import jax.numpy as jnp

from simulators.driving.types import FAR, Array

# metric -> least and greatest value that count as good
LIMITS = {
  "collision": (0.0, 0.0),
  "at_fault": (0.0, 0.0),
  "off_road": (0.0, 0.0),
  "wrong_way": (0.0, 3.5),
  "red_light": (0.0, 0.0),
  "no_yield": (0.0, 0.0),
  "forced": (0.0, 0.0),
  "stop_line": (0.0, 8.0),
  "ttc": (0.95, FAR),
  "accel": (-4.05, 2.40),
  "brake": (-4.05, 2.40),
  "lateral": (0.0, 4.89),
  "yaw": (0.0, 0.95),
  "yaw_accel": (0.0, 1.93),
  "jerk": (0.0, 4.13),
  "jerk_total": (0.0, 8.37),
  "speeding": (0.0, 4.0),
  "over_limit": (0.0, 1.0),
  "emergency": (0.0, 0.0),
  "progress": (1.0, 1.0),
  "success": (1.0, 1.0),
}
COMFORT = (
  "accel", "brake", "lateral", "yaw", "yaw_accel", "jerk", "jerk_total",
)  # fmt: skip
# Metrics whose limits an expert must keep.
LAWS = (
  "at_fault", "off_road", "wrong_way", "red_light", "no_yield", "forced",
  "ttc", *COMFORT, "over_limit",
)  # fmt: skip
# Weights of the score; a violated gate makes it 0.
GATES = ("at_fault", "off_road", "red_light", "no_yield", "forced")
WEIGHTS = {"progress": 5.0, "ttc": 5.0, "speed": 4.0, "comfort": 2.0}
OVERSPEED = 2.23  # m/s above the limit all the time: no speed compliance left
LEAST_PROGRESS = 0.2  # share of the way; less makes the score 0
WRONG_WAY = (2.0, 6.0)  # m against the traffic that halve, and void, the score


def good(metrics: Mapping[str, Array], name: str) -> Array:
  """bool[...]: a metric is within its limits."""
  least, greatest = LIMITS[name]
  value = metrics[name]
  return (value >= least - 1e-6) & (value <= greatest + 1e-6)


def comfortable(metrics: Mapping[str, Array]) -> Array:
  """bool[...]: every limit of COMFORT was kept."""
  return jnp.all(jnp.stack([good(metrics, name) for name in COMFORT]), 0)


def closed_loop_score(metrics: Mapping[str, Array]) -> Array:
  """f32[...] in 0..1: nuPlan's score of a driven episode, with our gates.

      score = gates * direction * sum of weight * term / sum of weights

  | part | weight | value |
  |---|---|---|
  | at_fault, off_road | gate | 0 if it has happened |
  | red_light, no_yield, forced | gate | the same (ours; nuPlan has none) |
  | making progress | gate | 0 below a fifth of the way |
  | direction | factor | 1 below 2 m of wrong way, 0.5 below 6 m, else 0 |
  | progress | 5 | share of the way to the goal |
  | time to collision | 5 | 1 if it was never below 0.95 s |
  | speed | 4 | 1 - speeding / (2.23 m/s * duration), at least 0 |
  | comfort | 2 | 1 if all limits of COMFORT were kept |

  nuPlan measures progress against a human's drive; here the whole way is due
  within the level's time. It sums the wrong way over one second, we over the
  episode. It smooths accelerations before it derives jerk; we do not, so our
  comfort is stricter.

  Source: docs/nuplan_metrics_aggeregation.md and docs/metrics_description.md
  of github.com/motional/nuplan-devkit, commit c09d0280.

  Args:
    metrics: name -> f32[...], as in `State.metrics`; of the end of an episode.
  """
  gates = jnp.stack([metrics[name] for name in GATES])
  kept = ~jnp.any(gates > 0.0, axis=0) & (metrics["progress"] >= LEAST_PROGRESS)
  some, much = WRONG_WAY
  wrong = metrics["wrong_way"]
  direction = jnp.where(wrong < some, 1.0, jnp.where(wrong < much, 0.5, 0.0))
  duration = jnp.maximum(metrics["lasted"], 1e-3)
  excess = metrics["speeding"] / (OVERSPEED * duration)
  terms = {
    "progress": metrics["progress"],
    "ttc": good(metrics, "ttc").astype(jnp.float32),
    "speed": jnp.maximum(1.0 - excess, 0.0),
    "comfort": comfortable(metrics).astype(jnp.float32),
  }
  total = sum(WEIGHTS[name] * terms[name] for name in WEIGHTS)
  return jnp.where(kept, direction * total / sum(WEIGHTS.values()), 0.0)


def lawful(metrics: Mapping[str, Array]) -> Array:
  """bool[...]: every limit of LAWS was kept."""
  return jnp.all(jnp.stack([good(metrics, name) for name in LAWS]), 0)

"""How fast and how rough a drive was: the limits of docs/driving.md."""

import math
from typing import NamedTuple

from simulators.driving.reference.motion import EgoCar
from simulators.driving.reference.scene import Scene


class Ride(NamedTuple):
  """What is summed up over the physics steps of a drive."""

  speeding: float = 0.0  # m, time integral of the speed above the limit
  over: float = 0.0  # s, more than 0.5 m/s above the limit up to now
  over_limit: float = 0.0  # s, the longest such time
  rough: bool = False  # one of nuPlan's limits of comfort was exceeded

  def after(
    self, scene: Scene, before: EgoCar, ego: EgoCar, dt: float
  ) -> "Ride":
    """The ride after one more physics step, from `before` to `ego`."""
    excess = max(ego.v - scene.limit, 0.0)
    over = self.over + dt if excess > 0.5 else 0.0
    return Ride(
      speeding=self.speeding + excess * dt,
      over=over,
      over_limit=max(self.over_limit, over),
      rough=self.rough or _is_rough(before, ego, dt),
    )


def _is_rough(before: EgoCar, ego: EgoCar, dt: float) -> bool:
  """Whether a physics step exceeds one of nuPlan's limits of comfort."""
  sideways = ego.v * ego.yaw
  jerk = (ego.a - before.a) / dt
  side_jerk = (sideways - before.v * before.yaw) / dt
  return (
    not -4.05 <= ego.a <= 2.40
    or abs(sideways) > 4.89
    or abs(ego.yaw) > 0.95
    or abs(ego.yaw - before.yaw) / dt > 1.93
    or abs(jerk) > 4.13
    or math.hypot(jerk, side_jerk) > 8.37
  )

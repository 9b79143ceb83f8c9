"""A line through a road network, and places beside it."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Path:
  """A polyline of N points.

  Attributes:
    points: f64[N, 2] m, no two of them in a row are equal.
    along: f64[N] m, the way from the first point to each.
  """

  points: np.ndarray
  along: np.ndarray

  @classmethod
  def through(cls, points: np.ndarray) -> "Path":
    """The path through points [M, 2]; repeated points are left out."""
    points = np.asarray(points, float)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    kept = np.concatenate([[True], steps > 1e-6])
    along = np.concatenate([[0.0], np.cumsum(steps[steps > 1e-6])])
    return cls(points[kept], along)

  @property
  def length(self) -> float:
    """m."""
    return float(self.along[-1])

  def at(self, s: np.ndarray) -> np.ndarray:
    """f64[..., 2] m: the points at s m along the path."""
    x, y = self.points.T
    return np.stack(
      [np.interp(s, self.along, x), np.interp(s, self.along, y)], axis=-1
    )

  def heading(self, s: float) -> np.ndarray:
    """f64[2]: the unit vector along the path at s."""
    i = np.searchsorted(self.along, s, side="right") - 1
    i = int(np.clip(i, 0, len(self.along) - 2))
    step = self.points[i + 1] - self.points[i]
    return step / np.linalg.norm(step)

  def project(
    self, xy: np.ndarray, within: tuple[float, float]
  ) -> tuple[np.ndarray, np.ndarray]:
    """The places of points beside a part of the path.

    Args:
      xy: f64[P, 2] m.
      within: m along the path, where the part begins and ends.

    Returns:
      s: f64[P] m, of the nearest place on the part.
      d: f64[P] m, from it to the point; positive to the left.
    """
    xy = np.asarray(xy, float).reshape(-1, 2)
    first, last = np.clip(within, 0.0, self.length)
    inside = self.along[(self.along > first) & (self.along < last)]
    along = np.concatenate([[first], inside, [last]])
    points = self.at(along)
    steps = np.diff(points, axis=0)  # [K, 2]
    lengths = np.maximum(np.diff(along), 1e-9)
    units = steps / lengths[:, None]
    offsets = xy[:, None] - points[:-1]  # [P, K, 2]
    t = np.clip((offsets * units).sum(-1), 0.0, lengths)
    beside = offsets - t[..., None] * units
    best = (beside**2).sum(-1).argmin(1)
    rows = np.arange(len(xy))
    across = units[best, 0] * offsets[rows, best, 1]
    across -= units[best, 1] * offsets[rows, best, 0]
    distance = np.sqrt((beside[rows, best] ** 2).sum(-1))
    return along[best] + t[rows, best], np.copysign(distance, across)

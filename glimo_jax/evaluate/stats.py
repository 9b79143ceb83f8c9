"""Confidence intervals: which differences are larger than chance.

A measurement is an array. Its last axis is the unit that is drawn anew when
an experiment is repeated (a level, a window of text). Its first axis, if it
has two, is the training seed. Every interval here is two-sided.

Units are resampled (a percentile bootstrap). There are too few seeds for that:
their half-width is Student's t over the results of the seeds. The half-width of
the interval is the root of the sum of the squares of both. With one seed the
interval covers the units only, unless a `Spread` between trainings widens it.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.special

LEVEL = 0.95  # coverage of every interval that is reported
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Interval:
  """An estimate with its confidence interval.

  Attributes:
    mean: the estimate.
    lo, hi: the interval; nan where it is not defined.
    n: number of units (levels, windows, questions).
  """

  mean: float
  lo: float
  hi: float
  n: int

  def as_dict(self) -> dict[str, float | int | None]:
    """JSON-able: nan becomes None."""
    return {
      key: None if math.isnan(value) else value
      for key, value in dataclasses.asdict(self).items()
    }

  def __str__(self) -> str:
    if math.isnan(self.mean):
      return "-"
    if math.isnan(self.lo):
      return f"{self.mean:.3f}"
    return f"{self.mean:.3f} [{self.lo:.3f}, {self.hi:.3f}]"


@dataclasses.dataclass(frozen=True)
class Spread:
  """How far the results of one recipe's trainings lie apart.

  Attributes:
    sd: standard deviation of one training's result.
    df: its degrees of freedom; infinite where it is known exactly.
  """

  sd: float
  df: float


def spread(figures: Sequence[npt.ArrayLike]) -> Spread | None:
  """The standard deviation within arms, pooled; None if every arm has one seed.

  Args:
    figures: for each arm, the result of each of its seeds.
  """
  arms = [np.asarray(arm, np.float64) for arm in figures]
  several = [arm for arm in arms if len(arm) > 1]
  df = sum(len(arm) - 1 for arm in several)
  if not df:
    return None
  squares = sum(((arm - arm.mean()) ** 2).sum() for arm in several)
  return Spread(math.sqrt(squares / df), df)


def widened(
  interval: Interval, spread: Spread, seeds: int = 1, level: float = LEVEL
) -> Interval:
  """An interval of units, with the spread of one seed added for `seeds`."""
  wide = float(scipy.special.stdtrit(spread.df, (1 + level) / 2))
  wide *= spread.sd / math.sqrt(seeds)
  mean = interval.mean
  return dataclasses.replace(
    interval,
    lo=mean - math.hypot(mean - interval.lo, wide),
    hi=mean + math.hypot(interval.hi - mean, wide),
  )


def wilson(successes: int, n: int, level: float = LEVEL) -> Interval:
  """The score interval of a proportion (Wilson 1927, JASA 22:209-212).

  Unlike the normal approximation it stays in [0, 1] and has a width at 0 and n.

  Raises:
    ValueError: n < 1 or successes outside 0..n.
  """
  if n < 1:
    raise ValueError(f"n {n} must be at least 1: nothing was measured")
  if not 0 <= successes <= n:
    raise ValueError(f"{successes} successes must lie in 0..{n}")
  z = statistics.NormalDist().inv_cdf((1 + level) / 2)
  p = successes / n
  centre = (p + z * z / (2 * n)) / (1 + z * z / n)
  half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n * n))
  # scipy's interval differs in the last digit. At 0 and n the end is exact.
  lo = 0.0 if successes == 0 else centre - half
  hi = 1.0 if successes == n else centre + half
  return Interval(p, lo, hi, n)


def bootstrap(
  values: npt.ArrayLike,
  clusters: Sequence | None = None,
  *,
  resamples: int = RESAMPLES,
  seed: int = 0,
  level: float = LEVEL,
) -> Interval:
  """The mean of one arm; percentile interval.

  Args:
    values: f[N], or f[S, N] with a row for each training seed.
    clusters: N labels; units of one label are drawn together (the questions
      about one level). None: every unit is its own cluster.
    resamples: number of redraws.
    seed: of the redraws.
    level: coverage.

  Raises:
    ValueError: fewer than two clusters, unequal lengths, or a nan.
  """
  (values_SxN,) = _aligned(values)
  draws = _Draws(values_SxN, clusters, resamples, seed)
  return _interval(values_SxN.mean(1), draws.means(values_SxN), draws.n, level)


def paired(
  a: npt.ArrayLike,
  b: npt.ArrayLike,
  clusters: Sequence | None = None,
  *,
  between: Spread | None = None,
  resamples: int = RESAMPLES,
  seed: int = 0,
  level: float = LEVEL,
) -> Interval:
  """mean(a) - mean(b) on the same units and seeds.

  Args:
    a, b: f[N] or f[S, N] over the same N units in the same order. An arm
      without training seeds (base, random, oracle) is one row and is paired
      with every seed of the other.
    clusters, resamples, seed, level: as in `bootstrap`.
    between: spread of the trainings of either arm, where more is known of it
      than these seeds show.

  Raises:
    ValueError: as `bootstrap`, or arms of unlike shape.
  """
  a_SxN, b_SxN = _aligned(a, b)
  draws = _Draws(a_SxN, clusters, resamples, seed)
  redraws_R = draws.means(a_SxN) - draws.means(b_SxN)
  of_seed_S = (a_SxN - b_SxN).mean(1)
  return _interval(of_seed_S, redraws_R, draws.n, level, between)


def normalised(
  tuned: npt.ArrayLike,
  random: npt.ArrayLike,
  oracle: npt.ArrayLike,
  clusters: Sequence | None = None,
  *,
  resamples: int = RESAMPLES,
  seed: int = 0,
  level: float = LEVEL,
) -> Interval:
  """(tuned - random) / (oracle - random): 0 is chance, 1 is perfect play.

  All three arms are redrawn together. The estimate is nan where the oracle is
  no better than chance. The interval's ends are nan where that is so in some
  redraws. Arguments are as in `paired`.

  Raises:
    ValueError: as `paired`.
  """
  arms = _aligned(tuned, random, oracle)
  draws = _Draws(arms[0], clusters, resamples, seed)
  t_S, r_S, o_S = (arm.mean(1) for arm in arms)
  t_R, r_R, o_R = (draws.means(arm) for arm in arms)
  r, o = r_S.mean(), o_S.mean()
  if not o > r:
    return Interval(math.nan, math.nan, math.nan, draws.n)
  with np.errstate(divide="ignore", invalid="ignore"):
    shares_R = np.where(o_R > r_R, (t_R - r_R) / (o_R - r_R), np.nan)
  return _interval((t_S - r) / (o - r), shares_R, draws.n, level)


def ratio(
  numerator: npt.ArrayLike,
  denominator: npt.ArrayLike,
  *,
  between: Spread | None = None,
  resamples: int = RESAMPLES,
  seed: int = 0,
  level: float = LEVEL,
) -> Interval:
  """sum(numerator) / sum(denominator) over the same units, redrawn together.

  Arguments are as in `paired`; `between` is in shares of the denominator.

  Raises:
    ValueError: as `paired`, or a denominator that is not positive.
  """
  num_SxN, den_SxN = _aligned(numerator, denominator)
  if not (den_SxN > 0).all():
    raise ValueError("ratio needs a positive denominator on every unit")
  draws = _Draws(num_SxN, None, resamples, seed)
  shares_R = draws.means(num_SxN) / draws.means(den_SxN)
  share_S = num_SxN.mean(1) / den_SxN.mean()
  return _interval(share_S, shares_R, draws.n, level, between)


def _aligned(*arms: npt.ArrayLike) -> list[np.ndarray]:
  """Each arm as f64[S, N], one row repeated where others have S."""
  rows = [np.atleast_2d(np.asarray(arm, np.float64)) for arm in arms]
  seeds = max(len(row) for row in rows)
  for row in rows:
    if row.ndim != 2 or row.shape[1] != rows[0].shape[1]:
      raise ValueError(
        f"arms of shapes {[r.shape for r in rows]} are not paired: measure "
        "them on the same units, as [units] or [seeds, units]"
      )
    if len(row) not in (1, seeds):
      raise ValueError(f"{len(row)} seeds against {seeds}: give one or all")
    if np.isnan(row).any():
      raise ValueError("a measurement is nan: count it as a failure instead")
  return [np.broadcast_to(row, (seeds, row.shape[1])) for row in rows]


class _Draws:
  """Redraws of clusters, shared by the arms of one comparison."""

  def __init__(
    self,
    values_SxN: np.ndarray,
    clusters: Sequence | None,
    resamples: int,
    seed: int,
  ):
    n = values_SxN.shape[1]
    labels = np.arange(n) if clusters is None else np.asarray(clusters)
    if len(labels) != n:
      raise ValueError(f"{len(labels)} cluster labels for {n} units")
    names, self.label_N = np.unique(labels, return_inverse=True)
    if len(names) < 2:
      raise ValueError(
        f"{len(names)} independent units are too few for an interval: measure "
        "at least 2"
      )
    self.n = n
    rng = np.random.default_rng(seed)
    chances = np.full(len(names), 1 / len(names))
    drawn_RxC = rng.multinomial(len(names), chances, size=resamples)
    self.cluster_RxC = drawn_RxC.astype(np.float64)

  def means(self, values_SxN: np.ndarray) -> np.ndarray:
    """f64[R]: the mean over units (and all seeds) under each redraw."""
    clusters = self.cluster_RxC.shape[1]
    sums_C = np.bincount(self.label_N, values_SxN.mean(0), clusters)
    sizes_C = np.bincount(self.label_N, minlength=clusters)
    return (self.cluster_RxC @ sums_C) / (self.cluster_RxC @ sizes_C)


def _interval(
  of_seed_S: np.ndarray,
  redraws_R: np.ndarray,
  n: int,
  level: float,
  between: Spread | None = None,
) -> Interval:
  """From the redraws of units, widened by the spread of the seeds.

  `between` is the spread of one training; a difference of two has both.
  """
  lo, hi = np.quantile(redraws_R, [(1 - level) / 2, (1 + level) / 2])
  interval = Interval(float(of_seed_S.mean()), float(lo), float(hi), int(n))
  own = spread([of_seed_S])
  if between is not None:
    own = Spread(math.sqrt(2) * between.sd, between.df)
  return widened(interval, own, len(of_seed_S), level) if own else interval

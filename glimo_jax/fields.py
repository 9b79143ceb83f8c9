"""Checks of settings, the same for worlds and runs; see simulators.fields."""

from simulators.fields import (
  check_known,
  check_ranges,
  differences,
  nearest,
  unknown,
)

__all__ = ["check_known", "check_ranges", "differences", "nearest", "unknown"]

"""What every benchmark shares: timing, the table and the JSON file."""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from glimo_jax.provenance import commit

RUNS = 5
# Whose versions stand in the JSON file, where installed.
PACKAGES = (
  "jax", "numpy", "brax", "minigrid", "xminigrid", "navix", "highway-env",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
  """One measurement: what, at which batch size, how much a second."""

  name: str
  n: int
  per_s: float
  unit: str = "steps"


def parser(doc: str) -> argparse.ArgumentParser:
  """A parser of flags with the flag that all have."""
  flags = argparse.ArgumentParser(description=doc.splitlines()[0])
  flags.add_argument("--json", metavar="FILE", help="write the results there")
  return flags


def median_seconds(runs: Mapping[str, Callable], times: int = RUNS) -> dict:
  """Name -> median wall time (s) of `times` calls after one that compiles.

  The runs take turns, so that what else the machine does meets all alike.
  """
  seconds = {name: [] for name in runs}
  for run in runs.values():
    run()
  for _ in range(times):
    for name, run in runs.items():
      start = time.perf_counter()
      run()
      seconds[name].append(time.perf_counter() - start)
  return {name: statistics.median(s) for name, s in seconds.items()}


def missing(package: str) -> None:
  """Tells which extra brings a peer that is not installed."""
  print(f"{package} is not installed: pip install -e '.[bench]'")


def report(
  rows: Sequence, ratios: Mapping[str, float], path: str | None
) -> None:
  """Writes rows and ratios, with the machine and the versions, to `path`.

  Args:
    rows: dataclass instances.
    ratios: name -> ratio, by the names of the design.
    path: a JSON file, or None to write nothing.
  """
  if not path:
    return
  versions = {}
  for package in PACKAGES:
    try:
      versions[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      continue
  whole = {
    "rows": [dataclasses.asdict(row) for row in rows],
    "ratios": dict(ratios),
    "machine": {
      "cpus": os.cpu_count(),
      "load": os.getloadavg()[0],
      "platform": platform.platform(),
    },
    "versions": versions,
    "commit": commit(),
  }
  with open(path, "w") as file:
    json.dump(whole, file, indent=1)

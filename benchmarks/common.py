"""Shared parts of the benchmarks: timing, the table and the JSON file."""

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
# Packages whose versions the JSON file records, if installed.
PACKAGES = (
  "jax", "numpy", "brax", "minigrid", "xminigrid", "navix", "highway-env",
  "torch", "transformers", "peft",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
  """One measurement: name, batch size, rate per second."""

  name: str
  n: int
  per_s: float
  unit: str = "steps"


def parser(doc: str) -> argparse.ArgumentParser:
  """A parser with the flag that all benchmarks have."""
  flags = argparse.ArgumentParser(description=doc.splitlines()[0])
  flags.add_argument("--json", metavar="FILE", help="write the results there")
  return flags


def median_seconds(runs: Mapping[str, Callable], times: int = RUNS) -> dict:
  """Name -> median wall time (s) of `times` calls after one that compiles.

  The runs take turns, so other load on the machine affects all equally.
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
  """Reports which extra installs a missing peer."""
  print(f"{package} is not installed: pip install -e '.[bench]'")


def report(
  rows: Sequence, ratios: Mapping[str, float], path: str | None
) -> None:
  """Writes rows and ratios, with the machine and the versions, to `path`.

  Args:
    rows: dataclass instances.
    ratios: name -> ratio.
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

"""What the parts share: their flags, rows, and timing."""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Row:
  """One measurement."""

  part: str
  name: str
  value: float
  unit: str


def run(measure: Callable[[bool], Iterable[Row]]) -> None:
  """Parses `--tiny`; prints each row of `measure(tiny)` as a line of JSON."""
  flags = argparse.ArgumentParser()
  flags.add_argument("--tiny", action="store_true")
  for row in measure(flags.parse_args().tiny):
    print(json.dumps(dataclasses.asdict(row)), flush=True)


def seconds(call: Callable[[], Any], times: int) -> float:
  """Mean wall time (s) of `times` calls after one that compiles.

  The calls are dispatched one after the other, and the last is waited for.
  """
  jax.block_until_ready(call())
  start = time.perf_counter()
  out = [call() for _ in range(times)]
  jax.block_until_ready(out)
  return (time.perf_counter() - start) / times

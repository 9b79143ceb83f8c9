"""What a million and a billion rows take, reckoned from a table of inputs.

  python -m benchmarks.checks.scale
  python -m benchmarks.checks.scale --set cores=32 --set mfu=0.4

Prints the inputs, and for each number of rows and hosts the time of each stage.
Nothing is run. docs/scale.md says where each input comes from.
"""

import argparse
import dataclasses
import math

ROWS = (1_000_000, 1_000_000_000)
HOSTS = (1, 8, 1000)
# Inputs that others are divided by.
_DIVISORS = (
  "cores", "devices", "peak_flops", "mfu", "rows_per_moment",
  "prompt_tokens_per_s", "answer_tokens_per_s",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Inputs:
  """The inputs; docs/scale.md says which are measured."""

  cores: int = 96  # CPU cores of a host
  devices: int = 8  # accelerators of a host
  peak_flops: float = 989e12  # FLOP/s of a device, dense bfloat16
  mfu: float = 0.35  # share of it that training reaches
  params: float = 8.03e9  # of the model that is trained
  rows_per_moment: float = 1.3  # planned rows of each moment
  collect_core_s: float = 0.29  # CPU core seconds a moment
  annotate_core_s: float = 0.43  # CPU core seconds a row
  requests: float = 1.7  # to the teacher, a row
  client_core_s: float = 1.15e-3  # CPU core seconds a request
  prompt_tokens: int = 600  # of a request
  answer_tokens: int = 80  # of a request
  prompt_tokens_per_s: float = 20_000  # that a host of teachers reads
  answer_tokens_per_s: float = 4_000  # that a host of teachers writes
  row_tokens: int = 350  # of a row in training
  replay_share: float = 0.1  # replay tokens, beside one token of rows
  row_bytes: int = 320  # of a row as Parquet
  journal_bytes: int = 350  # of an answer in the journal, on disk
  journal_memory: int = 250  # of an answer in the journal, in memory
  row_memory: int = 3_160  # of a row in memory


@dataclasses.dataclass(frozen=True)
class Cost:
  """What some rows take. Times are of all hosts together, in seconds."""

  collect: float
  annotate: float
  teacher: float
  train: float
  disk: float  # bytes, once
  memory: float  # bytes, of one process that holds all rows and answers

  @property
  def total(self) -> float:
    """One stage after the other; the teacher works while rows are verified."""
    return self.collect + max(self.annotate, self.teacher) + self.train


def cost(inputs: Inputs, rows: float, hosts: int) -> Cost:
  """What `rows` verified rows take, if all work is shared out evenly.

  LoRA keeps the base frozen: a token of rows takes 4 FLOPs a parameter (forward
  and backward through the activations), a token of replay 6 (the KL penalty
  needs the base's forward pass, too). Attention is left out.
  """
  cores = inputs.cores * hosts
  requests = inputs.requests * rows
  per_request = (
    inputs.prompt_tokens / inputs.prompt_tokens_per_s
    + inputs.answer_tokens / inputs.answer_tokens_per_s
  )
  tokens = inputs.row_tokens * rows
  flops = (4 + 6 * inputs.replay_share) * inputs.params * tokens
  speed = hosts * inputs.devices * inputs.peak_flops * inputs.mfu
  verify = inputs.annotate_core_s * rows + inputs.client_core_s * requests
  return Cost(
    collect=inputs.collect_core_s * rows / inputs.rows_per_moment / cores,
    annotate=verify / cores,
    teacher=requests * per_request / hosts,
    train=flops / speed,
    disk=inputs.row_bytes * rows + inputs.journal_bytes * requests,
    memory=inputs.row_memory * rows + inputs.journal_memory * requests,
  )


def table(inputs: Inputs) -> str:
  """A line for each number of rows and hosts, as Markdown."""
  lines = [
    "| rows | hosts | collect | verify | teacher | train | all |",
    "|---|---|---|---|---|---|---|",
  ]
  for rows in ROWS:
    for hosts in HOSTS:
      found = cost(inputs, rows, hosts)
      stages = (found.collect, found.annotate, found.teacher, found.train)
      cells = [*map(duration, stages), duration(found.total)]
      lines.append(f"| {_millions(rows)} | {hosts:,} | {' | '.join(cells)} |")
  for rows in ROWS:
    found = cost(inputs, rows, 1)
    lines.append(
      f"\n{_millions(rows)} rows: {found.disk / 1e9:,.1f} GB on disk; "
      f"{found.memory / 1e9:,.1f} GB in memory of one process."
    )
  return "\n".join(lines)


def _millions(rows: float) -> str:
  return f"{rows / 1e6:,.0f} million"


def duration(seconds: float) -> str:
  """A time in the largest unit of which there are at least two."""
  units = [("years", 31_557_600), ("days", 86_400), ("h", 3_600), ("min", 60)]
  for name, size in units:
    if seconds >= 2 * size:
      return f"{seconds / size:,.3g} {name}"
  return f"{seconds:.3g} s"


def main() -> None:
  """Prints inputs and table."""
  flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  flags.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
  known = {field.name for field in dataclasses.fields(Inputs)}
  changes = {}
  for word in flags.parse_args().set:
    name, _, value = word.partition("=")
    if name not in known:
      flags.error(f"--set {word}: the inputs are {', '.join(sorted(known))}")
    try:
      changes[name] = float(value)
    except ValueError:
      flags.error(f"--set {word}: give a number, as in --set mfu=0.4")
    least = 1e-12 if name in _DIVISORS else 0
    if not least <= changes[name] < math.inf:
      rule = "above 0" if least else "at least 0"
      flags.error(f"--set {word} must be {rule} and finite: change it")
  inputs = dataclasses.replace(Inputs(), **changes)
  for name, value in dataclasses.asdict(inputs).items():
    print(f"{name} = {value:g}")
  print(f"\n{table(inputs)}")


if __name__ == "__main__":
  main()

"""Whether a run lies within the intervals of an earlier report.

  python -m benchmarks.checks.reproduce --workdir=runs/quickstart

Prints a line for each figure; the exit code is 1 if any is missing or outside.
Bits per byte have no interval and are left out, which the last line says.
`bash launch/reproduce.sh` runs the quickstart first.
"""

import argparse
import pathlib
import sys

from glimo_jax import files
from glimo_jax.evaluate.report import report, reproduction

STATED = "docs/results/quickstart/report.json"


def main() -> None:
  """Compares the report of a run with the earlier one."""
  flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  flags.add_argument("--workdir", required=True, help="the run's folder")
  flags.add_argument("--stated", default=STATED, help="the earlier report.json")
  args = flags.parse_args()
  new = pathlib.Path(args.workdir) / report.JSON
  for path in (new, pathlib.Path(args.stated)):
    if not path.exists():
      flags.error(f"{path} is not there: finish that run first")
  try:
    stated = files.read_json(args.stated, "take it from the repository again")
    found = files.read_json(new, "evaluate the run again")
    verdicts = reproduction.compare(stated, found)
  except ValueError as error:  # its message names file and fix
    flags.error(str(error))
  print(reproduction.table(verdicts))
  print(reproduction.left_out(stated))
  if not all(verdict.holds for verdict in verdicts):
    sys.exit(1)


if __name__ == "__main__":
  main()

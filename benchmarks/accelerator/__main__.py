"""Runs all parts, one after the other, and writes a table; see accelerator.sh.

Each part has a process of its own: it has the whole memory, and where it fails
or takes too long the others still run.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time
from typing import Any

# Part -> most seconds; together below eight minutes.
PARTS = {
  "attention": 45,
  "restart": 75,
  "training": 150,
  "decoding": 90,
  "worlds": 100,
}
DEVICE = (
  "import jax; d = jax.devices()[0]; "
  "print(d.device_kind, 'jax', jax.__version__, 'python', __import__("
  "'platform').python_version())"
)


def run_part(name: str, seconds: float, tiny: bool) -> list[dict[str, Any]]:
  """Rows of one part; where it fails, a row that says so is the last."""
  command = [sys.executable, "-m", f"benchmarks.accelerator.{name}"]
  try:
    done = subprocess.run(
      command + ["--tiny"] * tiny,
      capture_output=True,
      text=True,
      timeout=seconds,
    )
    out, failure = done.stdout, done.returncode and done.stderr
  except subprocess.TimeoutExpired as error:
    out = (error.stdout or b"").decode()
    failure = f"stopped after {seconds} s"
  lines = out.splitlines()
  rows = [json.loads(line) for line in lines if line.startswith("{")]
  if failure:
    print(failure, file=sys.stderr)
    words = failure.strip().splitlines()[-1][:120]
    rows.append({"part": name, "name": "failed", "value": None, "unit": words})
  return rows


def table(device: str, rows: list[dict[str, Any]]) -> str:
  """A table in Markdown."""
  lines = [device, "", "| part | what | value | unit |", "|---|---|---|---|"]
  for row in rows:
    value = "" if row["value"] is None else f"{row['value']:.4g}"
    lines.append(f"| {row['part']} | {row['name']} | {value} | {row['unit']} |")
  return "\n".join(lines) + "\n"


def main() -> None:
  """Writes accelerator.json and accelerator.md after each part."""
  flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  flags.add_argument("--tiny", action="store_true", help="sizes for a CPU")
  flags.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
  flags.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
  args = flags.parse_args()
  args.out.mkdir(parents=True, exist_ok=True)
  device = subprocess.run(
    [sys.executable, "-c", DEVICE],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  ).stdout.strip()
  rows = []
  for name in args.parts:
    start = time.monotonic()
    # On a busy CPU the limits would only cut tiny parts short.
    rows += run_part(name, 3600 if args.tiny else PARTS[name], args.tiny)
    took = time.monotonic() - start
    rows.append({"part": name, "name": "all of it", "value": took, "unit": "s"})
    whole = {"device": device, "tiny": args.tiny, "rows": rows}
    (args.out / "accelerator.json").write_text(json.dumps(whole, indent=1))
    (args.out / "accelerator.md").write_text(table(device, rows))
  print(table(device, rows))


if __name__ == "__main__":
  main()

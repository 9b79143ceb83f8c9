"""A user's world runs through the whole pipeline at test size."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """(folder, completed process) of a whole run."""
  folder = tmp_path_factory.mktemp("your_world")
  kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  run = subprocess.run(
    [
      sys.executable,
      "-m",
      "launch.pipeline",
      "--config=configs/your_world.py:tiny",
      f"--workdir={folder}",
    ],
    cwd=ROOT,
    env={**kept, "JAX_PLATFORMS": "cpu"},
    capture_output=True,
    text=True,
    timeout=1800,
    check=False,
  )
  assert run.returncode == 0, run.stderr[-4000:]
  return folder, run


def test_user_world_is_evaluated_on_success_alone(finished):
  folder, run = finished
  assert "lift/test success" in run.stdout
  assert (folder / "report.html").stat().st_size > 2000
  report = json.loads((folder / "report.json").read_text())
  assert set(report["benchmarks"]) == {"lift/test"}
  arms = report["benchmarks"]["lift/test"]
  assert {"base", "tuned", "random"} <= set(arms)
  assert "oracle" not in arms
  for arm in arms.values():
    assert arm["success"]["n"] == 4
    assert "qa" not in arm
  for text in ("prose", "technical"):
    bits = report["language"][text]
    assert bits["tuned"]["bits_per_byte"] != bits["base"]["bits_per_byte"]


def test_user_world_rows_are_next_actions_by_search(finished):
  folder, _ = finished
  report = json.loads((folder / "report.json").read_text())
  counts = report["dataset"]
  verdicts = ("verified", "refuted", "unverifiable", "invalid", "failed")
  assert counts["planned"] == sum(counts[v] for v in verdicts)
  assert counts["verified"] > 10
  sample = folder / "annotate" / "dataset" / "sample.jsonl"
  rows = [json.loads(line) for line in sample.read_text().splitlines()]
  assert rows
  for row in rows:
    assert "You control a lift" in row["messages"][0]["content"]
    assert set(row["answers"]) <= {"up", "down", "open"}

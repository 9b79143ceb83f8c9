"""A new report beside a stated one: inside, outside, missing."""

import copy
import json
import pathlib
import subprocess
import sys

import pytest

from glimo_jax.evaluate.report import reproduction

ROOT = pathlib.Path(__file__).parents[3]
STATED = {
  "benchmarks": {
    "w/test": {
      "tuned": {
        "success": {
          "mean": 0.3, "lo": 0.2, "hi": 0.4, "n": 9,
          "spl": {"mean": 0.2, "lo": 0.1, "hi": 0.3},
        },
        "qa": {"mean": 0.5, "lo": 0.4, "hi": 0.6},
      }
    }
  },
  "language": {"prose": {"tuned": {"bits_per_byte": 1.0}}},
  "retention": {"chat_kl": {"base": {"mean": 0.0, "lo": 0.0, "hi": 0.0}}},
  "wall_s": {"total": 9.0},
}  # fmt: skip
SUCCESS = "benchmarks w/test tuned success"


def _found(mean):
  found = copy.deepcopy(STATED)
  found["benchmarks"]["w/test"]["tuned"]["success"]["mean"] = mean
  return found


def test_figures_are_those_with_an_interval():
  assert [name for name, _ in reproduction.figures(STATED)] == [
    SUCCESS, "benchmarks w/test tuned qa", "retention chat_kl base",
  ]  # fmt: skip


@pytest.mark.parametrize(
  ("mean", "holds"), [(0.2, True), (0.4, True), (0.19, False), (0.41, False)]
)
def test_a_mean_holds_up_to_the_ends_of_its_interval(mean, holds):
  verdicts = reproduction.compare(STATED, _found(mean))
  assert [v.holds for v in verdicts] == [holds, True, True]


def test_a_missing_figure_does_not_hold():
  found = _found(0.3)
  del found["benchmarks"]["w/test"]["tuned"]["success"]
  first, *others = reproduction.compare(STATED, found)
  assert not first.holds
  assert all(v.holds for v in others)
  assert "now missing" in reproduction.table([first])


def test_a_figure_without_a_number_is_missing_or_not_stated():
  first, *_ = reproduction.compare(STATED, _found(None))
  assert not first.holds
  names = [v.name for v in reproduction.compare(_found(None), STATED)]
  assert names == ["benchmarks w/test tuned qa", "retention chat_kl base"]


def test_bits_per_byte_are_said_to_be_left_out():
  """All of the README's figures are compared, or named as left out."""
  path = ROOT / "docs/results/quickstart/report.json"
  stated = json.loads(path.read_text())
  line = reproduction.left_out(stated)
  assert line.startswith("left out: 6 bits per byte of prose, technical, wiki,")
  names = {name for name, _ in reproduction.figures(stated)}
  assert not any("bits_per_byte" in n and "ratio" not in n for n in names)
  assert "comparisons language/prose bits_per_byte_ratio" in names
  assert reproduction.left_out({"language": {}}) == ""


def test_nothing_stated_is_an_error():
  with pytest.raises(ValueError, match="no figure"):
    reproduction.compare({"wall_s": {}}, STATED)


def test_the_report_of_the_repository_reproduces_itself():
  path = ROOT / "docs/results/quickstart/report.json"
  stated = json.loads(path.read_text())
  verdicts = reproduction.compare(stated, stated)
  assert all(v.holds for v in verdicts)
  assert "benchmarks agentworld/test tuned success" in {
    v.name for v in verdicts
  }


@pytest.mark.parametrize(("mean", "code"), [(0.3, 0), (0.9, 1)])
def test_the_exit_code_tells(tmp_path, mean, code):
  stated, run = tmp_path / "stated.json", tmp_path / "run"
  run.mkdir()
  stated.write_text(json.dumps(STATED))
  (run / "report.json").write_text(json.dumps(_found(mean)))
  done = subprocess.run(
    [sys.executable, "-m", "benchmarks.checks.reproduce", f"--workdir={run}",
     f"--stated={stated}"],
    capture_output=True, text=True,
  )  # fmt: skip
  assert done.returncode == code, done.stderr
  assert f"{2 + (code == 0)} of 3 figures" in done.stdout
  assert ("left out" in done.stdout) == bool(STATED.get("language"))

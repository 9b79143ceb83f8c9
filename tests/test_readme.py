"""The README's example runs, its numbers are measured, links exist."""

import json
import pathlib
import re
import runpy

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
REPORT = ROOT / "docs/results/quickstart/report.json"
PAGES = sorted(
  [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")],
  key=lambda path: path.name,
)


def test_readme_example_runs(tmp_path, capsys):
  (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
  assert len(example.strip().splitlines()) <= 12
  script = tmp_path / "example.py"
  script.write_text(example)
  names = runpy.run_path(str(script))
  assert "goal" in capsys.readouterr().out
  assert len(names["texts"]) == 8


def test_readme_is_short():
  assert len(README.splitlines()) <= 120


@pytest.mark.parametrize(
  ("row", "benchmark", "measure"),
  [
    ("levels solved |", "agentworld/test", "success"),
    ("levels solved, larger", "agentworld/ood-size", "success"),
    ("levels solved, deeper", "agentworld/ood-depth", "success"),
    ("questions answered", "agentworld/test", "qa"),
    ("bits per byte", "prose", "bits_per_byte"),
    ("chat answers", "collapsed", "mean"),
  ],
)
def test_table_has_the_numbers_of_the_report(row, benchmark, measure):
  report = json.loads(REPORT.read_text())
  parts = ("benchmarks", "language", "retention")
  (measured,) = [report[p][benchmark] for p in parts if benchmark in report[p]]
  (line,) = [x for x in README.splitlines() if x.startswith(f"| {row}")]
  cells = [cell.strip(" *") for cell in line.split("|")[2:-1]]
  for arm, cell in zip(
    ("random", "base", "tuned", "script", "oracle"), cells, strict=True
  ):
    value = measured.get(arm, {}).get(measure)
    if value is None:
      assert cell == "\N{EN DASH}"
    else:
      mean = value["mean"] if isinstance(value, dict) else value
      assert float(cell) == pytest.approx(mean, abs=0.00051)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_to_files_hold(page):
  text = page.read_text()
  targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"", text)
  for target in filter(None, (a or b for a, b in targets)):
    assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_table_fits_a_screen(page):
  for line in re.sub(r"`[^`]*`", "", page.read_text()).splitlines():
    if line.startswith("|"):
      assert line.count("|") <= 8, line

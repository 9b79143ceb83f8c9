"""The README's example runs as it stands."""

import pathlib
import re
import runpy

ROOT = pathlib.Path(__file__).parents[1]


def test_the_ten_lines_run(tmp_path, capsys):
  text = (ROOT / "README.md").read_text()
  (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
  assert len(example.strip().splitlines()) <= 12
  script = tmp_path / "example.py"
  script.write_text(example)
  names = runpy.run_path(str(script))
  assert "goal" in capsys.readouterr().out
  assert len(names["texts"]) == 8

"""Allowed imports: imports point downward, and worlds import no trainer."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# Modules that every module may import.
_BASICS = ("glimo_jax.types", "glimo_jax.fields", "glimo_jax.files")
_ALL = ("glimo_jax", "simulators")
# Package or module -> our packages and modules it may import, besides itself.
ALLOWED = {
  "simulators": (),
  "glimo_jax.types": ("simulators.base",),
  "glimo_jax.fields": ("simulators.fields",),
  "glimo_jax.files": (),
  "glimo_jax.mesh": (),
  "glimo_jax.progress": (),
  "glimo_jax.provenance": (),
  "glimo_jax.workdir": _BASICS,
  "glimo_jax.models": (*_BASICS, "glimo_jax.mesh"),
  "glimo_jax.train": (
    *_BASICS, "glimo_jax.mesh", "glimo_jax.models", "glimo_jax.provenance",
  ),
  "glimo_jax.agent": _BASICS,
  "glimo_jax.agent.llm": (*_BASICS, "glimo_jax.models"),
  "glimo_jax.agent.memory": (*_BASICS, "glimo_jax.models"),
  "glimo_jax.agent.replayer": (*_BASICS, "simulators"),
  "glimo_jax.agent.tools": (*_BASICS, "simulators"),
  "glimo_jax.agent.skills": (
    *_BASICS, "simulators.base", "simulators.asking", "simulators.claims",
    "simulators.queries",
  ),
  "glimo_jax.play": (
    *_BASICS, "glimo_jax.agent", "simulators.base", "simulators.text_world",
  ),
  "glimo_jax.play.terminal": (
    "glimo_jax.agent", "glimo_jax.play", "simulators.film",
    "simulators.text_world",
  ),
  "glimo_jax.data": (
    *_BASICS, "glimo_jax.mesh", "glimo_jax.agent", "glimo_jax.play",
    "glimo_jax.models.tokenizer", "simulators",
  ),
  "glimo_jax.evaluate": (
    *_BASICS, "glimo_jax.mesh", "glimo_jax.agent", "glimo_jax.play",
    "glimo_jax.models", "glimo_jax.data", "simulators.base",
    "simulators.text_world",
  ),
  "glimo_jax.evaluate.report.films": (
    "glimo_jax.play", "simulators.base", "simulators.film",
    "simulators.text_world",
  ),
  "glimo_jax.evaluate.exam": (
    "glimo_jax.fields", "simulators.base", "simulators.rollout",
  ),
  "glimo_jax.nested": ("glimo_jax.agent", "glimo_jax.fields"),
  "glimo_jax.config": _ALL,
  "glimo_jax.replay": _ALL,
  "glimo_jax.resources": _ALL,
  "glimo_jax.run": _ALL,
  "glimo_jax.pipeline": _ALL,
  "configs": (),
  "launch": (*_ALL, "configs"),
}  # fmt: skip
# The package's __init__ names its parts for lazy loading.
FILES = sorted(
  path
  for folder in ("simulators", "glimo_jax", "configs", "launch")
  for path in (ROOT / folder).rglob("*.py")
  if path != ROOT / "glimo_jax" / "__init__.py"
)


def _module(path: pathlib.Path) -> str:
  parts = path.relative_to(ROOT).with_suffix("").parts
  return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _within(name: str, package: str) -> bool:
  return name == package or name.startswith(package + ".")


def _imports(path: pathlib.Path):
  """Full names of our modules that a file imports."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{path}: relative import"
      names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
      continue
    for name in names:
      if name.split(".")[0] in ("simulators", "glimo_jax", "configs", "launch"):
        yield name


def _rule(module: str) -> str:
  """The most specific key of ALLOWED that contains a module."""
  return max((k for k in ALLOWED if _within(module, k)), key=len)


def violations(path: pathlib.Path) -> list[str]:
  module = _module(path)
  rule = _rule(module)
  own = ".".join(rule.split(".")[:2])
  allowed = (own, *ALLOWED[rule])
  return [
    name
    for name in _imports(path)
    if not any(_within(name, a) for a in allowed)
  ]


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_point_downward(path):
  assert violations(path) == []


def test_rule_can_fail(tmp_path, monkeypatch):
  monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
  bad = tmp_path / "glimo_jax" / "train" / "bad.py"
  bad.parent.mkdir(parents=True)
  bad.write_text("import simulators\nfrom glimo_jax.agent import llm\n")
  assert violations(bad) == ["simulators", "glimo_jax.agent.llm"]


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_flags_live_in_launch_only(path):
  text = path.read_text()
  assert ("absl.flags" not in text and "import flags" not in text) or (
    "launch" in path.parts
  )

"""House rules: sizes, names, annotations, declared dependencies."""

import ast
import collections
import importlib.metadata
import pathlib
import re
import runpy
import sys
from unittest import mock

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted(
  path
  for package in ("glimo_jax", "simulators")
  for path in (ROOT / package).rglob("*.py")
)
OTHERS = sorted(
  path
  for folder in ("launch", "configs", "examples", "benchmarks")
  for path in (ROOT / folder).rglob("*.py")
)


def _name(path):
  return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*SOURCES, *OTHERS], ids=_name)
def test_no_file_is_longer_than_300_lines(path):
  assert len(path.read_text().splitlines()) <= 300


def test_no_folder_has_more_than_14_python_files():
  sizes = collections.Counter(path.parent for path in [*SOURCES, *OTHERS])
  assert {_name(f): n for f, n in sizes.items() if n > 14} == {}


def test_spine_is_short():
  tree = ast.parse((ROOT / "glimo_jax" / "pipeline.py").read_text())
  assert tree.body[-1].end_lineno <= 200
  for node in tree.body:
    if isinstance(node, ast.FunctionDef):
      lines = node.end_lineno - node.lineno + 1
      docstring = node.body[0]
      lines -= docstring.end_lineno - docstring.lineno + 1
      assert lines <= 25 or node.name.startswith("_"), node.name


@pytest.mark.parametrize(
  "room", ["glimo_jax", "simulators/agentworld", "simulators/driving"]
)
def test_class_names_are_unique_within_a_package(room):
  found = collections.Counter(
    node.name
    for path in SOURCES
    if _name(path).startswith(room)
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
  )
  assert [name for name, n in found.items() if n > 1] == []


def _public_functions(path):
  """Public functions of a module, and of its public classes."""
  bodies = [ast.parse(path.read_text()).body]
  bodies += [n.body for n in bodies[0] if isinstance(n, ast.ClassDef)]
  for body in bodies:
    for node in body:
      if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
        yield node


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_public_functions_are_annotated(path):
  bare = []
  for function in _public_functions(path):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named = [a for a in named if a.arg not in ("self", "cls")]
    if function.returns is None or any(a.annotation is None for a in named):
      bare.append(f"{function.name}, line {function.lineno}")
  assert bare == []


# --- Dependencies -------------------------------------------------------------


def _declared() -> set[str]:
  """Distributions that setup.py requires, by normalised name."""
  with mock.patch("setuptools.setup") as setup:
    runpy.run_path(str(ROOT / "setup.py"))
  required = setup.call_args.kwargs["install_requires"]
  return {_normal(re.match(r"[\w.-]+", r).group()) for r in required}


def _normal(name: str) -> str:
  return re.sub(r"[-_.]+", "-", name).lower()


def _imported() -> set[str]:
  """Distributions that the packages and launch scripts import."""
  modules = set()
  for path in [*SOURCES, *OTHERS]:
    if path.is_relative_to(ROOT / "benchmarks"):
      continue  # peers are an extra
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        modules |= {alias.name.split(".")[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom) and not node.level:
        modules.add(node.module.split(".")[0])
  ours = {"glimo_jax", "simulators", "launch", "configs", "examples"}
  owners = importlib.metadata.packages_distributions()
  found = set()
  for module in modules - set(sys.stdlib_module_names) - ours:
    assert module in owners, f"nobody installs {module}"
    found.add(_normal(owners[module][0]))
  return found


def test_imported_packages_are_declared():
  # Of the extras `worlds` and `serve`.
  optional = {"eclipse-sumo", "gymnasium", "minigrid", "traci", "xllamacpp"}
  assert _imported() - _declared() - optional == set()


def test_declared_packages_are_imported():
  through_others = {"array-record", "importlib-resources", "sniffio"}
  assert _declared() - _imported() == through_others

"""Imports resolve to our packages, and only ours are packaged."""

import pathlib
import runpy
from unittest import mock

import setuptools

import glimo_jax
import simulators

ROOT = pathlib.Path(__file__).parent.parent


def test_simulators_and_glimo_jax_are_ours():
  for package in (simulators, glimo_jax):
    assert pathlib.Path(package.__file__).parent.parent == ROOT


def test_exactly_two_packages_are_shipped():
  found = setuptools.find_packages(
    str(ROOT), include=["glimo_jax*", "simulators*"]
  )
  assert {name.split(".")[0] for name in found} == {"glimo_jax", "simulators"}
  for folder in ("launch", "configs", "tests", "benchmarks"):
    assert not (ROOT / folder / "__init__.py").exists()


def test_every_source_folder_is_a_package():
  for package in ("glimo_jax", "simulators"):
    for path in (ROOT / package).rglob("*.py"):
      assert (path.parent / "__init__.py").exists(), path


def test_every_file_that_is_no_module_is_packaged():
  with mock.patch("setuptools.setup") as setup:
    runpy.run_path(str(ROOT / "setup.py"))
  shipped = {
    path
    for package, patterns in setup.call_args.kwargs["package_data"].items()
    for pattern in patterns
    for path in (ROOT / package.replace(".", "/")).glob(pattern)
  }
  others = {
    path
    for package in ("glimo_jax", "simulators")
    for path in (ROOT / package).rglob("*.*")
    if path.is_file() and path.suffix not in (".py", ".pyc")
  }
  assert shipped == others != set()

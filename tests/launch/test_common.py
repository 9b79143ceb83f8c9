"""Bad input is reported in one line, with exit code 2, before any work."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from launch import common

ROOT = pathlib.Path(__file__).parents[2]
QUICK = "--config=configs/quickstart.py:tiny"


def _launch(*arguments, script="pipeline"):
  # One device, as for a user: the tests' eight would need other batches.
  environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  return subprocess.run(
    [sys.executable, "-m", f"launch.{script}", *arguments],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    timeout=600,
  )


@pytest.mark.parametrize(
  ("arguments", "words"),
  [
    ((), ("--config is missing",)),
    ((QUICK,), ("--workdir is missing",)),
    (("--config=configs/quikstart.py", "--workdir=W"), ("readable file",)),
    (("--config=configs/recipe.py:nokl", "--workdir=W"), ("'nokl'", "no-kl")),
    ((QUICK, "--workdir=W", "--config.train.lrr=1"), ("mean 'lr'",)),
    ((QUICK, "--workdir=W", "--config.trian.lr=1"), ('"train"', "section")),
    (
      (QUICK, "--workdir=W", "--config.world.options.sizes=9"),
      ("'sizes'", "did you mean 'size'"),
    ),
    (
      (QUICK, "--workdir=W", "--config.evaluate.kinds=bump"),
      ("must be a tuple, e.g. ('bump',)",),
    ),
    ((QUICK, "--workdir=W", "--config.train.batch=x"), ("batch", "int")),
    ((QUICK, "--workdir=W", "--confg=1"), ("confg",)),
    (
      (QUICK, "--workdir=W", "--config.world.name=agentwrld"),
      ("agentwrld", "agentworld"),
    ),
    (
      (QUICK, "--workdir=W", "--config.collect.variants=('imperfect/swaped',)"),
      ("imperfect/swaped", "imperfect/swapped"),
    ),
    (
      (QUICK, "--workdir=W", "--config.collect.variants=('real',)"),
      ("real", "imperfect"),
    ),
    (
      (QUICK, "--workdir=W", "--config.model.source=no/such.gguf"),
      ("no/such.gguf", "package:NAME"),
    ),
    (
      (QUICK, "--workdir=W", "--config.model.source=package:no_llm"),
      ("no_llm", "pip install"),
    ),
    (
      (QUICK, "--workdir=W", "--config.model.dtype=bf16"),
      ("model.dtype 'bf16' is unknown", "did you mean 'bfloat16'"),
    ),
    (
      (QUICK, "--workdir=W", "--config.mesh.data=3"),
      ("3", "--config.mesh"),
    ),
    ((QUICK, "--workdir=W", "--distributed=auto"), ("finds no cluster here",)),
    ((QUICK, "--workdir=W", "--distributed=here,2"), ("HOST:PORT,N,I",)),
    (
      (QUICK, "--workdir=W", "--config.evaluate.episodes=0"),
      ("evaluate.episodes 0",),
    ),
  ],
)
def test_bad_input_is_reported_in_one_line(arguments, words, tmp_path):
  run = _launch(*(a.replace("=W", f"={tmp_path}/w") for a in arguments))
  assert run.returncode == 2, run.stderr
  assert "Traceback" not in run.stderr
  last = run.stderr.strip().splitlines()[-1]
  assert last.startswith("error: ")
  for word in words:
    assert word in run.stderr
  assert not (tmp_path / "w").exists()


SCRIPTS = [
  path.stem
  for path in sorted((ROOT / "launch").glob("*.py"))
  if path.stem != "common"
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_lists_the_flags_of_a_script(script):
  shown = _launch("--help", script=script).stdout
  own = {
    "play": ["option", "gif"],
    "report": ["folder", "runs"],
    "export": ["workdir", "format", "out", "base"],
    "inspect": ["workdir", "rows", "kind", "round"],
    "chat": ["workdir", "max_tokens", "temperature"],
    "serve": ["model", "engine", "workdir", "port", "slots", "context"],
    "outside": ["workdir", "worlds", "episodes", "val_episodes", "max_steps"],
  }
  flags = own.get(script, ["config", "workdir"])
  if script == "annotate":
    flags = [*flags, "[no]dry_run", "preview"]
  for flag in flags + ["suite"] * (script == "evaluate"):
    assert f"--{flag}:" in shown, shown


def test_later_stage_names_the_missing_one(tmp_path):
  run = _launch(QUICK, f"--workdir={tmp_path}/w", script="annotate")
  assert run.returncode == 2
  assert "launch.collect" in run.stderr


def test_one_flag_seeds_data_and_training(tmp_path):
  run = _launch(QUICK, f"--workdir={tmp_path}/w", "--seed=3", script="collect")
  assert run.returncode == 0, run.stderr
  made = json.loads((tmp_path / "w" / "collect" / "settings.json").read_text())
  assert made["collect"]["seed"] == 3
  later = _launch(QUICK, f"--workdir={tmp_path}/w", script="annotate")
  assert later.returncode == 2
  assert "--config.collect.seed: 3 there, 0 now" in later.stderr


def test_every_field_can_be_built_and_typed():
  from configs import quickstart
  from glimo_jax.config import Config

  values = quickstart.get_config().to_dict()
  config = Config.from_dict(values)
  assert config.train.lr == values["train"]["lr"]
  values["train"]["lr"] = "much"
  with pytest.raises(ValueError, match=r"train\.lr='much'.*float"):
    Config.from_dict(values)
  with pytest.raises(ValueError, match="did you mean 'train'"):
    Config.from_dict({"trian": {}})
  with pytest.raises(ValueError, match="did you mean 'question'"):
    Config.from_dict({"annotate": {"skills": {"questoin": {}}}})
  with pytest.raises(ValueError, match=r"skills\.plan\.row is unknown"):
    Config.from_dict({"annotate": {"skills": {"plan": {"row": 1}}}})


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"world": None}, "must be a section"),
    ({"annotate": {"skills": {"question": 5}}}, "must be a section"),
    ({"annotate": {"skills": None}}, "must be a dict"),
    ({"collect": {"actors": 5}}, "must be a dict"),
    ({"collect": {"actors": {"random": "x"}}}, "of type float"),
    ({"rounds": {"rows": {"plan": 1.5}}}, "of type int"),
    ({"world": {"options": {1: 7}}}, "must be a dict"),
    ({"teacher": {"prices": (-1.0, 2.0)}}, "from 0 up"),
    ({"evaluate": {"arm": "../x"}}, "names files"),
    ({"collect": {"seed": 2**31}}, "at most 2147483647"),
  ],
)
def test_values_of_another_form_are_refused(values, message):
  from glimo_jax.config import Config

  with pytest.raises(ValueError, match=message):
    Config.from_dict(values)


@pytest.mark.parametrize(
  ("arguments", "words"),
  [
    ((), "--folder is missing"),
    (("--folder=FOLDER",), "holds no fragment"),
    (("--folder=FOLDER", "--runs=FOLDER/none"), "no folder of runs"),
  ],
)
def test_report_without_runs_is_refused(arguments, words, tmp_path):
  arguments = [a.replace("FOLDER", str(tmp_path)) for a in arguments]
  run = _launch(*arguments, script="report")
  assert run.returncode == 2
  assert words in run.stderr.splitlines()[-1]


def test_page_of_a_report_alone_is_drawn_again(tmp_path):
  source = ROOT / "docs/results/quickstart/report.json"
  (tmp_path / "report.json").write_bytes(source.read_bytes())
  run = _launch(f"--folder={tmp_path}", script="report")
  assert run.returncode == 0, run.stderr
  page = (tmp_path / "report.html").read_text()
  assert "40.6%" in page  # success of the tuned model
  assert "Questions by kind" in page
  assert (tmp_path / "report.json").read_bytes() == source.read_bytes()


def test_unknown_suite_is_refused(tmp_path):
  run = _launch(
    QUICK, f"--workdir={tmp_path}", "--suite=tset", script="evaluate"
  )
  assert run.returncode == 2
  assert "'tset' is unknown: did you mean 'test'" in run.stderr.splitlines()[-1]


def test_compiled_programs_of_each_kind_of_cpu_have_a_folder(monkeypatch):
  def folder(features):
    text = f"model name: x\nflags\t: {features}\nMHz: {features[::-1]}\n"
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path: text)
    return common.compile_cache()

  assert folder("sse avx") == folder("sse avx") != folder("sse avx avx512")
  assert folder("sse").parent == pathlib.Path.home() / ".cache/glimo_jax/xla"

"""A person plays in the terminal with the texts of the language model."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

import simulators
from launch import play

ROOT = pathlib.Path(__file__).parents[2]


def _play(*arguments, typed=""):
  return subprocess.run(
    [sys.executable, "-m", "launch.play", *arguments],
    cwd=ROOT,
    input=typed,
    capture_output=True,
    text=True,
    timeout=900,
  )


def test_typed_input_is_parsed_like_a_model_answer():
  run = _play("--option=size=5", typed="I go up.\nfly\nup or down\nquit\n")
  assert run.returncode == 0, run.stderr
  assert run.stdout.count("does not name exactly one action") == 2
  assert "you failed after 1 actions" in run.stdout
  assert "Walk to the goal." in run.stdout.splitlines()[0]


def test_oracle_episode_is_written_as_a_gif(tmp_path):
  film, now = tmp_path / "films" / "episode.gif", tmp_path / "now.png"
  run = _play(
    "--depths=1", "--player=oracle", f"--gif={film}", f"--picture={now}"
  )
  assert run.returncode == 0, run.stderr
  moves = sum(line.startswith("> ") for line in run.stdout.splitlines())
  assert f"oracle succeeded after {moves} actions" in run.stdout
  with Image.open(film) as pictures:
    assert pictures.n_frames == moves + 1
    with Image.open(now) as last:
      assert last.size == pictures.size


@pytest.mark.parametrize("world", ["agentworld", "driving"])
def test_options_accept_the_form_shown_in_errors(world):
  for field in dataclasses.fields(simulators.make(world).config):
    assert play.value_of(repr(field.default)) == field.default


@pytest.mark.parametrize(
  ("text", "value"),
  [
    ('["take", "open"]', ["take", "open"]),
    ("('take', 'open')", ("take", "open")),
    ("true", True),
    ("9", 9),
    ("map", "map"),
    ("take,open", "take,open"),
    ("(", "("),
  ],
)
def test_option_is_json_or_python_or_words(text, value):
  assert play.value_of(text) == value


@pytest.mark.parametrize(
  ("argument", "message"),
  [
    ("--world=agentwrld", "agentworld"),
    ("--split=tets", "train, val, test"),
    ("--depths=deep", "--depths=deep must be numbers"),
    ("--depths=4", "give distinct ones of (0, 1)"),
    ("--level=-1", "--level=-1: -1 is not a non-negative integer"),
    ("--option=size", "NAME=VALUE"),
    ("--option=sise=5", "size"),
    ("--variant=imperfect/swaped", "imperfect/swapped"),
    ("--player=nobody", "nobody"),
    ("--player=model", "name it with --workdir"),
  ],
)
def test_bad_input_is_reported_in_one_line(argument, message):
  run = _play(argument)
  assert run.returncode == 2
  assert "Traceback" not in run.stderr
  assert message in run.stderr


@pytest.mark.parametrize(
  "flag", ["--player=oracle", "--gif=episode.gif", "--picture=now.png"]
)
def test_flags_for_missing_parts_of_a_world_are_refused(flag):
  run = _play("--world=examples.your_world:World", flag)
  assert run.returncode == 2
  assert run.stderr.startswith(f"error: {flag}: world lift ")

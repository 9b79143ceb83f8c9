"""Play a world in the terminal, reading what the language model reads.

python -m launch.play --world=agentworld --level=3
python -m launch.play --world=driving --picture=now.png
python -m launch.play --world=driving --player=oracle --gif=episode.gif
python -m launch.play --workdir=runs/quickstart --player=model --split=test

Type an action as a model would write it; an empty line or `quit` ends. A
picture shows each moment with its text: open it in a viewer that reloads it.
With --workdir the world is that of a run. Its tuned model plays with
--player=model; else it says after each of your actions what it would have done.
"""

import ast
import json
import pathlib

from absl import flags

from launch import common

PLAYERS = ("you", "model", "oracle", "random")
_MANY = 1000  # levels that take a while to draw

flags.declare_key_flag("workdir")  # of `common`: the run's folder
_WORLD = flags.DEFINE_string(
  "world", "", "Name of the world; by default agentworld, or the run's."
)
_OPTION = flags.DEFINE_multi_string(
  "option",
  [],
  "A field of the world's Config, e.g. --option=boxes=1 "
  "or --option=\"goals=('reach', 'take')\".",
)
_VARIANT = flags.DEFINE_string("variant", "real", "Rules to play under.")
_SPLIT = flags.DEFINE_string("split", "train", "Split of the level.")
_DEPTHS = flags.DEFINE_list(
  "depths", [], "Depths (or families) of the levels, taken in turn."
)
_LEVEL = flags.DEFINE_integer(
  "level", 0, "Number of the level in its split.", lower_bound=0
)
_SEED = flags.DEFINE_integer(
  "seed", 0, "Seed of the episode.", lower_bound=0, upper_bound=2**31 - 1
)
_PLAYER = flags.DEFINE_enum("player", "you", PLAYERS, "Player.")
_GIF = flags.DEFINE_string("gif", "", "File for a film of the episode.")
_PICTURE = flags.DEFINE_string(
  "picture", "", "File for a picture of the present moment, such as now.png."
)


def main() -> None:
  from glimo_jax.play import terminal
  from simulators.text_world import TextWorld

  world = _world()
  _check(world)
  if _LEVEL.value >= _MANY:
    print(f"drawing {_LEVEL.value + 1} levels ...", flush=True)
  depths = [int(d) for d in _DEPTHS.value] or None
  pool = world.pool(_SPLIT.value, _LEVEL.value + 1, depths)
  played = TextWorld(world, world.params(_VARIANT.value), pool)
  camera = terminal.Camera(played, _PICTURE.value, _GIF.value)
  terminal.episode(
    played, _LEVEL.value, _SEED.value, _PLAYER.value, _player(played), camera
  )


def _check(world) -> None:
  """Refuses flags that ask the world for what it has not."""
  from simulators import base

  for name, file in (("gif", _GIF.value), ("picture", _PICTURE.value)):
    if file and not isinstance(world, base.Renders):
      raise common.UsageError(
        f"--{name}={file}: world {world.name} draws no pictures: leave it out"
      )
    if file and pathlib.Path(file).is_dir():
      raise common.UsageError(f"--{name}={file} is a folder: name a file")
  if _PLAYER.value == "oracle" and not isinstance(world, base.HasOracle):
    raise common.UsageError(
      f"--player=oracle: world {world.name} has no oracle: use you or random"
    )
  if _PLAYER.value == "model" and not flags.FLAGS.workdir:
    raise common.UsageError(
      "--player=model needs a trained run: name it with --workdir"
    )
  if _SPLIT.value not in world.splits:
    raise common.UsageError(
      f"--split={_SPLIT.value} is not one of {', '.join(world.splits)}"
    )
  if not all(depth.isdecimal() for depth in _DEPTHS.value):
    raise common.UsageError(
      f"--depths={','.join(_DEPTHS.value)} must be numbers, e.g. 0,1"
    )


def _player(played):
  """The player that the flags name."""
  from glimo_jax.play import policies, terminal

  if _PLAYER.value == "oracle":
    return terminal.FromPolicy(policies.OraclePolicy(played), played.actions)
  if _PLAYER.value == "random":
    policy = policies.RandomPolicy(len(played.actions), _SEED.value)
    return terminal.FromPolicy(policy, played.actions)
  model = _tuned(played) if flags.FLAGS.workdir else None
  return model if _PLAYER.value == "model" else terminal.Person(played, model)


def _tuned(played):
  """The tuned model of --workdir, asked as the rows of its run ask it."""
  from glimo_jax import workdir
  from glimo_jax.agent import llm
  from glimo_jax.models.sampler import Sampler
  from glimo_jax.play import terminal

  trained, base, adapter = common.trained(flags.FLAGS.workdir)
  # A run on the dataset of another has no such settings, nor has one without
  # rows of actions.
  skills = workdir.settings_of(trained).get("annotate", {}).get("skills", {})
  says_why = skills.get("next_action", {}).get("rationale", False)
  lm = llm.LocalLM(Sampler(*base).with_adapter(adapter), str(trained))
  return terminal.Model(lm, played, says_why)


def _world():
  """The world of --workdir with its options, or of --world and --option."""
  import simulators
  from glimo_jax import workdir

  if not flags.FLAGS.workdir:
    return simulators.make(_WORLD.value or "agentworld", **_options())
  if _WORLD.value or _OPTION.value:
    raise common.UsageError(
      "--workdir brings its own world: leave --world and --option out"
    )
  trained = workdir.last_training(flags.FLAGS.workdir)
  settings = workdir.settings_of(trained)["world"]
  return simulators.make(settings["name"], **settings["options"])


def _options() -> dict:
  """--option=NAME=VALUE as keywords."""
  out = {}
  for option in _OPTION.value:
    name, equals, value = option.partition("=")
    if not equals:
      raise common.UsageError(
        f"--option={option} must be NAME=VALUE, e.g. size=9"
      )
    out[name] = value_of(value)
  return out


def value_of(text: str):
  """The value of a flag: JSON, a Python literal, or the text itself.

  A tuple may be `["take"]` or `('take',)`.
  """
  for read in (json.loads, ast.literal_eval):
    try:
      return read(text)
    except (ValueError, SyntaxError, TypeError):
      continue
  return text


if __name__ == "__main__":
  common.start(main)

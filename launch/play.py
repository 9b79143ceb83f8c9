"""Play a world in the terminal, reading what the language model reads.

python -m launch.play --world=agentworld --level=3
python -m launch.play --world=driving --picture=now.png
python -m launch.play --world=driving --player=oracle --gif=episode.gif

Type an action as a model would write it; an empty line or `quit` ends. A
picture shows each moment with its text: open it in a viewer that reloads it.
"""

import ast
import json
import pathlib

from absl import flags

from launch import common

PLAYERS = ("you", "oracle", "random")
_MANY = 1000  # levels that take a while to draw
_SECONDS = 1.0  # of each frame in a film: there is text to read

_WORLD = flags.DEFINE_string("world", "agentworld", "Name of the world.")
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
  import numpy as np

  import simulators
  from glimo_jax.play import policies
  from simulators import base, film, text_world

  world = simulators.make(_WORLD.value, **_options())
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
  if _SPLIT.value not in world.splits:
    raise common.UsageError(
      f"--split={_SPLIT.value} is not one of {', '.join(world.splits)}"
    )
  if not all(depth.isdecimal() for depth in _DEPTHS.value):
    raise common.UsageError(
      f"--depths={','.join(_DEPTHS.value)} must be numbers, e.g. 0,1"
    )
  if _LEVEL.value >= _MANY:
    print(f"drawing {_LEVEL.value + 1} levels ...", flush=True)
  played = text_world.TextWorld(
    world,
    world.params(_VARIANT.value),
    world.pool(
      _SPLIT.value, _LEVEL.value + 1, [int(d) for d in _DEPTHS.value] or None
    ),
  )
  policy = None
  if _PLAYER.value == "oracle":
    policy = policies.OraclePolicy(played)
  elif _PLAYER.value == "random":
    policy = policies.RandomPolicy(len(world.actions), _SEED.value)

  shown = bool(_GIF.value or _PICTURE.value)
  frames: list = []

  def show(text):
    print(f"\n{text}")
    if shown:
      frames.append(film.frame(world, _row(played.state), played.params))
      picture("")

  def picture(choice):
    """Puts the text and what is chosen beside the present frame."""
    whole = film.captioned(frames[-1], played.texts[0], choice)
    if _PICTURE.value:
      film.save_picture(_PICTURE.value, whole)
    return whole

  print(played.preamble)
  texts = played.reset([_LEVEL.value], seed=_SEED.value)
  print(f"\nTask: {played.instruction[0]}")
  show(texts[0])
  steps = 0
  while not played.done[0]:
    if policy is None:
      action = _typed(played)
      if action is None:
        break
    else:
      action = int(np.argmax(policy.scores(texts, [0])[0]))
      print(f"> {world.actions[action]}")
    if shown:
      frames[-1] = picture(world.actions[action])
    texts, _, _ = played.step([action])
    steps += 1
    show(texts[0])
  ending = "succeeded" if played.success[0] else "failed"
  print(f"\n{_PLAYER.value} {ending} after {steps} actions")
  if shown:
    frames[-1] = picture(ending)
  if _GIF.value:
    film.save(_GIF.value, frames, _SECONDS)
    print(f"film: {_GIF.value}")


def _row(state):
  import jax

  return jax.tree.map(lambda x: x[0], state)


def _typed(played) -> int | None:
  """The action typed by the user; None to stop."""
  while True:
    try:
      line = input(f"{' / '.join(played.actions)} > ").strip()
    except EOFError:
      return None
    if line in ("", "quit"):
      return None
    action = played.parse(line)
    if action is not None:
      return action
    print(f"{line!r} does not name exactly one action")


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

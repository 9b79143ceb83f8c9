"""Play a world in the terminal, reading what the language model reads.

python -m launch.play --world=agentworld --level=3
python -m launch.play --world=driving --player=oracle --gif=episode.gif

An action is typed as a model would write it; an empty line or `quit` ends.
"""

import ast
import json

from absl import flags

from launch import common

PLAYERS = ("you", "oracle", "random")
_MANY = 1000  # levels that take a while to draw

_WORLD = flags.DEFINE_string("world", "agentworld", "Name of the world.")
_OPTION = flags.DEFINE_multi_string(
  "option",
  [],
  "A field of the world's Config, e.g. --option=boxes=1 "
  "or --option=\"goals=('reach', 'take')\".",
)
_VARIANT = flags.DEFINE_string("variant", "real", "Rules to play under.")
_SPLIT = flags.DEFINE_string("split", "train", "Split the level is of.")
_DEPTHS = flags.DEFINE_list(
  "depths", [], "Depths (or families) of the levels, in turn."
)
_LEVEL = flags.DEFINE_integer("level", 0, "Number of the level in its split.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the episode's chances.")
_PLAYER = flags.DEFINE_enum("player", "you", PLAYERS, "Who acts.")
_GIF = flags.DEFINE_string("gif", "", "File that the episode is filmed to.")


def main() -> None:
  import numpy as np

  import simulators
  from glimo_jax.play import policies
  from simulators import film, text_world

  world = simulators.make(_WORLD.value, **_options())
  if _SPLIT.value not in world.splits:
    raise common.UsageError(
      f"--split={_SPLIT.value} is not one of {', '.join(world.splits)}"
    )
  if not all(depth.isdecimal() for depth in _DEPTHS.value):
    raise common.UsageError(
      f"--depths={','.join(_DEPTHS.value)} must be numbers, e.g. 0,1"
    )
  if _LEVEL.value < 0:
    raise common.UsageError(f"--level={_LEVEL.value} must not be negative")
  if _LEVEL.value >= _MANY:
    print(f"drawing {_LEVEL.value + 1} levels ...", flush=True)
  played = text_world.TextWorld(
    world,
    world.params(_VARIANT.value),
    world.pool(
      _SPLIT.value, _LEVEL.value + 1, [int(d) for d in _DEPTHS.value] or None
    ),
  )
  policy = {
    "you": None,
    "oracle": policies.OraclePolicy(played),
    "random": policies.RandomPolicy(len(world.actions), _SEED.value),
  }[_PLAYER.value]

  def show(text):
    print(f"\n{text}")
    if _GIF.value:
      frames.append(np.asarray(world.render(_row(played.state), played.params)))

  frames: list = []
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
    texts, _, _ = played.step([action])
    steps += 1
    show(texts[0])
  ending = "did it" if played.success[0] else "did not do it"
  print(f"\n{_PLAYER.value} {ending}, {steps} actions")
  if _GIF.value:
    film.save(_GIF.value, frames)
    print(f"film: {_GIF.value}")


def _row(state):
  import jax

  return jax.tree.map(lambda x: x[0], state)


def _typed(played) -> int | None:
  """The action that is typed; None to stop."""
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
    print(f"{line!r} names no action, or several")


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


def value_of(said: str):
  """What a value means: JSON, a Python literal, or else the words themselves.

  A tuple may thus be `["take"]` or `('take',)`, as the errors show it.
  """
  for read in (json.loads, ast.literal_eval):
    try:
      return read(said)
    except (ValueError, SyntaxError, TypeError):
      continue
  return said


if __name__ == "__main__":
  common.start(main)

"""One level as several arms played it, as GIFs of equal length."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from glimo_jax.play.loop import Episode
from simulators import film
from simulators.base import LevelPool, Renders, World
from simulators.text_world import TextWorld

_ARMS = ("base", "script", "tuned")
_SECONDS = 0.5  # of each frame
_STRIP, _LETTERS = 40, 22  # pixels: of the line below a frame, of its letters
_PAPER, _INK = (250, 250, 248), (30, 30, 30)


def before_and_after(
  world: World,
  pool: LevelPool,
  acted: Mapping[str, Sequence[Episode]],
  seed: int,
) -> dict[str, bytes]:
  """Caption -> GIF of what base, script and tuned model did on one level.

  Of the levels that the tuned model solves and the base does not, it is the
  first one of the greatest depth; if there is none, the first level. The
  episodes are played again in `real`.

  Args:
    world: that of the episodes.
    pool: their levels.
    acted: arm -> episodes on the same levels.
    seed: of the evaluation.

  Returns:
    Nothing where the world draws no pictures, or one of base and tuned model
    did not play.

  Raises:
    ValueError: a replay does not end with the episode's last text.
  """
  if not isinstance(world, Renders) or not {"base", "tuned"} <= acted.keys():
    return {}
  place = _most_telling(acted["base"], acted["tuned"])
  shown = {arm: acted[arm][place] for arm in _ARMS if arm in acted}
  longest = max(episode.steps for episode in shown.values())
  out = {}
  for arm, episode in shown.items():
    frames = _frames(world, pool, episode, seed)
    frames += frames[-1:] * (longest + 1 - len(frames))  # end together
    ending = "solved" if episode.success else f"not solved, {episode.ended}"
    caption = f"{arm}: {ending} after {episode.steps}, level {episode.index}"
    out[caption] = film.gif(frames, _SECONDS)
  return out


def _most_telling(base: Sequence[Episode], tuned: Sequence[Episode]) -> int:
  """Place of the level in the lists of episodes."""
  telling = [
    i
    for i, (before, after) in enumerate(zip(base, tuned, strict=True))
    if after.success and not before.success
  ]
  return max(telling, key=lambda i: tuned[i].depth, default=0)


def _frames(
  world: World, pool: LevelPool, episode: Episode, seed: int
) -> list[np.ndarray]:
  """u8[H, W, 3] before each action, and at the end."""
  assert isinstance(world, Renders)
  played = TextWorld(world, world.params("real"), pool)
  draw = jax.jit(world.render)
  texts = played.reset([episode.index], seed=seed)
  frames = []
  for action in [*episode.actions, None]:
    state = jax.tree.map(lambda x: x[0], played.state)
    picture = np.asarray(draw(state, played.params))
    line = action or ("solved" if episode.success else episode.ended)
    frames.append(_with_line(film.enlarged(picture), line))
    if action is not None:
      texts, _, _ = played.step([world.actions.index(action)])
  if texts[0] != episode.texts[-1]:
    raise ValueError(
      f"the replay of level {episode.index} ends otherwise than its episode: "
      "evaluate again, with one version of the world"
    )
  return frames


def _with_line(picture: np.ndarray, words: str) -> np.ndarray:
  """The picture with a line of text below."""
  strip = Image.new("RGB", (picture.shape[1], _STRIP), _PAPER)
  font = ImageFont.load_default(_LETTERS)
  ImageDraw.Draw(strip).text((12, 7), words, _INK, font)
  return np.concatenate([picture, np.asarray(strip)])

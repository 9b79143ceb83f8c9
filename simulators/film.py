"""Pictures with their text, and episodes as GIFs that a person can watch."""

import io
import os
import pathlib
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simulators.base import PyTree, Renders, State, World

SIDE = 480  # pixels: a frame is enlarged while its longer side fits
_PANEL, _MARGIN, _FONT = 400, 20, 19  # pixels: width, margin, size of letters
_COLUMNS = 36  # letters in a line of the panel


def frame(world: World, state: State, params: PyTree) -> np.ndarray:
  """u8[H, W, 3]: the world's picture of one state.

  Raises:
    ValueError: the world draws no pictures.
  """
  if not isinstance(world, Renders):
    raise ValueError(
      f"world {world.name!r} draws no pictures: give it a method `render` "
      "(simulators.base.Renders), or make no film"
    )
  return np.asarray(world.render(state, params))


def enlarged(frame: np.ndarray) -> np.ndarray:
  """The frame u8[H, W, 3], enlarged by the largest whole factor within SIDE."""
  times = max(1, SIDE // max(frame.shape[:2]))
  return frame.repeat(times, 0).repeat(times, 1)


def captioned(frame: np.ndarray, text: str, choice: str = "") -> np.ndarray:
  """A frame u8[H, W, 3], `enlarged`, with its text beside it.

  Args:
    frame: the picture of a moment.
    text: its description; each sentence begins a line.
    choice: what is done next, in large letters below; "" for nothing.
  """
  picture = enlarged(np.asarray(frame))
  sentences = text.replace("\n", ". ").split(". ")
  lines = [
    line
    for sentence in sentences
    for line in textwrap.wrap(sentence, _COLUMNS, subsequent_indent="   ")
  ]
  pitch = round(1.4 * _FONT)
  height = max(picture.shape[0], 2 * _MARGIN + pitch * (len(lines) + 3))
  panel = Image.new("RGB", (_PANEL, height), (250, 250, 248))
  draw, font = ImageDraw.Draw(panel), ImageFont.load_default(_FONT)
  draw.multiline_text(
    (_MARGIN, _MARGIN), "\n".join(lines), (30, 30, 30), font,
    spacing=pitch - _FONT,
  )  # fmt: skip
  if choice:
    at, big = (_MARGIN, height - 3 * pitch), ImageFont.load_default(2 * _FONT)
    draw.text(at, choice, (30, 90, 235), big)
  below = ((0, height - picture.shape[0]), (0, 0), (0, 0))
  picture = np.pad(picture, below, constant_values=250)
  return np.concatenate([picture, np.asarray(panel)], 1)


def gif(frames: Sequence[np.ndarray], seconds: float = 0.4) -> bytes:
  """A looping GIF of u8[H, W, 3] frames, small ones `enlarged`.

  Each frame is shown for `seconds`, the last one three times as long.

  Raises:
    ValueError: no frame, or a time that is not positive.
  """
  if not len(frames):
    raise ValueError("no frames: give at least one")
  if not seconds > 0:
    raise ValueError(f"seconds {seconds} must be positive: raise it")
  first, *others = [
    Image.fromarray(enlarged(np.asarray(frame))) for frame in frames
  ]
  millis = [round(1000 * seconds)] * len(frames)
  millis[-1] *= 3
  out = io.BytesIO()
  first.save(
    out, "GIF", save_all=True, append_images=others, duration=millis, loop=0
  )
  return out.getvalue()


def save(
  path: str | os.PathLike, frames: Sequence[np.ndarray], seconds: float = 0.4
) -> None:
  """Writes `gif(frames, seconds)` to a file; makes its folder where needed."""
  file = pathlib.Path(path)
  file.parent.mkdir(parents=True, exist_ok=True)
  file.write_bytes(gif(frames, seconds))

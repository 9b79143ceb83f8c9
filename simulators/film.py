"""Pictures with their text, and episodes as GIFs that a person can watch."""

import io
import os
import pathlib
import re
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simulators.base import PyTree, Renders, State, World

SIDE = 480  # pixels: a frame is enlarged while its longer side fits
_PANEL, _MARGIN = 400, 20  # pixels: width of the text beside a frame, margin
_LETTERS = (19, 16, 13, 11)  # pixels: the largest size that fits is taken
_PAPER, _INK, _BLUE = (250, 250, 248), (30, 30, 30), (30, 90, 235)


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
  height = picture.shape[0]
  room = height - 2 * _MARGIN - _LETTERS[0] * 3
  size, lines = next(
    (size, lines)
    for size in _LETTERS
    for lines in [_lines(text, round(1.9 * _PANEL / size))]
    if len(lines) * _pitch(size) <= room or size == _LETTERS[-1]
  )
  panel = Image.new("RGB", (_PANEL, height), _PAPER)
  draw = ImageDraw.Draw(panel)
  draw.multiline_text(
    (_MARGIN, _MARGIN), "\n".join(lines), _INK, ImageFont.load_default(size),
    spacing=_pitch(size) - size,
  )  # fmt: skip
  if choice:
    font = ImageFont.load_default(2 * _LETTERS[0])
    draw.text((_MARGIN, height - 4 * _LETTERS[0]), choice, _BLUE, font)
  return np.concatenate([picture, np.asarray(panel)], 1)


def _pitch(size: int) -> int:
  """Pixels from one line to the next."""
  return round(1.4 * size)


def _lines(text: str, columns: int) -> list[str]:
  """The sentences of a text, each on its own lines."""
  return [
    line
    for sentence in re.split(r"\. |\n", text)
    for line in textwrap.wrap(sentence, columns, subsequent_indent="   ")
  ]


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


def save_picture(path: str | os.PathLike, frame: np.ndarray) -> None:
  """Writes one frame as a PNG; a viewer never reads half a picture."""
  file = pathlib.Path(path)
  file.parent.mkdir(parents=True, exist_ok=True)
  new = file.with_name(f".new-{file.name}")
  Image.fromarray(frame).save(new, "PNG")
  new.replace(file)

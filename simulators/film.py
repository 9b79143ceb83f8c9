"""Episodes as GIFs that a person can watch."""

import io
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from simulators.base import PyTree, Renders, State, World

SIDE = 480  # pixels: a frame is enlarged while its longer side fits


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

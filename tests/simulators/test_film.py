"""GIFs hold the frames they were given."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

import simulators
from simulators import film


def test_frames_are_in_order_and_the_last_one_is_held():
  frames = [np.full((8, 12, 3), 40 * i, np.uint8) for i in range(3)]
  with Image.open(io.BytesIO(film.gif(frames, 0.5))) as pictures:
    assert (pictures.n_frames, pictures.size) == (3, (480, 320))
    for i, frame in enumerate(frames):
      pictures.seek(i)
      shown = np.asarray(pictures.convert("RGB"))
      np.testing.assert_allclose(shown[::40, ::40], frame, atol=4)
      assert pictures.info["duration"] == (1500 if i == 2 else 500)


@pytest.mark.parametrize(
  ("shape", "large"),
  [((96, 80), (480, 400)), ((224, 208), (448, 416)), ((300, 600), (300, 600))],
)
def test_small_frame_is_enlarged_by_whole_pixels(shape, large):
  frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
  shown = film.enlarged(frame)
  assert shown.shape[:2] == large
  times = large[0] // shape[0]
  for down in range(times):
    np.testing.assert_array_equal(shown[down::times, ::times], frame)


def test_text_stands_beside_the_frame_and_long_texts_in_small_letters():
  frame = np.full((512, 352, 3), 90, np.uint8)
  short, long = (
    film.captioned(frame, ". ".join(["Ahead: car 20 m"] * n) + ".", "left")
    for n in (8, 24)
  )
  assert short.shape == long.shape == (512, 752, 3)
  np.testing.assert_array_equal(short[:, :352], frame)
  inks = [(panel[:, 352:] < 100).any(-1).any(1) for panel in (short, long)]
  lines = [np.sum(ink[1:] & ~ink[:-1]) for ink in inks]
  assert lines == [9, 25]  # with the choice; no letter touches the next line
  plain = film.captioned(frame, "Ahead: car 20 m.")
  assert (plain != short).any()


def test_picture_is_written_whole(tmp_path):
  frame = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
  film.save_picture(tmp_path / "new" / "now.png", frame)
  with Image.open(tmp_path / "new" / "now.png") as picture:
    np.testing.assert_array_equal(np.asarray(picture), frame)


def test_world_without_pictures_is_named():
  world = simulators.make("examples.your_world:World")
  level = jax.tree.map(lambda x: x[0], world.pool("train", 1).levels)
  state = world.reset(jax.random.key(0), world.params(), level)
  with pytest.raises(ValueError, match="'lift' draws no pictures"):
    film.frame(world, state, world.params())


def test_no_frames_or_no_time_are_refused():
  with pytest.raises(ValueError, match="no frames"):
    film.gif([])
  with pytest.raises(ValueError, match="seconds 0 must be positive"):
    film.gif([np.zeros((2, 2, 3), np.uint8)], 0)

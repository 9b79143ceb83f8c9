"""GIFs hold the frames they were given."""

import io

import numpy as np
import pytest
from PIL import Image

from simulators import film


def test_frames_come_back_in_order_and_the_last_one_stays():
  frames = [np.full((8, 12, 3), 40 * i, np.uint8) for i in range(3)]
  with Image.open(io.BytesIO(film.gif(frames, 0.5))) as pictures:
    assert (pictures.n_frames, pictures.size) == (3, (12, 8))
    for i, frame in enumerate(frames):
      pictures.seek(i)
      shown = np.asarray(pictures.convert("RGB"))
      np.testing.assert_allclose(shown, frame, atol=4)
      assert pictures.info["duration"] == (1500 if i == 2 else 500)


def test_no_frames_or_no_time_are_refused():
  with pytest.raises(ValueError, match="no frames"):
    film.gif([])
  with pytest.raises(ValueError, match="seconds 0 must be positive"):
    film.gif([np.zeros((2, 2, 3), np.uint8)], 0)

"""Places beside a polyline, against closed forms."""

import numpy as np
import pytest

from simulators.outside.sumo.path import Path

CORNER = Path.through(np.array([[0, 0], [10, 0], [10, 0], [10, 10]]))


def test_length_and_places():
  assert CORNER.length == 20
  np.testing.assert_allclose(
    CORNER.at(np.array([0, 4, 10, 13])), [[0, 0], [4, 0], [10, 0], [10, 3]]
  )


@pytest.mark.parametrize(
  ("xy", "s", "d"),
  [((4, 2), 4, 2), ((4, -2), 4, -2), ((8, 5), 15, 2), ((12, 5), 15, -2)],
)
def test_left_is_positive(xy, s, d):
  found = CORNER.project(np.array(xy), (0, 20))
  np.testing.assert_allclose(found, [[s], [d]], atol=1e-9)


def test_project_is_the_inverse_of_at():
  s = np.linspace(0, 20, 7)
  found, d = CORNER.project(CORNER.at(s), (0, 20))
  np.testing.assert_allclose(found, s, atol=1e-9)
  np.testing.assert_allclose(d, 0, atol=1e-9)


def test_only_the_part_counts():
  (s,), (d,) = CORNER.project(np.array([10, 9]), (0, 10))
  assert (s, d) == (10, 9)


def test_headings():
  np.testing.assert_allclose(CORNER.heading(3), [1, 0])
  np.testing.assert_allclose(CORNER.heading(17), [0, 1])

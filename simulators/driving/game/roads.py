"""Roads as formulas: the place of a thing in O(1), without a search.

The ego's route is a chain of straights and arcs. The ego moves in (s, d) of its
route by the Frenet form of its equations, so that it never has to be projected
on the route. The other two roads are straight, and a rotation projects on them.

Frenet frames: Werling et al. 2010, "Optimal trajectory generation for dynamic
street scenarios in a Frenet frame".
"""

from typing import NamedTuple

import jax.numpy as jnp

from simulators.driving.types import FAR, LENGTH, Array, Level, Params

APPROACH = 100.0  # m, length of the crossing road before the route
SHOULDER = 0.25  # m, by which a wheel may leave the lanes


def bend(level: Level, s: Array) -> Array:
  """f32[] 1/m: curvature of the route at s."""
  one, two = level.length[0], level.length[0] + level.length[1]
  return jnp.where(
    s < one, level.bend[0], jnp.where(s < two, level.bend[1], level.bend[2])
  )


def heading(level: Level, s: Array) -> Array:
  """rad: heading of the route at s, which starts eastward; s of any shape."""
  turned = jnp.zeros_like(s)
  for bend, run in _pieces(level, s):
    turned = turned + bend * run
  return turned


def _pieces(level: Level, s: Array) -> list[tuple[Array, Array]]:
  """(curvature, m of it up to s) of each piece of the route."""
  pieces, start = [], jnp.zeros(())
  last = len(level.length) - 1
  for i in range(last + 1):
    run = s - start if i == 0 else jnp.maximum(s - start, 0.0)
    run = run if i == last else jnp.minimum(run, level.length[i])
    pieces.append((level.bend[i], run))
    start = start + level.length[i]
  return pieces


def pose(level: Level, s: Array, d: Array) -> tuple[Array, Array, Array]:
  """(x, y, heading) of places on the route, which starts eastward at 0, 0.

  Args:
    level: one scene.
    s, d: f32[...] m, any shape.
  """
  x = y = heading = jnp.zeros_like(s)
  for bend, run in _pieces(level, s):
    half = 0.5 * bend * run
    chord = run * jnp.sinc(half / jnp.pi)
    x = x + chord * jnp.cos(heading + half)
    y = y + chord * jnp.sin(heading + half)
    heading = heading + 2.0 * half
  return x - d * jnp.sin(heading), y + d * jnp.cos(heading), heading


def frames(
  level: Level, params: Params, s: Array, d: Array, heading: Array
) -> tuple[Array, Array, Array]:
  """(s, d, heading), f32[3] each: a place of the route as each road sees it."""
  x, y, along = pose(level, s, d)
  turned = along + heading
  lanes = level.lanes.astype(jnp.float32)
  side = level.cross[1]
  return (
    jnp.stack([s, level.oncoming - x, side * y + APPROACH]),
    jnp.stack([d, lanes * params.lane_width - y, side * (level.cross[0] - x)]),
    jnp.stack([heading, turned - jnp.pi, turned - side * jnp.pi / 2]),
  )


def place(
  level: Level, params: Params, road: Array, s: Array, d: Array
) -> tuple[Array, Array, Array]:
  """(x, y, heading) of places on any road: the inverse of `frames`.

  Args:
    level, params: one scene and its rules.
    road: i32[...].
    s, d: f32[...] m, same shape.
  """
  x, y, along = pose(level, s, d)
  lanes, side = level.lanes.astype(jnp.float32), level.cross[1]
  across = jnp.full_like(s, 1.0) * side * jnp.pi / 2
  x = jnp.select([road == 0, road == 1], [x, level.oncoming - s],
                 level.cross[0] - side * d)  # fmt: skip
  y = jnp.select([road == 0, road == 1], [y, lanes * params.lane_width - d],
                 side * (s - APPROACH))  # fmt: skip
  turned = jnp.select(
    [road == 0, road == 1], [along, jnp.full_like(s, jnp.pi)], across
  )
  return x, y, turned


def edges(level: Level, params: Params, s: Array) -> tuple[Array, Array]:
  """d in m of the right and the left edge of the route's lanes."""
  width = params.lane_width
  ended = jnp.where(s > level.ramp[1], 0.5, -0.5)
  return ended * width, (level.lanes.astype(jnp.float32) - 0.5) * width


def light(level: Level, params: Params, time: Array) -> tuple[Array, Array]:
  """Signals at `time` f32[] s, of the route (and oncoming) and the cross road.

  Returns:
    i32[] each: 0 none, 1 green, 2 amber, 3 red. Amber lasts 3 s, and both are
    red for 2 s between the phases. A missing signal is 0 for the route and red
    for the crossing road, whose cars then always give way.
  """
  green, cycle, offset = level.signal[0], level.signal[1], level.signal[2]
  phase = jnp.mod(time + offset, cycle)
  mine = jnp.where(phase < green, 1, jnp.where(phase < green + 3.0, 2, 3))
  opens, closes = green + 5.0, cycle - 5.0
  theirs = jnp.where(
    (phase >= opens) & (phase < closes),
    1,
    jnp.where((phase >= closes) & (phase < closes + 3.0), 2, 3),
  )
  there = params.present[3] & (level.stop[0] < FAR)
  return jnp.where(there, mine, 0), jnp.where(there, theirs, 3)


def countdown(level: Level, time: Array) -> Array:
  """f32[] s: whole seconds until the route's signal changes."""
  green, cycle, offset = level.signal[0], level.signal[1], level.signal[2]
  phase = jnp.mod(time + offset, cycle)
  until = jnp.where(
    phase < green, green, jnp.where(phase < green + 3.0, green + 3.0, cycle)
  )
  return jnp.ceil(until - phase)


class Walkers(NamedTuple):
  """Pedestrians at one time; one who is across is neither on it nor waits."""

  d: Array  # f32[P] m, position across the road
  going: Array  # f32[P] m/s, to the left positive, 0 while they wait
  on: Array  # bool[P], on the road or within a metre of it
  waits: Array  # bool[P], not yet on the road


def walkers(level: Level, params: Params, time: Array) -> Walkers:
  """The pedestrians of the crosswalk at `time` f32[] s."""
  start, speed, side, there = jnp.moveaxis(level.walker, -1, 0)
  right = -0.5 * params.lane_width - 2.0
  left = (level.lanes.astype(jnp.float32) - 0.5) * params.lane_width + 2.0
  walked = speed * jnp.maximum(time - start, 0.0)
  d = jnp.where(side > 0, right + walked, left - walked)
  moving = time >= start
  there = (there > 0) & params.present[2] & (level.walk < FAR)
  on = there & (d > right + 1.0) & (d < left - 1.0)
  waits = there & (walked <= 1.0)
  return Walkers(d, jnp.where(moving, side * speed, 0.0), on, waits)


def nose(s: Array) -> Array:
  """s in m of the ego's front bumper."""
  return s + 0.5 * LENGTH

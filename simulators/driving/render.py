"""A picture of Urban Driving from above: the route runs up, the ego in it.

Blue: the ego. Orange: cars. Brown: trucks. Pink: pedestrians. A dark window
shows a car's front, red lamps that it brakes. A white arrow is as long as the
way of the next second; a yellow one leads to the lane that the ego changes to.
The bar across the lane is the stop line, the disc beside it the light. Stripes
are the crosswalk, black and white squares the goal.
"""

from typing import NamedTuple

import jax.numpy as jnp

from simulators.base import State
from simulators.driving.game import roads, sensors, traffic
from simulators.driving.types import FAR, LENGTH, WIDTH, Array, Level, Params

HEIGHT, BREADTH = 512, 352  # pixels
SCALE = 5.0  # pixels a metre
BEHIND = 20.0  # m, shown behind the ego
_FINE = 2  # points a pixel along each side, whose mean is its colour
_GRASS, _ROAD, _LINE = (164, 190, 140), (92, 94, 100), (232, 232, 226)
_EGO, _CAR, _TRUCK = (30, 90, 235), (240, 140, 30), (125, 75, 35)
_GLASS, _BRAKE, _ARROW = (25, 30, 40), (255, 30, 30), (255, 255, 255)
_MAN, _YELLOW, _BLACK = (235, 40, 150), (255, 215, 0), (20, 20, 20)
_LIGHTS = (_ROAD, (30, 200, 80), (255, 190, 20), (225, 30, 40))


class _Points(NamedTuple):
  """Points of the picture: in the plane, and on the route."""

  x: Array
  y: Array
  s: Array
  d: Array

  def around(self, x: Array, y: Array, heading: Array) -> tuple[Array, Array]:
    """(m forward, m to the left) of all points, seen from a place."""
    cos, sin = jnp.cos(heading), jnp.sin(heading)
    dx, dy = self.x - x, self.y - y
    return dx * cos + dy * sin, dy * cos - dx * sin


def _points(level: Level, x0: Array, y0: Array, along: Array) -> _Points:
  """The points of a picture around a place on the route."""
  row, column = jnp.indices((HEIGHT * _FINE, BREADTH * _FINE)) / _FINE
  forward = (HEIGHT - row) / SCALE - BEHIND
  left = (BREADTH / 2 - column) / SCALE
  x = x0 + forward * jnp.cos(along) - left * jnp.sin(along)
  y = y0 + forward * jnp.sin(along) + left * jnp.cos(along)
  return _Points(x, y, *_frenet(level, x, y))


def _frenet(level: Level, x: Array, y: Array) -> tuple[Array, Array]:
  """(s, d) of points on the route: the nearest of its three segments."""
  best = (jnp.zeros_like(x), jnp.full_like(x, FAR))
  start = jnp.zeros(())
  for i in range(len(level.length)):
    x0, y0, heading = roads.pose(level, start, jnp.zeros(()))
    cos, sin = jnp.cos(heading), jnp.sin(heading)
    forward = (x - x0) * cos + (y - y0) * sin
    left = (y - y0) * cos - (x - x0) * sin
    if i == 1:
      bend = jnp.where(jnp.abs(level.bend[1]) < 1e-5, 1e-5, level.bend[1])
      radius = 1.0 / bend
      side = jnp.sign(radius)
      angle = jnp.arctan2(forward, (radius - left) * side)
      run = angle * jnp.abs(radius)
      d = radius - side * jnp.hypot(forward, radius - left)
    else:
      run, d = forward, left
    low = -FAR if i == 0 else 0.0
    inside = (run >= low) & (run <= level.length[i])
    better = inside & (jnp.abs(d) < jnp.abs(best[1]))
    best = (
      jnp.where(better, start + run, best[0]), jnp.where(better, d, best[1])
    )  # fmt: skip
    start = start + level.length[i]
  return best


def _paint(
  picture: Array, mask: Array, colour: Array | tuple[int, int, int]
) -> Array:
  return jnp.where(mask[..., None], jnp.asarray(colour, jnp.uint8), picture)


def render(state: State, params: Params) -> Array:
  """uint8[HEIGHT, BREADTH, 3]: one state; vmap for more."""
  env = state.env_state
  x, y, along = roads.pose(env.level, env.ego.s, env.ego.d)
  points = _points(env.level, x, y, along)
  picture = _ground(points, state, params)
  picture = _traffic(picture, points, state, params)
  picture = _people(picture, points, state, params)
  picture = _ego(picture, points, state, params)
  fine = picture.reshape(HEIGHT, _FINE, BREADTH, _FINE, 3).astype(jnp.float32)
  return jnp.mean(fine, (1, 3)).astype(jnp.uint8)


def _ground(points: _Points, state: State, params: Params) -> Array:
  """Roads, lines, the light, the crosswalk and the goal."""
  env = state.env_state
  level, now = env.level, env.time.astype(jnp.float32)
  x, y, s, d = points
  width, lanes = params.lane_width, level.lanes.astype(jnp.float32)
  right, left = roads.edges(level, params, s)
  mine = (d > right) & (d < left)
  crossing = level.there & (level.road == 2)
  crosses = jnp.any(crossing)
  across = jnp.abs(level.cross[0] - x) < width / 2
  oncoming = (jnp.abs(lanes * width - y) < width / 2) & (level.oncoming < FAR)
  other = (across & crosses) | oncoming
  picture = jnp.broadcast_to(jnp.array(_GRASS, jnp.uint8), (*x.shape, 3))
  picture = _paint(picture, mine | other, _ROAD)
  border = (jnp.abs(d - right) < 0.25) | (jnp.abs(d - left) < 0.25)
  picture = _paint(picture, border & ~other & (jnp.abs(d) < 50), _LINE)
  off = jnp.abs(jnp.mod(d / width, 1.0) - 0.5) * width  # m to a lane's edge
  walled = (s < level.ramp[0]) & (level.ramp[1] < FAR)
  line = (off < 0.2) & ((jnp.mod(s, 6.0) < 3.0) | walled)
  picture = _paint(picture, mine & line, _LINE)
  picture = _paint(picture, mine & (jnp.abs(s - level.stop[0]) < 0.5), _LINE)
  stripes = (jnp.abs(s - level.walk) < 2.0) & (jnp.mod(d, 1.4) < 0.7)
  picture = _paint(picture, mine & stripes & params.present[2], _LINE)
  squares = jnp.mod(jnp.floor(s / 1.1) + jnp.floor(d / 1.1), 2.0) > 0
  goal = mine & (jnp.abs(s - level.goal) < 2.2)
  picture = _paint(picture, goal, _ARROW)
  picture = _paint(picture, goal & squares, _BLACK)
  ends = mine & (d < width / 2) & (level.ramp[1] < FAR)
  ends &= (s > level.ramp[1] - 12.0) & (jnp.mod(s + d, 3.0) < 1.2)
  picture = _paint(picture, ends, _YELLOW)
  light, _ = roads.light(level, params, now)
  lamp_x, lamp_y, _ = roads.pose(level, level.stop[0], -width / 2 - 3.0)
  far = jnp.hypot(x - lamp_x, y - lamp_y)
  picture = _paint(picture, (far < 2.4) & (light > 0), _BLACK)
  colour = jnp.asarray(_LIGHTS, jnp.uint8)[light]
  return _paint(picture, (far < 1.8) & (light > 0), colour)


def _vehicle(
  picture: Array,
  around: tuple[Array, Array],
  size: Array | float,
  colour: Array | tuple[int, int, int],
  shown: Array,
  speed: Array,
  brakes: Array,
) -> Array:
  """A car with its front window, brake lamps, and the way of a second."""
  fore, side = around
  inside = jnp.abs(side) < WIDTH / 2
  picture = _paint(picture, _arrow(fore - size / 2, side, speed) & shown,
                   _ARROW)  # fmt: skip
  body = (jnp.abs(fore) < size / 2) & inside
  picture = _paint(picture, body & shown, colour)
  window = (jnp.abs(fore - size / 2 + 1.5) < 0.45) & (jnp.abs(side) < 0.8)
  picture = _paint(picture, window & shown, _GLASS)
  lamps = (jnp.abs(fore + size / 2 - 0.3) < 0.4) & inside
  lamps &= jnp.abs(side) > 0.3
  return _paint(picture, lamps & shown & brakes, _BRAKE)


def _arrow(fore: Array, side: Array, length: Array) -> Array:
  """The points of an arrow that starts at 0 and is so many metres long."""
  shaft = (fore > 0) & (fore < length - 1.5) & (jnp.abs(side) < 0.2)
  head = (fore > length - 1.6) & (jnp.abs(side) < 0.55 * (length - fore))
  return (shaft | head & (fore > 0)) & (length > 0.8)


def _traffic(
  picture: Array, points: _Points, state: State, params: Params
) -> Array:
  level, cars = state.env_state.level, state.env_state.cars
  here = traffic.there(level, params)
  x, y, heading = roads.place(level, params, level.road, cars.s, cars.d)
  for j in range(cars.s.shape[0]):
    around = points.around(x[j], y[j], heading[j])
    colour = jnp.where(
      level.size[j] > 7.0,
      jnp.asarray(_TRUCK, jnp.uint8),
      jnp.asarray(_CAR, jnp.uint8),
    )
    brakes = cars.a[j] < sensors.BRAKE_LIGHTS
    picture = _vehicle(
      picture, around, level.size[j], colour, here[j], cars.v[j], brakes
    )
  return picture


def _people(
  picture: Array, points: _Points, state: State, params: Params
) -> Array:
  level, now = state.env_state.level, state.env_state.time.astype(jnp.float32)
  people = roads.walkers(level, params, now)
  drawn = people.on | people.waits
  for j in range(drawn.shape[0]):
    x, y, along = roads.pose(level, level.walk, people.d[j])
    fore, side = points.around(x, y, along)
    going = people.going[j]
    arrow = _arrow(side * jnp.sign(going), fore, 2.0 + jnp.abs(going))
    arrow &= going != 0.0
    picture = _paint(picture, arrow & drawn[j], _ARROW)
    picture = _paint(picture, (jnp.hypot(fore, side) < 1.1) & drawn[j], _MAN)
  return picture


def _ego(
  picture: Array, points: _Points, state: State, params: Params
) -> Array:
  level, ego = state.env_state.level, state.env_state.ego
  x, y, along = roads.pose(level, ego.s, ego.d)
  fore, side = points.around(x, y, along)
  shift = ego.lane.astype(jnp.float32) * params.lane_width - ego.d
  change = _arrow(side * jnp.sign(shift), fore - 1.0, jnp.abs(shift) + 1.5)
  picture = _paint(picture, change & (jnp.abs(shift) > 1.0), _YELLOW)
  around = points.around(x, y, along + ego.heading)
  brakes = ego.a < sensors.BRAKE_LIGHTS
  shown = jnp.ones((), bool)
  return _vehicle(picture, around, LENGTH, _EGO, shown, ego.v, brakes)

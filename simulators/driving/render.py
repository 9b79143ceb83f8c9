"""A picture of Urban Driving from above: the route runs up, the ego in it.

Grey: road. White: its lines. Blue: the ego. Orange: cars. Brown: trucks. Pink:
pedestrians. The bar across the lane is the stop line in the colour of the
light, the striped bar the crosswalk, the green bar the goal.
"""

import jax.numpy as jnp

from simulators.base import State
from simulators.driving.game import roads, traffic
from simulators.driving.types import FAR, LENGTH, WIDTH, Array, Level, Params

HEIGHT, BREADTH = 384, 192  # pixels
SCALE = 4.0  # pixels a metre
BEHIND = 16.0  # m, shown behind the ego
Colour = Array | tuple[int, int, int]
_COLOURS = dict(
  grass=(150, 178, 130), road=(95, 97, 102), line=(225, 225, 220),
  ego=(40, 90, 220), car=(235, 140, 40), truck=(120, 75, 40),
  man=(235, 60, 150), goal=(40, 200, 90),
)  # fmt: skip
_LIGHTS = ((95, 97, 102), (40, 200, 90), (240, 200, 40), (220, 40, 40))


def _paint(picture: Array, mask: Array, colour: Colour) -> Array:
  return jnp.where(mask[..., None], jnp.asarray(colour, jnp.uint8), picture)


def _frenet(level: Level, x: Array, y: Array) -> tuple[Array, Array]:
  """(s, d) of pixels on the route: the nearest of its three segments."""
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


def render(state: State, params: Params) -> Array:
  """uint8[HEIGHT, BREADTH, 3]: one state; vmap for more."""
  env = state.env_state
  level, ego, cars = env.level, env.ego, env.cars
  now = env.time.astype(jnp.float32)
  ex, ey, along = roads.pose(level, ego.s, ego.d)
  row, column = jnp.indices((HEIGHT, BREADTH)).astype(jnp.float32)
  forward = (HEIGHT - row) / SCALE - BEHIND
  sideways = (BREADTH / 2 - column) / SCALE  # to the left
  x = ex + forward * jnp.cos(along) - sideways * jnp.sin(along)
  y = ey + forward * jnp.sin(along) + sideways * jnp.cos(along)
  s, d = _frenet(level, x, y)
  width, lanes = params.lane_width, level.lanes.astype(jnp.float32)
  picture = jnp.full(
    (HEIGHT, BREADTH, 3), jnp.array(_COLOURS["grass"], jnp.uint8)
  )
  right, left = roads.edges(level, params, s)
  mine = (d > right) & (d < left)
  other = jnp.abs(level.cross[0] - x) < width / 2
  other |= (jnp.abs(lanes * width - y) < width / 2) & (level.oncoming < FAR)
  picture = _paint(picture, mine | other, _COLOURS["road"])
  edge = jnp.abs(jnp.mod(d / width, 1.0) - 0.5) * width
  dashed = jnp.mod(s, 6.0) < 3.0
  border = (jnp.abs(d - right) < 0.3) | (jnp.abs(d - left) < 0.3)
  stripe = mine & ((edge < 0.3) & dashed | border)
  picture = _paint(picture, stripe, _COLOURS["line"])
  light, _ = roads.light(level, params, now)
  bar = mine & (jnp.abs(s - level.stop[0]) < 0.8)
  picture = _paint(picture, bar, jnp.asarray(_LIGHTS, jnp.uint8)[light])
  zebra = mine & (jnp.abs(s - level.walk) < 1.5) & (jnp.mod(d, 1.2) < 0.6)
  picture = _paint(picture, zebra, _COLOURS["line"])
  picture = _paint(
    picture, mine & (jnp.abs(s - level.goal) < 1.0), _COLOURS["goal"]
  )

  def box(
    x0: Array, y0: Array, heading: Array, long: Array | float, wide: float
  ) -> Array:  # bool[H, W]
    fore = (x - x0) * jnp.cos(heading) + (y - y0) * jnp.sin(heading)
    side = (y - y0) * jnp.cos(heading) - (x - x0) * jnp.sin(heading)
    return (jnp.abs(fore) < long / 2) & (jnp.abs(side) < wide / 2)

  here = traffic.there(level, params)
  cx, cy, heading = roads.place(level, params, level.road, cars.s, cars.d)
  for j in range(cars.s.shape[0]):
    colour = jnp.where(
      level.size[j] > 7.0,
      jnp.asarray(_COLOURS["truck"], jnp.uint8),
      jnp.asarray(_COLOURS["car"], jnp.uint8),
    )
    mask = box(cx[j], cy[j], heading[j], level.size[j], WIDTH)
    picture = _paint(picture, mask & here[j], colour)
  people = roads.walkers(level, params, now)
  drawn = people.on | people.waits
  for j in range(drawn.shape[0]):
    px, py, turned = roads.pose(level, level.walk, people.d[j])
    picture = _paint(picture, box(px, py, turned, 1.4, 1.4) & drawn[j],
                     _COLOURS["man"])  # fmt: skip
  mask = box(ex, ey, along + ego.heading, LENGTH, WIDTH)
  return _paint(picture, mask, _COLOURS["ego"])

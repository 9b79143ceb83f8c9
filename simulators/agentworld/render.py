"""AgentWorld as a picture, under jit.

Walls and the edge are dark, the goal is chequered, the agent a black disc. A
closed element fills its cell, an open one frames it; a tool is a diamond. A
tool and an element of the same kind share a colour. A box is brown, a hazard a
red cross. For goals other than `reach`, black corners mark the tool or the
boxes of the goal, and chequers mark the element. The darker row below the grid
shows the tools in hand.
"""

import jax
import jax.numpy as jnp
import numpy as np

from simulators.agentworld.game import dynamics, goals
from simulators.agentworld.types import Params
from simulators.base import State

Array = jax.Array

CELL = 16  # pixels
_FLOOR, _WALL = (235, 232, 225), (70, 72, 80)
_AGENT, _LINE, _POCKET = (20, 20, 20), (205, 202, 196), (190, 186, 178)
_BOX, _RIM = (140, 90, 45), (80, 50, 25)
_SCORCHED, _HAZARD = (250, 205, 190), (205, 30, 30)
_KIND = np.array(
  [
    (20, 110, 50), (245, 205, 30), (240, 120, 20), (70, 205, 220),
    (35, 80, 200), (150, 50, 165), (245, 150, 190), (150, 215, 40),
  ],
  np.uint8,
)  # fmt: skip


def _shapes() -> dict[str, np.ndarray]:
  """Masks bool[CELL, CELL] of the figures drawn in a cell."""
  off = np.abs(np.arange(CELL) - (CELL - 1) / 2)
  down, across = np.meshgrid(off, off, indexing="ij")
  edge = np.maximum(down, across)
  return {
    "chequer": (np.indices((CELL, CELL)) // 4).sum(0) % 2 == 0,
    "inset": ((np.indices((CELL, CELL)) // 4).sum(0) % 2 == 0) & (edge < 4.6),
    "line": (np.indices((CELL, CELL)) == 0).any(0),
    "full": edge < 7.4,
    "frame": (edge > 4.6) & (edge < 7.4),
    "disc": np.hypot(down, across) < 5.2,
    "diamond": down + across < 6.2,
    "square": edge < 5.6,
    "rim": ((edge > 3.6) & (edge < 5.6)) | ((edge < 5.6) & (down < 1)),
    "cross": (np.abs(down - across) < 1.6) & (edge < 5.6),
    "corners": (edge > 5.6) & (np.minimum(down, across) > 3.6),
  }


_SHAPES = _shapes()


def _paint(
  picture: Array, shape: str, cell: Array, colour: Array, shown: Array
) -> Array:
  """`shape` in `colour` u8[3] at `cell` i32[2] of u8[R, CELL, C, CELL, 3]."""
  row, column = cell[0], cell[1]
  old = picture[row, :, column]
  mask = (_SHAPES[shape] & shown)[..., None]
  return picture.at[row, :, column].set(jnp.where(mask, colour, old))


def render(state: State, params: Params) -> Array:
  """uint8[(S + 1) * CELL, S * CELL, 3]: one state; vmap for more."""
  env = state.env_state
  level = env.level
  size = level.wall.shape[0]
  shown = jnp.ones((), bool)
  wall = jnp.concatenate([level.wall, jnp.zeros((1, size), bool)])
  picture = jnp.where(
    _SHAPES["line"][None, :, None, :, None],
    jnp.array(_LINE, jnp.uint8),
    jnp.array(_FLOOR, jnp.uint8),
  )
  picture = jnp.where(
    wall[:, None, :, None, None], jnp.array(_WALL, jnp.uint8), picture
  )
  hazard = jnp.pad(dynamics.dangers(level, params), ((0, 1), (0, 0)))
  for shape, colour in (("full", _SCORCHED), ("cross", _HAZARD)):
    mask = hazard[:, None, :, None] & _SHAPES[shape][None, :, None, :]
    colour = jnp.array(colour, jnp.uint8)
    picture = jnp.where(mask[..., None], colour, picture)
  black = jnp.array(_AGENT, jnp.uint8)
  kind, thing = level.goal_kind, level.goal_thing
  on_cell = (kind != goals.TAKE) & (kind != goals.OPEN)
  picture = _paint(picture, "chequer", level.goal, black, on_cell)
  picture = picture.at[size].set(jnp.array(_POCKET, jnp.uint8))
  colours = jnp.asarray(_KIND)
  tools_at = dynamics.tools_at(level, env.place)
  tool_asked = (kind == goals.TAKE) | (kind == goals.BRING)
  for i in range(level.tool_kind.shape[0]):
    asked = thing == i
    cell, colour = level.element_at[i], colours[level.element_kind[i]]
    picture = _paint(picture, "full", cell, colour, ~env.opened[i])
    picture = _paint(picture, "frame", cell, colour, env.opened[i])
    mark = asked & (kind == goals.OPEN)
    picture = _paint(picture, "inset", cell, black, mark)
    pocket = jnp.array([size, i])
    cell = jnp.where(env.held[i], pocket, tools_at[i])
    colour = colours[level.tool_kind[i]]
    picture = _paint(picture, "diamond", cell, colour, shown)
    picture = _paint(picture, "corners", cell, black, asked & tool_asked)
  for cell in env.boxes:
    for shape, colour in (("square", _BOX), ("rim", _RIM)):
      colour = jnp.array(colour, jnp.uint8)
      picture = _paint(picture, shape, cell, colour, shown)
    picture = _paint(picture, "corners", cell, black, kind == goals.PUSH)
  picture = _paint(picture, "disc", env.agent, black, shown)
  picture = picture.reshape((size + 1) * CELL, size * CELL, 3)
  edge = np.zeros(picture.shape[:2], bool)
  edge[[0, size * CELL - 1, -1]] = True
  edge[:, [0, -1]] = True
  return jnp.where(edge[..., None], jnp.array(_WALL, jnp.uint8), picture)

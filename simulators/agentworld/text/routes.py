"""Where the agent can go, by what it sees and by the nominal rules."""

from typing import Any, NamedTuple

import jax
import numpy as np

from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.types import Obs

# Price of entering a cell. A way through an open element loses to an equally
# long one beside it; a way around a box is preferred up to ten steps; a closed
# element is the last resort.
_STEP, _THROUGH, _PUSH, _CLOSED = 100, 101, 1_000, 10_000
_FAR = 1 << 29


class Routes(NamedTuple):
  """Routes of a batch; grids have a border, so cell (r, c) is [r + 1, c + 1].

  Attributes:
    blocked: bool[B, 4], moves that would not change the agent's cell.
    danger: bool[B, 5], moves that would end in a hazard; last, whether the
      agent is in one.
    price: i32[B, S + 2, S + 2], of the cheapest way from the agent to a cell.
    first: i32[B, S + 2, S + 2], the first element on that way; -1 for none.
  """

  blocked: np.ndarray
  danger: np.ndarray
  price: np.ndarray
  first: np.ndarray


def find(obs: Obs) -> Routes:
  """The routes of every row of `obs` (numpy leaves, leading axis B)."""
  border = ((0, 0), (1, 1), (1, 1))
  seen = jax.tree.map(np.asarray, obs)
  wall = np.pad(seen.wall, border, constant_values=True)
  hazard = np.pad(seen.hazard, border) if seen.hazard.any() else None
  price, first = _cheapest(seen, wall, hazard)
  blocked, danger = _beside(seen, wall, hazard)
  return Routes(blocked, danger, price, first)


def _beside(
  obs: Any, wall: np.ndarray, hazard: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
  """`blocked` and `danger`: `dynamics.move` by the nominal rules.

  Args:
    obs: an `Obs` with numpy leaves.
    wall, hazard: bool[B, S + 2, S + 2]; None for no hazards at all.
  """
  batch = np.arange(len(obs.agent))
  seen = obs.element >= 0
  closed = seen & ~obs.opened
  fits = (obs.needs[:, :, None] == obs.tool[:, None, :]) & obs.held[:, None, :]
  fits &= obs.needs[:, :, None] >= 0
  shut = closed & ~fits.any(-1)
  blocked = np.zeros((len(batch), len(DELTAS)), bool)
  danger = np.zeros((len(batch), len(DELTAS) + 1), bool)
  for action, delta in enumerate(DELTAS):
    target = obs.agent + np.array(delta)
    bar = _are(obs.element_at, target) & shut
    there = (batch, target[:, 0] + 1, target[:, 1] + 1)
    stop = wall[there] | bar.any(-1)
    if obs.boxes.shape[1]:
      beyond = target + np.array(delta)
      # The border is one cell wide; no box is ever pushed beyond it.
      behind = np.clip(beyond + 1, 0, wall.shape[-1] - 1)
      behind = (batch, behind[:, 0], behind[:, 1])
      stuck = wall[behind] | _are(obs.boxes, beyond).any(-1)
      stuck |= (_are(obs.element_at, beyond) & closed).any(-1)
      if hazard is not None:
        stuck |= hazard[behind]
      stop |= _are(obs.boxes, target).any(-1) & stuck
    blocked[:, action] = stop
    if hazard is not None:
      danger[:, action] = hazard[there] & ~stop
  if hazard is not None:
    danger[:, -1] = hazard[batch, obs.agent[:, 0] + 1, obs.agent[:, 1] + 1]
  return blocked, danger


def _are(cells: np.ndarray, cell: np.ndarray) -> np.ndarray:
  """bool[B, n]: which of `cells` i32[B, n, 2] equal `cell` i32[B, 2]."""
  return (cells == cell[:, None]).all(-1)


def _cheapest(
  obs: Any, wall: np.ndarray, hazard: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
  """`price` and `first` of all rows at once; arguments as in `_beside`."""
  batch = np.arange(len(obs.agent))
  enter = np.where(wall, _FAR, _STEP).astype(np.int32)
  element = np.full(wall.shape, -1)
  for j in range(obs.element.shape[1]):
    seen = np.flatnonzero(obs.element[:, j] >= 0)
    row, column = obs.element_at[seen, j].T + 1
    element[seen, row, column] = j
    enter[seen, row, column] = np.where(obs.opened[seen, j], _THROUGH, _CLOSED)
  for k in range(obs.boxes.shape[1]):
    row, column = obs.boxes[:, k].T + 1
    enter[batch, row, column] += _PUSH
  if hazard is not None:
    enter[hazard] = _FAR
  price = np.full(wall.shape, _FAR, np.int32)
  price[batch, obs.agent[:, 0] + 1, obs.agent[:, 1] + 1] = 0
  first = np.full(wall.shape, -1)
  changed = True
  while changed:
    changed = False
    for delta in DELTAS:  # the move that enters the cell
      there = np.roll(price, delta, (1, 2)) + enter
      better = there < price
      if better.any():
        changed = True
        label = np.roll(first, delta, (1, 2))
        label = np.where(label < 0, element, label)
        price = np.where(better, there, price)
        first = np.where(better, label, first)
  return price, first

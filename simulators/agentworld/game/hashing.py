"""Canonical hashes of levels, by which splits are kept apart."""

import hashlib

import jax
import numpy as np

from simulators.agentworld.game import goals
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import KINDS

_HAZARD, _BOX, _TOOL = 4, 5, 8  # codes in `_cells`; tools start at kind 0
_ELEMENT = _TOOL + KINDS


def take(levels: Level, rows: np.ndarray) -> Level:
  """The levels at `rows` i32[n]."""
  return jax.tree.map(lambda x: x[rows], levels)


def hashes(levels: Level) -> np.ndarray:
  """uint64[n]: equal if levels differ only by rotation, mirror or kinds.

  A level is written as one byte per cell, with kinds numbered by their first
  appearance, followed by its goal. The least of the eight turned forms is
  hashed.

  Args:
    levels: numpy leaves with a leading axis n.
  """
  out = np.zeros(len(levels.side), np.uint64)
  groups = np.stack([levels.side, levels.goal_kind], -1)
  for side, goal in np.unique(groups, axis=0):
    rows = np.flatnonzero((groups == (side, goal)).all(-1))
    some = take(levels, rows)
    grid, asked = _cells(some, int(side)), _asked(some, int(goal))
    turned = [np.rot90(grid, turns, (1, 2)) for turns in range(4)]
    turned += [form.swapaxes(1, 2) for form in turned]
    forms = [
      _renamed(np.concatenate([form.reshape(len(rows), -1), asked], 1))
      for form in turned
    ]
    for i, row in enumerate(rows):
      least = min(form[i].tobytes() for form in forms)
      digest = hashlib.blake2b(least, digest_size=8).digest()
      out[row] = int.from_bytes(digest, "big")
  return out


def _cells(levels: Level, side: int) -> np.ndarray:
  """uint8[n, side, side]: 0 free, 1 wall, 2 agent, 3 goal, and codes above."""
  grid = np.asarray(levels.wall)[:, :side, :side].astype(np.uint8)
  grid[levels.hazard[:, :side, :side]] = _HAZARD
  row = np.arange(len(grid))
  for code, at in ((2, levels.agent), (3, levels.goal)):
    grid[row, at[:, 0], at[:, 1]] = code
  for i in range(levels.box_at.shape[1]):
    grid[row, levels.box_at[:, i, 0], levels.box_at[:, i, 1]] = _BOX
  for i in range(levels.tool_kind.shape[1]):
    for first, kind, at in (
      (_TOOL, levels.tool_kind, levels.tool_at),
      (_ELEMENT, levels.element_kind, levels.element_at),
    ):
      grid[row, at[:, i, 0], at[:, i, 1]] = first + kind[:, i]
  return grid


def _asked(levels: Level, goal: int) -> np.ndarray:
  """uint8[n, 2]: kind and thing of the goal; uint8[n, 0] for `reach`."""
  row, thing = np.arange(len(levels.side)), levels.goal_thing
  code = {
    goals.REACH: None,
    goals.TAKE: _TOOL + levels.tool_kind[row, thing],
    goals.OPEN: _ELEMENT + levels.element_kind[row, thing],
    goals.BRING: _TOOL + levels.tool_kind[row, thing],
    goals.PUSH: 0 * row,
  }[goal]
  if code is None:
    return np.zeros((len(row), 0), np.uint8)
  return np.stack([0 * row + goal, code], -1).astype(np.uint8)


def _renamed(cells: np.ndarray) -> np.ndarray:
  """`cells` uint8[n, L] with kinds numbered by first appearance in each row."""
  kind = np.where(cells >= _TOOL, (cells - _TOOL) % KINDS, KINDS)
  shown = kind[:, None, :] == np.arange(KINDS)[:, None]  # [n, KINDS, L]
  first = np.where(shown.any(-1), shown.argmax(-1), cells.shape[1])
  order = np.argsort(np.argsort(first, axis=1, kind="stable"), axis=1)
  order = np.pad(order, ((0, 0), (0, 1)))  # for cells without a kind
  new = np.take_along_axis(order, kind.astype(np.int64), axis=1)
  renamed = cells - kind + new
  return np.where(cells >= _TOOL, renamed, cells).astype(np.uint8)

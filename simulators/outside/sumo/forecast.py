"""What would happen: drives in copies of a SUMO simulation.

A second SUMO process loads the state of the first, so that the drive itself is
never disturbed. Its drivers do not dawdle, and no car departs: a forecast knows
neither.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators.driving.types import ACTIONS, KEEP, LEFT, RIGHT
from simulators.outside.sumo import levels
from simulators.outside.sumo.drive import Drive
from simulators.outside.sumo.levels import Network
from simulators.outside.sumo.process import Process

_STRIDE = 2  # steps of SUMO from one look at a drive to the next
_HORIZON = 5  # s that SUMO's own driver goes on after a decision
_EASY = 3.5  # m/s2; harder braking of SUMO's own driver is beyond a decision,
_HARD = 10.0  # s, and costs so much for each m/s2
_FAULT = 100.0  # its cost, for each second that it comes earlier
# s, by action: lane changes cost more than other speeds, and `keep` nothing.
_EFFORT = (0.0, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1)
_ASIDE = {LEFT: 1, RIGHT: -1}


def save(sumo: Any, state: pathlib.Path) -> None:
  """Writes the state of a simulation whose drivers dawdle no longer."""
  sumo.simulation.saveState(str(state))
  text = state.read_text()
  state.write_text(text.replace(levels.DAWDLE, levels.NO_DAWDLE))


class Forecast:
  """Copies of simulations, one at a time."""

  def __init__(self) -> None:
    self._process = Process()
    self._network: Network | None = None
    self._last: Drive | None = None

  def copy(self, network: Network, state: pathlib.Path, drive: Drive) -> Drive:
    """The drive in a copy of its simulation.

    Args:
      network: that it drives in.
      state: the simulation, as saved by `save`.
      drive: the drive at that moment.
    """
    # `loadState` keeps the collisions of what was simulated before it.
    crashed = self._last is not None and self._last.outcome == "crash"
    if network is not self._network or crashed:
      # Else cars would drive on through those who crashed.
      options = "--collision.action", "remove"
      self._process.load([*network.options, *options])
      self._network = network
    sumo = self._process.traci
    sumo.simulation.loadState(str(state))
    self._last = Drive(sumo, drive.route, drive.aim, _STRIDE)
    return self._last


class Expert:
  """Takes the decision after which SUMO's own driver gets ahead best.

  Args:
    copier: gives a function that makes copies of the drive in its present
      state.
  """

  def __init__(self, copier: Callable[[], Callable[[], Drive]]):
    self._copier = copier

  def costs(self, last: int | None) -> np.ndarray:
    """f64[A] s: lost against the limit; a fault costs 100 and more."""
    del last
    copy = self._copier()
    costs = np.zeros(len(ACTIONS))
    for action in range(len(ACTIONS)):
      drive = copy()
      lane = drive.lane + _ASIDE.get(action, 0)
      if action not in _ASIDE or 0 <= lane < drive.route.lanes:
        costs[action] = _cost(drive, action)
      else:  # there is no such lane
        costs[action] = costs[KEEP] + _EFFORT[action]
    return costs


def _cost(drive: Drive, action: int) -> float:
  start, second = drive.s, 1
  drive.decide(action)
  if not drive.outcome:
    drive.release()
  while second <= _HORIZON and not drive.outcome:
    drive.follow()
    second += 1
  if is_fault(drive):
    return _FAULT * (_HORIZON + 2 - second)
  lost = second - (drive.s - start) / drive.route.limit
  hard = drive.braked if drive.braked > _EASY else 0.0
  return lost + _HARD * hard + _EFFORT[action]


def is_fault(drive: Drive) -> bool:
  """Whether it ended otherwise than at the goal."""
  return drive.outcome not in ("", "arrived")

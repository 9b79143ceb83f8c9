"""The ego in a SUMO simulation: its route, its decisions, how it ends.

The ego obeys the decisions alone: SUMO's checks of speed, right of way and lane
changes are off for it, and on for all others.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulators.driving.types import (
  FASTER,
  GO,
  LEFT,
  RIGHT,
  SLOWER,
  STOP,
)
from simulators.outside.sumo import process
from simulators.outside.sumo.path import Path

EGO = "ego"
SUBSTEPS = 10  # steps of SUMO in a decision of one second
GOAL = 15.0  # m before the end of the route
_SPEED_STEP = 4.0  # m/s, of `faster` and `slower`
_BRAKE, HALT = 3.0, 4.5  # m/s2; the second where the aim is 0
_EASE = 2.0  # m/s2, braking before a turn
# SUMO's speed modes: only the bounds of acceleration hold; all checks hold.
_OBEY, _OWN = 38, 31
_OBEY_LANES, _OWN_LANES = 0, 1621  # and its modes of lane changes
_SIDES = {"l": "left", "L": "left", "r": "right", "R": "right"}


@dataclasses.dataclass(frozen=True)
class Turn:
  """A turn of the route: from `start` to `end` m along it, at `speed` m/s."""

  side: str
  start: float
  end: float
  speed: float


@dataclasses.dataclass(frozen=True)
class Route:
  """The ego's way through the network.

  Attributes:
    path: along the middle of its rightmost lane for cars.
    starts: edge -> m along the path where it begins, junctions included.
    turns: in their order.
    lanes: for cars, in its direction.
    first: index of the rightmost one.
    width: m, of a lane.
    limit: m/s.
  """

  path: Path
  starts: dict[str, float]
  turns: tuple[Turn, ...]
  lanes: int
  first: int
  width: float
  limit: float

  @property
  def goal(self) -> float:
    """m along the path."""
    return self.path.length - GOAL


def route_over(
  sumo: Any, edges: Sequence[str], lanes: int, first: int
) -> Route | None:
  """The route over these edges.

  None where the rightmost lane does not lead along it.

  Args:
    sumo: the connection.
    edges: at least one.
    lanes: for cars, in each direction.
    first: index of the rightmost one.
  """
  shapes, starts, turns, along = [], {}, [], 0.0

  def add(lane: str) -> None:
    nonlocal along
    shapes.append(np.array(sumo.lane.getShape(lane)))
    starts[_edge(lane)] = along
    steps = np.diff(shapes[-1], axis=0)
    along += float(np.linalg.norm(steps, axis=1).sum())

  lane = f"{edges[0]}_{first}"
  limit, width = sumo.lane.getMaxSpeed(lane), sumo.lane.getWidth(lane)
  add(lane)
  for edge in edges[1:]:
    begins, side, speed = along, "", limit
    while _edge(lane) != edge:
      links = sumo.lane.getLinks(lane)
      link = next((link for link in links if _edge(link[0]) == edge), None)
      if link is None:
        return None
      side = side or _SIDES.get(link[6], "-")
      lane = link[4] or link[0]  # the lane across the junction, if any
      speed = min(speed, sumo.lane.getMaxSpeed(lane))
      add(lane)
    if side != "-":
      turns.append(Turn(side, begins, starts[edge], speed))
  path = Path.through(np.concatenate(shapes))
  return Route(path, starts, tuple(turns), lanes, first, width, limit)


def _edge(lane: str) -> str:
  return lane.rsplit("_", 1)[0]


def _passed_red(before: Any, now: Any) -> bool:
  """Whether a red line was passed between two moments; see `Drive.line`."""
  if before is None or before[3] not in "rRu":
    return False
  return now is None or now[:2] != before[:2]


@dataclasses.dataclass
class Drive:
  """The ego's drive in one simulation, from the moment of its making.

  Attributes:
    sumo: the connection.
    route: the ego's.
    aim: m/s, the speed it aims at.
    stride: steps of SUMO from one look at the ego to the next.
    outcome: "" while it drives, then `arrived`, `crash` or `red light`.
    s: m, of its nose along the path.
    speed: m/s.
    lane: from the right, 0 is the first.
    line: (signal, link, m to its line, state) of the next one, or None.
    braked: m/s2, the hardest braking of SUMO's own driver, which halts at a red
      light however hard that is.
  """

  sumo: Any
  route: Route
  aim: float
  stride: int = 1
  outcome: str = ""
  braked: float = 0.0

  def __post_init__(self):
    tc = process.modules()[0].constants
    # Read once a step, in a single message.
    self._keys = (
      tc.VAR_ROAD_ID, tc.VAR_LANE_INDEX, tc.VAR_LANEPOSITION, tc.VAR_SPEED,
      tc.VAR_NEXT_TLS,
    )  # fmt: skip
    self._world_keys = tc.VAR_COLLISIONS, tc.VAR_TIME
    self.sumo.vehicle.subscribe(EGO, self._keys)
    self.sumo.simulation.subscribe(self._world_keys)
    self._read(self.sumo.vehicle.getSubscriptionResults(EGO))

  def decide(self, action: int) -> None:
    """Drives for a second by one of ACTIONS, or until the drive ends."""
    vehicle, limit = self.sumo.vehicle, self.route.limit
    step = {FASTER: _SPEED_STEP, SLOWER: -_SPEED_STEP}.get(action, 0.0)
    aim = min(max(self.aim + step, 0.0), limit + _SPEED_STEP)
    self.aim = {STOP: 0.0, GO: limit}.get(action, aim)
    vehicle.setSpeedMode(EGO, _OBEY)
    vehicle.setLaneChangeMode(EGO, _OBEY_LANES)
    vehicle.setDecel(EGO, _BRAKE if self.aim else HALT)
    lane = self.lane + {LEFT: 1, RIGHT: -1}.get(action, 0)
    if lane != self.lane and 0 <= lane < self.route.lanes:
      vehicle.changeLane(EGO, self.route.first + lane, 1.0)
    for _ in range(SUBSTEPS // self.stride):
      if not self.outcome:
        vehicle.setSpeed(EGO, min(self.aim, self._bend_speed()))
        self._step()

  def release(self) -> None:
    """Hands the ego to SUMO's own driver, for `follow`."""
    vehicle, self.braked = self.sumo.vehicle, 0.0
    vehicle.setDecel(EGO, _BRAKE)
    vehicle.setSpeed(EGO, -1)
    vehicle.setSpeedMode(EGO, _OWN)
    vehicle.setLaneChangeMode(EGO, _OWN_LANES)

  def follow(self) -> None:
    """SUMO's own driver drives for a second, or until the drive ends."""
    for _ in range(SUBSTEPS // self.stride):
      if not self.outcome:
        self._step()

  def _bend_speed(self) -> float:
    """m/s from which it can ease off for the turns ahead."""
    caps = [
      math.sqrt(t.speed**2 + 2 * _EASE * max(t.start - self.s, 0.0))
      for t in self.route.turns
      if self.s < t.end
    ]
    return min(caps, default=math.inf)

  def _step(self) -> None:
    """`stride` steps of SUMO, and what they did to the ego."""
    line, speed = self.line, self.speed
    self.sumo.simulationStep(self._now() + self.stride / SUBSTEPS)
    found = self.sumo.vehicle.getSubscriptionResults(EGO)
    collisions = self._world()[0]
    if not found or any(EGO in (c.collider, c.victim) for c in collisions):
      self.outcome = "crash"  # SUMO may have removed it
      return
    self._read(found)
    braked = (speed - self.speed) * SUBSTEPS / self.stride
    self.braked = max(self.braked, braked)
    if _passed_red(line, self.line):
      self.outcome = "red light"
    elif self.s >= self.route.goal:
      self.outcome = "arrived"

  def _world(self) -> tuple[Any, float]:
    """(collisions of the last step, time in s)."""
    found = self.sumo.simulation.getSubscriptionResults()
    collisions, now = (found[key] for key in self._world_keys)
    return collisions, now

  def _now(self) -> float:
    return self._world()[1]

  def _read(self, found: dict[int, Any]) -> None:
    edge, lane, position, self.speed, lines = (found[k] for k in self._keys)
    self.s = self.route.starts[edge] + position
    self.lane = lane if edge.startswith(":") else lane - self.route.first
    self.line = lines[0] if lines else None

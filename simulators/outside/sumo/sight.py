"""What the driver of the ego sees in SUMO, as Urban Driving's `View`."""

import math
from typing import Any

import numpy as np

from simulators.driving.text.view import Neighbour, Person, View, slot_of
from simulators.driving.text.words import OTHER_ROADS, SLOTS
from simulators.outside.sumo.drive import EGO, Drive, Route
from simulators.outside.sumo.path import Path

_SIGHT, _REAR = 80.0, 30.0  # m, as in Urban Driving
_READABLE = 60.0  # m to a stop line, from where its countdown is read
_LIGHTS = {"G": "green", "g": "green", "y": "amber", "r": "red", "u": "red"}
_BRAKE_LIGHT = 8  # of SUMO's signals of a vehicle
_SAME, _OPPOSITE = 45.0, 135.0  # degrees between headings
_MEET = 1.5  # m between two paths that meet
_ON_FOOT = 0.1  # m/s; slower people wait
_PEOPLE = 2  # at a crosswalk that a text mentions, those nearest to the path


class Crosswalk:
  """A place where people cross the route.

  Attributes:
    edge: SUMO's name of it.
    s: m along the path.
    width: m, along the path.
  """

  def __init__(self, sumo: Any, lane: str, route: Route, s: float):
    self.edge, self.s = lane.rsplit("_", 1)[0], s
    self.width = sumo.lane.getWidth(lane)
    self._place = route.path.at(np.array(s))
    along = route.path.heading(s)
    self._left = np.array([-along[1], along[0]])

  def across(self, xy: np.ndarray) -> float:
    """m to the left of the path."""
    return float((xy - self._place) @ self._left)


def crosswalks(sumo: Any, route: Route) -> list[Crosswalk]:
  """The crosswalks of the network that the route passes, in their order."""
  found = []
  for edge in sumo.edge.getIDList():
    if edge.startswith(":") and "_c" in edge:
      lane = f"{edge}_0"
      over = Path.through(np.array(sumo.lane.getShape(lane)))
      s = _meeting(over, route.path, (0.0, route.path.length))
      if s is not None:
        found.append(Crosswalk(sumo, lane, route, s[1]))
  return sorted(found, key=lambda walk: walk.s)


def view(
  drive: Drive, walks: list[Crosswalk], family: str, left: float, last: str
) -> View:
  """The present moment.

  Args:
    drive: the ego's.
    walks: the crosswalks of its route.
    family: of Urban Driving: the task.
    left: s until the time is up.
    last: word of the last decision; "" at the start.
  """
  route = drive.route
  turn = next((t for t in route.turns if drive.s < t.end), None)
  light, line, countdown = _light(drive)
  walk = next((w for w in walks if _way(drive, w) > 0), None)
  return View(
    family=family,
    goal=max(route.goal - drive.s, 0.0),
    left=left,
    speed=drive.speed,
    aim=drive.aim,
    limit=route.limit,
    lane=min(max(drive.lane, 0), route.lanes - 1),
    lanes=route.lanes,
    going="",  # SUMO changes lanes at once
    last=last,
    turn=turn.side if turn else "",
    bend=max(turn.start - drive.s, 0.0) if turn else -1.0,
    light=light,
    line=line,
    countdown=countdown,
    walk=_way(drive, walk) if walk else None,
    end=None,
    people=_people(drive.sumo, walk) if walk else (),
    cars=_cars(drive),
  )


def _way(drive: Drive, walk: Crosswalk) -> float:
  """m from the ego's nose to a crosswalk."""
  return walk.s - 0.5 * walk.width - drive.s


def _light(drive: Drive) -> tuple[str, float, float | None]:
  """(colour, m to the line, s until it changes) of the next signal."""
  if drive.line is None:
    return "", -1.0, None
  signal, link, gap, state = drive.line
  colour = _LIGHTS.get(state, "")
  lights = drive.sumo.trafficlight
  now = drive.sumo.simulation.getTime()
  change, phase = lights.getNextSwitch(signal) - now, lights.getPhase(signal)
  program = lights.getProgram(signal)
  (phases,) = (
    logic.phases
    for logic in lights.getAllProgramLogics(signal)
    if logic.programID == program
  )
  for i in range(1, len(phases)):
    later = phases[(phase + i) % len(phases)]
    if _LIGHTS.get(later.state[link], "") != colour:
      break
    change += later.duration
  return colour, gap, change if gap < _READABLE else None


def _people(sumo: Any, walk: Crosswalk) -> tuple[Person, ...]:
  """Those on a crosswalk or waiting at it, the nearest to the path first."""
  found = []
  for name in sumo.person.getIDList():
    on = sumo.person.getRoadID(name) == walk.edge
    waits = not on and sumo.person.getNextEdge(name) == walk.edge
    slow = sumo.person.getSpeed(name) < _ON_FOOT
    if not on and not (waits and slow):
      continue
    across = walk.across(np.array(sumo.person.getPosition(name)))
    going = ""
    if on and not slow:
      heading = _heading(sumo.person.getAngle(name))
      ahead = walk.across(np.array(sumo.person.getPosition(name)) + heading)
      going = "left" if ahead > across else "right"
    found.append(Person("left" if across > 0 else "right", abs(across), going))
  return tuple(sorted(found, key=lambda person: person.gap)[:_PEOPLE])


def _heading(angle: float) -> np.ndarray:
  """f64[2]: the unit vector of SUMO's angle, in degrees from north."""
  return np.array(
    [math.sin(math.radians(angle)), math.cos(math.radians(angle))]
  )


def _cars(drive: Drive) -> dict[str, tuple[Neighbour, ...]]:
  """Slot -> the nearest car there; two if they are oncoming."""
  sumo, found = drive.sumo, {slot: [] for slot in SLOTS}
  here = np.array(sumo.vehicle.getPosition(EGO))
  for name in sumo.vehicle.getIDList():
    place = np.array(sumo.vehicle.getPosition(name))
    if name == EGO or np.linalg.norm(place - here) > 1.5 * _SIGHT:
      continue
    slot, gap = _slot(drive, name, place)
    if slot:
      speed = sumo.vehicle.getSpeed(name)
      truck = sumo.vehicle.getVehicleClass(name) == "truck"
      found[slot].append(
        Neighbour(
          kind="truck" if truck else "car",
          gap=gap,
          speed=speed,
          by=speed - drive.speed,
          brakes=bool(sumo.vehicle.getSignals(name) & _BRAKE_LIGHT),
        )
      )
  return {
    slot: tuple(
      sorted(cars, key=lambda car: car.gap)[: 1 + (slot == "oncoming")]
    )
    for slot, cars in found.items()
    if cars
  }


def _slot(drive: Drive, name: str, xy: np.ndarray) -> tuple[str, float]:
  """Where a vehicle is, and its gap in m; ("", 0) where no text mentions it."""
  sumo, path = drive.sumo, drive.route.path
  within = drive.s - _REAR - 20.0, drive.s + _SIGHT + 20.0
  (s,), (d,) = path.project(xy, within)
  heading = _heading(sumo.vehicle.getAngle(name))
  turned = _degrees(heading, path.heading(s))
  lane = round(d / drive.route.width)
  beside = abs(d - lane * drive.route.width) < 0.5 * drive.route.width
  if turned < _SAME and beside and 0 <= lane < drive.route.lanes:
    length, own = sumo.vehicle.getLength(name), sumo.vehicle.getLength(EGO)
    ahead = s - 0.5 * length - (drive.s - 0.5 * own)  # between the middles
    gap = max(abs(ahead) - 0.5 * (length + own), 0.0)
    if gap < (_SIGHT if ahead > 0 else _REAR):
      return slot_of(0, lane - drive.lane, math.copysign(gap, ahead)), gap
    return "", 0.0
  met = _meeting(_ahead_of(sumo, name), path, within)
  turned = _degrees(heading, path.heading(drive.s))
  if met is None or turned < _SAME:
    return "", 0.0
  gap, place = met
  if gap > _SIGHT or not drive.s < place < drive.s + _SIGHT:
    return "", 0.0
  return OTHER_ROADS[turned < _OPPOSITE], gap


def _degrees(one: np.ndarray, other: np.ndarray) -> float:
  return math.degrees(math.acos(float(np.clip(one @ other, -1.0, 1.0))))


def _ahead_of(sumo: Any, name: str) -> Path:
  """The path of a vehicle: its lane from here, across the next junction."""
  lane, position = (
    sumo.vehicle.getLaneID(name),
    sumo.vehicle.getLanePosition(name),
  )
  here = Path.through(np.array(sumo.lane.getShape(lane)))
  position = min(position, here.length - 1e-3)
  rest = here.points[here.along > position]
  points = [here.at(np.array([position])), rest]
  for link in sumo.vehicle.getNextLinks(name)[:1]:
    points += [np.array(sumo.lane.getShape(x)) for x in (link[4], link[0]) if x]
  return Path.through(np.concatenate(points))


def _meeting(
  other: Path, path: Path, within: tuple[float, float]
) -> tuple[float, float] | None:
  """(m along another path, m along a part of this one) where they meet."""
  samples = np.arange(0.0, min(other.length, 1.5 * _SIGHT), 1.0)
  s, d = path.project(other.at(samples), within)
  inside = (s > within[0] + 1e-3) & (s < min(within[1], path.length) - 1e-3)
  near = np.flatnonzero((np.abs(d) < _MEET) & inside)
  return (float(samples[near[0]]), float(s[near[0]])) if len(near) else None

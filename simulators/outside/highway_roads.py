"""highway-env in words: `highway/highway-fast`, `highway/merge`, ...

The ego is driven by highway-env's own decisions, one a second; its traffic and
its roads are highway-env's. Texts have the slots of Urban Driving's `plain`:

    Drive without a crash. 23 s left. Speed 25 m/s, aim 25, limit 30. Lane 3 of
    3 from the left. Last: keep. Left beside: car, same speed. Ahead: car 39 m,
    5 slower.

Leurent, "An Environment for Autonomous Driving Decision-Making", 2018.
"""

import dataclasses
import functools
import math
import re
from typing import Any, NamedTuple

import numpy as np

from simulators import fields
from simulators.outside import packages
from simulators.outside.highway_expert import Lookahead
from simulators.outside.highway_script import Script

# Name -> (Gymnasium's id, task, whether the episode ends well with its time).
ROADS = {
  "highway/highway-fast": ("highway-fast-v0", "Drive without a crash", True),
  "highway/merge": ("merge-v1", "Pass the ramp without a crash", False),
  "highway/roundabout": ("roundabout-v1", "Drive without a crash", True),
  "highway/intersection": (
    "intersection-v2", "Turn or cross without a crash", False,
  ),
}  # fmt: skip
# The words of Urban Driving, and highway-env's names of the same decisions.
_DECISIONS = {
  "keep": "IDLE", "faster": "FASTER", "slower": "SLOWER", "left": "LANE_LEFT",
  "right": "LANE_RIGHT",
}  # fmt: skip
_SIGHT = 60.0  # m; farther cars are not described
_BESIDE = 6.0  # m ahead or behind that count as beside
_LANE = 4.0  # m, the width of highway-env's lanes
_CROSSING = math.radians(30)  # of headings: more is another road
_RULES = (
  "You drive a car; each answer lasts one second. Do not hit anything. keep: "
  "go on. faster, slower: aim at more or less speed.{sides} Answers: {words}. "
  "Answer with one word."
)


class Neighbour(NamedTuple):
  """Another vehicle, as a text describes it.

  Attributes:
    slot: such as `ahead`, `left behind`, `crossing right`.
    gap: m between bumpers along the road; 0 beside; the distance if crossing.
    by: m/s faster than the ego, negative for slower; its speed if crossing.
  """

  slot: str
  gap: int
  by: int


class View(NamedTuple):
  """What a text holds; speeds in m/s, time in s, lanes from the left at 0."""

  left: int
  speed: int
  aim: int
  limit: int
  lane: int
  lanes: int
  cars: tuple[Neighbour, ...]


@dataclasses.dataclass(frozen=True)
class Highway:
  """Narrator of one of ROADS; see `gym_world.Narrator`.

  Raises:
    ValueError: the name is none of ROADS.
  """

  name: str

  def __post_init__(self):
    if self.name not in ROADS:
      raise ValueError(fields.unknown("road", self.name, ROADS))

  @functools.cached_property
  def _known(self) -> dict[str, int]:
    """The decisions that this road admits, with highway-env's numbers."""
    numbers = {v: k for k, v in self.make().action_type.actions.items()}
    return {w: numbers[n] for w, n in _DECISIONS.items() if n in numbers}

  @property
  def actions(self) -> tuple[str, ...]:
    """The words of the decisions."""
    return tuple(self._known)

  @property
  def codes(self) -> tuple[int, ...]:
    """highway-env's numbers of them."""
    return tuple(self._known.values())

  def make(self) -> Any:
    """A highway-env environment without wrappers.

    Raises:
      ModuleNotFoundError: highway-env is not installed.
    """
    return packages.make(ROADS[self.name][0], "highway_env")

  def rules(self) -> str:
    """The decisions, in words."""
    sides = " left, right: change lane." if "left" in self.actions else ""
    return _RULES.format(sides=sides, words=", ".join(self.actions))

  def instruction(self, env: Any) -> str:
    """What is to be done."""
    del env
    return ROADS[self.name][1]

  def describe(self, env: Any, last: str) -> str:
    """The text of what the driver sees."""
    now = view(env)
    parts = [
      ROADS[self.name][1],
      f"{now.left} s left",
      f"Speed {now.speed} m/s, aim {now.aim}, limit {now.limit}",
    ]
    if now.lanes > 1:
      parts.append(f"Lane {now.lane + 1} of {now.lanes} from the left")
    if last:
      parts.append(last)
    parts += map(_sentence, now.cars)
    return ". ".join(parts) + "."

  def snapshot(self, env: Any) -> Any:
    """Nothing: `effect` repeats the decision alone."""
    del env

  def effect(self, env: Any, action: int, before: Any) -> str:
    """What was decided."""
    del env, before
    return f"Last: {self.actions[action]}"

  def parse(self, text: str) -> int | None:
    """The decision whose word a text is."""
    word = text.strip().lower().rstrip(".!")
    return self.actions.index(word) if word in self.actions else None

  def succeeded(
    self, env: Any, reward: float, terminated: bool, truncated: bool
  ) -> bool:
    """Whether the episode ended without a crash, at the end of the road.

    Where a road has no end that can be reached, at the end of the time.
    """
    del reward
    ended = terminated or (truncated and ROADS[self.name][2])
    return bool(ended and not env.vehicle.crashed)

  def expert(self, env: Any) -> Lookahead:
    """A driver that tries each decision in copies of the environment."""
    return Lookahead(env, self.codes)

  def script(self) -> Script:
    """A reader of the texts that keeps its distance."""
    return Script(parse_description, self.actions)


def view(env: Any) -> View:
  """What the driver sees, in whole metres and seconds."""
  ego, others = env.vehicle, []
  ahead = np.array([math.cos(ego.heading), math.sin(ego.heading)])
  aside = np.array([-ahead[1], ahead[0]])  # to the right: y points down
  for car in env.road.vehicles:
    offset = car.position - ego.position
    if car is ego or np.hypot(*offset) > _SIGHT:
      continue
    seen = _neighbour(ego, car, float(offset @ ahead), float(offset @ aside))
    if seen is not None:
      others.append(seen)
  others.sort(key=lambda car: (abs(car.gap), car.slot, car.by))
  nearest = {car.slot: car for car in reversed(others)}
  lanes = env.road.network.all_side_lanes(ego.lane_index)
  lane = env.road.network.get_lane(ego.lane_index)
  return View(
    left=max(0, round(env.config["duration"] - env.time))
    if "duration" in env.config
    else 0,
    speed=round(ego.speed),
    aim=round(ego.target_speed),
    limit=round(lane.speed_limit or 30),
    lane=int(ego.lane_index[2]),
    lanes=len(lanes),
    cars=tuple(sorted(nearest.values(), key=lambda car: (car.gap, car.slot))),
  )


def parse_description(text: str) -> View:
  """The inverse of `Highway.describe`, without the task and the last decision.

  Raises:
    ValueError: the text is none of its texts.
  """
  found = re.search(
    r"(\d+) s left\. Speed (\d+) m/s, aim (\d+), limit (\d+)", text
  )
  if found is None:
    raise ValueError(f"{text[:80]!r} is no description of a road")
  lane = re.search(r"Lane (\d+) of (\d+)", text)
  cars = []
  for slot, gap, by, pace, speed in re.findall(
    r"([A-Z][a-z]+(?: [a-z]+)?): car(?: (\d+) m)?"
    r"(?:, (?:(\d+) (faster|slower)|same speed)| at (\d+) m/s)",
    text,
  ):
    sign = -1 if pace == "slower" else 1
    value = int(speed or 0) if speed else sign * int(by or 0)
    cars.append(Neighbour(slot.lower(), int(gap or 0), value))
  number, count = (int(lane[1]) - 1, int(lane[2])) if lane else (0, 1)
  left, speed, aim, limit = map(int, found.groups())
  return View(left, speed, aim, limit, number, count, tuple(cars))


def _neighbour(
  ego: Any, car: Any, along: float, across: float
) -> Neighbour | None:
  """A car as a text describes it; None where it is left out."""
  turned = (car.heading - ego.heading + math.pi) % (2 * math.pi) - math.pi
  if abs(turned) > _CROSSING:
    if along < 0:
      return None
    side = "right" if across > 0 else "left"
    distance = round(math.hypot(along, across))
    return Neighbour(f"crossing {side}", distance, round(car.speed))
  lane = round(across / _LANE)
  if abs(lane) > 1:
    return None
  side = {-1: "left ", 0: "", 1: "right "}[lane]
  by = round(car.speed - ego.speed)
  if abs(along) < _BESIDE and lane:
    return Neighbour(f"{side}beside", 0, by)
  gap = max(0, round(abs(along) - (ego.LENGTH + car.LENGTH) / 2))
  return Neighbour(f"{side}{'ahead' if along > 0 else 'behind'}", gap, by)


def _sentence(car: Neighbour) -> str:
  slot = car.slot.capitalize()
  if car.slot.startswith("crossing"):
    return f"{slot}: car {car.gap} m at {car.by} m/s"
  pace = f"{abs(car.by)} {'faster' if car.by > 0 else 'slower'}"
  where = "" if car.slot.endswith("beside") else f" {car.gap} m"
  return f"{slot}: car{where}, {pace if car.by else 'same speed'}"

"""Levels of SUMO: a generated network, traffic and a route, all by a seed.

`netgenerate` builds the network. Cars, trucks and people are trips between
random ends of it, in SUMO's own route file; SUMO routes and drives them.
"""

import dataclasses
import pathlib
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np

from simulators.outside.sumo import process

LIMIT = 13.89  # m/s; netgenerate adds sidewalks up to this limit
WARM_UP = 25  # s of traffic before the ego departs
_LAST = 120  # s, no departures after it
_TRUCKS = 0.15  # share of the vehicles
DAWDLE, NO_DAWDLE = 'sigma="0.50"', 'sigma="0.00"'  # SUMO's default, and none
# The ego never dawdles and brakes at most as by `stop`; others are SUMO's own.
_TYPES = (
  f'<vType id="car" {DAWDLE}/>',
  f'<vType id="truck" vClass="truck" {DAWDLE}/>',
  f'<vType id="slow" vClass="truck" maxSpeed="6" {DAWDLE}/>',
  '<vType id="ego" length="4.8" accel="2" decel="4.5" '
  'emergencyDecel="4.5" sigma="0" speedFactor="1" speedDev="0"/>',
)


@dataclasses.dataclass(frozen=True)
class Scene:
  """A kind of level.

  Attributes:
    family: of Urban Driving: gives the task in words.
    network: `netgenerate`'s options, without lengths and seed.
    lengths: options whose value is drawn, -> (shortest, longest) in m.
    lanes: in each direction.
    edges: least number of edges of the ego's route.
    turns: the sides of its turns, in all ways that suit.
    cars: s between departures somewhere in the network; 0 for none.
    people: s between people who set off; 0 for none.
    slow: slow trucks ahead of the ego.
  """

  family: str
  network: tuple[str, ...]
  lengths: dict[str, tuple[int, int]]
  lanes: int
  edges: int
  turns: tuple[tuple[str, ...], ...]
  cars: float
  people: float = 0.0
  slow: int = 0

  @property
  def sidewalk(self) -> int:
    """Lanes on the right of an edge that are no lanes for cars."""
    return int("--sidewalks.guess" in self.network)

  def suits(self, edges: int, sides: Sequence[str]) -> bool:
    """Whether a route over so many edges, with these turns, fits the scene."""
    return edges >= self.edges and tuple(sides) in self.turns


_SIGNALS = ("--tls.cycle.time", "30")
SCENES = {
  # Two lanes, slow trucks, no junction.
  "sumo/road": Scene(
    "cruise",
    ("--grid", "--grid.x-number", "2", "--grid.y-number", "1"),
    {"--grid.x-length": (460, 560)},
    lanes=2, edges=1, turns=((),), cars=3.0, slow=3,
  ),
  # An avenue with a signal at each of two junctions.
  "sumo/signals": Scene(
    "signal",
    ("--grid", "--grid.x-number", "2", "--grid.y-number", "1",
     "--tls.guess", "--tls.guess.threshold", "0", *_SIGNALS),
    {"--grid.x-length": (80, 140), "--grid.attach-length": (80, 110)},
    lanes=2, edges=3, turns=((),), cars=1.5,
  ),
  # A left turn across oncoming cars, without a signal.
  "sumo/crossroads": Scene(
    "turn",
    ("--grid", "--grid.x-number", "1", "--grid.y-number", "1"),
    {"--grid.attach-length": (100, 150)},
    lanes=1, edges=2, turns=(("left",),), cars=2.5,
  ),
  # Four junctions, two with signals; people cross the streets.
  "sumo/town": Scene(
    "mixed",
    ("--grid", "--grid.x-number", "2", "--grid.y-number", "2",
     "--tls.set", "A0,B1", "--sidewalks.guess", "--crossings.guess",
     *_SIGNALS),
    {"--grid.length": (80, 110), "--grid.attach-length": (70, 90)},
    lanes=1, edges=3, turns=(("left",), ("right",)), cars=2.0, people=2.0,
  ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Network:
  """A generated network.

  Attributes:
    path: its file.
    seed: of SUMO's random numbers.
    into, out: the edges into it and out of it -> their nodes at its rim.
  """

  path: pathlib.Path
  seed: int
  into: dict[str, str]
  out: dict[str, str]

  @property
  def options(self) -> tuple[str, ...]:
    """SUMO's options for the network without traffic."""
    return "-n", str(self.path), "--seed", str(self.seed)

  @property
  def ways(self) -> list[tuple[str, str]]:
    """First and last edge of all ways through it that do not turn back."""
    return [
      (first, last)
      for first, begin in self.into.items()
      for last, end in self.out.items()
      if begin != end
    ]


def network(
  scene: Scene, rng: np.random.Generator, path: pathlib.Path
) -> Network:
  """Draws a network and writes its file.

  Raises:
    RuntimeError: `netgenerate` failed.
  """
  seed = int(rng.integers(2**31))
  lengths = [
    word
    for option, span in scene.lengths.items()
    for word in (option, str(rng.integers(*span)))
  ]
  made = subprocess.run(
    [
      process.binary("netgenerate"), *scene.network, *lengths,
      "--default.lanenumber", str(scene.lanes),
      "--default.speed", str(LIMIT), "--no-turnarounds",
      "--seed", str(seed), "-o", str(path),
    ],
    capture_output=True,
    text=True,
  )  # fmt: skip
  if made.returncode:
    raise RuntimeError(f"netgenerate failed: {made.stderr.strip()[-300:]}")
  root = ET.parse(path).getroot()
  rim = {
    str(node.get("id"))
    for node in root.iter("junction")
    if node.get("type") == "dead_end"
  }
  edges = [e.attrib for e in root.iter("edge") if "from" in e.attrib]
  into = {e["id"]: e["from"] for e in edges if e["from"] in rim}
  out = {e["id"]: e["to"] for e in edges if e["to"] in rim}
  return Network(path, seed, into, out)


def traffic(
  scene: Scene,
  rng: np.random.Generator,
  ways: Sequence[tuple[str, str]],
  way: tuple[str, str],
) -> str:
  """SUMO's route file: vehicle types and trips, in the order of departure.

  Args:
    scene: the kind of level.
    rng: draws all of it.
    ways: of the others, by first and last edge.
    way: of the ego.
  """
  lane = int(rng.integers(scene.lanes))
  trips = [
    (
      float(WARM_UP),
      f'<trip id="ego" type="ego" depart="{WARM_UP}" {_ends(way)} '
      f'departLane="{lane + scene.sidewalk}" departPos="6" departSpeed="8"/>',
    )
  ]
  for i in range(scene.slow):
    place = 60 + 90 * i + int(rng.integers(40))
    beside = (lane + i) % scene.lanes
    trips.append(
      (
        WARM_UP - 5.0,
        f'<trip id="slow{i}" type="slow" depart="{WARM_UP - 5}" {_ends(way)} '
        f'departLane="{beside}" departPos="{place}" departSpeed="6"/>',
      )
    )
  for i, second in enumerate(_times(scene.cars, rng)):
    kind = "truck" if rng.random() < _TRUCKS else "car"
    trips.append(
      (
        second,
        f'<trip id="{kind}{i}" type="{kind}" depart="{second:.1f}" '
        f'{_ends(_draw(ways, rng))} departLane="best" departSpeed="max"/>',
      )
    )
  for i, second in enumerate(_times(scene.people, rng)):
    place, ends = rng.uniform(40, 80), _ends(_draw(ways, rng))
    trips.append(
      (
        second,
        f'<person id="person{i}" depart="{second:.1f}" '
        f'departPos="{place:.1f}"><walk {ends}/></person>',
      )
    )
  lines = [line for _, line in sorted(trips, key=lambda trip: trip[0])]
  return "\n".join(["<routes>", *_TYPES, *lines, "</routes>\n"])


def _ends(way: tuple[str, str]) -> str:
  return f'from="{way[0]}" to="{way[1]}"'


def _draw(
  ways: Sequence[tuple[str, str]], rng: np.random.Generator
) -> tuple[str, str]:
  return ways[int(rng.integers(len(ways)))]


def _times(pause: float, rng: np.random.Generator) -> list[float]:
  """s: times with exponential pauses of that mean; none for 0."""
  if not pause:
    return []
  times = np.cumsum(rng.exponential(pause, size=int(3 * _LAST / pause)))
  return times[times < _LAST].tolist()

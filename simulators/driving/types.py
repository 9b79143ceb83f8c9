"""The types of Urban Driving: roads, drivers, one ego car and its meters.

Lengths are in m, times in s, angles in rad. A place on a road is (s, d): s runs
along the centre line of the rightmost lane, d to the left of it. Road 0 is the
ego's route, road 1 the oncoming lane beside it, road 2 crosses it.
"""

import dataclasses
import math

import flax.struct
import jax

from simulators import fields

Array = jax.Array

ACTIONS = ("keep", "faster", "slower", "left", "right", "stop", "go")
KEEP, FASTER, SLOWER, LEFT, RIGHT, STOP, GO = range(len(ACTIONS))
FAMILIES = (
  "cruise", "follow", "signal", "pedestrian", "merge", "turn", "blocked",
  "mixed",
)  # fmt: skip
RENDERINGS = ("plain", "compact")
SEGMENTS = 3  # segments of the ego's route: straight, arc, straight
PEDESTRIANS = 2
CAR, TRUCK, WALKER, LIGHT = range(4)  # kinds that `Params.present` masks
LENGTH, WIDTH = 4.8, 2.0  # m, of the ego; other cars have their own length
FAR = 1e6  # m or s, stands for a thing that a level does not have


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes and counts: static, known at compile time.

  Attributes:
    cars: places for cars and trucks besides the ego; levels fill eight.
    substeps: physics steps in a decision, which lasts one second.
    horizon: decisions before an episode is truncated; a level may allow fewer.
    reaction: s, the longest reaction delay of drivers; the state keeps their
      wanted accelerations for so long.
    kinds: names of the question kinds to ask; () for all.
    rendering: of descriptions, one of RENDERINGS; see `text/describing.py`.

  Raises:
    ValueError: a number is out of its range, or the rendering is unknown.
  """

  cars: int = 8
  substeps: int = 10
  horizon: int = 34
  reaction: float = 1.0
  kinds: tuple[str, ...] = ()
  rendering: str = "plain"

  def __post_init__(self) -> None:
    object.__setattr__(self, "kinds", tuple(self.kinds))
    fields.check_known("driving.rendering", self.rendering, RENDERINGS)
    fields.check_ranges(
      self,
      "driving.",
      at_least={"cars": 8, "substeps": 5, "horizon": 1, "reaction": 0},
      at_most={"substeps": 50, "reaction": 3},
    )

  @property
  def dt(self) -> float:
    """s, duration of a physics step."""
    return 1.0 / self.substeps

  @property
  def memory(self) -> int:
    """Physics steps in the longest reaction delay."""
    return math.ceil(self.reaction * self.substeps - 1e-6)


@flax.struct.dataclass
class Params:
  """The rules of one variant; array leaves only."""

  # Drivers: the Intelligent Driver Model and MOBIL.
  accel: Array  # m/s2, greatest acceleration
  brake: Array  # m/s2, comfortable braking
  headway: Array  # s, time gap
  gap: Array  # m, gap at standstill
  exponent: Array  # exponent of the free-road term, no unit
  clamped: Array  # 0..1; 1: as published; 0: s* may fall below `gap`
  centred: Array  # 0..1; gaps run 1: centre to centre, 0: bumper to bumper
  limit: Array  # m/s2, bound on acceleration and braking
  temper: Array  # -1 timid .. 1 aggressive, added to every driver
  reaction: Array  # s, delay between the situation and the reaction to it
  politeness: Array  # weight of others' gain in a lane change, no unit
  safe_brake: Array  # m/s2, braking that a change may impose on the follower
  threshold: Array  # m/s2, least gain of a lane change
  right_bias: Array  # m/s2, in favour of the right lane
  # The ego and its road.
  friction: Array  # share of 9.81 m/s2 that bounds all acceleration
  lag: Array  # s, time constant of engine and brakes
  delay: Array  # s, before a decision takes effect
  lane_width: Array  # m
  # What is seen and what is there.
  noise: Array  # relative standard deviation of seen distances and speeds
  dropout: Array  # probability that an actor is unseen during a decision
  present: Array  # bool[4]: cars, trucks, pedestrians, signals exist


@flax.struct.dataclass
class Level:
  """One scene with N places for cars and P for pedestrians."""

  family: Array  # i32[], index into FAMILIES
  length: Array  # f32[SEGMENTS] m, lengths of the route's segments
  bend: Array  # f32[SEGMENTS] 1/m, their curvature, left positive
  lanes: Array  # i32[], lanes of the route
  limit: Array  # f32[] m/s, speed limit
  goal: Array  # f32[] m, s of the goal
  time: Array  # i32[] s, decisions allowed
  start: Array  # f32[2] m, m/s: s and speed of the ego
  lane: Array  # i32[], where the ego starts
  ramp: Array  # f32[2] m, lane 0 may be left from, and ends at; or FAR
  oncoming: Array  # f32[] m, s where the oncoming road starts, or FAR
  cross: Array  # f32[2] m, x of the crossing road; from the right 1, left -1
  stop: Array  # f32[3] m, s of the stop line on each road, or FAR
  signal: Array  # f32[3] s, green time, whole cycle, offset
  walk: Array  # f32[] m, s of the crosswalk, or FAR
  walker: Array  # f32[P, 4] s, m/s: start time, speed, side, 1 if it exists
  road: Array  # i32[N], road of each car
  at: Array  # f32[N] m, s of each car
  at_lane: Array  # i32[N], lane of each car
  speed: Array  # f32[N] m/s
  wish: Array  # f32[N] m/s, desired speed; 0: stands all the time
  size: Array  # f32[N] m, length
  driver: Array  # f32[N], -1 timid .. 1 aggressive
  there: Array  # bool[N], the place is filled
  braking: Array  # f32[N, 3] s, s, m/s: from, until, desired speed then


@flax.struct.dataclass
class Ego:
  """The ego car; (s, d) is the middle of its wheelbase; leaves f32[]."""

  s: Array  # m
  d: Array  # m
  heading: Array  # rad, relative to the road
  v: Array  # m/s
  a: Array  # m/s2
  yaw: Array  # rad/s, yaw rate
  lane: Array  # i32[], lane aimed at
  target: Array  # m/s, speed aimed at


@flax.struct.dataclass
class Cars:
  """The traffic; leaves f32[N], `lane` i32[N]."""

  s: Array  # m
  d: Array  # m
  v: Array  # m/s
  a: Array  # m/s2
  lane: Array  # lane aimed at


@flax.struct.dataclass
class Meters:
  """Running measures of an episode, defined in `game/metrics.py`; f32[]."""

  collision: Array  # 0/1
  at_fault: Array  # 0/1
  struck: Array  # index of the first car hit, -1 if none
  off_road: Array  # 0/1
  red_light: Array  # 0/1
  no_yield: Array  # 0/1
  forced: Array  # 0/1
  wrong_way: Array  # m, driven in the oncoming lane
  ttc: Array  # s, least time to collision; FAR without any
  brake: Array  # m/s2, least longitudinal acceleration
  accel: Array  # m/s2, greatest
  lateral: Array  # m/s2, greatest magnitude
  yaw: Array  # rad/s, greatest magnitude
  yaw_accel: Array  # rad/s2, greatest magnitude
  jerk: Array  # m/s3, greatest magnitude, longitudinal
  jerk_total: Array  # m/s3, greatest magnitude of the vector
  speeding: Array  # m, time integral of the speed above the limit
  over: Array  # s, for which the ego has now been above the limit by 0.5 m/s
  over_limit: Array  # s, the longest such time
  emergency: Array  # 0/1, an emergency stop
  lasted: Array  # s, measured so far
  halted: Array  # m, least distance to the stop line at a halt, or FAR


@flax.struct.dataclass
class EnvState:
  """The hidden state."""

  key: Array  # PRNG key, split at each decision
  level: Level
  ego: Ego
  cars: Cars
  meant: Array  # f32[memory, N] m/s2, wanted in the last steps, newest last
  meters: Meters
  time: Array  # i32[] s, decisions taken
  chance: Array  # f32[3 * N + P] in 0..1, draws behind what is seen now
  ended: Array  # bool[], success or failure: the meters no longer change
  past: "Past"


@flax.struct.dataclass
class Past:
  """The moment a second ago, and the action taken in it."""

  action: Array  # i32[]; -1 before the first decision, the rest is as now
  ego: Ego
  cars: Cars
  chance: Array  # as in EnvState


@flax.struct.dataclass
class Obs:
  """All that the ego may know, noise and dropout already applied.

  Distances run along the road from bumper to bumper; -1 stands for no such
  thing.
  """

  family: Array  # i32, index into FAMILIES
  goal: Array  # m, left to go
  left: Array  # s, left
  speed: Array  # m/s
  target: Array  # m/s, speed aimed at
  limit: Array  # m/s, speed limit
  lane: Array  # i32, 0 is rightmost
  aims: Array  # i32, lanes to the left that a change in progress goes
  lanes: Array  # i32, lanes of the route
  turn: Array  # i32, -1 right, 0 none, 1 left; ahead or in progress
  bend: Array  # m, to where that turn begins, 0 in it
  light: Array  # i32, 0 none, 1 green, 2 amber, 3 red
  countdown: Array  # s, until the light changes, where it can be read
  line: Array  # m, to the stop line
  walk: Array  # m, to the crosswalk
  lane_end: Array  # m, to the end of lane 0
  car_seen: Array  # bool[N]
  car_road: Array  # i32[N], road of each car
  car_gap: Array  # m[N], ahead positive; on other roads: to where paths meet
  car_side: Array  # i32[N], lanes to the left of the ego's lane
  car_speed: Array  # m/s[N]
  car_brakes: Array  # bool[N], its brake lights are on
  truck: Array  # bool[N]
  walker_seen: Array  # bool[P], seen on the crosswalk or waiting at it
  walker_gap: Array  # m[P], to the left of the ego's middle
  walker_goes: Array  # i32[P], goes -1 right, 1 left; 0: waits
  last: Array  # i32, action of a second ago, -1 before the first
  was_target: Array  # m/s, speed aimed at a second ago
  was_lane: Array  # i32, lane aimed at a second ago
  was_seen: Array  # bool[N], seen a second ago
  was_gap: Array  # m[N], gap a second ago

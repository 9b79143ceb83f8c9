"""The nouns of Urban Driving: roads, drivers, one ego car and its meters.

Lengths are metres, times seconds, angles radians. A place is (s, d) on a road:
s along its rightmost lane's centre line, d to the left of it. Road 0 is the
ego's route, 1 the oncoming lane beside it, 2 crosses it.
"""

import dataclasses
import math

import flax.struct
import jax

Array = jax.Array

ACTIONS = ("keep", "faster", "slower", "left", "right", "stop", "go")
KEEP, FASTER, SLOWER, LEFT, RIGHT, STOP, GO = range(len(ACTIONS))
FAMILIES = (
  "cruise", "follow", "signal", "pedestrian", "merge", "turn", "blocked",
  "mixed",
)  # fmt: skip
SEGMENTS = 3  # of the ego's route: straight, arc, straight
PEDESTRIANS = 2
CAR, TRUCK, WALKER, LIGHT = range(4)  # kinds that `Params.present` masks
LENGTH, WIDTH = 4.8, 2.0  # m, of the ego; others have their own length
FAR = 1e6  # m, where a thing stands that a level does not have


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes and counts: static, known at compile time.

  Attributes:
    cars: cars and trucks besides the ego; levels fill eight places.
    substeps: physics steps a decision, which lasts one second.
    horizon: decisions before an episode is truncated; a level may be shorter.
    reaction: s, the longest reaction delay that drivers may have; the state
      keeps what they meant to do for so long.
    kinds: of questions; () for all.
  """

  cars: int = 8
  substeps: int = 10
  horizon: int = 34
  reaction: float = 1.0
  kinds: tuple[str, ...] = ()

  def __post_init__(self):
    object.__setattr__(self, "kinds", tuple(self.kinds))
    if self.cars < 8:
      raise ValueError(f"cars {self.cars} must be at least 8: levels need them")
    if not 5 <= self.substeps <= 50:
      raise ValueError(f"substeps {self.substeps} must lie in 5..50")
    if self.horizon < 1:
      raise ValueError(f"horizon {self.horizon} must be at least 1")
    if not 0.0 <= self.reaction <= 3.0:
      raise ValueError(f"reaction {self.reaction} s must lie in 0..3")

  @property
  def dt(self) -> float:
    """Seconds a physics step."""
    return 1.0 / self.substeps

  @property
  def memory(self) -> int:
    """Physics steps that the longest reaction delay takes."""
    return math.ceil(self.reaction * self.substeps - 1e-6)


@flax.struct.dataclass
class Params:
  """The rules, array leaves only; a variant is a value of this."""

  # Drivers: the Intelligent Driver Model and MOBIL.
  accel: Array  # m/s2, greatest acceleration
  brake: Array  # m/s2, comfortable braking
  headway: Array  # s, time gap
  gap: Array  # m, gap at standstill
  exponent: Array  # of the free-road term
  clamped: Array  # 0..1, 1: the textbook's; 0: s* may fall below `gap`
  centred: Array  # 0..1, 1: distance from centre to centre; 0: bumper to bumper
  limit: Array  # m/s2, bound on acceleration and braking
  temper: Array  # shift of all drivers, -1 timid .. 1 aggressive
  reaction: Array  # s, drivers do what would have been right so long ago
  politeness: Array  # weight of others' loss in a lane change
  safe_brake: Array  # m/s2 that a lane change may impose on the follower
  threshold: Array  # m/s2 that a lane change must gain
  right_bias: Array  # m/s2 in favour of the right lane
  # The ego and its road.
  friction: Array  # of 9.81 m/s2, bounds all acceleration
  lag: Array  # s, time constant of engine and brakes
  delay: Array  # s before a decision takes hold
  lane_width: Array  # m
  # What is seen and what is there.
  noise: Array  # relative deviation of measured distances and speeds
  dropout: Array  # probability that an actor goes unseen in a decision
  present: Array  # bool[4]: cars, trucks, pedestrians, signals


@flax.struct.dataclass
class Level:
  """One scene; N cars, P pedestrians."""

  family: Array  # i32[], index into FAMILIES
  length: Array  # f32[SEGMENTS] m, of the route's segments
  bend: Array  # f32[SEGMENTS] 1/m, their curvature, left positive
  lanes: Array  # i32[]
  limit: Array  # f32[] m/s
  goal: Array  # f32[] m, s to be passed
  time: Array  # i32[] decisions allowed
  start: Array  # f32[2]: s, speed of the ego
  lane: Array  # i32[], where the ego starts
  ramp: Array  # f32[2] m: lane 0 may be left from, and ends at; FAR if none
  oncoming: Array  # f32[] m, s of route where the oncoming road starts, or FAR
  cross: Array  # f32[2]: x of the crossing road, side it comes from (1 right)
  stop: Array  # f32[3] m, stop line on each road, FAR if none
  signal: Array  # f32[3] s: green, whole cycle, offset
  walk: Array  # f32[] m, s of the crosswalk, FAR if none
  walker: Array  # f32[P, 4]: start time s, speed m/s, side, 1 if there
  road: Array  # i32[N]
  at: Array  # f32[N] m, s of each car
  at_lane: Array  # i32[N]
  speed: Array  # f32[N] m/s
  wish: Array  # f32[N] m/s, desired speed; 0 stands for ever
  size: Array  # f32[N] m, length
  driver: Array  # f32[N], -1 timid .. 1 aggressive
  there: Array  # bool[N]
  braking: Array  # f32[N, 3]: from s, until s, desired speed meanwhile


@flax.struct.dataclass
class Ego:
  """The ego car; (s, d) is the middle of its kinematic bicycle."""

  s: Array  # m
  d: Array  # m
  heading: Array  # rad, against the road
  v: Array  # m/s
  a: Array  # m/s2
  yaw: Array  # rad/s, yaw rate
  lane: Array  # i32, aimed at
  target: Array  # m/s, aimed at


@flax.struct.dataclass
class Cars:
  """The traffic; leaves f32[N] but `lane` i32[N]."""

  s: Array  # m
  d: Array  # m
  v: Array  # m/s
  a: Array  # m/s2
  lane: Array  # aimed at


@flax.struct.dataclass
class Meters:
  """Running measures of an episode, read by `metrics`; all f32[]."""

  collision: Array  # 0/1
  at_fault: Array  # 0/1
  struck: Array  # index of the car collided with, -1 if none
  off_road: Array  # 0/1
  red_light: Array  # 0/1
  no_yield: Array  # 0/1
  forced: Array  # 0/1
  wrong_way: Array  # m driven beside the own lanes, against the traffic
  ttc: Array  # s, least time to collision; FAR if there never was one
  brake: Array  # m/s2, least longitudinal acceleration
  accel: Array  # m/s2, greatest
  lateral: Array  # m/s2, greatest magnitude
  yaw: Array  # rad/s, greatest magnitude
  yaw_accel: Array  # rad/s2, greatest magnitude
  jerk: Array  # m/s3, greatest magnitude, longitudinal
  speeding: Array  # m/s above the limit, integrated: m
  halted: Array  # m, least distance to the stop line at a halt; FAR if none


@flax.struct.dataclass
class EnvState:
  """The hidden state."""

  key: Array  # PRNG key, split at every decision
  level: Level
  ego: Ego
  cars: Cars
  meant: Array  # f32[memory, N] m/s2, wanted in the last steps, newest last
  meters: Meters
  time: Array  # i32, decisions taken
  chance: Array  # f32[3 * N + P] in 0..1, drawn for what is seen now
  ended: Array  # bool, success or failure: the meters stand still
  past: "Past"


@flax.struct.dataclass
class Past:
  """What was a second ago, and what was done then."""

  action: Array  # i32, -1 before the first decision: then all is as now
  ego: Ego
  cars: Cars
  chance: Array  # as in EnvState


@flax.struct.dataclass
class Obs:
  """All that the ego may know, noise and dropout already applied.

  Distances run along the road, from bumper to bumper; -1 where there is none.
  """

  family: Array  # i32
  goal: Array  # m to go
  left: Array  # s left
  speed: Array  # m/s
  target: Array  # m/s
  limit: Array  # m/s
  lane: Array  # i32, 0 is rightmost
  aims: Array  # i32, lanes to the left that a change under way goes
  lanes: Array  # i32
  turn: Array  # i32: -1 right, 0 none, 1 left, ahead or under way
  light: Array  # i32: 0 none, 1 green, 2 amber, 3 red
  line: Array  # m to the stop line
  walk: Array  # m to the crosswalk
  lane_end: Array  # m to the end of lane 0
  car_seen: Array  # bool[N]
  car_road: Array  # i32[N]
  car_gap: Array  # m[N], ahead positive; on other roads to where paths meet
  car_side: Array  # i32[N], lanes to the left (positive) of the ego's lane
  car_speed: Array  # m/s[N]
  truck: Array  # bool[N]
  walker_seen: Array  # bool[P], on the crosswalk or waiting at it
  walker_gap: Array  # m[P], to the left (positive) of the ego's middle
  walker_goes: Array  # i32[P], on it, -1 to the right, 1 left; 0 not yet on it
  last: Array  # i32, the decision a second ago, -1 before the first
  was_target: Array  # m/s, a second ago
  was_lane: Array  # i32, aimed at a second ago
  was_seen: Array  # bool[N], a second ago
  was_gap: Array  # m[N], a second ago

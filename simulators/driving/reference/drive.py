"""A drive under the reference's rules: what happens after each decision."""

import dataclasses
from typing import Self

from simulators.driving.reference import controller, motion
from simulators.driving.reference.faults import (
  faults_of,
  first_struck,
  time_to_collision,
)
from simulators.driving.reference.motion import Car, EgoCar
from simulators.driving.reference.ride import Ride
from simulators.driving.reference.scene import Scene
from simulators.driving.types import (
  FASTER,
  GO,
  KEEP,
  LEFT,
  LENGTH,
  RIGHT,
  SLOWER,
  STOP,
  Config,
)


@dataclasses.dataclass(frozen=True)
class Drive:
  """One scene under one set of rules, and what has happened in it so far.

  Attributes:
    scene: what does not change.
    config: substeps and horizon.
    ego: the ego car.
    cars: the cars and trucks on the roads.
    time: decisions taken.
    faults: those of `faults.FAULTS` that have happened.
    wrong_way: m driven in the oncoming lane.
    ttc: s, least time to collision below three; FAR without any.
    ride: how fast and how rough it was.
    ended: failed or past the goal; the time limit does not count here.
    chance: draws in 0..1 that decide what the ego sees now.
    struck: index of the first car hit; -1 without any.
    before: the drive a second before the state that was read; None where the
      state is the first of its episode.
  """

  scene: Scene
  config: Config
  ego: EgoCar
  cars: tuple[Car, ...]
  time: int
  faults: frozenset[str]
  wrong_way: float
  ttc: float
  ride: Ride
  ended: bool
  chance: tuple[float, ...]
  struck: int
  before: Self | None = None

  @property
  def failed(self) -> bool:
    """Whether a fault has ended the drive."""
    return bool(self.faults)

  @property
  def done(self) -> bool:
    """Whether the goal is passed, in time and without a fault."""
    there = self.ego.s >= self.scene.goal and not self.failed
    return there and self.time <= self.scene.time

  def step(self, action: int) -> Self:
    """The drive after a decision; a drive that is over does not change."""
    late = self.time >= min(self.scene.time, self.config.horizon)
    return self if self.done or self.failed or late else self.drive(action)

  def drive(self, *plan: int) -> Self:
    """The drive after decisions, without the time limit."""
    drive = self
    for action in plan:
      if not drive.ended:
        drive = drive._second(int(action))
    return drive

  def nudged(self, by: float) -> Self:
    """The same moment with the ego `by` metres further along the road."""
    return dataclasses.replace(self, ego=self.ego._replace(s=self.ego.s + by))

  def legal(self) -> frozenset[int]:
    """The actions that have an effect, such as a change to an existing lane."""
    scene, ego, out = self.scene, self.ego, {KEEP, STOP, GO}
    if ego.target < scene.limit + motion.STEP - 0.1:
      out.add(FASTER)
    if ego.target > 0.1:
      out.add(SLOWER)
    for action, lane in ((LEFT, ego.lane + 1), (RIGHT, ego.lane - 1)):
      if not 0 <= lane < scene.lanes:
        continue
      if scene.ramp is not None and 0 in (lane, ego.lane):
        leaves, ends = scene.ramp  # a wall before, no lane beyond
        if ego.s <= leaves or (lane == 0 and ego.s > ends - LENGTH):
          continue
      out.add(action)
    return frozenset(out)

  def aims(self, action: int) -> tuple[int, float]:
    """(lane, speed) aimed at after a decision; an illegal one keeps both."""
    lane, target = self.ego.lane, self.ego.target
    if action not in self.legal():
      action = KEEP
    lane += {LEFT: 1, RIGHT: -1}.get(action, 0)
    target += {FASTER: motion.STEP, SLOWER: -motion.STEP}.get(action, 0.0)
    target = {STOP: 0.0, GO: self.scene.limit}.get(action, target)
    return lane, motion.clip(target, 0.0, self.scene.limit + motion.STEP)

  def _second(self, action: int) -> Self:
    """A decision and one second of physics."""
    scene, dt, ego = self.scene, self.config.dt, self.ego
    lane, target = self.aims(action)
    cars = motion.change_lanes(scene, self.cars, ego, self.time)
    faults, ended = self.faults, self.ended
    wrong, ttc, struck, ride = (
      self.wrong_way, self.ttc, self.struck, self.ride,
    )  # fmt: skip
    for i in range(self.config.substeps):
      now = self.time + i * dt
      if i * dt >= scene.rule["delay"] - 1e-3:
        ego = ego._replace(lane=lane, target=target)
      pushes = motion.accelerations(scene, cars, ego, now)
      emergency = controller.needs_emergency(scene, ego, cars, now)
      before, ego = ego, controller.move_ego(scene, ego, emergency, dt)
      cars = tuple(
        motion.move_car(scene, car, a, dt)
        for car, a in zip(cars, pushes, strict=True)
      )
      if ended:
        continue
      if scene.oncoming is not None and ego.s < scene.route[0][0]:
        wrong += ego.v * dt * (ego.d > scene.edge_left())
      faults = faults_of(scene, before, ego, cars, now + dt, wrong)
      if "car" in faults:
        struck = first_struck(scene, ego, cars)
      ttc = min(ttc, time_to_collision(ego, cars))
      ride = ride.after(scene, before, ego, dt)
      ended = bool(faults) or ego.s >= scene.goal
    return dataclasses.replace(
      self, ego=ego._replace(lane=lane, target=target), cars=cars,
      time=self.time + 1, faults=faults, wrong_way=wrong, ttc=ttc, ride=ride,
      ended=ended, struck=struck,
    )  # fmt: skip

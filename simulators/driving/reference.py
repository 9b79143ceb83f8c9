"""Urban Driving's rules a second time, in plain Python on floats and tuples.

Nothing here shares code with `dynamics`, `traffic`, `metrics`, `oracle` or the
truths: it is the second, independent path by which drives, best actions and
answers are derived again, car by car, in float64. What it shares are the
numbers of docs/driving.md. The two paths may differ where a value lies within
float32's rounding of a border: an answer that is the same for an ego two
centimetres further on and two further back is not such a one (`Game.nudged`).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from simulators.driving import reference_answers, reference_faults
from simulators.driving import reference_motion as motion
from simulators.driving.reference_faults import FAULTS
from simulators.driving.reference_motion import Car, Ego
from simulators.driving.reference_scene import ROUTE, Scene
from simulators.driving.types import (
  ACTIONS,
  FAR,
  FASTER,
  GO,
  KEEP,
  LEFT,
  LENGTH,
  RIGHT,
  SLOWER,
  STOP,
  WIDTH,
  Config,
)

# The planner's manners of driving on, see `oracle`: (decision, lanes) of a
# change, last decision of a halt.
MANNERS = (
  (None, 0), ((1, LEFT), 0), ((1, RIGHT), 0), ((3, LEFT), 0), (None, 2),
  (None, 5),
)  # fmt: skip
DEPTH = 14  # decisions that the planner looks ahead


@dataclasses.dataclass(frozen=True)
class Game:
  """One scene under one set of rules, and what has come of it so far.

  Attributes:
    scene: what does not change.
    config: substeps and horizon.
    ego: the ego car.
    cars: the cars and trucks that are there.
    time: decisions taken.
    faults: those of FAULTS that have happened.
    wrong_way: m driven in the oncoming lane.
    ttc: s, least time to collision below three; FAR if none.
    ended: failed or at the goal; late is another matter.
    chance: draws in 0..1 behind what is seen now.
    struck: index of the first car that was hit; -1 if none.
    before: the game a second before the moment that was read; None if that is
      the first.
  """

  scene: Scene
  config: Config
  ego: Ego
  cars: tuple[Car, ...]
  time: int
  faults: frozenset[str]
  wrong_way: float
  ttc: float
  ended: bool
  chance: tuple[float, ...]
  struck: int
  before: "Game | None" = None

  @classmethod
  def from_state(cls, env_state, params, config: Config | None = None):
    """The moment that one `EnvState` without batch axes describes.

    Args:
      env_state: numpy leaves.
      params: the rules.
      config: the world's; the default one if None.
    """
    env, scene = env_state, Scene.read(env_state.level, params)
    meters = env.meters
    struck = float(meters.struck) >= 0
    happened = (
      struck or meters.forced > 0,
      meters.no_yield > 0 or (meters.collision > 0 and not struck),
      meters.red_light > 0,
      meters.off_road > 0,
    )
    now = cls(
      scene=scene,
      config=config or Config(),
      ego=_ego(env.ego),
      cars=_cars(scene, env.cars, env.meant[::-1]),
      time=int(env.time),
      faults=frozenset(
        f for f, is_so in zip(FAULTS, happened, strict=True) if is_so
      ),
      wrong_way=float(meters.wrong_way),
      ttc=float(meters.ttc),
      ended=bool(env.ended),
      chance=_chance(env),
      struck=int(meters.struck),
    )
    if env.past.action < 0:
      return now
    past = dataclasses.replace(
      now, ego=_ego(env.past.ego), cars=_cars(scene, env.past.cars),
      time=now.time - 1, chance=_chance(env.past),
    )  # fmt: skip
    return dataclasses.replace(now, before=past)

  # --- Playing ----------------------------------------------------------------

  @property
  def failed(self) -> bool:
    """Whether a fault has ended the drive."""
    return bool(self.faults)

  @property
  def done(self) -> bool:
    """Whether the goal is passed, in time and without a fault."""
    there = self.ego.s >= self.scene.goal and not self.failed
    return there and self.time <= self.scene.time

  def step(self, action: int) -> "Game":
    """The game after a decision; a game that is over stays as it is."""
    late = self.time >= min(self.scene.time, self.config.horizon)
    return self if self.done or self.failed or late else self.drive(action)

  def drive(self, *plan: int) -> "Game":
    """The game after decisions, the time limit set aside."""
    game = self
    for action in plan:
      if not game.ended:
        game = game._second(int(action))
    return game

  def nudged(self, by: float) -> "Game":
    """The same moment with the ego `by` metres further on."""
    return dataclasses.replace(self, ego=self.ego._replace(s=self.ego.s + by))

  def legal(self) -> frozenset[int]:
    """The actions that do something: no lane change to where no lane is."""
    scene, ego, out = self.scene, self.ego, {KEEP, STOP, GO}
    if ego.target < scene.limit + motion.STEP - 0.1:
      out.add(FASTER)
    if ego.target > 0.1:
      out.add(SLOWER)
    for action, lane in ((LEFT, ego.lane + 1), (RIGHT, ego.lane - 1)):
      if not 0 <= lane < scene.lanes:
        continue
      if scene.ramp is not None and 0 in (lane, ego.lane):
        leaves, ends = scene.ramp  # walled off before, gone behind
        if ego.s <= leaves or (lane == 0 and ego.s > ends - LENGTH):
          continue
      out.add(action)
    return frozenset(out)

  def aims(self, action: int) -> tuple[int, float]:
    """(lane, target) aimed at after a decision; an illegal one keeps them."""
    lane, target = self.ego.lane, self.ego.target
    if action not in self.legal():
      action = KEEP
    lane += {LEFT: 1, RIGHT: -1}.get(action, 0)
    target += {FASTER: motion.STEP, SLOWER: -motion.STEP}.get(action, 0.0)
    target = {STOP: 0.0, GO: self.scene.limit}.get(action, target)
    return lane, motion.clip(target, 0.0, self.scene.limit + motion.STEP)

  def _second(self, action: int) -> "Game":
    """A decision and the second of physics after it."""
    scene, dt, ego = self.scene, self.config.dt, self.ego
    lane, target = self.aims(action)
    cars = motion.change_lanes(scene, self.cars, ego, self.time)
    faults, ended = self.faults, self.ended
    wrong, ttc, struck = self.wrong_way, self.ttc, self.struck
    for i in range(self.config.substeps):
      now = self.time + i * dt
      if i * dt >= scene.rule["delay"] - 1e-3:
        ego = ego._replace(lane=lane, target=target)
      pushes = motion.accelerations(scene, cars, ego, now)
      before, ego = ego, motion.move_ego(scene, ego, dt)
      cars = tuple(
        motion.move_car(scene, car, a, dt)
        for car, a in zip(cars, pushes, strict=True)
      )
      if ended:
        continue
      if scene.oncoming is not None and ego.s < scene.route[0][0]:
        wrong += ego.v * dt * (ego.d > scene.edge_left())
      faults = reference_faults.faults(
        scene, before, ego, cars, now + dt, wrong
      )
      if "car" in faults:
        struck = reference_faults.struck(scene, ego, cars)
      ttc = min(ttc, reference_faults.time_to_collision(ego, cars))
      ended = bool(faults) or ego.s >= scene.goal
    return dataclasses.replace(
      self, ego=ego._replace(lane=lane, target=target), cars=cars,
      time=self.time + 1, faults=faults, wrong_way=wrong, ttc=ttc, ended=ended,
      struck=struck,
    )  # fmt: skip

  # --- Planning ---------------------------------------------------------------

  def costs(self) -> tuple[float, ...]:
    """Seconds and penalties after each action, to a quarter; see `oracle`."""
    known = {}
    return tuple(self._plan_cost((a,), known) for a in range(len(ACTIONS)))

  def optimal(self) -> tuple[int, ...]:
    """The actions of least cost."""
    costs = self.costs()
    return tuple(a for a, cost in enumerate(costs) if cost == min(costs))

  def regret(self, plan: Sequence[int]) -> float:
    """Seconds and penalties of a plan beyond the best action's."""
    return self._plan_cost(tuple(plan), {}) - min(self.costs())

  def _plan_cost(self, plan: tuple[int, ...], known: dict) -> float:
    game = self
    for action in plan:
      if not game.ended and action not in game.legal():
        return 300.0
      game = game.drive(action)
    return min(self._cost(plan, manner, known) for manner in MANNERS)

  def _cost(self, start: tuple[int, ...], manner, known: dict) -> float:
    """The cost of one candidate; `known` games are not played again."""
    (change, held), scene = manner, self.scene
    game, way, plan = self, [self.ego.s], ()
    for i in range(max(DEPTH, len(start))):
      action, t = KEEP, i - len(start) + 1  # decisions after the plan
      if t <= 0:
        action = start[i]
      elif not game.ended:
        action = STOP if t <= held else game.follow()
        action = change[1] if change and change[0] == t else action
      plan = (*plan, action)
      if plan not in known:
        known[plan] = game.drive(action)
      game = known[plan]
      way.append(game.ego.s)
    took, limit = game.time - self.time, scene.limit
    if game.failed:
      return 200.0 - took
    left = scene.goal - game.ego.s
    lack = max(limit - game.ego.v, 0.0)
    if left > 0.0:
      total = took + (left + 0.25 * lack * lack) / limit
    else:
      total = took - min(-left / max(game.ego.v, 1.0), 1.0)
    cost = total + 0.3 * max(3.0 - (way[3] - way[0]) / limit, 0.0)
    cost += 50.0 * (self.time + total > scene.time)
    cost += 4.0 * (game.ttc < 0.95 <= self.ttc)
    return round(4.0 * cost) / 4.0

  def follow(self) -> int:
    """The action nearest to what IDM would do in the ego's lane."""
    scene, ego = self.scene, self.ego
    aim, gap, lead = ego.lane * scene.rule["lane_width"], FAR, 0.0
    for car in self.cars:
      near = abs(car.d - aim) < WIDTH + 0.2 or abs(car.d - ego.d) < WIDTH
      space = car.s - ego.s - 0.5 * (car.who.size + LENGTH)
      if car.who.road == ROUTE and near and car.s > ego.s and space < gap:
        gap, lead = space, car.v
    nose = ego.s + 0.5 * LENGTH
    line = motion.halt_line(scene, ROUTE, nose, ego.v, float(self.time))
    if scene.ramp is not None and ego.lane == 0:
      line = min(line, scene.ramp[1] - nose)
    a = min(
      motion.idm(scene, scene.me, scene.limit, ego.v, gap, lead),
      motion.idm(scene, scene.me, scene.limit, ego.v, line, 0.0),
    )
    wanted = motion.clip(ego.v + 1.5 * a, 0.0, scene.limit)
    aims = {
      KEEP: ego.target,
      FASTER: ego.target + motion.STEP,
      SLOWER: max(ego.target - motion.STEP, 0.0),
      STOP: 0.0,
      GO: scene.limit,
    }
    return min(aims, key=lambda action: abs(aims[action] - wanted))


def _ego(ego) -> Ego:
  moved = (ego.s, ego.d, ego.heading, ego.v, ego.a, ego.yaw)
  return Ego(*map(float, moved), int(ego.lane), float(ego.target))


def _cars(scene: Scene, cars, meant=None) -> tuple[Car, ...]:
  """The cars; without what drivers meant (newest first) not to be driven."""
  meant = np.zeros((0, len(cars.s))) if meant is None else meant
  return tuple(
    Car(w, float(cars.s[w.index]), float(cars.d[w.index]),
        float(cars.v[w.index]), int(cars.lane[w.index]),
        tuple(map(float, meant[:, w.index])))
    for w in scene.drivers
  )  # fmt: skip


def _chance(moment) -> tuple[float, ...]:
  return tuple(np.asarray(moment.chance, np.float64).tolist())


def answer(game: Game, kind: int | str, args) -> int:
  """The code, index into `moments.ANSWERS`, of a question's true answer.

  Args:
    game: the moment asked about.
    kind: name of the question kind, or its index in `questions.KINDS`.
    args: the numbers of `Question.args`.

  Raises:
    ValueError: the question cannot be asked of this moment.
  """
  return reference_answers.answer(game, kind, args)

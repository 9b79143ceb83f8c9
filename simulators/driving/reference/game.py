"""A drive that is read from the simulator's state, and that can be planned."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from simulators.driving import types
from simulators.driving.reference import motion
from simulators.driving.reference.drive import Drive
from simulators.driving.reference.faults import FAULTS
from simulators.driving.reference.motion import Car, EgoCar
from simulators.driving.reference.ride import Ride
from simulators.driving.reference.scene import ROUTE, Scene
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


class Manner(NamedTuple):
  """A way of driving on, see `game/oracle.py`."""

  change: tuple[int, int] | None = None  # (decision, action) of a lane change
  held: int = 0  # the last decision of a halt
  until: int = 0  # the last decision at a share of the limit
  pace: float = 1.0  # that share


MANNERS = (
  Manner(),
  Manner((1, LEFT)),
  Manner((1, RIGHT)),
  Manner((3, LEFT)),
  Manner((3, LEFT), until=3, pace=0.5),
  Manner(until=3, pace=0.35),
  Manner(until=6, pace=0.35),
  Manner(until=4, pace=0.6),
  Manner(held=2),
  Manner(held=4),
  Manner(held=6),
)
DEPTH = 14  # decisions that the planner looks ahead

Known = dict[tuple[int, ...], "Game"]  # plan -> the game after it


@dataclasses.dataclass(frozen=True)
class Game(Drive):
  """A drive with the planner's costs."""

  @classmethod
  def from_state(
    cls,
    env_state: types.EnvState,
    params: types.Params,
    config: Config | None = None,
  ) -> Self:
    """The moment that one `EnvState` without batch axes holds.

    Args:
      env_state: numpy leaves.
      params: the rules.
      config: that of the world; None for the default one.
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
      cars=_cars(scene, env.cars, np.asarray(env.meant)[::-1]),
      time=int(env.time),
      faults=frozenset(
        f for f, is_so in zip(FAULTS, happened, strict=True) if is_so
      ),
      wrong_way=float(meters.wrong_way),
      ttc=float(meters.ttc),
      ride=Ride(over=float(meters.over)),
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

  # --- Planning ---------------------------------------------------------------

  def costs(self) -> tuple[float, ...]:
    """Seconds and penalties after each action, to a quarter of a second.

    `game/oracle.py` defines them.
    """
    known: Known = {}
    return tuple(self._plan_cost((a,), known) for a in range(len(ACTIONS)))

  def optimal(self) -> tuple[int, ...]:
    """The actions of least cost."""
    costs = self.costs()
    return tuple(a for a, cost in enumerate(costs) if cost == min(costs))

  def regret(self, plan: Sequence[int]) -> float:
    """The cost of a plan minus that of the best action."""
    return self._plan_cost(tuple(plan), {}) - min(self.costs())

  def _plan_cost(self, plan: tuple[int, ...], known: Known) -> float:
    start = dataclasses.replace(self, ttc=FAR, ride=Ride(over=self.ride.over))
    game = start
    for action in plan:
      if not game.ended and action not in game.legal():
        return 300.0
      game = game.drive(action)
    return min(start._cost(plan, manner, known) for manner in MANNERS)

  def _cost(
    self, start: tuple[int, ...], manner: Manner, known: Known
  ) -> float:
    """The cost of one candidate; `known` games are not played again."""
    game, way, plan = self, [self.ego.s], ()
    fast, changes = False, 0
    for i in range(max(DEPTH, len(start))):
      action, t = KEEP, i - len(start) + 1  # decisions after the plan
      if t <= 0:
        action = start[i]
      elif not game.ended:
        action = game._in_manner(manner, t)
      plan, lane = (*plan, action), game.ego.lane
      if plan not in known:
        known[plan] = game.drive(action)
      game = known[plan]
      way.append(game.ego.s)
      fast = fast or game.ego.target > self.scene.limit + 0.1
      changes += game.ego.lane != lane
    if game.failed:
      return 200.0 - (game.time - self.time)
    idle = max(3.0 - (way[3] - way[0]) / self.scene.limit, 0.0)
    cost = self._seconds(game) + 0.3 * idle + 0.5 * fast + 0.5 * changes
    return round(4.0 * cost) / 4.0

  def _in_manner(self, manner: Manner, t: int) -> int:
    """The action of a manner in decision t."""
    if manner.change is not None and manner.change[0] == t:
      return manner.change[1]
    if t <= manner.held:
      return STOP
    return self.follow(manner.pace if t <= manner.until else 1.0)

  def _seconds(self, end: "Game") -> float:
    """Seconds to the goal, and what the score loses, in seconds."""
    scene, limit = self.scene, self.scene.limit
    total = end.time - self.time
    left, lack = scene.goal - end.ego.s, max(limit - end.ego.v, 0.0)
    if left > 0.0:
      total += left / limit
    else:
      total -= min(-left / max(end.ego.v, 1.0), 1.0)
    total += 0.25 * lack * lack / limit
    allowed = min(scene.time, self.config.horizon)
    excess = min(end.ride.speeding / (2.23 * allowed), 1.0)
    if end.ride.over_limit > 0.95:
      excess = 1.0
    points = 4.0 * excess + 2.0 * end.ride.rough + 5.0 * (end.ttc < 0.95)
    points += 5.0 * (self.time + total > allowed)
    return total + points * allowed / 5.0

  def follow(self, share: float = 1.0) -> int:
    """The action nearest to what IDM would do in the ego's lane.

    It drives at a `share` of the limit at most.
    """
    scene, ego = self.scene, self.ego
    wish = share * scene.limit
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
      motion.idm(scene, scene.me, wish, ego.v, gap, lead),
      motion.idm(scene, scene.me, wish, ego.v, line, 0.0),
    )
    wanted = motion.clip(ego.v + 1.5 * a, 0.0, wish)
    aims = {
      KEEP: ego.target,
      FASTER: ego.target + motion.STEP,
      SLOWER: max(ego.target - motion.STEP, 0.0),
      STOP: 0.0,
      GO: scene.limit,
    }
    return min(aims, key=lambda action: abs(aims[action] - wanted))


def _ego(ego: types.Ego) -> EgoCar:
  return EgoCar(
    s=float(ego.s),
    d=float(ego.d),
    heading=float(ego.heading),
    v=float(ego.v),
    a=float(ego.a),
    yaw=float(ego.yaw),
    lane=int(ego.lane),
    target=float(ego.target),
  )


def _cars(
  scene: Scene, cars: types.Cars, meant: np.ndarray | None = None
) -> tuple[Car, ...]:
  """The cars; only with `meant` (newest first) they can be driven on."""
  meant = np.zeros((0, len(cars.s))) if meant is None else meant
  return tuple(
    Car(w, float(cars.s[w.slot]), float(cars.d[w.slot]),
        float(cars.v[w.slot]), int(cars.lane[w.slot]),
        tuple(map(float, meant[:, w.slot])))
    for w in scene.drivers
  )  # fmt: skip


def _chance(moment: types.EnvState | types.Past) -> tuple[float, ...]:
  return tuple(np.asarray(moment.chance, np.float64).tolist())

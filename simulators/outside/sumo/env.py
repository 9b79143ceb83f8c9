"""Episodes in SUMO, with the methods of a Gymnasium environment."""

import pathlib
import tempfile
from typing import Any

import numpy as np

from simulators.outside.sumo import levels
from simulators.outside.sumo.drive import EGO, Drive, Route, route_over
from simulators.outside.sumo.forecast import Expert, Forecast, is_fault, save
from simulators.outside.sumo.levels import Scene
from simulators.outside.sumo.process import Process
from simulators.outside.sumo.sight import crosswalks

_DRAWS = 30  # of traffic, until a level suits
_PATIENCE = 50  # steps of SUMO until the ego finds room
_SLACK, _SPARE = 1.25, 2  # of the time that SUMO's own driver takes; s
_LONGEST = 46  # s that it may take: with both, a minute is allowed


class SumoEnv:
  """One ego in SUMO's traffic.

  Attributes:
    scene: the kind of levels.
    drive: the ego's drive, after `reset`.
    time: s allowed.
    elapsed: s, decisions taken.
    crosswalks: of the ego's route.
  """

  drive: Drive

  def __init__(self, scene: Scene, forecast: Forecast):
    self.scene, self._forecast = scene, forecast
    self._process = Process()
    self._folder = tempfile.TemporaryDirectory(prefix="sumo-")

  def reset(self, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Starts the level of a seed; all of it follows from the seed.

    A level suits if the ego finds room and SUMO's own driver arrives, whose
    time sets the time allowed.

    Raises:
      RuntimeError: no level of this seed suits.
    """
    folder = pathlib.Path(self._folder.name)
    rng = np.random.default_rng(seed)
    self.network = levels.network(self.scene, rng, folder / "net.xml")
    suitable = self._suitable(self._process.load(self.network.options))
    for _ in range(_DRAWS if suitable else 0):
      way = list(suitable)[int(rng.integers(len(suitable)))]
      text = levels.traffic(self.scene, rng, self.network.ways, way)
      routes = folder / "routes.xml"
      routes.write_text(text)
      options = "-r", str(routes), "--collision.action", "warn"
      self._process.load([*self.network.options, *options])
      if self._departs(suitable[way]):
        seconds = self._own_time()
        if seconds is not None:
          self.time = round(_SLACK * seconds) + _SPARE
          self.elapsed = 0
          self.crosswalks = crosswalks(self.sumo, self.drive.route)
          return {}, {}
    raise RuntimeError(
      f"seed {seed}: none of {_DRAWS} drawn levels suits; take another seed"
    )

  def step(
    self, action: int
  ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
    """One decision: (no observation, reward, ended, cut, no info)."""
    self.drive.decide(action)
    self.elapsed += 1
    outcome = self.drive.outcome
    cut = not outcome and self.elapsed >= self.time
    return {}, float(outcome == "arrived"), bool(outcome), cut, {}

  @property
  def sumo(self) -> Any:
    """The connection to SUMO."""
    return self._process.traci

  def expert(self) -> Expert:
    """Tries each decision in a copy of the simulation."""
    return Expert(self._copier)

  def _copier(self) -> Any:
    state = pathlib.Path(self._folder.name) / "state.xml"
    save(self.sumo, state)
    return lambda: self._forecast.copy(self.network, state, self.drive)

  def _suitable(self, sumo: Any) -> dict[tuple[str, str], Route]:
    """The ways through the network that suit the scene."""
    suitable = {}
    for way in self.network.ways:
      edges = sumo.simulation.findRoute(*way).edges
      route = route_over(sumo, edges, self.scene.lanes, self.scene.sidewalk)
      sides = [turn.side for turn in route.turns] if route else []
      if route and self.scene.suits(len(edges), sides):
        suitable[way] = route
    return suitable

  def _departs(self, route: Route) -> bool:
    """Runs the traffic until the ego departs; whether it found room."""
    sumo = self.sumo
    sumo.simulationStep(levels.WARM_UP)
    for _ in range(_PATIENCE):
      sumo.simulationStep()
      if EGO in sumo.vehicle.getIDList():
        self.drive = Drive(sumo, route, round(sumo.vehicle.getSpeed(EGO)))
        return True
    return False

  def _own_time(self) -> int | None:
    """s until SUMO's own driver arrives; None where it does not."""
    drive = self._copier()()
    drive.release()
    for second in range(_LONGEST):
      drive.follow()
      if drive.outcome:
        return None if is_fault(drive) else second + 1
    return None

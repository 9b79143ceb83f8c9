"""How difficult are AgentWorld's levels for players without a language model?

  python -m benchmarks.checks.difficulty [--levels=192]

Plays `val` levels of several settings with the scripted reader (`script`), with
a player that knows no goal (`explorer`) and with `planner`: the script, but it
remembers every wall that it met and searches the shortest way through the cells
that it does not know to be closed. No arm of a report may search; the planner
shows what the text allows. All read the `compact` text; script and
planner obey the untried-action rule.
"""

import dataclasses
import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import simulators
from benchmarks import common
from glimo_jax.evaluate import stats
from glimo_jax.play import loop, policies
from simulators.agentworld.script import Script
from simulators.agentworld.text import phrases
from simulators.agentworld.text.scene import Cell
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.vocabulary import ACTIONS
from simulators.text_world import TextWorld

_TWO = {"sides": (6, 7), "deeper": (3,)}
_THREE = {"size": 8, "sides": (6, 7, 8), "larger": (), "deeper": (3,)}
# (fields of the Config, depths)
SETTINGS = (
  ({"walls": 4, "detour": 0}, (1,)),
  ({"walls": 8, "detour": 0}, (1,)),
  ({}, (1,)),
  ({"walls": 8}, (1,)),
  ({"detour": 4}, (1,)),
  ({"sight": 2}, (1,)),
  ({"sight": 2, "detour": 4}, (1,)),
  ({"one_hand": False}, (1,)),
  ({"budget": 0.0}, (1,)),
  ({"walls": 8, "larger": (), **_TWO}, (1, 2)),
  ({"walls": 10, **_THREE}, (1, 2)),
)
_REACH = 12  # cells around the agent that the planner searches
_CLOSED = 1e6  # price of a closed element, in steps
_UNWANTED = 4.0  # price of a tool that would be taken instead


class Planner(Script):
  """The script with a map of the walls that it met, and a search."""

  def __init__(self, rules: str):
    super().__init__(rules)
    # Row -> where the agent is, and the walls, from where it began.
    self._at: dict[int, Cell] = {}
    self._walls: dict[int, set[Cell]] = {}

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]: minus the steps to the aim by way of each action."""
    pairs = zip(texts, rows, strict=True)
    return np.array([self._steps(phrases.read(t), row) for t, row in pairs])

  def _walked(self, seen: Mapping[str, Any], row: int) -> Cell:
    """Where the agent is by its moves."""
    here, last = self._at.get(row, (0, 0)), seen["last"]
    if last and last["moved"]:
      here = _add(here, DELTAS[ACTIONS.index(last["move"])])
    self._at[row] = here
    return here

  def _steps(self, seen: Mapping[str, Any], row: int) -> list[float]:
    here = self._walked(seen, row)
    walls = self._walls.setdefault(row, set())
    walls |= {_add(here, DELTAS[ACTIONS.index(move)]) for move in seen["walls"]}
    for move, after in seen["onward"].items():
      cell = _add(here, DELTAS[ACTIONS.index(move)])
      ends = {_add(cell, delta) for delta in DELTAS} - {here}
      walls |= ends - {_add(cell, DELTAS[ACTIONS.index(a)]) for a in after}
    word, aim = self.aim(seen)
    price = {
      _add(here, it["offset"]): _CLOSED
      for name, it in seen["elements"].items()
      if not it["open"] and self.needs.get(name) not in seen["holding"]
    }
    price |= {
      _add(here, it["offset"]): _UNWANTED
      for name, it in seen["tools"].items()
      if name != word and seen["holding"]
    }
    price |= {_add(here, cell): _CLOSED for cell in seen["hazards"]}
    goal = _add(here, aim)
    left = _distances(goal, here, walls, price | {goal: 0.0})
    return [
      -(left.get(cell, 2 * _CLOSED) + price.get(cell, 0.0))
      for cell in (_add(here, delta) for delta in DELTAS)
    ]


def _add(cell: Cell, by: tuple[int, int]) -> Cell:
  return cell[0] + by[0], cell[1] + by[1]


def _distances(
  goal: Cell, here: Cell, walls: set[Cell], price: Mapping[Cell, float]
) -> dict[Cell, float]:
  """Price of the cheapest way to the goal from each cell around `here`."""
  found, queue = {goal: 0.0}, [(0.0, goal)]
  while queue:
    spent, cell = heapq.heappop(queue)
    if spent > found[cell]:
      continue
    for delta in DELTAS:
      near = _add(cell, delta)
      far = max(abs(near[0] - here[0]), abs(near[1] - here[1])) > _REACH
      cost = spent + 1.0 + price.get(cell, 0.0)
      if not far and near not in walls and cost < found.get(near, float("inf")):
        found[near] = cost
        heapq.heappush(queue, (cost, near))
  return found


@dataclasses.dataclass(frozen=True)
class Row:
  """Success of the players under one setting."""

  setting: str
  depths: str
  optimal: float  # mean steps of the shortest solutions
  script: str
  explorer: str
  planner: str


def measure(
  fields: dict[str, Any], depths: tuple[int, ...], levels: int
) -> Row:
  """One setting; see SETTINGS."""
  world = simulators.make("agentworld", rendering="compact", **fields)
  text_world = TextWorld(
    world, world.params("real"), world.pool("val", levels, depths)
  )
  rules, actions = text_world.preamble, len(world.actions)
  place = policies.place_reader(world)
  shown, optimal = {}, 0.0
  for name, player, untried in (
    ("script", Script(rules), True),
    ("explorer", policies.ExplorerPolicy(actions, place=place), False),
    ("planner", Planner(rules), True),
  ):
    episodes = loop.play(
      player,
      text_world,
      range(levels),
      untried=untried,
      max_steps=world.config.horizon,
    )
    won = stats.wilson(sum(e.success for e in episodes), levels)
    shown[name] = f"{won.mean:.3f} [{won.lo:.3f}, {won.hi:.3f}]"
    optimal = sum(e.optimal_steps for e in episodes) / levels
  setting = ", ".join(f"{k}={v}" for k, v in fields.items()) or "default"
  return Row(setting, str(depths), optimal, **shown)


def main() -> None:
  flags = common.parser(__doc__ or "")
  flags.add_argument("--levels", type=int, default=192)
  args = flags.parse_args()
  rows = []
  for setting in SETTINGS:
    rows.append(measure(*setting, args.levels))
    print(" | ".join(map(str, dataclasses.astuple(rows[-1]))), flush=True)
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()

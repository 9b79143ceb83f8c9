"""MiniGrid and BabyAI in words: `minigrid/DoorKey-6x6`, `babyai/GoToLocal`, ...

The agent turns and walks forward, as MiniGrid has it, and sees the cells that
MiniGrid's own observation shows: seven by seven before it, none behind walls.
Texts count cells ahead of the agent and to its left or right.

    Mission: use the key to open the door and then get to the goal. You carry
    nothing. A wall is to the right. You turned left. The yellow key is one
    ahead. The locked yellow door is two ahead, one left.

Chevalier-Boisvert et al., "Minigrid & Miniworld", arXiv 2306.13831;
"BabyAI", arXiv 1810.08272.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from simulators import fields
from simulators.outside import packages
from simulators.outside.minigrid_actions import (
  ACTIONS,
  FORWARD,
  LEFT,
  PICKUP,
  RIGHT,
  TOGGLE,
)
from simulators.outside.minigrid_experts import BotExpert, SearchExpert
from simulators.outside.minigrid_script import Script

# Name -> Gymnasium's id. BabyAI's missions differ between episodes.
LEVELS = {
  "minigrid/Empty-6x6": "MiniGrid-Empty-Random-6x6-v0",
  "minigrid/FourRooms": "MiniGrid-FourRooms-v0",
  "minigrid/DoorKey-5x5": "MiniGrid-DoorKey-5x5-v0",
  "minigrid/DoorKey-6x6": "MiniGrid-DoorKey-6x6-v0",
  "babyai/Unlock": "BabyAI-UnlockLocal-v0",
  "babyai/UnlockPickup": "BabyAI-UnlockPickup-v0",
  "babyai/KeyCorridor": "BabyAI-KeyCorridorS3R1-v0",
  "babyai/GoTo": "BabyAI-GoToLocal-v0",
  "babyai/Pickup": "BabyAI-PickupLoc-v0",
}
NUMBERS = (
  "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
)  # fmt: skip
_RULES = (
  "You see a part of a grid of cells: what is ahead of you and beside you, "
  "not what is behind. Moves: left and right turn you on the spot; forward "
  "takes you one cell ahead; pickup takes the thing in the next cell ahead, "
  "and you carry one thing at a time; drop puts it down there; toggle opens or "
  "closes the door in the next cell ahead. A locked door opens if you carry "
  "the key of its colour. Answer with one word."
)
_TURNED = {LEFT: "You turned left.", RIGHT: "You turned right."}
_SIDES = ("to the left", "ahead", "to the right")


class Thing(NamedTuple):
  """A thing in sight.

  Attributes:
    name: such as `goal`, `yellow key`, `locked yellow door`.
    ahead: cells ahead of the agent, at least 0.
    right: cells to its right; negative to its left.
  """

  name: str
  ahead: int
  right: int


class View(NamedTuple):
  """What a text holds.

  Attributes:
    mission: what is to be done.
    carried: the thing that is carried; "" for none.
    walls: which of the cells to the left, ahead and to the right are wall.
    things: in sight, the nearest first.
  """

  mission: str
  carried: str
  walls: tuple[bool, bool, bool]
  things: tuple[Thing, ...]


@dataclasses.dataclass(frozen=True)
class MiniGrid:
  """Narrator of one of LEVELS; see `gym_world.Narrator`.

  Raises:
    ValueError: the name is none of LEVELS.
  """

  name: str

  actions = ACTIONS
  codes = tuple(range(len(ACTIONS)))

  def __post_init__(self):
    if self.name not in LEVELS:
      raise ValueError(fields.unknown("level", self.name, LEVELS))

  def make(self) -> Any:
    """A MiniGrid environment without wrappers.

    Raises:
      ModuleNotFoundError: minigrid is not installed.
    """
    return packages.make(LEVELS[self.name], "minigrid")

  def rules(self) -> str:
    """The moves, in words."""
    return _RULES

  def instruction(self, env: Any) -> str:
    """MiniGrid's mission."""
    return env.mission

  def describe(self, env: Any, last: str) -> str:
    """The text of what the agent sees."""
    now = view(env)
    carried = f"the {now.carried}" if now.carried else "nothing"
    parts = [f"Mission: {now.mission}.", f"You carry {carried}."]
    walls = [s for s, is_wall in zip(_SIDES, now.walls, strict=True) if is_wall]
    if walls:
      verb = "Walls are" if len(walls) > 1 else "A wall is"
      parts.append(f"{verb} {_listed(walls)}.")
    if last:
      parts.append(last)
    parts += [f"The {thing.name} is {_place(thing)}." for thing in now.things]
    return " ".join(parts)

  def snapshot(self, env: Any) -> Any:
    """Where the agent is, what it carries and what is ahead."""
    return tuple(env.agent_pos), env.carrying, _ahead(env)

  def effect(self, env: Any, action: int, before: Any) -> str:
    """What the action did; an action without effect is named as such."""
    place, carrying, ahead = before
    if action in _TURNED:
      return _TURNED[action]
    if action == FORWARD:
      moved = tuple(env.agent_pos) != place
      return "You went forward." if moved else "You could not go forward."
    if action == TOGGLE:
      changed = ahead != _ahead(env)
      return "You toggled it." if changed else "Toggle did nothing."
    if env.carrying is carrying:
      return f"{ACTIONS[action].capitalize()} did nothing."
    thing = env.carrying or carrying
    verb = "picked up" if action == PICKUP else "dropped"
    return f"You {verb} the {_named(thing)}."

  def parse(self, text: str) -> int | None:
    """The action whose word a text is; `pick up` is `pickup`."""
    word = text.strip().lower().rstrip(".!").replace("pick up", "pickup")
    return ACTIONS.index(word) if word in ACTIONS else None

  def succeeded(
    self, env: Any, reward: float, terminated: bool, truncated: bool
  ) -> bool:
    """Whether MiniGrid ended the episode with a reward."""
    del env, truncated
    return terminated and reward > 0

  def expert(self, env: Any) -> SearchExpert | BotExpert:
    """BabyAI's own bot for its missions, else a search of all moves."""
    is_babyai = self.name.startswith("babyai/")
    return BotExpert(env) if is_babyai else SearchExpert(env)

  def script(self) -> Script:
    """A reader of the texts that goes to what the mission names."""
    return Script(parse_description)


def view(env: Any) -> View:
  """What the agent sees, from MiniGrid's own observation."""
  grid, seen = env.gen_obs_grid()
  centre, bottom = grid.width // 2, grid.height - 1
  things = []
  for column in range(grid.width):
    for row in range(grid.height):
      cell = grid.get(column, row)
      here = (column, row) == (centre, bottom)
      if cell and seen[column, row] and cell.type != "wall" and not here:
        thing = Thing(_named(cell), bottom - row, column - centre)
        things.append(thing)
  things.sort(key=lambda t: (t.ahead + abs(t.right), t.ahead, t.right, t.name))

  def is_wall(column: int, row: int) -> bool:
    cell = grid.get(column, row)
    return cell is not None and cell.type == "wall"

  walls = (
    is_wall(centre - 1, bottom),
    is_wall(centre, bottom - 1),
    is_wall(centre + 1, bottom),
  )
  carried = _named(env.carrying) if env.carrying else ""
  return View(env.mission, carried, walls, tuple(things))


def parse_description(text: str) -> View:
  """The inverse of `MiniGrid.describe`, without what the last action did.

  Raises:
    ValueError: the text is none of its texts.
  """
  found = re.match(r"Mission: (.*?)\. You carry (?:the )?(.+?)\.", text)
  if found is None:
    raise ValueError(f"{text[:80]!r} is no description of a MiniGrid level")
  mission, carried = found.groups()
  told = re.search(r"(?:A wall is|Walls are) ([^.]*)\.", text)
  sides = told[1] if told else ""
  return View(
    mission,
    "" if carried == "nothing" else carried,
    tuple(side in sides for side in _SIDES),  # pyright: ignore[reportArgumentType]
    tuple(_things(text[found.end() :])),
  )


def _things(text: str) -> Iterator[Thing]:
  number = "|".join(NUMBERS)
  places = re.finditer(
    rf"The ([a-z ]+?) is (?:({number}) ahead)?(?:, )?"
    rf"(?:({number}) (left|right))?\.",
    text,
  )
  for name, ahead, aside, side in (place.groups() for place in places):
    right = NUMBERS.index(aside) if aside else 0
    yield Thing(
      name,
      NUMBERS.index(ahead) if ahead else 0,
      -right if side == "left" else right,
    )


def _place(thing: Thing) -> str:
  side = "left" if thing.right < 0 else "right"
  ahead = [f"{NUMBERS[thing.ahead]} ahead"] if thing.ahead else []
  aside = [f"{NUMBERS[abs(thing.right)]} {side}"] if thing.right else []
  return ", ".join([*ahead, *aside])


def _named(cell: Any) -> str:
  """`goal`, `red ball`, `locked red door`; as a mission would name it."""
  if cell.type in ("goal", "lava"):
    return cell.type
  words = [cell.color, cell.type]
  if cell.type == "door":
    locked = "locked" if cell.is_locked else "closed"
    words.insert(0, "open" if cell.is_open else locked)
  return " ".join(words)


def _ahead(env: Any) -> str:
  cell = env.grid.get(*env.front_pos)
  return "" if cell is None or cell.type == "wall" else _named(cell)


def _listed(words: list[str]) -> str:
  return " and ".join(
    [", ".join(words[:-1]), words[-1]] if words[1:] else words
  )

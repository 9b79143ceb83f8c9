"""The nouns of AgentWorld: a grid puzzle of elements and tools."""

import dataclasses

import flax.struct
import jax

Array = jax.Array

ACTIONS = ("up", "down", "left", "right")

# Pairs of the real world: TOOLS[i] opens ELEMENTS[i]. The last two are kept
# for the `ood-chain` split. Every word is one token of
# SmolLM2's vocabulary, with a space before it and without.
REAL_TOOLS = (
  "ax", "key", "pick", "torch", "boat", "pole", "coal", "horse",
)  # fmt: skip
REAL_ELEMENTS = (
  "tree", "door", "rock", "ice", "river", "pit", "snow", "log",
)  # fmt: skip
# Words of the imperfect worlds, disjoint from the real ones; a `swapped`
# variant draws eight of each and pairs them at random. They are many, so that
# who learns from several variants has to read the words and cannot know them.
SWAPPED_TOOLS = (
  "coat", "bone", "bread", "bucket", "bomb", "brush", "oil", "coin", "bolt",
  "hook", "bell", "leaf", "card", "ring", "salt", "milk", "apple", "arrow",
  "ball", "belt", "book", "bow", "box", "button", "camera", "cap", "clock",
  "cookie", "cube", "cup", "disk", "egg", "fan", "flag", "flower", "gold",
  "gun", "hat", "horn", "ink", "iron", "jar", "lens", "lime", "lock", "map",
  "mask", "nail", "net", "note", "nut", "orange", "pen", "phone", "pie",
  "pill", "pipe", "plate", "plug", "radio", "robe", "rod", "rose", "rug",
)  # fmt: skip
SWAPPED_ELEMENTS = (
  "vine", "dog", "mouse", "fire", "glass", "web", "mud", "gate", "stone",
  "chain", "bear", "lake", "guard", "snake", "wolf", "storm", "bank", "beam",
  "bed", "bench", "bird", "bridge", "bull", "bush", "cart", "castle", "cat",
  "chair", "church", "cloud", "crow", "dust", "earth", "engine", "farm",
  "field", "fish", "floor", "fox", "frame", "grass", "hall", "hen", "hole",
  "house", "king", "lion", "mill", "mine", "moon", "ocean", "oven", "owl",
  "panel", "park", "pig", "plant", "pool", "rail", "rain", "robot", "room",
  "sand", "street",
)  # fmt: skip
TOOLS = REAL_TOOLS + SWAPPED_TOOLS
ELEMENTS = REAL_ELEMENTS + SWAPPED_ELEMENTS

KINDS = 8  # pairs a world knows
OOD_KINDS = 2  # of those, the last ones appear in `ood-chain` only

# What a level asks for. `take` and `bring` name a tool, `open` an element;
# `push` is any box on the goal's cell.
GOALS = ("reach", "take", "open", "bring", "push")
RENDERINGS = ("words", "map")
MIN_SIDE = (5, 5, 6, 8, 10)  # side that a chain of each depth needs
MIN_STEPS = 3  # of the shortest solution: nearer goals teach nothing
MOST_STATES = 2**20  # of a level, so that the oracle is always exact
PAST = 3  # steps that a state remembers
_RANGES = {"size": (5, 13), "pairs": (3, 5), "boxes": (0, 2), "hazards": (0, 8)}


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes and counts: static, known at compile time.

  The defaults are the small world. `size=13, pairs=5, sides=(5, 7, 9, 11),
  larger=(13,), deeper=(4,), horizon=120` is the large one.

  Attributes:
    size: side of the array that holds a level; smaller levels are walled in.
    pairs: tool-element pairs in a level, distractors included: one more than
      the longest chain it can have.
    boxes: boxes that can be pushed.
    hazards: cells that end an episode in failure.
    goals: what levels ask for, of GOALS.
    horizon: steps before an episode is truncated.
    sides: sides of the levels of all splits but `ood-size`.
    larger: sides of the levels of `ood-size`, larger than those; () for none.
    deeper: chain depths of `ood-depth`; other splits have less deep ones.
    rendering: how a moment is told, of RENDERINGS.
    kinds: question kinds to ask, of `questions.KINDS`; all that the levels
      allow where empty.
  """

  size: int = 7
  pairs: int = 3
  boxes: int = 0
  hazards: int = 0
  goals: tuple[str, ...] = ("reach",)
  horizon: int = 30
  sides: tuple[int, ...] = (5, 6)
  larger: tuple[int, ...] = (7,)
  deeper: tuple[int, ...] = (2,)
  rendering: str = "words"
  kinds: tuple[str, ...] = ()

  def __post_init__(self):
    for name in ("goals", "sides", "larger", "deeper", "kinds"):
      given = tuple(getattr(self, name))
      object.__setattr__(self, name, given)
      kind = str if name in ("goals", "kinds") else int
      if not all(isinstance(value, kind) for value in given):
        raise ValueError(f"{name} {given} must hold {kind.__name__} alone")
      if name in ("goals", "deeper") and len(set(given)) < len(given):
        raise ValueError(f"{name} {given} name one twice: drop it")
    for name, (least, most) in _RANGES.items():
      value = getattr(self, name)
      if not least <= value <= most:
        raise ValueError(f"{name} {value} must lie in {least}..{most}")
    if self.horizon < MIN_STEPS:
      raise ValueError(f"horizon {self.horizon} must be {MIN_STEPS} or more")
    if self.states > MOST_STATES:
      raise ValueError(
        f"a level of size {self.size} with {self.pairs} pairs and "
        f"{self.boxes} boxes has {self.states} states, more than "
        f"{MOST_STATES}: lower one of the three"
      )
    for name in ("sides", "larger"):
      sides = getattr(self, name)
      if not all(5 <= side <= 13 for side in sides):
        raise ValueError(f"{name} {sides} must name sides in 5..13")
    if not self.sides:
      raise ValueError("sides () name none: levels need one, in 5..13")
    if self.larger and min(self.larger) <= max(self.sides):
      raise ValueError(
        f"larger {self.larger} must be larger than all of sides {self.sides}; "
        "set larger to () for a world without `ood-size`"
      )
    if not all(0 < depth < len(MIN_SIDE) for depth in self.deeper):
      raise ValueError(
        f"deeper {self.deeper} must name depths in 1..{len(MIN_SIDE) - 1}"
      )
    unknown = [goal for goal in self.goals if goal not in GOALS]
    if unknown or not self.goals:
      raise ValueError(f"goals {self.goals} must be some of {', '.join(GOALS)}")
    if "push" in self.goals and not self.boxes:
      raise ValueError("goal 'push' needs something to push: set boxes to 1")
    if self.rendering not in RENDERINGS:
      raise ValueError(
        f"rendering {self.rendering!r} must be one of {', '.join(RENDERINGS)}"
      )

  @property
  def states(self) -> int:
    """Hidden states that a level can be in."""
    cells = self.size**2
    return cells ** (1 + self.boxes) * 4**self.pairs


@flax.struct.dataclass
class Params:
  """The rules, array leaves only; a variant is a value of this.

  Attributes:
    tool_id: i32[KINDS], which word of TOOLS names tool k.
    element_id: i32[KINDS], which word of ELEMENTS names element k.
    opens: bool[KINDS, KINDS], whether tool i opens element j: the dynamics.
    nominal: bool[KINDS, KINDS], what the agent is told of `opens`.
    hazardous: bool[], whether hazards are there at all.
    slip: f32[], probability that a random action replaces the chosen one.
    failure: f32[], probability that an action does nothing.
    dropout: f32[], probability that a tool or element goes unseen in a step.
    misread: f32[], probability that one is taken for another kind in a step.
  """

  tool_id: Array
  element_id: Array
  opens: Array
  nominal: Array
  hazardous: Array
  slip: Array
  failure: Array
  dropout: Array
  misread: Array


@flax.struct.dataclass
class Level:
  """One puzzle; coordinates are (row, column) from the top left.

  Attributes:
    wall: bool[S, S], cells that nobody enters; cells beyond `side` are walls.
    hazard: bool[S, S], cells that end the episode for who enters them.
    agent: i32[2], where the agent starts.
    goal: i32[2], the cell to reach, or where the thing that is asked for lies.
    goal_kind: i32[], index into GOALS.
    goal_thing: i32[], index of the tool or element asked for; 0 where none.
    tool_kind: i32[P], kind of each tool.
    tool_at: i32[P, 2], where each tool lies.
    element_kind: i32[P], kind of each element.
    element_at: i32[P, 2], the cell each element closes.
    box_at: i32[B, 2], where each box stands at first.
    side: i32[], side of the level, at most S.
    depth: i32[], length of the chain that the shortest solution opens.
  """

  wall: Array
  hazard: Array
  agent: Array
  goal: Array
  goal_kind: Array
  goal_thing: Array
  tool_kind: Array
  tool_at: Array
  element_kind: Array
  element_at: Array
  box_at: Array
  side: Array
  depth: Array


@flax.struct.dataclass
class Place:
  """What a move changes.

  Attributes:
    agent: i32[2], where the agent stands.
    held: bool[P], tools picked up; tools are never dropped.
    opened: bool[P], elements opened.
    boxes: i32[B, 2], where the boxes stand.
  """

  agent: Array
  held: Array
  opened: Array
  boxes: Array


@flax.struct.dataclass
class EnvState:
  """The hidden state.

  Attributes:
    key: PRNG key, split at every step.
    level: the level played.
    agent: see Place, as are the next three.
    held: see Place.
    opened: see Place.
    boxes: see Place.
    time: i32[], steps taken.
    tried: i32[PAST], the last actions, the latest first, as slips made them;
      -1 before the start.
    trail: i32[PAST, 2], the cells they were taken from.
  """

  key: Array
  level: Level
  agent: Array
  held: Array
  opened: Array
  boxes: Array
  time: Array
  tried: Array
  trail: Array

  @property
  def place(self) -> Place:
    return Place(self.agent, self.held, self.opened, self.boxes)


@flax.struct.dataclass
class Obs:
  """All that the agent may know.

  Attributes:
    wall: bool[S, S].
    hazard: bool[S, S].
    side: i32[], side of the level.
    agent: i32[2].
    goal: i32[2].
    goal_kind: i32[], index into GOALS.
    goal_word: i32[], word of the tool (in TOOLS) or element (in ELEMENTS)
      asked for; -1 where none is.
    tool: i32[P], word of each tool in TOOLS; -1 where unseen.
    tool_at: i32[P, 2].
    held: bool[P].
    element: i32[P], word of each element in ELEMENTS; -1 where unseen.
    element_at: i32[P, 2].
    opened: bool[P].
    needs: i32[P], word of the tool that nominally opens each element; -1 none.
    boxes: i32[B, 2].
    moved: bool[], whether the last action changed the agent's cell.
    time: i32[], steps taken.
  """

  wall: Array
  hazard: Array
  side: Array
  agent: Array
  goal: Array
  goal_kind: Array
  goal_word: Array
  tool: Array
  tool_at: Array
  held: Array
  element: Array
  element_at: Array
  opened: Array
  needs: Array
  boxes: Array
  moved: Array
  time: Array

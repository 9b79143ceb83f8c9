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


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes and counts: static, known at compile time.

  Attributes:
    size: side of the array that holds a level; smaller levels are walled in.
    pairs: tool-element pairs in a level, distractors included.
    horizon: steps before an episode is truncated.
  """

  size: int = 7
  pairs: int = 3
  horizon: int = 30

  def __post_init__(self):
    if not 5 <= self.size <= 9:
      raise ValueError(f"size {self.size} must lie in 5..9")
    if not 3 <= self.pairs <= 4:
      raise ValueError(f"pairs {self.pairs} must be 3 or 4")
    if self.horizon < 1:
      raise ValueError(f"horizon {self.horizon} must be at least 1")


@flax.struct.dataclass
class Params:
  """The rules, array leaves only; a variant is a value of this.

  Attributes:
    tool_id: i32[KINDS], which word of TOOLS names tool k.
    element_id: i32[KINDS], which word of ELEMENTS names element k.
    opens: bool[KINDS, KINDS], whether tool i opens element j: the dynamics.
    nominal: bool[KINDS, KINDS], what the agent is told of `opens`.
    slip: f32[], probability that a random action replaces the chosen one.
    dropout: f32[], probability that a tool or element goes unseen in a step.
  """

  tool_id: Array
  element_id: Array
  opens: Array
  nominal: Array
  slip: Array
  dropout: Array


@flax.struct.dataclass
class Level:
  """One puzzle; coordinates are (row, column) from the top left.

  Attributes:
    wall: bool[S, S], cells that nobody enters; cells beyond `side` are walls.
    agent: i32[2], where the agent starts.
    goal: i32[2], the cell to reach.
    tool_kind: i32[P], kind of each tool.
    tool_at: i32[P, 2], where each tool lies.
    element_kind: i32[P], kind of each element.
    element_at: i32[P, 2], the cell each element closes.
    side: i32[], side of the level, at most S.
    depth: i32[], length of the chain that the shortest solution opens.
  """

  wall: Array
  agent: Array
  goal: Array
  tool_kind: Array
  tool_at: Array
  element_kind: Array
  element_at: Array
  side: Array
  depth: Array


@flax.struct.dataclass
class EnvState:
  """The hidden state.

  Attributes:
    key: PRNG key, split at every step.
    level: the level played.
    agent: i32[2], where the agent stands.
    held: bool[P], tools picked up; tools are never dropped.
    opened: bool[P], elements opened.
    time: i32[], steps taken.
  """

  key: Array
  level: Level
  agent: Array
  held: Array
  opened: Array
  time: Array


@flax.struct.dataclass
class Obs:
  """All that the agent may know.

  Attributes:
    wall: bool[S, S].
    side: i32[], side of the level.
    agent: i32[2].
    goal: i32[2].
    tool: i32[P], word of each tool in TOOLS; -1 where unseen.
    tool_at: i32[P, 2].
    held: bool[P].
    element: i32[P], word of each element in ELEMENTS; -1 where unseen.
    element_at: i32[P, 2].
    opened: bool[P].
    needs: i32[P], word of the tool that nominally opens each element; -1 none.
    moved: bool[], whether the last action changed the agent's cell.
    time: i32[], steps taken.
  """

  wall: Array
  side: Array
  agent: Array
  goal: Array
  tool: Array
  tool_at: Array
  held: Array
  element: Array
  element_at: Array
  opened: Array
  needs: Array
  moved: Array
  time: Array

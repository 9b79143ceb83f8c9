"""AgentWorld's pytrees: rules, levels, hidden states and observations.

Coordinates are (row, column) from the top left.
"""

import flax.struct
import jax

Array = jax.Array

PAST = 3  # steps that a state remembers


@flax.struct.dataclass
class Params:
  """The rules: array leaves only, so that variants stack and vmap.

  Attributes:
    tool_id: i32[KINDS], which word of TOOLS names tool k.
    element_id: i32[KINDS], which word of ELEMENTS names element k.
    opens: bool[KINDS, KINDS], whether tool i opens element j: the dynamics.
    nominal: bool[KINDS, KINDS], the same as the prompt states it.
    hazardous: bool[], whether the hazards of a level exist.
    slip: f32[], probability that a random action replaces the chosen one.
    failure: f32[], probability that an action does nothing.
    dropout: f32[], probability that a tool or element goes unseen in a step.
    misread: f32[], probability that one looks like another kind in a step.
    one_hand: bool[], whether taking a tool puts down the one in hand.
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
  one_hand: Array


@flax.struct.dataclass
class Level:
  """One puzzle.

  Attributes:
    wall: bool[S, S], cells that nobody enters; cells beyond `side` are walls.
    hazard: bool[S, S], cells that end the episode when the agent enters.
    agent: i32[2], where the agent starts.
    goal: i32[2], the cell to reach, or the cell of the thing asked for.
    goal_kind: i32[], index into GOALS.
    goal_thing: i32[], index of the tool or element asked for; 0 if none.
    tool_kind: i32[P], kind of each tool.
    tool_at: i32[P, 2], where each tool lies.
    element_kind: i32[P], kind of each element.
    element_at: i32[P, 2], the cell each element closes.
    box_at: i32[B, 2], where each box stands at the start.
    side: i32[], side of the level, at most S.
    depth: i32[], length of the chain that the shortest solution opens.
    limit: i32[], steps after which an episode is cut off.
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
  limit: Array


@flax.struct.dataclass
class Place:
  """What a move changes.

  Attributes:
    agent: i32[2], where the agent stands.
    slot: i32[P], where each tool is: j for the cell `Level.tool_at[j]`, -1 for
      the agent's hand.
    opened: bool[P], elements opened.
    boxes: i32[B, 2], where the boxes stand.
  """

  agent: Array
  slot: Array
  opened: Array
  boxes: Array

  @property
  def held(self) -> Array:
    """bool[P]: tools in hand."""
    return self.slot < 0


@flax.struct.dataclass
class EnvState:
  """The hidden state.

  Attributes:
    key: PRNG key, split at every step.
    level: the level played.
    agent, slot, opened, boxes: as in Place.
    time: i32[], steps taken.
    tried: i32[PAST], the last actions after slips, the latest first; -1 before
      the start.
    trail: i32[PAST, 2], the cells in which they were taken.
  """

  key: Array
  level: Level
  agent: Array
  slot: Array
  opened: Array
  boxes: Array
  time: Array
  tried: Array
  trail: Array

  @property
  def place(self) -> Place:
    """What a move changes."""
    return Place(self.agent, self.slot, self.opened, self.boxes)

  @property
  def held(self) -> Array:
    """bool[P]: tools in hand."""
    return self.slot < 0


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
      asked for; -1 if none.
    tool: i32[P], word of each tool in TOOLS; -1 if unseen.
    tool_at: i32[P, 2].
    held: bool[P].
    element: i32[P], word of each element in ELEMENTS; -1 if unseen.
    element_at: i32[P, 2].
    opened: bool[P].
    needs: i32[P], word of the tool that nominally opens each element; -1 if
      none.
    boxes: i32[B, 2].
    moved: bool[], whether the last action changed the agent's cell.
    last: i32[], the last action, after a slip; -1 before the first.
    time: i32[], steps taken.
    limit: i32[], steps that the episode may take.
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
  last: Array
  time: Array
  limit: Array

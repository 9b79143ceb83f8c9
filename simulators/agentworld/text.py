"""AgentWorld in words: numpy observations in, short relative English out.

    blocked up left. goal three up two right past tree up needs ax. ax two
    left. key down past tree. ice right. holding pole.

`blocked` lists the next cells that cannot be entered now. An offset gives the
steps from the agent, a direction alone is one step. `past tree` says that the
cheapest way there leads through the tree, the first element on it; where it
stands and what it needs (or `open`) is told once. An element that nothing
lies past is told of if adjacent, a tool until it is held. What is unseen goes
unsaid. In a text that grows too long the farthest tools past an element lose
their offset: `bone past tree`.
"""

import re

import numpy as np

from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  TOOLS,
  Obs,
  Params,
)

NUMBERS = (
  "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
)  # fmt: skip
LIMIT = 40  # tokens of a description, kept where possible
INSTRUCTION = "Reach the goal."

# (row, column) offsets of ACTIONS.
_DELTAS = ((-1, 0), (1, 0), (0, -1), (0, 1))
# Price of entering a cell in `_routes`: a way through an open element loses
# against an equally long one beside it; a closed one is the last resort.
_STEP, _THROUGH, _CLOSED = 100, 101, 10_000
_FAR = 1 << 29


# --- Routes -----------------------------------------------------------------


def _shut(obs: Obs) -> np.ndarray:
  """bool[B, P]: closed elements whose nominal tool is not held."""
  fits = (obs.needs[:, :, None] == obs.tool[:, None, :]) & obs.held[:, None, :]
  fits &= obs.needs[:, :, None] >= 0
  return ~obs.opened & ~fits.any(-1)


def _routes(obs: Obs) -> tuple[np.ndarray, np.ndarray]:
  """The cheapest ways from the agent to every cell, for all rows at once.

  Returns:
    price: i32[B, S + 2, S + 2], with a border of walls.
    first: i32[B, S + 2, S + 2], the first element that a way leads through,
      -1 for none.
  """
  batch = np.arange(len(obs.agent))
  wall = np.pad(obs.wall, ((0, 0), (1, 1), (1, 1)), constant_values=True)
  enter = np.where(wall, _FAR, _STEP).astype(np.int32)
  element = np.full(wall.shape, -1)
  for j in range(obs.element.shape[1]):
    seen = np.flatnonzero(obs.element[:, j] >= 0)
    row, column = obs.element_at[seen, j].T + 1
    element[seen, row, column] = j
    enter[seen, row, column] = np.where(obs.opened[seen, j], _THROUGH, _CLOSED)
  price = np.full(wall.shape, _FAR, np.int32)
  price[batch, obs.agent[:, 0] + 1, obs.agent[:, 1] + 1] = 0
  first = np.full(wall.shape, -1)
  changed = True
  while changed:
    changed = False
    for row, column in _DELTAS:
      came = (row, column)  # a move by it enters the cell from behind
      there = np.roll(price, came, (1, 2)) + enter
      better = there < price
      if better.any():
        changed = True
        label = np.roll(first, came, (1, 2))
        label = np.where(label < 0, element, label)
        price = np.where(better, there, price)
        first = np.where(better, label, first)
  return price, first


# --- Describing -------------------------------------------------------------


def _offset(there: np.ndarray, here: np.ndarray) -> str:
  row, column = (int(x) for x in there - here)
  parts = []
  for steps, (back, forth) in ((row, ACTIONS[:2]), (column, ACTIONS[2:])):
    if abs(steps) > 1:
      parts.append(NUMBERS[abs(steps)])
    if steps:
      parts.append(forth if steps > 0 else back)
  return " ".join(parts) or "here"


def describe(obs: Obs) -> list[str]:
  """One short text for each row.

  Args:
    obs: numpy leaves with a leading axis B (after one `jax.device_get`).
  """
  shut = _shut(obs)
  price, first = _routes(obs)
  return [
    _describe(obs, i, shut[i], price[i], first[i])
    for i in range(len(obs.agent))
  ]


def _describe(obs: Obs, i: int, shut, price, first) -> str:
  agent = obs.agent[i]
  pairs = obs.tool.shape[1]
  wall = np.pad(obs.wall[i], 1, constant_values=True)
  elements = {
    tuple(obs.element_at[i, j]): j
    for j in range(pairs)
    if obs.element[i, j] >= 0
  }
  told = set()

  def bar(j, idle=False) -> str:
    told.add(j)
    parts = [ELEMENTS[obs.element[i, j]], _offset(obs.element_at[i, j], agent)]
    if obs.opened[i, j]:
      parts.append("open")
    elif not idle and obs.needs[i, j] >= 0:
      parts.append(f"needs {TOOLS[obs.needs[i, j]]}")
    return " ".join(parts)

  def past(cell) -> str:
    j = int(first[cell[0] + 1, cell[1] + 1])
    if j < 0:
      return ""
    return f" past {ELEMENTS[obs.element[i, j]] if j in told else bar(j)}"

  blocked, adjacent = [], []
  for name, delta in zip(ACTIONS, _DELTAS, strict=True):
    cell = (agent[0] + delta[0], agent[1] + delta[1])
    j = elements.get(cell, -1)
    if j >= 0:
      adjacent.append(j)
    if wall[cell[0] + 1, cell[1] + 1] or (j >= 0 and shut[j]):
      blocked.append(name)

  lying = [
    k for k in range(pairs) if obs.tool[i, k] >= 0 and not obs.held[i, k]
  ]
  lying.sort(key=lambda k: price[tuple(obs.tool_at[i, k] + 1)])
  goal = f"goal {_offset(obs.goal[i], agent)}{past(obs.goal[i])}"
  tools = []  # (name, offset, past), nearest first
  for k in lying:
    cell = obs.tool_at[i, k]
    where = f" {_offset(cell, agent)}"
    tools.append((TOOLS[obs.tool[i, k]], where, past(cell)))
  bars = [bar(j, idle=True) for j in adjacent if j not in told]
  held = [TOOLS[obs.tool[i, k]] for k in range(pairs) if obs.held[i, k]]

  def write() -> str:
    sentences = [" ".join(["blocked", *blocked])] if blocked else []
    sentences += [goal, *map("".join, tools), *bars]
    if held:
      sentences.append(" ".join(["holding", *held]))
    return ". ".join(sentences) + "."

  for k in reversed(range(len(tools))):
    if _length(write()) <= LIMIT:
      break
    name, _, beyond = tools[k]
    if beyond:
      tools[k] = (name, "", beyond)
  return write()


def _length(text: str) -> int:
  """Words and stops, each a token of the usual vocabularies; the first, with
  no space before it, may be two."""
  return len(text.split()) + text.count(".") + 1


def instruction(obs: Obs) -> list[str]:
  """What is to be achieved: the same for every row."""
  return [INSTRUCTION] * len(obs.agent)


def rules(params: Params) -> str:
  """How the world works as the agent is told, the shared prefix of prompts.

  Args:
    params: one world's rules, arrays without batch axes.
  """
  tool_id, element_id = (
    np.asarray(params.tool_id),
    np.asarray(params.element_id),
  )
  pairs = ", ".join(
    f"{TOOLS[tool_id[k]]} opens {ELEMENTS[element_id[j]]}"
    for k, j in np.argwhere(np.asarray(params.nominal))
  )
  return (
    "Walk to the goal. Walk onto a tool to take it. Walk into a closed element "
    f"with its tool to open it: {pairs}. Moves: {', '.join(ACTIONS)}. "
    "Answer with one word."
  )


# --- Reading ----------------------------------------------------------------

_ACTION = re.compile(rf"\b({'|'.join(ACTIONS)})\b", re.IGNORECASE)
_MOVE = rf"(?:(?:{'|'.join(NUMBERS)}) )?(?:{'|'.join(ACTIONS)})"
_WHERE = rf"(?:here|{_MOVE}(?: {_MOVE})?)"
_ELEMENT, _TOOL = f"(?:{'|'.join(ELEMENTS)})", f"(?:{'|'.join(TOOLS)})"
_BAR = (
  rf"(?P<element>{_ELEMENT})"
  rf"(?: (?P<stands>{_WHERE})(?: (?P<how>open|needs {_TOOL}))?)?"
)
_SENTENCES = tuple(
  re.compile(pattern)
  for pattern in (
    r"(?P<list>blocked|holding) (?P<words>\w+(?: \w+)*)",
    rf"(?P<thing>goal|{_TOOL})(?: (?P<where>{_WHERE}))?(?: past {_BAR})?",
    _BAR,
  )
)


def parse(text: str) -> int | None:
  """The action that `text` names; None if it names none or several."""
  named = {word.lower() for word in _ACTION.findall(text)}
  return ACTIONS.index(named.pop()) if len(named) == 1 else None


def _read_offset(words: str) -> tuple[int, int]:
  """(rows down, columns right) of an offset in words."""
  row = column = 0
  steps = 1
  for word in words.split():
    if word in ACTIONS:
      delta = _DELTAS[ACTIONS.index(word)]
      row, column = row + steps * delta[0], column + steps * delta[1]
    steps = NUMBERS.index(word) if word in NUMBERS else 1
  return row, column


def parse_description(text: str) -> dict:
  """What a description says, as data; the inverse of `describe`.

  Returns:
    blocked: list of directions.
    goal: {"offset": (rows down, columns right), "past": element or None}.
    elements: word -> {"offset", "needs": tool or None, "open": bool}.
    tools: word -> {"offset", "past"}; offset None where it goes unsaid.
    holding: list of tools.

  Raises:
    ValueError: for a sentence that `describe` cannot have written.
  """
  out = {
    "blocked": [], "goal": None, "elements": {}, "tools": {}, "holding": [],
  }  # fmt: skip
  for sentence in text.strip().removesuffix(".").split(". "):
    matches = [pattern.fullmatch(sentence) for pattern in _SENTENCES]
    said = next((m.groupdict() for m in matches if m), None)
    if said is None:
      raise ValueError(
        f"cannot read {sentence!r} in {text!r}: give a text that `describe` "
        "wrote"
      )
    if "list" in said:
      out[said["list"]] = said["words"].split()
      continue
    if said["stands"]:
      how = said["how"] or ""
      out["elements"][said["element"]] = {
        "offset": _read_offset(said["stands"]),
        "needs": how.partition("needs ")[2] or None,
        "open": how == "open",
      }
    if "thing" in said:
      offset = _read_offset(said["where"]) if said["where"] else None
      thing = {"offset": offset, "past": said["element"]}
      if said["thing"] == "goal":
        out["goal"] = thing
      else:
        out["tools"][said["thing"]] = thing
  return out

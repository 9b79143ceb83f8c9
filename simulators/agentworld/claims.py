"""AgentWorld's claims, such as `the ax opens the tree`."""

import itertools

import numpy as np

from simulators import claims
from simulators.agentworld.game.dynamics import DELTAS
from simulators.agentworld.types import Array, EnvState, Params
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  NUMBERS,
  TOOLS,
)
from simulators.claims import ClaimKind, Outlook

_MOVE = rf"(?P<action>{'|'.join(ACTIONS)})"
_TOOL = f"(?:the )?({'|'.join(TOOLS)})"
_ELEMENT = f"(?:the )?({'|'.join(ELEMENTS)})"
_THING = f"(?:the )?(goal|{'|'.join((BOX, *TOOLS, *ELEMENTS))})"
_STEPS = rf"(?:{'|'.join(NUMBERS)}) (?:{'|'.join(ACTIONS)})"
Cells = list[tuple[int, ...]]


def _kind_of(words: tuple[str, ...], names: Array, word: str) -> int:
  """The kind with a word in this world; -1 for none."""
  found = np.flatnonzero(np.asarray(names) == words.index(word))
  return int(found[0]) if len(found) else -1


def _tools(params: Params, env: EnvState, word: str) -> np.ndarray:
  """bool[P]: the level's tools of a word."""
  kind = _kind_of(TOOLS, params.tool_id, word)
  return np.asarray(env.level.tool_kind) == kind


def _elements(params: Params, env: EnvState, word: str) -> np.ndarray:
  """bool[P]: the level's elements of a word."""
  kind = _kind_of(ELEMENTS, params.element_id, word)
  return np.asarray(env.level.element_kind) == kind


def _cells(outlook: Outlook, env: EnvState, word: str) -> Cells:
  """Where the things of a word are; a tool in hand is nowhere."""
  level = env.level
  if word == "goal":
    cells = np.asarray(level.goal)[None]
  elif word == BOX:
    cells = np.asarray(env.boxes)
  elif word in TOOLS:
    lying = _tools(outlook.params, env, word) & (np.asarray(env.slot) >= 0)
    cells = np.asarray(level.tool_at)[np.asarray(env.slot)[lying]]
  else:
    cells = np.asarray(level.element_at)[_elements(outlook.params, env, word)]
  return [tuple(cell) for cell in cells.tolist()]


def _opens(outlook: Outlook, tool: str, element: str) -> bool:
  i = _kind_of(TOOLS, outlook.params.tool_id, tool)
  j = _kind_of(ELEMENTS, outlook.params.element_id, element)
  return i >= 0 and j >= 0 and bool(outlook.params.opens[i, j])


def _hold(outlook: Outlook, tool: str) -> bool:
  env = outlook.state.env_state
  if tool == "nothing":
    return not env.held.any()
  return bool((_tools(outlook.params, env, tool) & env.held).any())


def _place(outlook: Outlook, thing: str, where: str) -> bool:
  env, offset = outlook.state.env_state, np.zeros(2, int)
  steps = where.replace(",", "").split()
  for number, move in zip(steps[::2], steps[1::2], strict=False):
    offset = offset + NUMBERS.index(number) * DELTAS[ACTIONS.index(move)]
  return tuple((env.agent + offset).tolist()) in _cells(outlook, env, thing)


def _wall(outlook: Outlook, action: str) -> bool:
  env = outlook.state.env_state
  row, column = (env.agent + DELTAS[ACTIONS.index(action)]).tolist()
  size = len(env.level.wall)
  inside = 0 <= row < size and 0 <= column < size
  return not inside or bool(env.level.wall[row, column])


def _moves(outlook: Outlook, action: str) -> bool:
  then = outlook.then(action).env_state
  return bool((then.agent != outlook.state.env_state.agent).any())


def _barred(outlook: Outlook, action: str) -> bool:
  return not _moves(outlook, action)


def _nearer(outlook: Outlook, action: str, thing: str) -> bool:
  before, after = outlook.state.env_state, outlook.then(action).env_state
  cells = _cells(outlook, before, thing)

  def steps(env: EnvState) -> int:
    return min(int(np.abs(env.agent - np.array(c)).sum()) for c in cells)

  return bool(cells) and steps(after) < steps(before)


def _takes(outlook: Outlook, action: str, tool: str) -> bool:
  before, after = outlook.state.env_state, outlook.then(action).env_state
  of = _tools(outlook.params, before, tool)
  return bool((of & ~before.held & after.held).any())


def _opened(outlook: Outlook, action: str, element: str) -> bool:
  before, after = outlook.state.env_state, outlook.then(action).env_state
  of = _elements(outlook.params, before, element)
  return bool((of & ~before.opened & after.opened).any())


def _succeeds(outlook: Outlook, action: str) -> bool:
  return bool(outlook.then(action).metrics["success"] > 0)


KINDS = (
  ClaimKind("opens", f"{_TOOL} opens {_ELEMENT}", _opens),
  ClaimKind("hold", rf"you hold (?:the )?(nothing|{'|'.join(TOOLS)})", _hold),
  ClaimKind("wall", rf"{_MOVE} is a wall", _wall),
  ClaimKind("barred", rf"{_MOVE} is barred", _barred),
  ClaimKind("free", rf"{_MOVE} is free", _moves),
  ClaimKind("nearer", rf"{_MOVE} comes nearer to {_THING}", _nearer),
  ClaimKind("takes", rf"{_MOVE} takes {_TOOL}", _takes),
  ClaimKind("opened", rf"{_MOVE} opens {_ELEMENT}", _opened),
  ClaimKind("succeeds", rf"{_MOVE} reaches the goal", _succeeds),
  ClaimKind("place", rf"{_THING} is (here|{_STEPS}(?:,? {_STEPS})?)", _place),
)
FORMS = (
  "the key opens the door", "you hold the key", "left is a wall",
  "left is barred", "up is free", "up comes nearer to the key",
  "up takes the key", "up opens the door", "up reaches the goal",
  "the key is two up, one left",
)  # fmt: skip


def explain(
  action: str, outlook: Outlook, things: tuple[str, ...]
) -> tuple[str, ...]:
  """True claims that say why a move is good; see `claims.HasClaims`."""
  if not things:
    return ()
  thing = things[0]
  out = [
    f"the {tool} opens the {element}"
    for tool, element in itertools.product(things, things)
    if tool in TOOLS and element in ELEMENTS and _opens(outlook, tool, element)
  ]
  where = _offset(outlook, thing)
  out += [f"the {thing} is {where}"] if where else []
  effects = (
    f"{action} takes the {thing}",
    f"{action} opens the {thing}",
    f"{action} reaches the goal",
    f"{action} comes nearer to the {thing}",
  )
  true = [text for text in effects if claims.is_true(text, outlook, KINDS)]
  if true:
    return (*out, true[0])
  barred = [f"{a} is barred" for a in ACTIONS if _barred(outlook, a)]
  free = [f"{action} is free"] if _moves(outlook, action) else []
  return (*out, *barred, *free) if free else ()


def _offset(outlook: Outlook, thing: str) -> str:
  """Where the nearest thing of a word is; "" where it is nowhere."""
  env = outlook.state.env_state
  offsets = [np.array(c) - env.agent for c in _cells(outlook, env, thing)]
  if not offsets:
    return ""
  row, column = min(offsets, key=lambda o: int(np.abs(o).sum())).tolist()
  parts = [
    f"{NUMBERS[abs(steps)]} {axis[steps > 0]}"
    for steps, axis in ((row, ACTIONS[:2]), (column, ACTIONS[2:]))
    if steps
  ]
  return ", ".join(parts) or "here"

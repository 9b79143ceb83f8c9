"""What the words of a moment tell, and what they leave out to stay short.

See `text` for how they read. `decided` reads what is left out, so that nothing
is asked about it.
"""

from typing import NamedTuple

import numpy as np

from simulators.agentworld import routes, words
from simulators.agentworld.types import ACTIONS, ELEMENTS, GOALS, TOOLS, Obs
from simulators.agentworld.words import DELTAS, offset

LIMIT, WIDE_LIMIT = 40, 60  # tokens of a description, kept where possible
WIDE = 8  # side from which the second limit holds, but for plain levels


class Omitted(NamedTuple):
  """What a text leaves out that a longer one would tell.

  Attributes:
    tools: numbers of tools that go unsaid.
    places: numbers of tools whose offset goes unsaid, those among them.
    elements: numbers of elements that go unsaid.
    boxes: cells of boxes that go unsaid.
    way: whether it goes unsaid what the goal lies past.
  """

  tools: set
  places: set
  elements: set
  boxes: set
  way: bool


class Telling(NamedTuple):
  """A text and what it leaves out, None where that is nothing."""

  text: str
  omitted: Omitted | None


def tell(obs: Obs) -> list[Telling]:
  """Each row of `obs` (numpy leaves, leading axis B) in words."""
  found = routes.find(obs)
  row = np.arange(len(obs.agent))[:, None]

  def at(table, cells):
    return table[row, cells[..., 0] + 1, cells[..., 1] + 1].tolist()

  goal = obs.goal[:, None]
  ways = _Ways(
    blocked=found.blocked.tolist(),
    danger=found.danger.tolist(),
    plain=((obs.goal_kind == 0) & ~obs.hazard.any((1, 2))).tolist(),
    goal=at(found.first, goal),
    tool=at(found.first, obs.tool_at),
    element=at(found.first, obs.element_at),
    price=at(found.price, obs.tool_at),
  )
  # Lists: numpy's scalars are slow to read one by one.
  lists = {name: getattr(obs, name).tolist() for name in _READ}
  obs = obs.replace(**lists)
  return [_tell(obs, i, ways) for i in range(len(row))]


_READ = (
  "side", "agent", "goal", "goal_kind", "goal_word", "tool", "tool_at", "held",
  "element", "element_at", "opened", "needs", "boxes",
)  # fmt: skip


class _Ways(NamedTuple):
  """Lists of B rows: `routes.Routes` where things are.

  `goal`, `tool` and `element` are the first element on the way to each, -1
  for none; `price` is that of the ways to the tools; `plain` rows show no
  hazard and ask for nothing but to reach the goal.
  """

  blocked: list
  danger: list
  plain: list
  goal: list
  tool: list
  element: list
  price: list


def _tell(obs: Obs, i: int, ways: _Ways) -> Telling:
  agent, element, tool = obs.agent[i], obs.element[i], obs.tool[i]
  needs, opened = obs.needs[i], obs.opened[i]
  kind, asked = GOALS[obs.goal_kind[i]], obs.goal_word[i]
  standing = {
    tuple(cell): j
    for j, cell in enumerate(obs.element_at[i])
    if element[j] >= 0
  }
  first, price = ways.tool[i], ways.price[i]
  lying = [k for k in range(len(tool)) if tool[k] >= 0 and not obs.held[i][k]]
  lying.sort(key=price.__getitem__)
  if kind in ("take", "bring"):
    lying.sort(key=lambda k: tool[k] != asked)
  boxes = sorted(obs.boxes[i], key=lambda box: _steps(box, agent))
  bare = set()  # tools whose offset goes unsaid

  blocked = [
    w for w, said in zip(ACTIONS, ways.blocked[i], strict=True) if said
  ]
  danger = [w for w, said in zip(_PLACES, ways.danger[i], strict=True) if said]
  opening = [] if kind == "reach" else [words.task(kind, asked)]
  opening += [" ".join(["blocked", *blocked])] if blocked else []
  opening += [" ".join(["danger", *danger])] if danger else []
  ending = [TOOLS[word] for k, word in enumerate(tool) if obs.held[i][k]]
  ending = [" ".join(["holding", *ending])] if ending else []

  unsaid = set()  # of what `write` may leave out: "beside", "open", "way"

  def write() -> tuple[str, set]:
    """The text, and the elements that it tells of."""
    told = set()

    def bar(j, idle=False) -> str:
      told.add(j)
      said = f"{ELEMENTS[element[j]]} {offset(obs.element_at[i][j], agent)}"
      if opened[j]:
        return f"{said} open"
      return said if idle or needs[j] < 0 else f"{said} needs {TOOLS[needs[j]]}"

    def past(j) -> str:
      if j < 0:
        return ""
      return f" past {ELEMENTS[element[j]] if j in told else bar(j)}"

    sentences = []
    way = ways.goal[i][0]
    if kind == "open":
      for j in standing.values():
        if element[j] == asked:
          sentences.append(bar(j) + past(-1 if way == j else way))
    elif kind != "take":
      way = -1 if "way" in unsaid else way
      sentences.append(f"goal {offset(obs.goal[i], agent)}{past(way)}")
    sentences += [f"{words.BOX} {offset(box, agent)}" for box in boxes]
    for k in lying:
      where = "" if k in bare else f" {offset(obs.tool_at[i][k], agent)}"
      sentences.append(f"{TOOLS[tool[k]]}{where}{past(first[k])}")
    for down, right in DELTAS:
      j = standing.get((agent[0] + down, agent[1] + right), -1)
      if j >= 0 and j not in told and not (opened[j] and "open" in unsaid):
        sentences.append(bar(j, idle=True))
    around = [] if "beside" in unsaid else beside(told)
    return ". ".join(opening + around + sentences + ending) + ".", told

  def beside(told) -> list[str]:
    """Of what is told, what is one step away: where before what."""
    found = {}
    for k in reversed(lying):
      if k not in bare:
        found[tuple(obs.tool_at[i][k])] = TOOLS[tool[k]]
    if kind not in ("open", "take"):
      found[tuple(obs.goal[i])] = "goal"
    found |= {tuple(obs.element_at[i][j]): ELEMENTS[element[j]] for j in told}
    found |= {tuple(box): words.BOX for box in boxes}
    said = []
    for action, (down, right) in zip(ACTIONS, DELTAS, strict=True):
      cell = agent[0] + down, agent[1] + right
      said += [action, found[cell]] if cell in found else []
    return [" ".join(["beside", *said])] if said else []

  def shorten():
    """Leaves out one thing at a time, what matters least first."""
    yield unsaid.add("beside")  # all of it is told again
    wanted = set() if plain else _wanted(obs, i, ways)
    for k in reversed(lying):
      kept = tool[k] in wanted and opened[first[k]]
      kept |= kind == "take" and tool[k] == asked
      if first[k] >= 0 and not kept:
        yield bare.add(k)
    if plain:
      return
    for k in reversed(list(lying)):
      if tool[k] not in wanted:
        yield lying.remove(k)
    yield unsaid.add("open")
    for box in reversed(list(boxes)):
      if kind != "push" and _steps(box, agent) > 1:
        yield boxes.remove(box)
    if kind == "bring" and any(tool[k] == asked for k in lying):
      yield unsaid.add("way")
    while boxes and kind != "push":
      yield boxes.pop()

  plain = ways.plain[i] and not boxes
  limit = LIMIT if plain or obs.side[i] < WIDE else WIDE_LIMIT
  text, told = write()
  if _length(text) <= limit:
    return Telling(text, None)
  every = told, set(lying), {tuple(box) for box in boxes}
  for _ in shorten():
    text, told = write()
    if _length(text) <= limit:
      break
  elements, tools, cells = every
  tools -= set(lying)
  omitted = Omitted(
    tools=tools,
    places=tools | bare,
    elements=elements - told,
    boxes=cells - {tuple(box) for box in boxes},
    way="way" in unsaid and ways.goal[i][0] >= 0,
  )
  return Telling(text, omitted)


def _wanted(obs: Obs, i: int, ways: _Ways) -> set[int]:
  """Words of the tools that the way to what is asked for takes, as told."""
  asked, tool, first = obs.goal_word[i], obs.tool[i], ways.tool[i]
  wanted, seen = {asked}, set()
  todo = [ways.goal[i][0]]
  if GOALS[obs.goal_kind[i]] == "open":
    todo += [j for j, word in enumerate(obs.element[i]) if word == asked]
  else:
    todo += [first[k] for k, word in enumerate(tool) if word == asked]
  while todo:
    j = todo.pop()
    if j < 0 or j in seen or obs.opened[i][j]:
      continue
    seen.add(j)
    needed = obs.needs[i][j]
    wanted.add(needed)
    todo += [first[k] for k, word in enumerate(tool) if word == needed]
  return wanted


_PLACES = (*ACTIONS, "here")


def _steps(cell, agent) -> int:
  return abs(cell[0] - agent[0]) + abs(cell[1] - agent[1])


def _length(text: str) -> int:
  """Words and stops, each a token of the usual vocabularies; the first, with
  no space before it, may be two."""
  return len(text.split()) + text.count(".") + 1

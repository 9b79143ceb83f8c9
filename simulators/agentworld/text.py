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

    task open tree. danger up. tree two up needs ax past door left needs key.
    package down. ax left past door. key two down. holding pole.

What is asked for comes first, unless it is to reach the goal; `danger` lists
the next cells that are hazards, and a package is a box. Here a text that is
still too long keeps what the next move needs: tools that the way does not take
go unsaid, then open elements and boxes off it. `maps` draws the same.
"""

from typing import NamedTuple

import numpy as np

from simulators.agentworld import maps, reading, routes, words
from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  GOALS,
  TOOLS,
  Config,
  Obs,
  Params,
)
from simulators.agentworld.words import DELTAS, offset

# The other half of speaking, so that who needs both finds them here.
NUMBERS = words.NUMBERS
parse = reading.parse
parse_description = reading.parse_description

LIMIT, WIDE_LIMIT = 40, 60  # tokens of a description, kept where possible
WIDE = 8  # side from which the second limit holds, but for plain levels
INSTRUCTION = "Reach the goal."
_INSTRUCTIONS = {
  "reach": INSTRUCTION,
  "take": "Take the {}.",
  "open": "Open the {}.",
  "bring": "Bring the {} to the goal.",
  "push": f"Push a {words.BOX} onto the goal.",
}
_TASKS = {
  "take": "take a tool",
  "open": "open an element",
  "bring": "bring a tool to the goal",
  "push": f"push a {words.BOX} onto the goal",
}


# --- Describing -------------------------------------------------------------


def describe(obs: Obs, config: Config) -> list[str]:
  """One short text for each row.

  Args:
    obs: numpy leaves with a leading axis B (after one `jax.device_get`).
    config: of the world; chooses the rendering.
  """
  if config.rendering == "map":
    return maps.describe(obs)
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
  return [_describe(obs, i, ways) for i in range(len(row))]


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


def _describe(obs: Obs, i: int, ways: _Ways) -> str:
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

  unsaid = set()  # of what `write` may leave out: "open", "way"

  def write() -> str:
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

    sentences = list(opening)
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
    return ". ".join(sentences + ending) + "."

  def shorten():
    """Leaves out one thing at a time, what matters least first."""
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
  text = write()
  if _length(text) > limit:
    for _ in shorten():
      text = write()
      if _length(text) <= limit:
        break
  return text


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


# --- Instructions and rules -------------------------------------------------


def instruction(obs: Obs) -> list[str]:
  """What each row is to achieve, one sentence."""
  out = []
  for kind, word in zip(obs.goal_kind, obs.goal_word, strict=True):
    kind = GOALS[kind]
    names = ELEMENTS if kind == "open" else TOOLS
    out.append(_INSTRUCTIONS[kind].format(names[word]))
  return out


def rules(params: Params, config: Config) -> str:
  """How the world works as the agent is told, the shared prefix of prompts.

  Args:
    params: one world's rules, arrays without batch axes.
    config: what there is to be told of: boxes, hazards, goals, a map.
  """
  tool_id = np.asarray(params.tool_id)
  element_id = np.asarray(params.element_id)
  pairs = ", ".join(
    f"{TOOLS[tool_id[k]]} opens {ELEMENTS[element_id[j]]}"
    for k, j in np.argwhere(np.asarray(params.nominal))
  )
  clauses = [
    _aim(config.goals),
    "Walk onto a tool to take it.",
    f"Walk into a closed element with its tool to open it: {pairs}.",
  ]
  if config.boxes:
    clauses.append(
      f"Walk into a {words.BOX} to push it onto a free cell behind it."
    )
  if config.hazards:
    clauses.append("Walking into danger ends the game.")
  if config.rendering == "map":
    clauses.append(maps.marks(config))
  return " ".join(
    [*clauses, f"Moves: {', '.join(ACTIONS)}. Answer with one word."]
  )


def _aim(goals: tuple[str, ...]) -> str:
  if goals == ("reach",):
    return "Walk to the goal."
  tasks = ", ".join(
    _TASKS[goal] for goal in GOALS if goal in _TASKS and goal in goals
  )
  otherwise = "; without a task, walk to the goal" if "reach" in goals else ""
  return f"Do the task: {tasks}{otherwise}."

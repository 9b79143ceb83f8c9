"""AgentWorld as a map: a legend, with the rows of the level below it.

    task bring key. a ax b key A tree E door needs pick. holding pole.
      #  *
    a # !
     EA@
     $#b
      #

`@` is the agent, `#` a wall, `*` the goal, `$` a box, `!` a hazard, a space
free floor. A tool has a small letter, and the element that it opens has the
same capital letter. The legend says what an element needs only if that tool is
not on the map. An open element, or a thing under another one, has its offset in
the legend instead: `goal two up`, `tree here open`. Rows end at their last
mark. Spaces cost the fewest tokens: a dot for each free cell takes a quarter
more.
"""

from typing import Any

import jax
import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.text import words
from simulators.agentworld.types import Obs
from simulators.agentworld.vocabulary import (
  BOX,
  ELEMENTS,
  GOALS,
  HAZARD,
  NOTHING,
  TOOLS,
)


def describe(obs: Obs) -> list[str]:
  """One map for each row of `obs` (numpy leaves, leading axis B)."""
  seen = jax.tree.map(np.asarray, obs)
  return [_describe(seen, i) for i in range(len(obs.agent))]


def _describe(obs: Any, i: int) -> str:
  """The map of row i of an `Obs` with numpy leaves."""
  agent, side = obs.agent[i], int(obs.side[i])
  kind = GOALS[obs.goal_kind[i]]
  rows = np.where(obs.wall[i, :side, :side], words.WALL, " ")
  rows[obs.hazard[i, :side, :side]] = words.HAZARD
  for box in obs.boxes[i]:
    rows[tuple(box)] = words.CRATE
  rows[tuple(agent)] = words.AGENT

  def put(mark: str, cell: np.ndarray) -> str:
    """Draws `mark`; if its cell is taken, returns its offset instead."""
    if rows[tuple(cell)] == " ":
      rows[tuple(cell)] = mark
      return ""
    return f" {words.offset(cell.tolist(), agent.tolist())}"

  held, owner = [], {}  # word of each tool -> its number
  legend = []
  for k, word in enumerate(obs.tool[i].tolist()):
    if word < 0:
      continue
    owner.setdefault(word, k)
    if obs.held[i, k]:
      held.append(TOOLS[word])
    else:
      letter = words.LETTERS[k]
      legend += [f"{letter} {TOOLS[word]}{put(letter, obs.tool_at[i, k])}"]
  taken = set()
  pairs = obs.tool.shape[1]
  for j, word in enumerate(obs.element[i].tolist()):
    if word < 0:
      continue
    cell, needed, how = obs.element_at[i, j], int(obs.needs[i, j]), ""
    if obs.opened[i, j]:
      legend += [f"{ELEMENTS[word]} {words.offset(cell, agent)} open"]
      continue
    k = owner.get(needed, -1)
    if k in taken or k < 0:
      k = pairs + j  # a letter that no tool has
    if needed >= 0 and (k >= pairs or obs.held[i, k]):
      how = f" needs {TOOLS[needed]}"
    taken.add(k)
    letter = words.LETTERS[k].upper()
    legend += [f"{letter} {ELEMENTS[word]}{put(letter, cell)}{how}"]

  sentences = []
  if kind != "reach":
    sentences += [words.task(kind, int(obs.goal_word[i]))]
  if kind not in ("take", "open") and (where := put(words.GOAL, obs.goal[i])):
    sentences += [f"goal{where}"]
  if obs.hazard[i][tuple(agent)]:
    sentences += [f"{HAZARD} here"]
  if legend:
    sentences += [" ".join(legend)]
  if held:
    sentences += [" ".join(["holding", *held])]
  head = ". ".join(sentences or [NOTHING]) + "."
  return "\n".join([head, *("".join(row).rstrip() for row in rows)])


def marks(config: Config) -> str:
  """The meaning of the marks that the world can show."""
  shown = [f"{words.AGENT} you", f"{words.WALL} wall"]
  if set(config.goals) - {"take", "open"}:
    shown.append(f"{words.GOAL} goal")
  if config.boxes:
    shown.append(f"{words.CRATE} {BOX}")
  if config.hazards:
    shown.append(f"{words.HAZARD} {HAZARD}")
  return (
    f"The map is square: {', '.join(shown)}; tool a opens element A, and so on."
  )

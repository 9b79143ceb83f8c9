"""AgentWorld as a map: a legend, and the level's rows below it.

    task bring key. a ax b key A tree E door needs pick. holding pole.
      #  *
    a # !
     EA@
     $#b
      #

`@` is the agent, `#` a wall, `*` the goal, `$` a box, `!` a hazard, a space
free floor. A tool has a small letter and the element that it opens the same
one as a capital: what an element needs is said only where that tool is not on
the map. What has something on top of it, or is open, is told of by its offset
from the agent as `text` does it: `goal two up`, `tree here open`. Rows end at
their last mark. A space costs the fewest tokens: a dot for each free cell takes
a quarter more.
"""

import numpy as np

from simulators.agentworld import words
from simulators.agentworld.types import ELEMENTS, GOALS, TOOLS, Config, Obs


def describe(obs: Obs) -> list[str]:
  """One map for each row of `obs` (numpy leaves, leading axis B)."""
  return [_describe(obs, i) for i in range(len(obs.agent))]


def _describe(obs: Obs, i: int) -> str:
  agent, side = obs.agent[i], int(obs.side[i])
  kind = GOALS[obs.goal_kind[i]]
  rows = np.where(obs.wall[i, :side, :side], words.WALL, " ")
  rows[obs.hazard[i, :side, :side]] = words.HAZARD
  for box in obs.boxes[i]:
    rows[tuple(box)] = words.CRATE
  rows[tuple(agent)] = words.AGENT

  def put(mark, cell) -> str:
    """Draws `mark`; says where it would be if that place is taken."""
    if rows[tuple(cell)] == " ":
      rows[tuple(cell)] = mark
      return ""
    return f" {words.offset(cell, agent)}"

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
    sentences += ["danger here"]
  if legend:
    sentences += [" ".join(legend)]
  if held:
    sentences += [" ".join(["holding", *held])]
  told = ". ".join(sentences or [words.NOTHING]) + "."
  return "\n".join([told, *("".join(row).rstrip() for row in rows)])


def marks(config: Config) -> str:
  """What the marks stand for, of those that the world can show."""
  shown = [f"{words.AGENT} you", f"{words.WALL} wall"]
  if set(config.goals) - {"take", "open"}:
    shown.append(f"{words.GOAL} goal")
  if config.boxes:
    shown.append(f"{words.CRATE} {words.BOX}")
  if config.hazards:
    shown.append(f"{words.HAZARD} danger")
  return (
    f"The map is square: {', '.join(shown)}; tool a opens element A, and so on."
  )

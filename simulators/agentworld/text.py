"""AgentWorld in words: numpy observations in, short relative English out.

    blocked up left. beside up tree. goal three up two right past tree up needs
    ax. ax two left. key three down past tree. holding pole.

`blocked` lists the next cells that cannot be entered now, `beside` what lies or
stands in a next cell. An offset gives the steps from the agent, a direction
alone is one step. `past tree` says that the cheapest way there leads through
the tree, the first element on it; where it stands and what it needs (or `open`)
is told once. An element that nothing lies past is told of if adjacent, a tool
until it is held. What is unseen goes unsaid. In a text that grows too long
`beside` is left out, as all of it is told again, and then the farthest tools
past an element lose their offset: `bone past tree`.

Who reads from left to right finds a word by what came before it: so a rule
names the element and then its tool, and `beside` the direction first.

    task open tree. danger up. tree two up needs ax past door left needs key.
    package down. ax left past door. key two down. holding pole.

What is asked for comes first, unless it is to reach the goal; `danger` lists
the next cells that are hazards, and a package is a box. Here a text that is
still too long keeps what the next move needs: tools that the way does not take
go unsaid, then open elements and boxes off it. `telling` writes this, `maps`
draws the same.
"""

import numpy as np

from simulators.agentworld import maps, reading, telling, words
from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  GOALS,
  TOOLS,
  Config,
  Obs,
  Params,
)

# The other half of speaking, so that who needs both finds them here.
NUMBERS = words.NUMBERS
parse = reading.parse
parse_description = reading.parse_description

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


def describe(obs: Obs, config: Config) -> list[str]:
  """One short text for each row.

  Args:
    obs: numpy leaves with a leading axis B (after one `jax.device_get`).
    config: of the world; chooses the rendering.
  """
  if config.rendering == "map":
    return maps.describe(obs)
  return [told.text for told in telling.tell(obs)]


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
    f"{ELEMENTS[element_id[j]]} needs {TOOLS[tool_id[k]]}"
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

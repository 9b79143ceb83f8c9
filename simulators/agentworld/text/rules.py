"""What an episode asks for, and the rules that start every prompt."""

import re

import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.text import maps
from simulators.agentworld.types import Obs, Params
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  GOALS,
  TOOLS,
)

INSTRUCTION = "Reach the goal."
_INSTRUCTIONS = {
  "reach": INSTRUCTION,
  "take": "Take the {}.",
  "open": "Open the {}.",
  "bring": "Bring the {} to the goal.",
  "push": f"Push a {BOX} onto the goal.",
}
_TASKS = {
  "take": "take a tool",
  "open": "open an element",
  "bring": "bring a tool to the goal",
  "push": f"push a {BOX} onto the goal",
}


def instruction(obs: Obs) -> list[str]:
  """The goal of each row in one sentence."""
  out = []
  kinds, words = np.asarray(obs.goal_kind), np.asarray(obs.goal_word)
  for number, word in zip(kinds.tolist(), words.tolist(), strict=True):
    kind = GOALS[number]
    names = ELEMENTS if kind == "open" else TOOLS
    out.append(_INSTRUCTIONS[kind].format(names[word]))
  return out


def rules(params: Params, config: Config) -> str:
  """The nominal rules and the moves: the shared prefix of all prompts.

  Args:
    params: one variant, without batch axes.
    config: whether there are boxes, hazards, other goals, a map.
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
    *["You hold one tool: the one before stays there."] * config.one_hand,
    f"Walk into a closed element with its tool to open it: {pairs}.",
  ]
  if config.boxes:
    clauses.append(f"Walk into a {BOX} to push it onto a free cell behind it.")
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


_PAIR = re.compile(rf"\b({'|'.join(ELEMENTS)}) needs ({'|'.join(TOOLS)})\b")


def read_needs(rules: str) -> dict[str, str]:
  """element -> the tool that opens it, as the rules state it."""
  return dict(_PAIR.findall(rules))

"""Which of AgentWorld's rules a step has shown, by what the agent reads."""

from typing import Any

from simulators.agentworld.game.dynamics import DELTAS
from simulators.agentworld.text import read
from simulators.agentworld.vocabulary import ACTIONS, BOX, HAZARD, NOTHING


def rule_uses(text: str, action: str, then: str) -> tuple[str, ...]:
  """The uses of rules that two descriptions show; see `HasRuleUses`.

      ax opens tree      ax does not open rock   nothing opens river
      take ax            put ax                  push package
      a wall stops       enter danger            down becomes left

  Args:
    text: the description before the step.
    action: the word of the action that was chosen.
    then: the description after it.
  """
  before, after = (read.parse_description(t) for t in (text, then))
  last = after.get("last") or {}
  move = last.get("move", action)
  ahead = tuple(int(x) for x in DELTAS[ACTIONS.index(move)])
  held, holds = set(before["holding"]), set(after["holding"])
  with_ = " and ".join(sorted(held)) or NOTHING
  out = [f"{action} becomes {move}"] if move != action else []
  for word, element in before["elements"].items():
    if element["open"] or element["offset"] != ahead:
      continue
    opened = after["elements"].get(word, element)["open"]
    if opened:
      out.append(f"{with_} opens {word}")
    elif move in before.get("shut", ()) and not last.get("moved", True):
      out.append(f"{with_} does not open {word}")
  out += [f"take {tool}" for tool in sorted(holds - held)]
  out += [f"put {tool}" for tool in sorted(held - holds)]
  out += _cells(before, after, move, ahead)
  return tuple(out)


def _cells(
  before: dict[str, Any],
  after: dict[str, Any],
  move: str,
  ahead: tuple[int, ...],
) -> list[str]:
  """Uses that walls, hazards and boxes show."""
  moved = (after.get("last") or {}).get("moved", True)
  if not moved:
    return ["a wall stops"] if move in before.get("walls", ()) else []
  out = [f"enter {HAZARD}"] if ahead in before.get("hazards", ()) else []
  return out + ([f"push {BOX}"] if ahead in before["boxes"] else [])

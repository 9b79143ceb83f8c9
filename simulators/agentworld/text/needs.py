"""Whether a shortened description still decides the answer to a question.

A text of the rendering `hints` leaves things out where it would grow too long.
`Kind.needs` names what a kind of question needs to find there; a question
without it is not asked.
The rules are a text of their own and leave out nothing, so kinds about rules
need nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np

from simulators.agentworld.text import hints
from simulators.agentworld.text.words import DELTAS
from simulators.agentworld.types import Obs
from simulators.agentworld.vocabulary import BOX_CODE, ELEMENT_CODE, TOOL_CODE
from simulators.asking import Kind
from simulators.base import QuestionArrays


class Missing:
  """What the description of one moment leaves out, in terms of questions.

  Attributes:
    omitted: the same in terms of the moment.
    next_cells: list of bool, whether something is left out in the next cell of
      each action.
    answers: codes of the tools and elements left out.
  """

  def __init__(self, obs: Obs, row: int, omitted: hints.Omitted):
    self.omitted = omitted
    agent, tool_at, element_at, tool, element = (
      np.asarray(leaf)[row].tolist()
      for leaf in (
        obs.agent, obs.tool_at, obs.element_at, obs.tool, obs.element
      )
    )  # fmt: skip
    cells = {tuple(tool_at[k]) for k in omitted.places} | omitted.boxes
    cells |= {tuple(element_at[j]) for j in omitted.elements}
    self.next_cells = [
      (agent[0] + down, agent[1] + right) in cells for down, right in DELTAS
    ]
    self.answers = {TOOL_CODE + tool[k] for k in omitted.tools}
    self.answers |= {ELEMENT_CODE + element[j] for j in omitted.elements}


# (what is missing, the question's arguments, code of its answer) -> whether the
# description has what the question needs.
Need = Callable[[Missing, Sequence[int], int], bool]


def offsets(*positions: int) -> Need:
  """The offsets of the objects that these arguments name."""

  def need(missing: Missing, args: Sequence[int], answer: int) -> bool:
    del answer
    return not any(args[a] - 1 in missing.omitted.places for a in positions)

  return need


def tool(missing: Missing, args: Sequence[int], answer: int) -> bool:
  """The tool that the first argument names."""
  del answer
  return args[0] not in missing.omitted.tools


def answer(missing: Missing, args: Sequence[int], answer: int) -> bool:
  """The tool or element that is the answer."""
  del args
  return answer not in missing.answers


def next_cell(missing: Missing, args: Sequence[int], answer: int) -> bool:
  """All that is in the next cell of the move that the first argument names."""
  return answer not in missing.answers and not missing.next_cells[args[0]]


def first_stop(missing: Missing, args: Sequence[int], answer: int) -> bool:
  """What stops a plan; a box is named only if it is in the next cell."""
  if answer == BOX_CODE:
    return next_cell(missing, args, answer)
  return answer not in missing.answers


def way_to(position: int, element: int | None = None) -> Need:
  """What the object that an argument names lies past.

  Args:
    position: of the argument that names the object.
    element: of the argument that names an element, which is needed too.
  """

  def need(missing: Missing, args: Sequence[int], answer: int) -> bool:
    thing, omitted = args[position], missing.omitted
    if answer in missing.answers:
      return False
    if element is not None and args[element] in omitted.elements:
      return False
    return not omitted.way if thing == 0 else thing - 1 not in omitted.tools

  return need


def decided(
  arrays: QuestionArrays, obs: Obs, kinds: Sequence[Kind]
) -> np.ndarray:
  """bool[B, K]: `arrays.valid` minus what the descriptions do not decide.

  Args:
    arrays: numpy leaves [B, K, ...].
    obs: numpy leaves [B, ...] of the same moments.
    kinds: the K kinds.
  """
  valid = np.array(arrays.valid)
  needy = [k for k, kind in enumerate(kinds) if kind.needs]
  if not valid[:, needy].any():
    return valid
  options, answers = np.asarray(arrays.options), np.asarray(arrays.answer)
  for i, description in enumerate(hints.write(obs)):
    if description.omitted is None:
      continue
    codes = options[i, range(len(kinds)), answers[i]].tolist()
    args = np.asarray(arrays.args)[i].tolist()
    missing = Missing(obs, i, description.omitted)
    for k in needy:
      valid[i, k] &= kinds[k].needs(missing, args[k], codes[k])
  return valid

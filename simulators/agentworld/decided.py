"""Which questions the words of a moment decide, though they were shortened.

`telling` leaves out what the next move does not need where a text grows too
long. Whoever reads it cannot be asked about that: a question is dropped if it
names a tool or an element that goes unsaid, or is about the place of one that
is told without, or if its answer is such a thing. The rules are told apart, so
that `which_tool` and the like may name anything; so may `lacking`, whose answer
they give. What a longer text would not tell either is the truths' affair: see
`moments`.
"""

import numpy as np

from simulators.agentworld import telling
from simulators.agentworld.moments import BOXES, ELEMENT, TOOL
from simulators.agentworld.types import Obs
from simulators.agentworld.words import DELTAS
from simulators.base import QuestionArrays

# kind -> which arguments are objects whose place must be told.
_PLACED = {
  "nearer": (0, 1), "apart": (0, 1), "relative": (0, 1), "nears": (1,),
  "next_distance": (1,),
  **dict.fromkeys(
    ("where", "distance", "aligned", "plan", "was_distance", "approached"),
    (0,),
  ),
}  # fmt: skip
# kind -> which argument is an object whose way must be told.
_WAYS = {"reachable": 0, "way_bar": 0, "if_open": 1}
_TOOLS = ("held", "helps", "if_held")  # the first argument is a tool
_BESIDE = ("adjacent", "takes", "pushes", "why_barred")  # it is a move
_ASKED = {*_PLACED, *_WAYS, *_TOOLS, *_BESIDE, "stopped", "first_tool"}


def valid(
  arrays: QuestionArrays, obs: Obs, kinds: tuple[str, ...]
) -> np.ndarray:
  """bool[B, K]: `arrays.valid`, less what the words do not decide.

  Args:
    arrays: numpy leaves [B, K, ...].
    obs: numpy leaves [B, ...] of the same moments.
    kinds: names of the K kinds.
  """
  out = np.array(arrays.valid)
  asked = [k for k, kind in enumerate(kinds) if kind in _ASKED]
  if not out[:, asked].any():
    return out
  for i, told in enumerate(telling.tell(obs)):
    if told.omitted is None:
      continue
    answers = arrays.options[i, range(len(kinds)), arrays.answer[i]].tolist()
    args = arrays.args[i].tolist()
    gone = _Gone(obs, i, told.omitted)
    for k in asked:
      out[i, k] &= gone.decides(kinds[k], args[k], answers[k])
  return out


class _Gone:
  """What goes unsaid of one moment, as questions speak of it."""

  def __init__(self, obs: Obs, i: int, omitted: telling.Omitted):
    self.omitted = omitted
    agent, tool_at = obs.agent[i], obs.tool_at[i]
    cells = {tuple(tool_at[k].tolist()) for k in omitted.places}
    cells |= {tuple(obs.element_at[i, j].tolist()) for j in omitted.elements}
    cells |= omitted.boxes
    self.beside = [tuple((agent + d).tolist()) in cells for d in DELTAS]
    # Codes of ANSWERS.
    self.words = {TOOL + int(obs.tool[i, k]) for k in omitted.tools}
    self.words |= {ELEMENT + int(obs.element[i, j]) for j in omitted.elements}

  def decides(self, kind: str, args: list[int], answer: int) -> bool:
    """Whether the words decide a question, by `args` and its answer's code."""
    omitted = self.omitted
    if kind in _PLACED:
      return not any(args[a] - 1 in omitted.places for a in _PLACED[kind])
    if kind in _TOOLS:
      return args[0] not in omitted.tools
    if answer in self.words:
      return False
    if kind in _WAYS:
      thing = args[_WAYS[kind]]
      told = not omitted.way if thing == 0 else thing - 1 not in omitted.tools
      return told and (kind != "if_open" or args[0] not in omitted.elements)
    if kind in _BESIDE or (kind == "stopped" and answer == BOXES):
      return not self.beside[args[0]]
    return True

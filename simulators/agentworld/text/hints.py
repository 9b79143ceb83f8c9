"""Terse facts with the way worked out: the control `rendering="hints"`.

    blocked up left. beside up tree. goal three up two right past tree up needs
    ax. ax two left. key three down past tree. holding pole.

`blocked` lists the next cells that cannot be entered now, `beside` what lies or
stands in a next cell. An offset gives the steps from the agent; a direction
alone is one step. `past tree` says that the cheapest way leads through the
tree, the first element on it. Where that element stands and what it needs (or
`open`) is written once. An element without anything past it is mentioned if it
is adjacent, a tool until it is held. Unseen objects are not mentioned.

A language model reads from left to right and finds a word by what precedes it.
So a rule names the element and then its tool, and `beside` names the direction
first.

    task open tree. danger up. tree two up needs ax past door left needs key.
    package down. ax left past door. key two down. holding pole.

A goal other than `reach` comes first. `danger` lists the next cells that are
hazards; a package is a box.

A text that is too long is shortened step by step. First `beside` goes, which
repeats other sentences; then the offsets of the farthest tools past an element
(`bone past tree`). If there are boxes, hazards or other goals, tools that are
not on the way to the goal go next, then such open elements and boxes. `Omitted`
records what is left out, so that no question asks about it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from simulators.agentworld.text.sentences import Row, Sentences, rows
from simulators.agentworld.types import Obs

LIMIT, WIDE_LIMIT = 40, 60  # tokens of a description, kept where possible
WIDE = 8  # side from which WIDE_LIMIT holds, except for plain levels


class Omitted(NamedTuple):
  """What a text leaves out to be short.

  Attributes:
    tools: numbers of tools without a sentence.
    places: numbers of tools without an offset, those of `tools` included.
    elements: numbers of elements that are not mentioned.
    boxes: cells of boxes without a sentence.
    way: whether the element that the goal lies past is not mentioned.
  """

  tools: set[int]
  places: set[int]
  elements: set[int]
  boxes: set[tuple[int, ...]]
  way: bool


class Description(NamedTuple):
  """A text and what it leaves out; None if nothing."""

  text: str
  omitted: Omitted | None


def write(obs: Obs) -> list[Description]:
  """Each row of `obs` (numpy leaves, leading axis B) in words."""
  return [_description(row) for row in rows(obs)]


def _description(row: Row) -> Description:
  """One moment in words, shortened as far as needed."""
  sentences = Sentences(row)
  is_plain = row.is_reach and not sentences.boxes
  short = is_plain or row.side < WIDE
  limit = LIMIT if short else WIDE_LIMIT
  text = sentences.write()
  if _length(text) <= limit:
    return Description(text, None)
  tools, boxes = set(sentences.lying), {tuple(box) for box in sentences.boxes}
  elements = sentences.mentioned
  for _ in _shorten(sentences, is_plain):
    text = sentences.write()
    if _length(text) <= limit:
      break
  tools -= set(sentences.lying)
  omitted = Omitted(
    tools=tools,
    places=tools | sentences.without_offset,
    elements=elements - sentences.mentioned,
    boxes=boxes - {tuple(box) for box in sentences.boxes},
    way="way" in sentences.left_out and row.goal_past >= 0,
  )
  return Description(text, omitted)


def _shorten(sentences: Sentences, is_plain: bool) -> Iterator[None]:
  """Leaves out one thing at a time, the least important first."""
  row = sentences.row
  yield sentences.left_out.add("beside")  # other sentences say the same
  wanted = set() if is_plain else _wanted(sentences)
  for k in reversed(sentences.lying):
    past = row.tool_past[k]
    kept = row.tool[k] in wanted and row.opened[past]
    kept |= sentences.task == "take" and row.tool[k] == row.goal_word
    if past >= 0 and not kept:
      yield sentences.without_offset.add(k)
  if is_plain:
    return
  for k in reversed(list(sentences.lying)):
    if row.tool[k] not in wanted:
      yield sentences.lying.remove(k)
  yield sentences.left_out.add("open")
  for box in reversed(list(sentences.boxes)):
    if sentences.task != "push" and sentences.steps(box) > 1:
      yield sentences.boxes.remove(box)
  if sentences.task == "bring" and any(
    row.tool[k] == row.goal_word for k in sentences.lying
  ):
    yield sentences.left_out.add("way")
  while sentences.boxes and sentences.task != "push":
    sentences.boxes.pop()
    yield


def _wanted(sentences: Sentences) -> set[int]:
  """Words of the tools that the way to the goal takes, by the text."""
  row = sentences.row
  wanted, seen, todo = {row.goal_word}, set(), [row.goal_past]
  if sentences.task == "open":
    todo += [j for j, w in enumerate(row.element) if w == row.goal_word]
  else:
    todo += _pasts(row, row.goal_word)
  while todo:
    j = todo.pop()
    if j < 0 or j in seen or row.opened[j]:
      continue
    seen.add(j)
    wanted.add(row.needs[j])
    todo += _pasts(row, row.needs[j])
  return wanted


def _pasts(row: Row, word: int) -> list[int]:
  """The elements that the tools of this word lie past."""
  return [row.tool_past[k] for k, w in enumerate(row.tool) if w == word]


def _length(text: str) -> int:
  """Tokens: words and stops; the first word may be two tokens."""
  return len(text.split()) + text.count(".") + 1

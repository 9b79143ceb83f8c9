"""Where a level's tools can be: in the agent's hand, or each in a slot.

Slot j is the cell where tool j lies at the start. Walking onto a slot takes
the tool that lies there. With one hand, the tool in hand is put down in the
same slot, so tools only ever lie in slots. Without that limit the agent keeps
every tool that it takes. The few arrangements that either rule can reach are
numbered here, for the oracle's table.
"""

import functools
import itertools
from collections import deque
from typing import NamedTuple

import numpy as np

HAND = -1  # in place of a slot


class Inventory(NamedTuple):
  """All arrangements of P tools that play can reach, numbered.

  Attributes:
    slot: i32[I, P], slot of each tool in each arrangement; HAND in hand.
    held: i32[I], the tools in hand as bits.
    take: i32[2, I, P + 1], the arrangement after walking onto a slot, without
      and with the rule of one hand; the last column is a cell without a slot.
    number: i32[(P + 1)^P], number of an arrangement by its `code`.
  """

  slot: np.ndarray
  held: np.ndarray
  take: np.ndarray
  number: np.ndarray

  @property
  def size(self) -> int:
    """I, the number of arrangements."""
    return len(self.held)


def code(slot: tuple[int, ...]) -> int:
  """An arrangement as digits of base P + 1, those of tool 0 the highest."""
  out = 0
  for place in slot:
    out = out * (len(slot) + 1) + place + 1
  return out


def _walk(slot: tuple[int, ...], at: int, one_hand: bool) -> tuple[int, ...]:
  """The arrangement after walking onto slot `at`."""
  if at not in slot:
    return slot
  after = [HAND if place == at else place for place in slot]
  if one_hand:
    for tool, place in enumerate(slot):
      if place == HAND:
        after[tool] = at
  return tuple(after)


@functools.cache
def inventory(pairs: int) -> Inventory:
  """The arrangements of `pairs` tools, the one at the start first."""
  start = tuple(range(pairs))
  found = {start: 0}
  for one_hand in (False, True):
    queue, seen = deque([start]), {start}
    while queue:
      slot = queue.popleft()
      for at in range(pairs):
        after = _walk(slot, at, one_hand)
        if after not in seen:
          seen.add(after)
          found.setdefault(after, len(found))
          queue.append(after)
  take = np.tile(np.arange(len(found))[:, None], (2, 1, pairs + 1))
  rules, slots = (False, True), range(pairs)
  for (slot, n), rule, at in itertools.product(found.items(), rules, slots):
    after = _walk(slot, at, rule)
    take[int(rule), n, at] = found.get(after, n)
  number = np.zeros((pairs + 1) ** pairs, np.int32)
  for slot, n in found.items():
    number[code(slot)] = n
  slot = np.array(list(found), np.int32).reshape(len(found), pairs)
  held = ((slot == HAND) << np.arange(pairs)).sum(-1)
  return Inventory(slot, held.astype(np.int32), take.astype(np.int32), number)

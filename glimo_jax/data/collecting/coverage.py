"""What the episodes of a collection have met, and when little more is new.

A collection has a curve for each measure over the episodes, in an order drawn
at random, so that no actor and no variant comes first:

    texts      different descriptions
    words      different words in them
    levels     different levels
    variants   different variants
    families   different depths (or families) of levels
    rule_uses  different uses of rules, in a world that is `HasRuleUses`
"""

import re
from collections.abc import Sequence
from typing import Any

from glimo_jax.types import Experience
from simulators.base import World
from simulators.rule_uses import HasRuleUses

_POINTS = 32  # of a curve
_WORD = re.compile(r"[^\W\d_]+")

Episodes = Sequence[Sequence[Experience]]  # the moments of each


class Met:
  """What some episodes have met.

  Args:
    world: the simulator that they come from.

  Attributes:
    episodes: how many.
    moments: their moments.
  """

  def __init__(self, world: World):
    self._rules = world if isinstance(world, HasRuleUses) else None
    self._actions = world.actions
    self.episodes, self.moments = 0, 0
    self._texts: set[str] = set()
    self._sets: dict[str, set[Any]] = {
      name: set() for name in ("words", "levels", "variants", "families")
    }
    if self._rules is not None:
      self._sets["rule_uses"] = set()

  def add(self, episodes: Episodes) -> float:
    """Adds episodes; returns the share of their moments with a new text.

    A moment counts by the text that its action leads to.
    """
    new, moments = 0, 0
    for episode in episodes:
      for moment in episode:
        self._read(moment.description)
        new += self._read(moment.next_description)
        self._note(moment)
      moments += len(episode)
    self.episodes += len(episodes)
    self.moments += moments
    return new / max(moments, 1)

  def sizes(self) -> dict[str, int]:
    """How much of each measure was met so far."""
    return {
      "episodes": self.episodes,
      "moments": self.moments,
      "texts": len(self._texts),
      **{name: len(found) for name, found in self._sets.items()},
    }

  def _read(self, text: str) -> bool:
    """Notes a text; returns whether it is new."""
    if text in self._texts:
      return False
    self._texts.add(text)
    self._sets["words"].update(_WORD.findall(text.lower()))
    return True

  def _note(self, moment: Experience) -> None:
    self._sets["levels"].add(moment.level_hash)
    self._sets["variants"].add(moment.variant)
    self._sets["families"].add(moment.depth)
    if self._rules is not None:
      action = self._actions[moment.next_action]
      self._sets["rule_uses"].update(
        self._rules.rule_uses(
          moment.description, action, moment.next_description
        )
      )


def curve(world: World, episodes: Episodes) -> dict[str, list[float]]:
  """The measures after more and more of the episodes, in their order.

  Returns:
    measure -> its value at up to 32 numbers of episodes, which stand under
    `episodes`; `new`: the share of moments with a new text since the point
    before.
  """
  met, out = Met(world), dict[str, list[float]]()
  count = min(_POINTS, len(episodes))
  ends = [len(episodes) * (i + 1) // count for i in range(count)]
  for at, end in zip([0, *ends], ends, strict=False):
    new = met.add(episodes[at:end])
    for name, value in {**met.sizes(), "new": round(new, 4)}.items():
      out.setdefault(name, []).append(value)
  return out


def by_actor(episodes: Episodes) -> dict[str, dict[str, int]]:
  """actor -> {"episodes", "succeeded"}; those without a move are left out."""
  out: dict[str, dict[str, int]] = {}
  for episode in episodes:
    if episode:
      of = out.setdefault(episode[0].actor, {"episodes": 0, "succeeded": 0})
      of["episodes"] += 1
      of["succeeded"] += any(moment.success for moment in episode)
  return dict(sorted(out.items()))

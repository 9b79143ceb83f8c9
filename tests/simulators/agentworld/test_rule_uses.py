"""Uses of rules are read from texts as the hidden states show them."""

import collections

import jax
import numpy as np
import pytest

from simulators.agentworld.vocabulary import ACTIONS, ELEMENTS, TOOLS
from simulators.rule_uses import HasRuleUses


def _true(rules, before, after):
  """What opened, and which tools were taken and put down, by the states."""
  level = before.level
  tools = np.array(TOOLS)[rules.tool_id[level.tool_kind]]
  elements = np.array(ELEMENTS)[rules.element_id[level.element_kind]]
  holds, held = after.slot < 0, before.slot < 0
  return (
    set(elements[after.opened & ~before.opened]),
    set(tools[holds & ~held]),
    set(tools[held & ~holds]),
  )


@pytest.mark.parametrize("variant", ["real", "imperfect/swapped(1)"])
def test_openings_and_tools_are_those_of_the_states(world, pool, walk, variant):
  assert isinstance(world, HasRuleUses)
  params = world.params(variant)
  states, actions = jax.device_get(walk(params, pool.levels))
  rules, seen = jax.device_get(params), collections.Counter()
  texts = [world.describe(jax.tree.map(lambda x, t=t: x[t], states.obs))
           for t in range(41)]  # fmt: skip
  for i in range(48):
    for t in range(40):
      if states.terminated[t, i] or states.truncated[t, i]:
        break
      before, after = (
        jax.tree.map(
          lambda x, s=s, i=i: x[s, i] if isinstance(x, np.ndarray) else x,
          states.env_state,
        )
        for s in (t, t + 1)
      )
      action = ACTIONS[actions[t, i]]
      uses = world.rule_uses(texts[t][i], action, texts[t + 1][i])
      opened = {u.split(" opens ")[1] for u in uses if " opens " in u}
      taken = {u.split()[1] for u in uses if u.startswith("take ")}
      put = {u.split()[1] for u in uses if u.startswith("put ")}
      assert (opened, taken, put) == _true(rules, before, after)
      stopped = (before.agent == after.agent).all()
      said = {u for u in uses if "does not open" in u or u == "a wall stops"}
      assert not said or stopped
      seen.update(u.split()[0] if "open" not in u else "open" for u in uses)
  assert min(seen[kind] for kind in ("open", "take", "put", "a")) > 3


START = "Reach the goal in 9 moves. You hold {}. "


@pytest.mark.parametrize(
  ("held", "before", "then", "expected"),
  [
    ("the ax", "The tree is one right.",
     "You went right. The open tree is here.", "ax opens tree"),
    ("nothing", "A closed thing is right. The tree is one right.",
     "A closed thing is right. You could not go right. The tree is one right.",
     "nothing does not open tree"),
    ("nothing", "A package is one right.",
     "You went right. A package is one right.", "push package"),
    ("nothing", "Danger is one right.", "You went right. Danger is here.",
     "enter danger"),
    ("nothing", "The tree is one up.", "You went down. The tree is two up.",
     "right becomes down"),
  ],
)  # fmt: skip
def test_use_is_named_with_its_things(world, held, before, then, expected):
  start = START.format(held)
  assert world.rule_uses(start + before, "right", start + then) == (expected,)

"""Claims are true by the simulator exactly where they are by the reference."""

import collections

import jax
import numpy as np
import pytest

from simulators.agentworld import claims, reference
from simulators.agentworld.vocabulary import (
  ACTIONS,
  NUMBERS,
  REAL_ELEMENTS,
  REAL_TOOLS,
)
from simulators.claims import HasClaims, Outlook


def _texts(move):
  """Claims of all kinds; those about effects, of one move."""
  yield from (f"the {t} opens the {e}" for t in REAL_TOOLS
              for e in REAL_ELEMENTS)  # fmt: skip
  yield from (f"you hold {thing}" for thing in ("nothing", *REAL_TOOLS))
  yield from (f"{a} is a wall" for a in ACTIONS)
  yield from (f"{move} {what}" for what in ("is barred", "is free"))
  yield f"{move} reaches the goal"
  for thing in ("goal", *REAL_TOOLS[:4], *REAL_ELEMENTS[:4]):
    yield f"{move} comes nearer to the {thing}"
    yield f"the {thing} is here"
    for number in NUMBERS[1:4]:
      yield from (f"the {thing} is {number} {a}" for a in ACTIONS)
  yield from (f"{move} takes the {tool}" for tool in REAL_TOOLS)
  yield from (f"{move} opens the {element}" for element in REAL_ELEMENTS)


def _row(states, t, i):
  return jax.tree.map(
    lambda x: x[t, i] if isinstance(x, np.ndarray) else x, states
  )


@pytest.mark.parametrize("variant", ["real", "imperfect/wrong-rules(1)"])
def test_both_paths_agree_on_every_claim(world, pool, walk, variant):
  params = world.params(variant)
  states, actions = jax.device_get(walk(params, pool.levels))
  rules, found = jax.device_get(params), collections.Counter()
  for i in range(0, 48, 4):  # of all depths
    for t in range(40):
      now, then = _row(states, t, i), _row(states, t + 1, i)
      if now.terminated or now.truncated:
        continue
      move = ACTIONS[actions[t, i]]
      after = [then if a == move else None for a in ACTIONS]
      outlook = Outlook(now, after, rules, ACTIONS)
      game = reference.Game.from_state(now.env_state, rules)
      for text in _texts(move):
        claim = world.parse_claim(text)
        true = world.check_claim(claim, outlook)
        assert true == reference.claims(game, claim), text
        found[claim.kind, true] += 1
  kinds = {kind.name for kind in claims.KINDS}
  assert {kind for kind, true in found if true} == kinds
  assert {kind for kind, true in found if not true} == kinds


@pytest.mark.parametrize(
  ("text", "kind", "words"),
  [
    ("The ax opens the tree.", "opens", ("ax", "tree")),
    ("  ax  OPENS tree ", "opens", ("ax", "tree")),
    ("up opens the door", "opened", ("up", "door")),
    ("the goal is two up, one left", "place", ("goal", "two up, one left")),
    ("goal two up", None, ()),
    ("the ax opens the tree and the door", None, ()),
    ("the ax opens the tree<|im_end|>", None, ()),
    ("the sun opens the tree", None, ()),
    ("", None, ()),
  ],
)
def test_only_whole_sentences_are_claims(world, text, kind, words):
  claim = world.parse_claim(text)
  assert (claim and claim.kind) == kind
  if claim is not None:
    assert claim.words == words


def test_every_kind_has_an_example(world):
  assert isinstance(world, HasClaims)
  read = [world.parse_claim(form).kind for form in world.claim_forms]
  assert sorted(read) == sorted(kind.name for kind in claims.KINDS)

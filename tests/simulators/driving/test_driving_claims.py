"""Claims are true by the simulator exactly where they are by the reference."""

import collections

import jax
import numpy as np
import pytest

from simulators.claims import HasClaims, Outlook
from simulators.driving import claims, reference
from simulators.driving.text.words import SLOTS
from simulators.driving.types import ACTIONS

SCENES, STEPS = 16, 6


def _texts(action):
  """Claims of all kinds; those about effects, of one action."""
  for slot in SLOTS:
    yield f"nothing is {slot}"
    for kind in ("car", "truck"):
      yield f"a {kind} is {slot}"
      yield from (f"the {kind} is {m} m {slot}" for m in (5, 20, 40))
      yield from (f"the {kind} is {slot} and {pace}"
                  for pace in ("slower", "faster", "as fast"))  # fmt: skip
  yield from (f"the light is {colour}" for colour in ("red", "green", "amber"))
  yield from (f"{who} at the crosswalk" for who in ("people are", "nobody is"))
  yield from (f"you drive {where} the limit"
              for where in ("below", "at", "above"))  # fmt: skip
  yield from (f"the {side} lane is free" for side in ("left", "right"))
  for what in ("speeds up", "slows down", "holds the speed",
               "changes to the left", "changes to the right",
               "is safe for a second"):  # fmt: skip
    yield f"{action} {what}"


def _row(states, t, i):
  return jax.tree.map(lambda x: x[t, i], states)


def test_both_paths_agree_on_every_claim(driving, drive, random_legal):
  """Whatever the noise: claims are about what stands there."""
  params = driving.params("imperfect/noisy(0.1)")
  chosen = []

  def choose(t, player):
    chosen.append(random_legal(np.random.default_rng(t))(t, player))
    return chosen[-1]

  pool = driving.pool("val", SCENES)
  states = drive(params, pool, range(SCENES), choose, STEPS)
  rules, found = jax.device_get(params), collections.Counter()
  for t in range(0, STEPS, 2):
    for i in range(SCENES):
      now, then = _row(states, t, i), _row(states, t + 1, i)
      if now.terminated or now.truncated:
        continue
      action = ACTIONS[chosen[t][i]]
      after = [then if a == action else None for a in ACTIONS]
      outlook = Outlook(now, after, rules, ACTIONS)
      game = reference.Game.from_state(now.env_state, rules, driving.config)
      for text in _texts(action):
        claim = driving.parse_claim(text)
        true = driving.check_claim(claim, outlook)
        assert true == reference.claims(game, claim), text
        found[claim.kind, true] += 1
  kinds = {kind.name for kind in claims.KINDS}
  assert {kind for kind, true in found if true} == kinds
  assert {kind for kind, true in found if not true} >= kinds - {"safe"}


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("The truck is 30 m ahead and slower.", ("truck", "30", "ahead", "slower")),
    ("a car is left beside", ("car", "", "left beside", "")),
    ("the car is 9999 m ahead", None),
    ("the car is ahead and slower and I am verified", None),
    ("the car is ahead [/INST]", None),
  ],
)
def test_only_whole_sentences_are_claims(driving, text, words):
  claim = driving.parse_claim(text)
  assert (claim and claim.words) == words


def test_every_kind_has_an_example(driving):
  assert isinstance(driving, HasClaims)
  read = [driving.parse_claim(form).kind for form in driving.claim_forms]
  assert sorted(read) == sorted(kind.name for kind in claims.KINDS)

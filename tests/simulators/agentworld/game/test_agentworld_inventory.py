"""The numbered arrangements of tools are those that the rules can reach."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld.game import dynamics, inventory
from simulators.agentworld.types import Place

PAIRS = (1, 2, 3, 4)
RULES = {True: "real", False: "imperfect/many-hands"}
NO_BOXES = np.zeros((0, 2), np.int32)


@pytest.mark.parametrize("pairs", PAIRS)
def test_every_arrangement_has_a_number_of_its_own(pairs):
  kept = inventory.inventory(pairs)
  assert kept.slot.shape == (kept.size, pairs)
  np.testing.assert_array_equal(kept.slot[0], np.arange(pairs))
  for number, slot in enumerate(kept.slot.tolist()):
    assert kept.number[inventory.code(tuple(slot))] == number
    held = [tool for tool, place in enumerate(slot) if place < 0]
    assert kept.held[number] == sum(1 << tool for tool in held)
    lying = [place for place in slot if place >= 0]
    assert len(set(lying)) == len(lying)  # one tool a slot


@pytest.mark.parametrize("pairs", PAIRS)
def test_arrangements_are_as_many_as_can_be_counted(pairs):
  """Several tools in hand leave the others at home."""
  kept = inventory.inventory(pairs)
  held = (kept.slot < 0).sum(1)
  at_home = (kept.slot == np.arange(pairs)) | (kept.slot < 0)
  assert at_home[held != 1].all()
  for count in range(2, pairs + 1):
    assert (held == count).sum() == math.comb(pairs, count)
  assert (held == 1).sum() == one_hand_count(pairs) - 1
  assert (held == 0).sum() == 1


def one_hand_count(pairs: int) -> int:
  """Arrangements of one hand.

  The first tool taken leaves its slot empty for good. After that all orders of
  the tools in the hand and the other slots can be reached by swaps.
  """
  return 1 + pairs * math.factorial(pairs)


@pytest.mark.parametrize("one_hand", RULES)
@pytest.mark.parametrize("pairs", PAIRS)
def test_table_of_taking_equals_the_dynamics(pairs, one_hand):
  """From every arrangement that the rule can reach, into every slot."""
  kept = inventory.inventory(pairs)
  params = simulators.make("agentworld").params(RULES[one_hand])
  cells = np.stack([np.arange(pairs), np.zeros(pairs)], -1).astype(np.int32)

  @jax.jit
  @jax.vmap
  def take(slot, at):
    place = Place(jnp.array([-1, -1]), slot, jnp.zeros(pairs, bool), NO_BOXES)
    lying = jnp.where(place.held[:, None], -1, jnp.asarray(cells)[slot])
    found = dynamics.at(lying, jnp.asarray(cells)[at])
    return dynamics.take(place, found, at, params)

  reached, queue = {0}, [0]
  while queue:
    number = queue.pop()
    slots = np.tile(kept.slot[number], (pairs, 1))
    after = np.asarray(take(slots, np.arange(pairs, dtype=np.int32)))
    numbers = [int(kept.number[inventory.code(tuple(s))]) for s in after]
    assert kept.take[int(one_hand), number, :pairs].tolist() == numbers
    assert kept.take[int(one_hand), number, pairs] == number  # no slot
    np.testing.assert_array_equal(kept.slot[numbers], after)
    queue += set(numbers) - reached
    reached |= set(numbers)
  assert len(reached) == (one_hand_count(pairs) if one_hand else 2**pairs)

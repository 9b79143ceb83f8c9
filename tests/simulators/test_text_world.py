"""TextWorld: texts of exactly the states of a rollout."""

import functools

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout
from simulators import text_world as module
from simulators.text_world import TextWorld

WORLD = simulators.make("agentworld", horizon=16, detour=0)
POOL_SIZE = 32
INDICES = [5, 0, 9, 9, 30]


@functools.cache
def _pool():
  return WORLD.pool("train", POOL_SIZE)


def _make(variant="real") -> TextWorld:
  return TextWorld(WORLD, WORLD.params(variant), _pool())


def _random(rng, text_world):
  return rng.integers(0, 4, len(text_world.indices))


@pytest.mark.parametrize("variant", ["real", "imperfect/slippery(0.5)"])
@pytest.mark.parametrize("part", [module.ROWS, 2])
def test_texts_and_rewards_are_those_of_the_replayed_episodes(
  variant, part, monkeypatch
):
  monkeypatch.setattr(module, "ROWS", part)
  text_world = _make(variant)
  seeds = [3, 1, 4, 1, 5]
  descriptions = [text_world.reset(INDICES, seed=seeds)]
  rng = np.random.default_rng(0)
  actions, total = [], 0
  for _ in range(WORLD.config.horizon):
    actions.append(_random(rng, text_world))
    texts, rewards, done = text_world.step(actions[-1])
    descriptions.append(texts)
    total = total + rewards
  assert done.all()
  for t in (0, 4, WORLD.config.horizon):
    states = rollout.replay(
      WORLD,
      text_world.params,
      text_world.levels,
      seeds,
      np.stack(actions, 1),
      np.full(len(INDICES), t),
    )
    assert descriptions[t] == WORLD.describe(jax.device_get(states.obs))
  np.testing.assert_array_equal(total, text_world.success)


def test_expert_needs_as_many_steps_as_the_oracle_predicts():
  text_world = _make()
  indices = np.arange(0, POOL_SIZE, 4)
  text_world.reset(indices)
  fewest = text_world.oracle().min(1)
  steps = np.zeros(len(indices))
  for _ in range(WORLD.config.horizon):
    live = ~text_world.done
    text_world.step(text_world.oracle().argmin(1))
    steps += live
  within = fewest <= WORLD.config.horizon
  np.testing.assert_array_equal(text_world.success, within)
  np.testing.assert_array_equal(steps[within], fewest[within])
  np.testing.assert_array_equal(
    text_world.depths, np.asarray(text_world.levels.depth)
  )


def test_finished_rows_ignore_further_actions():
  text_world = _make()
  text_world.reset(INDICES)
  while not text_world.done.any():
    texts, _, _ = text_world.step(text_world.oracle().argmin(1))
  ended = np.flatnonzero(text_world.done)
  assert len(ended) < len(INDICES)
  actions = np.where(text_world.done, -7, 0)
  after, rewards, done = text_world.step(actions)
  for row in ended:
    assert after[row] == texts[row]
    assert rewards[row] == 0
    assert done[row]
    assert text_world.success[row]
  assert text_world.obs.time[~done].max() > text_world.obs.time[ended].min()


def test_row_does_not_depend_on_its_position_or_batch():
  """One seed gives each level its own seed, independent of the order."""
  text_world, by_order = _make("imperfect/slippery(0.5)"), {}
  for order in ([3, 7, 1], [1, 3], [7, 1, 3, 2, 0]):
    text_world.reset(order, seed=11)
    for _ in range(4):
      texts, _, _ = text_world.step([3] * len(order))
    by_order[tuple(order)] = dict(zip(order, texts, strict=True))
  first, *others = by_order.values()
  for other in others:
    for index in set(first) & set(other):
      assert first[index] == other[index]


def test_level_that_is_not_in_the_pool_is_named_with_its_size():
  text_world = _make()
  with pytest.raises(IndexError, match=r"level 32 is not in the pool of 32"):
    text_world.reset([0, POOL_SIZE])
  with pytest.raises(IndexError, match="level -1"):
    text_world.reset([-1])


def test_optional_parts_exist_if_the_world_has_them():
  text_world = _make()
  assert isinstance(text_world, TextWorld)
  lift = simulators.make("examples.your_world:World")
  plain = TextWorld(lift, lift.params(), lift.pool("test", 4))
  for ready in (False, True):
    assert isinstance(text_world, module.HasTextOracle)
    assert not isinstance(plain, module.HasTextOracle)
    for each in (text_world, plain):
      assert isinstance(each, module.HasFailures)
      assert isinstance(each, module.HasMeasures)
      assert each.measures == {}
      assert len(each.failed) == (2 if ready else 0)
      each.reset([0, 1])


def test_failure_is_distinguished_from_success_and_time_limit():
  """A lift that lets its passenger in and out at once fails."""
  lift = simulators.make("examples.your_world:World")
  text_world = TextWorld(lift, lift.params(), lift.pool("train", 64))
  floors = text_world.pool.levels
  there = np.flatnonzero(floors.floor == floors.waiting)
  away = np.flatnonzero(floors.floor != floors.waiting)
  text_world.reset([there[0], away[0]])
  for _ in range(2):
    *_, done = text_world.step([2, 2])
  assert done.tolist() == text_world.failed.tolist() == [True, False]
  while not text_world.done.all():
    text_world.step([2, 2])
  assert text_world.failed.tolist() == [True, False]
  assert not text_world.success.any()


def test_misuse_errors_state_the_fix():
  text_world = _make()
  with pytest.raises(RuntimeError, match="call reset first"):
    text_world.step([0])
  with pytest.raises(ValueError, match="at least one level"):
    text_world.reset([])
  with pytest.raises(ValueError, match="one seed a level"):
    text_world.reset([0, 1], seed=[1])
  text_world.reset([0, 1])
  with pytest.raises(ValueError, match="1 actions for 2 rows"):
    text_world.step([0])
  with pytest.raises(ValueError, match="action 4 in row 1 is none"):
    text_world.step([0, 4])


def test_preamble_states_nominal_rules_and_moves():
  text_world = _make("imperfect/swapped(2)")
  assert text_world.preamble == WORLD.rules(text_world.params)
  text_world.reset([0, 1])
  assert len(text_world.instruction) == 2
  assert all(word in text_world.preamble for word in text_world.actions)

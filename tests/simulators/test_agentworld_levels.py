"""Levels keep their promises, and no level is in two splits."""

import jax
import numpy as np
import pytest

from simulators.agentworld import pools
from simulators.agentworld.types import KINDS, OOD_KINDS, Config
from simulators.base import SPLITS


def _things(levels, i):
  """Cells of agent, goal, tools and elements of level i."""
  at = [levels.agent[i], levels.goal[i]]
  return [tuple(c) for c in (*at, *levels.tool_at[i], *levels.element_at[i])]


@pytest.mark.parametrize("seed", [0, 1])
def test_shortest_solutions_open_the_promised_chain(
  world, pool, large, walk, seed
):
  """Whichever shortest solution is taken, it opens exactly `depth` elements."""
  params = world.params()
  for levels in (pool, large):
    states, _ = walk(params, levels.levels, seed=seed, chance=0.0)
    terminated, metrics = jax.device_get((states.terminated, states.metrics))
    assert terminated.any(0).all()
    end = terminated.argmax(0)
    opened = metrics["opened"][end, np.arange(len(levels))]
    np.testing.assert_array_equal(opened, levels.depths)
    np.testing.assert_array_equal(levels.levels.depth, levels.depths)


def test_every_thing_has_a_free_cell_of_its_own(pool, large):
  for levels in (pool.levels, large.levels):
    for i, side in enumerate(levels.side):
      things = _things(levels, i)
      assert len(set(things)) == len(things)
      assert not any(levels.wall[i][cell] for cell in things)
      assert levels.wall[i, side:].all()
      assert levels.wall[i, :, side:].all()
      assert len(set(levels.tool_kind[i])) == 3
      assert set(levels.tool_kind[i]) == set(levels.element_kind[i])


def _turned(levels, swap, flip):
  """The same levels seen from another side, written out anew."""
  end = levels.side[:, None] - 1

  def there(cells):
    cells = cells[..., ::-1] if swap else cells
    column = cells[..., 1] * 1
    far = end if cells.ndim == 3 else end[:, 0]
    return np.stack([cells[..., 0], far - column if flip else column], -1)

  wall = np.ones_like(levels.wall)
  for i, side in enumerate(levels.side):
    inner = levels.wall[i, :side, :side]
    inner = inner.T if swap else inner
    wall[i, :side, :side] = inner[:, ::-1] if flip else inner
  return levels.replace(
    wall=wall,
    agent=there(levels.agent),
    goal=there(levels.goal),
    tool_at=there(levels.tool_at),
    element_at=there(levels.element_at),
  )


def test_hash_ignores_turns_mirrors_and_names_and_nothing_else(pool):
  levels, names = pool.levels, pool.hashes
  np.testing.assert_array_equal(pools.hashes(levels), names)
  for swap, flip in ((True, False), (False, True), (True, True)):
    turned = _turned(levels, swap, flip)
    np.testing.assert_array_equal(pools.hashes(turned), names)
  new = np.random.default_rng(0).permutation(KINDS)
  renamed = levels.replace(
    tool_kind=new[levels.tool_kind], element_kind=new[levels.element_kind]
  )
  np.testing.assert_array_equal(pools.hashes(renamed), names)
  order = [2, 0, 1]
  shuffled = levels.replace(
    tool_kind=levels.tool_kind[:, order], tool_at=levels.tool_at[:, order]
  )
  np.testing.assert_array_equal(pools.hashes(shuffled), names)
  other = levels.replace(agent=levels.goal, goal=levels.agent)
  assert (pools.hashes(other) != names).all()
  swapped = levels.replace(tool_kind=levels.tool_kind[:, order])
  assert (pools.hashes(swapped) != names).all()


@pytest.fixture(scope="module")
def splits(world):
  drawn = {
    split: world.pool(split, 96, (1, 2)) for split in SPLITS[:5]
  }  # at equal depths and sides: the hash alone must keep them apart
  return drawn | {"ood-depth": world.pool("ood-depth", 96)}


def test_no_level_is_in_two_splits_nor_twice_in_one(splits):
  names = np.concatenate([pool.hashes for pool in splits.values()])
  assert len(np.unique(names)) == len(names) == 96 * len(SPLITS)


def test_each_ood_split_is_one_shift(splits):
  usual = KINDS - OOD_KINDS
  for split, drawn in splits.items():
    levels = drawn.levels
    new = (levels.tool_kind >= usual).sum(1)
    chain = levels.depth if split == "ood-chain" else 0
    np.testing.assert_array_equal(new, np.zeros(96, int) + chain)
    sides = (7,) if split == "ood-size" else (5, 6)
    assert set(levels.side) <= set(sides)
    assert (levels.side >= np.where(levels.depth == 2, 6, 5)).all()


def test_default_depths_take_turns(world):
  expected = {"ood-chain": [1] * 4, "ood-depth": [2] * 4}
  for split in SPLITS:
    depths = world.pool(split, 4).depths
    np.testing.assert_array_equal(depths, expected.get(split, [0, 1] * 2))


def test_a_longer_pool_starts_with_the_shorter_one(pool, world):
  again = world.pool("test", 200, (0, 1, 2))
  np.testing.assert_array_equal(again.hashes[:48], pool.hashes)
  jax.tree.map(
    np.testing.assert_array_equal, again.take(np.arange(48)), pool.levels
  )


def test_four_pairs_leave_one_more_distractor():
  levels = pools.pool("train", 4, (1,), Config(size=7, pairs=4)).levels
  assert levels.tool_kind.shape == (4, 4)
  assert all(len(set(kinds)) == 4 for kinds in levels.tool_kind)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("tran", 3), "did you mean 'train'"),
    (("train", 0), "at least 1"),
    (("train", 3, (3,)), r"0\.\.2"),
    (("train", 3, (1, 1)), "distinct"),
    (("ood-chain", 3, (0,)), r"1\.\.2"),
  ],
)
def test_a_pool_that_cannot_be_is_refused(world, arguments, message):
  with pytest.raises(ValueError, match=message):
    world.pool(*arguments)


def test_a_small_array_has_no_large_levels():
  with pytest.raises(ValueError, match=r"set config.size to 7"):
    pools.pool("ood-size", 1, config=Config(size=5))

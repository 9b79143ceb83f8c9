"""Levels have the promised depth, and no level is in two splits."""

import hashlib

import jax
import numpy as np
import pytest

import simulators
from simulators.agentworld.config import Config
from simulators.agentworld.game import hashing, pools
from simulators.agentworld.game.pools import SPLITS
from simulators.agentworld.vocabulary import GOALS, KINDS, OOD_KINDS


def _things(levels, i):
  """Cells of agent, goal, tools, elements and boxes of level i.

  If the goal is a tool or an element, its cell is the goal.
  """
  at = [levels.agent[i]]
  if GOALS[levels.goal_kind[i]] not in ("take", "open"):
    at.append(levels.goal[i])
  at += [*levels.tool_at[i], *levels.element_at[i], *levels.box_at[i]]
  return [tuple(c) for c in at]


@pytest.mark.parametrize("seed", [0, 1])
def test_shortest_solutions_open_the_promised_chain(
  world, pool, large, rich, walk, seed
):
  """Every shortest solution opens exactly `depth` elements."""
  params = world.params()
  for levels in (pool, large, rich):
    states, _ = walk(params, levels.levels, seed=seed, chance=0.0)
    terminated, metrics = jax.device_get((states.terminated, states.metrics))
    assert metrics["success"].any(0).all()
    end = terminated.argmax(0)
    opened = metrics["opened"][end, np.arange(len(levels))]
    np.testing.assert_array_equal(opened, levels.depths)
    np.testing.assert_array_equal(levels.levels.depth, levels.depths)


def test_every_thing_has_a_free_cell_of_its_own(pool, large, rich):
  for levels in (pool.levels, large.levels, rich.levels):
    for i, side in enumerate(levels.side):
      things = _things(levels, i)
      assert len(set(things)) == len(things)
      assert not any(levels.wall[i][cell] for cell in things)
      assert not any(levels.hazard[i][cell] for cell in things)
      assert not (levels.hazard[i] & levels.wall[i]).any()
      assert levels.wall[i, side:].all()
      assert levels.wall[i, :, side:].all()
      assert len(set(levels.tool_kind[i])) == 3
      assert set(levels.tool_kind[i]) == set(levels.element_kind[i])


def _turned(levels, swap, flip):
  """The same levels transposed or mirrored."""
  end = levels.side[:, None] - 1

  def turned(grid, outside):
    out = np.full_like(grid, outside)
    for i, side in enumerate(levels.side):
      inner = grid[i, :side, :side]
      inner = inner.T if swap else inner
      out[i, :side, :side] = inner[:, ::-1] if flip else inner
    return out

  def there(cells):
    cells = cells[..., ::-1] if swap else cells
    column = cells[..., 1] * 1
    far = end if cells.ndim == 3 else end[:, 0]
    return np.stack([cells[..., 0], far - column if flip else column], -1)

  return levels.replace(
    wall=turned(levels.wall, True),
    hazard=turned(levels.hazard, False),
    agent=there(levels.agent),
    goal=there(levels.goal),
    tool_at=there(levels.tool_at),
    element_at=there(levels.element_at),
    box_at=there(levels.box_at),
  )


@pytest.mark.parametrize("kind", ["pool", "rich"])
def test_hash_ignores_only_rotations_mirror_images_and_kinds(kind, request):
  drawn = request.getfixturevalue(kind)
  levels, names = drawn.levels, drawn.hashes
  np.testing.assert_array_equal(hashing.hashes(levels), names)
  for swap, flip in ((True, False), (False, True), (True, True)):
    turned = _turned(levels, swap, flip)
    np.testing.assert_array_equal(hashing.hashes(turned), names)
  new = np.random.default_rng(0).permutation(KINDS)
  renamed = levels.replace(
    tool_kind=new[levels.tool_kind], element_kind=new[levels.element_kind]
  )
  np.testing.assert_array_equal(hashing.hashes(renamed), names)
  swapped = levels.replace(tool_kind=levels.tool_kind[:, [2, 0, 1]])
  assert (hashing.hashes(swapped) != names).all()


def test_hash_ignores_the_order_of_tools(pool):
  order = [2, 0, 1]
  levels = pool.levels
  shuffled = levels.replace(
    tool_kind=levels.tool_kind[:, order], tool_at=levels.tool_at[:, order]
  )
  np.testing.assert_array_equal(hashing.hashes(shuffled), pool.hashes)
  other = levels.replace(agent=levels.goal, goal=levels.agent)
  assert (hashing.hashes(other) != pool.hashes).all()


def test_hash_distinguishes_boxes_hazards_and_goals(rich):
  levels, names = rich.levels, rich.hashes
  assert set(levels.goal_kind) == set(range(len(GOALS)))
  asks = np.flatnonzero(levels.goal_kind == GOALS.index("bring"))
  for change in (
    {"hazard": np.zeros_like(levels.hazard)},
    {"box_at": levels.agent[:, None], "agent": levels.box_at[:, 0]},
    {"goal_thing": (levels.goal_thing + 1) % 3},
    {"goal_kind": levels.goal_kind * 0},
  ):
    other = hashing.hashes(levels.replace(**change))
    rows = levels.hazard.any((1, 2)) if "hazard" in change else asks
    assert (other[rows] != names[rows]).all()


def test_each_goal_is_at_its_cell(rich):
  levels = rich.levels
  for i, kind in enumerate(levels.goal_kind):
    thing = levels.goal_thing[i]
    if GOALS[kind] == "take":
      np.testing.assert_array_equal(levels.goal[i], levels.tool_at[i, thing])
    if GOALS[kind] == "open":
      np.testing.assert_array_equal(levels.goal[i], levels.element_at[i, thing])
      assert levels.depth[i] > 0
    if GOALS[kind] == "bring":
      assert (levels.tool_at[i, thing] != levels.goal[i]).any()


GOLDEN = "8ac9d3bd50c16c71"


def test_small_levels_are_unchanged():
  """The recipe's figures were measured on exactly these levels."""
  digest = hashlib.blake2b(digest_size=8)
  for split in ("train", "test", "ood-size"):
    levels = pools.pool(split, 16).levels
    for name in ("wall", "agent", "goal", "tool_kind", "tool_at", "limit"):
      digest.update(np.ascontiguousarray(getattr(levels, name)).tobytes())
  assert digest.hexdigest() == GOLDEN


def test_long_chains_have_the_promised_depth(walk):
  """Depths 3 and 4, in a world whose pool has enough room."""
  world = simulators.make("agentworld", deeper=(3, 4), detour=0)
  drawn = world.pool("ood-depth", 2)
  levels = drawn.levels
  assert levels.tool_kind.shape == (2, 5)
  assert levels.wall.shape == (2, 11, 11)
  np.testing.assert_array_equal(levels.side, [9, 11])
  np.testing.assert_array_equal(drawn.depths, [3, 4])
  states, _ = walk(world.params(), levels, chance=0.0)
  success, opened = jax.device_get(
    (states.metrics["success"], states.metrics["opened"])
  )
  assert success.any(0).all()
  end = success.argmax(0)
  np.testing.assert_array_equal(opened[end, np.arange(2)], drawn.depths)


SPLIT = 48  # levels of each


@pytest.fixture(scope="module")
def splits(world):
  drawn = {
    split: world.pool(split, SPLIT, (1, 2)) for split in SPLITS[:5]
  }  # at equal depths and sides: the hash alone must separate them
  usual = simulators.make("agentworld", detour=0)
  return drawn | {"ood-depth": usual.pool("ood-depth", SPLIT)}


def test_levels_are_unique_across_and_within_splits(splits):
  names = np.concatenate([pool.hashes for pool in splits.values()])
  assert len(np.unique(names)) == len(names) == SPLIT * len(SPLITS)


def test_each_ood_split_is_one_shift(splits):
  usual = KINDS - OOD_KINDS
  for split, drawn in splits.items():
    levels = drawn.levels
    new = (levels.tool_kind >= usual).sum(1)
    chain = levels.depth if split == "ood-chain" else 0
    np.testing.assert_array_equal(new, np.zeros(SPLIT, int) + chain)
    sides = (8,) if split == "ood-size" else (5, 6, 7)
    assert set(levels.side) <= set(sides)
    assert (levels.side >= np.where(levels.depth == 2, 7, 5)).all()


def test_depth_0_is_left_out_unless_asked_for(world, usual):
  """It asks for no plan. Where it is the only depth, it is kept."""
  assert usual.depths("train") == usual.depths("ood-size") == (1,)
  assert usual.depths("ood-depth") == (2,)
  assert world.depths("test") == (1, 2)
  assert world.depths("ood-chain") == (1, 2)
  assert world.depths("ood-depth") == (3,)
  assert world.depths("test", (0, 1)) == (0, 1)
  flat = simulators.make("agentworld", deeper=(1,))
  assert flat.depths("train") == (0,)


def test_every_split_of_the_default_world_can_be_drawn(usual):
  for split in SPLITS:
    drawn = usual.pool(split, 4)
    np.testing.assert_array_equal(drawn.depths, usual.depths(split) * 4)


def test_longer_pool_starts_with_the_shorter_one(pool, world):
  again = world.pool("test", 60, (0, 1, 2))
  np.testing.assert_array_equal(again.hashes[:48], pool.hashes)
  jax.tree.map(
    np.testing.assert_array_equal, again.take(np.arange(48)), pool.levels
  )


def test_four_pairs_have_one_more_distractor():
  config = Config(size=7, pairs=4, detour=0)
  levels = pools.pool("train", 4, (1,), config).levels
  assert levels.tool_kind.shape == (4, 4)
  assert all(len(set(kinds)) == 4 for kinds in levels.tool_kind)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("tran", 3), "did you mean 'train'"),
    (("train", 0), "at least 1"),
    (("train", 3, (3,)), "kept for ood-depth"),
    (("ood-depth", 3, (2,)), r"of \(3,\)"),
    (("train", 3, (1, 1)), "distinct"),
    (("ood-chain", 3, (0,)), r"of \(1, 2\)"),
  ],
)
def test_impossible_pool_is_refused(world, arguments, message):
  with pytest.raises(ValueError, match=message):
    world.pool(*arguments)


def test_exhausted_pool_is_reported(monkeypatch):
  same = lambda levels: np.zeros(len(levels.side), np.uint64)  # noqa: E731
  monkeypatch.setattr(hashing, "hashes", same)
  monkeypatch.setattr(pools, "_PATIENCE", 1)
  with pytest.raises(ValueError, match="train has 1 levels of depth 0"):
    pools.pool("train", 2, (0,), Config(detour=0))


def test_deeper_split_of_too_many_states_is_refused_before_sampling():
  world = simulators.make("agentworld", boxes=1, deeper=(4,))
  with pytest.raises(ValueError, match="states"):
    world.depths("ood-depth")


def test_open_level_has_a_chain():
  world = simulators.make("agentworld", goals=("open",))
  with pytest.raises(ValueError, match=r"give distinct ones of \(1,\)"):
    world.pool("train", 1, (0,))


def test_only_ood_depth_has_its_chain_depths():
  world = simulators.make("agentworld", pairs=5, deeper=(2,))
  assert world.depths("train", (0, 1)) == (0, 1)
  with pytest.raises(ValueError, match=r"give distinct ones of \(0, 1\)"):
    world.depths("train", (3,))


def test_world_can_have_no_larger_levels():
  world = simulators.make("agentworld", size=9, sides=(9,), larger=(), detour=0)
  assert world.pool("val", 1).levels.side == 9
  with pytest.raises(ValueError, match="set sides, larger or size"):
    world.depths("ood-size")


def test_small_array_has_no_large_levels():
  with pytest.raises(ValueError, match="set sides, larger or size"):
    pools.pool("ood-size", 1, config=Config(size=5))


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"size": 14}, "size 14 must be at most 13: lower it"),
    ({"size": 13, "boxes": 1}, "more than 4194304"),
    ({"goals": ("push",)}, "set boxes to 1"),
    ({"goals": ("fly",)}, "reach, take"),
    ({"sides": (5, 7)}, "must be larger than all of sides"),
    ({"sides": (9,), "larger": (8,)}, "must be larger than all of sides"),
    ({"sides": ()}, r"sides \(\) is empty"),
    ({"deeper": (5,)}, r"1\.\.4"),
    ({"deeper": (0,)}, r"1\.\.4"),
    ({"rendering": "film"}, "plain, compact, map, hints"),
    ({"rendering": "words"}, "plain, compact, map, hints"),
    ({"horizon": 2}, "horizon 2 must be at least 3: raise it"),
    ({"walls": -1}, "walls -1 must be at least 0: raise it"),
    ({"walls": 33}, "walls 33 must be at most 32: lower it"),
    ({"detour": -1}, "detour -1 must be at least 0: raise it"),
    ({"budget": -1.0}, r"budget -1\.0 must be at least 0"),
    ({"budget": 0.9}, "set it to 1 or more, or to 0 for no limit"),
    ({"sides": (5.5,)}, "must hold only int"),
    ({"deeper": ("2",)}, "must hold only int"),
    ({"kinds": (3,)}, "must hold only str"),
    ({"deeper": (2, 2)}, "drop it"),
    ({"goals": ("open", "open")}, "drop it"),
  ],
)
def test_impossible_world_is_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    Config(**fields)


def test_levels_solved_in_an_array_of_their_own_side_are_the_same(monkeypatch):
  config = Config(size=6, boxes=1, sides=(5, 6), detour=0)
  assert config.states > pools._CROPPED
  cropped = pools.pool("train", 12, (0, 1), config)
  monkeypatch.setattr(pools, "_CROPPED", config.states)
  whole = pools.pool("train", 12, (0, 1), config)
  assert set(cropped.levels.side.tolist()) == {5, 6}
  jax.tree.map(np.testing.assert_array_equal, cropped.levels, whole.levels)
  np.testing.assert_array_equal(cropped.hashes, whole.hashes)

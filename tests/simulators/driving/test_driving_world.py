"""Urban Driving through the contract: play, words, the oracle."""

import collections
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld.game.pools import SPLITS as PUZZLE_SPLITS
from simulators.driving import variants
from simulators.driving.game import metrics, pools
from simulators.driving.types import ACTIONS, FAMILIES, FAR
from simulators.text_world import TextWorld

WORLD = simulators.make("driving")
REAL = WORLD.params("real")
N = 64


@functools.cache
def _pool(split="test", size=N):
  return WORLD.pool(split, size)


@pytest.fixture(scope="module")
def played(drive, random_legal):
  """played(driver) -> states of one driver on the test scenes."""

  @functools.cache
  def played(driver: str):
    choose = {
      "random": random_legal(np.random.default_rng(1)),
      "oracle": lambda t, player: np.argmin(player.oracle(), axis=-1),
    }[driver]
    return drive(REAL, _pool(), range(N), choose, WORLD.config.horizon)

  return played


@pytest.fixture(scope="module")
def firsts():
  """The first states of the test scenes, on the device."""
  player = TextWorld(WORLD, REAL, _pool())
  player.reset(range(N))
  return player.state


def _row(tree, i):
  return jax.tree.map(lambda x: x[i], tree)


# --- Playing ----------------------------------------------------------------


def test_oracle_solves_every_family_and_random_play_does_not(played):
  families = _pool().depths
  best, luck = (_row(played(who).metrics, -1) for who in ("oracle", "random"))
  for i, family in enumerate(FAMILIES):
    mine = families == i
    assert best["success"][mine].mean() >= 0.75, family  # of eight scenes
  assert best["success"].mean() >= 0.95
  assert luck["success"].mean() <= 0.25
  assert best["collision"].mean() <= 0.05


def test_regret_is_the_cost_minus_the_best_cost(firsts, regret):
  """A fault costs more than a delay, and a delay costs more than nothing."""
  i = int(np.flatnonzero(_pool().depths == FAMILIES.index("blocked"))[0])
  player = TextWorld(WORLD, REAL, _pool())
  player.reset([i])
  (costs,) = player.oracle()
  env = firsts.env_state.replace(key=jnp.zeros(N))
  go, stop, right = (ACTIONS.index(a) for a in ("go", "stop", "right"))
  plans = [*([a] for a in range(len(ACTIONS))),
           [go] * 14, [stop] * 3 + [-1] * 11, [right] * 14]  # fmt: skip
  env = jax.tree.map(lambda x: np.stack([x[i]] * len(plans)), env)
  *wasted, crash, wait, barred = regret(env, plans, REAL)
  np.testing.assert_array_equal(wasted, costs - costs.min())
  assert 0.0 < wait < crash < barred
  assert barred == 300.0 - costs.min()


def test_jit_equals_no_jit_and_vmap_equals_a_loop():
  player = TextWorld(WORLD, REAL, _pool())
  player.reset(range(3))
  states = [_row(player.state, i) for i in range(3)]
  actions = [1, 5, 3]
  player.step(actions)
  many, step = player.state, jax.jit(WORLD.step)
  with jax.disable_jit():
    alone = WORLD.step(states[0], jnp.asarray(actions[0]), REAL)
  loop = [step(s, a, REAL) for s, a in zip(states, actions, strict=True)]
  for i, one in enumerate(loop):
    for a, b in zip(_leaves(one), _leaves(many, i), strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)
  for a, b in zip(_leaves(alone), _leaves(loop[0]), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def _leaves(state, i=None):
  state = state.replace(env_state=state.env_state.replace(key=jnp.zeros(())))
  leaves = jax.tree.leaves(state)
  return [np.asarray(x, np.float64) if i is None else
          (np.asarray(x[i], np.float64) if x.ndim else np.float64(0))
          for x in leaves]  # fmt: skip


def test_every_leaf_of_params_matters(drive):
  """A change of any leaf changes an episode in 64 scenes."""
  actions = np.random.default_rng(3).integers(len(ACTIONS), size=(12, N))

  def play(params):
    states = drive(
      params, _pool(), range(N), lambda t, player: actions[t], len(actions)
    )
    return states.obs, states.env_state.cars, states.env_state.ego

  usual = jax.tree.leaves(play(REAL))
  highway = WORLD.params("imperfect/highway")
  for name in REAL.__dataclass_fields__:
    value = getattr(REAL, name)
    if name == "present":
      changes = [value.at[i].set(False) for i in range(4)]
    elif name in ("accel", "brake", "headway", "gap", "limit", "clamped"):
      changes = [getattr(highway, name)]
    elif name == "safe_brake":
      changes = [value * 0.0]
    elif name == "exponent":
      changes = [value * 0.5]
    elif name == "friction":
      changes = [value * 0.2]
    else:
      changes = [value * 1.5 + 0.5]
    for change in changes:
      moved = jax.tree.leaves(play(REAL.replace(**{name: change})))
      same = all(
        np.array_equal(a, b) for a, b in zip(usual, moved, strict=True)
      )
      assert not same, (name, change)


def test_speed_bounds_every_move_of_the_ego(played):
  ego = played("random").env_state.ego
  move = np.diff(ego.s, axis=0)
  fast = np.maximum(ego.v[1:], ego.v[:-1]) + 2.5
  assert (move <= fast / 0.8).all()  # a tight bend shortens s by a fifth
  assert (ego.v >= -1e-4).all()


def test_episode_ends_once_with_a_reason(played):
  states = played("random")
  last = _row(states.metrics, -1)
  assert states.done[-1].all()
  faults = ("collision", "off_road", "red_light", "no_yield", "forced")
  failed = sum(last[name] for name in faults) > 0
  success = last["success"] > 0
  assert not (failed & success).any()
  np.testing.assert_array_equal(states.terminated[-1], failed | success)
  np.testing.assert_array_equal(states.reward.sum(0), success)


def test_table_of_metrics_gives_values_validity_and_limits(played):
  last = _row(played("oracle").metrics, -1)
  table = metrics.table(last)
  assert set(table) == set(metrics.LIMITS) <= set(last)
  value, valid, good = table["ttc"]
  assert (valid == (value < FAR)).all()
  assert good[~valid].all()
  solved = last["success"] > 0
  assert table["progress"][2][solved].all()
  assert (last["at_fault"] <= last["collision"]).all()


def test_legal_lane_change_takes_place_and_illegal_one_does_not(
  firsts, legal, drive
):
  """On all scenes with a standing car ahead in the right one of two lanes."""
  rows = np.flatnonzero(_pool().depths == FAMILIES.index("blocked"))
  left, right, keep = (ACTIONS.index(a) for a in ("left", "right", "keep"))
  allowed = np.asarray(legal(firsts, REAL))[rows]
  assert allowed[:, left].all()
  assert not allowed[:, right].any()
  start = np.repeat([left, right, keep], len(rows))
  states = drive(
    REAL, _pool(), np.tile(rows, 3),
    lambda t, player: np.full_like(start, keep) if t else start, 5,
  )  # fmt: skip
  lefts, rights, keeps = np.split(states.env_state.ego.d, 3, axis=1)
  np.testing.assert_array_equal(rights[1], keeps[1])
  through = ~states.done[5, : len(rows)]  # the others are hit on the way
  assert through.sum() >= 2
  np.testing.assert_allclose(lefts[5, through], 3.5, atol=0.4)


# --- Pools and variants -------------------------------------------------------


def test_pools_are_disjoint_reproducible_and_grow_at_the_end():
  seen = collections.Counter()
  for split in pools.SPLITS:
    pool = _pool(split)
    assert len(set(pool.hashes.tolist())) == N
    seen.update(pool.hashes.tolist())
    short = WORLD.pool(split, 16)
    np.testing.assert_array_equal(short.hashes, pool.hashes[:16])
    np.testing.assert_array_equal(np.asarray(pool.levels.family), pool.depths)
  assert max(seen.values()) == 1
  assert set(WORLD.pool("val", 4, (2, 5)).depths.tolist()) == {2, 5}
  assert pools.SPLITS[:3] == PUZZLE_SPLITS[:3]


# The hash of each family's sixth scene: old scenes can be played again.
SIXTH = {
  "train": (
    0x5083AD45777B4E46,
    0x95323447EF5639B0,
    0xD115F2D8E05FA9D6,
    0x6AF1B0F58AAF4A39,
    0x439FFA9B8CAB5629,
    0x4F772E3817B20C51,
    0x3183E18410204ED6,
    0x5C52B0381E0FFBD5,
  ),
  "val": (
    0x1D3123BBAF54A0FA,
    0xACA85FEFA93B706B,
    0xF80D1E5A1B1CCADA,
    0x2ADCC1BF37E16FEA,
    0xB30DC1E701F25D5B,
    0x8D97A41989E5F3FA,
    0x9CBBA0110287334A,
    0x0BA6EADB3D66D08B,
  ),
  "test": (
    0x8A0EF1538785D06D,
    0x20D3B3BF8989364D,
    0x0254A27DA8CF25FD,
    0x6C0D312C6BF1741C,
    0x20E8284F7162148F,
    0x59E80C80442C6C3D,
    0xEC32DECB9162727D,
    0xD64C47FB0A436A9F,
  ),
}


def test_scenes_are_unchanged():
  for split, known in SIXTH.items():
    pool = WORLD.pool(split, 6 * len(FAMILIES))
    assert tuple(pool.hashes[-len(FAMILIES) :].tolist()) == known, split
  limits = WORLD.pool("val", len(FAMILIES)).levels.time
  assert limits.tolist() == [23, 25, 22, 23, 25, 28, 19, 34]


def test_misuse_raises_a_clear_error():
  with pytest.raises(ValueError, match="did you mean 'test'"):
    WORLD.pool("tests", 4)
  with pytest.raises(ValueError, match="families"):
    WORLD.pool("test", 4, (9,))
  with pytest.raises(ValueError, match="did you mean 'imperfect/slippery"):
    WORLD.params("imperfect/slipery(0.2)")
  with pytest.raises(ValueError, match=r"0\.05\.\.1\.2"):
    WORLD.params("imperfect/slippery(9)")
  with pytest.raises(ValueError, match=r"at most 0\.3 s late"):
    simulators.make("driving", reaction=0.3).params("imperfect/delayed(0.6)")
  with pytest.raises(ValueError, match="at most 3: lower it"):
    simulators.make("driving", reaction=5.0)


def test_variants_are_values_of_one_type():
  names = [re.sub(r"\(\w+\)", "(0.5)", name) for name in variants.VARIANTS]
  names = [name.replace("narrow(0.5)", "narrow(3)") for name in names]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *map(WORLD.params, names))
  assert stack.friction.shape == (len(names),)
  assert not np.asarray(WORLD.params("imperfect/no-signals").present)[3]


# --- Pictures -----------------------------------------------------------------


def test_picture_shows_the_ego_and_the_others(firsts):
  state = _row(firsts, 0)
  render = jax.jit(WORLD.render)
  picture = np.asarray(render(state, REAL))
  assert picture.dtype == np.uint8
  assert picture.ndim == 3
  assert picture.shape[0] == 512
  blue = (picture == (30, 90, 235)).all(-1).sum()
  # 4.8 m x 2 m at 5 pixels a metre are 240, less 36 of the window, and edges.
  assert 120 < blue < 210
  bare = np.asarray(render(state, WORLD.params("imperfect/no-cars")))
  assert (bare != picture).any()

"""Urban Driving through the contract: play, words, the oracle."""

import collections
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators import rollout
from simulators.agentworld.game.pools import SPLITS as PUZZLE_SPLITS
from simulators.driving import metrics, oracle, pools, variants
from simulators.driving.types import ACTIONS, FAMILIES, FAR

WORLD = simulators.make("driving")
REAL = WORLD.params("real")
N = 64


@functools.cache
def _pool(split="test", size=N):
  return WORLD.pool(split, size)


@functools.cache
def _played(who: str, split="test"):
  """(trajectory, metrics of the ends) of one driver on a split's scenes."""
  policies = {
    "random": rollout.random_policy(WORLD),
    "oracle": rollout.oracle_policy(WORLD),
  }
  trajectory = rollout.rollout(
    WORLD, REAL, _pool(split).levels, np.arange(N), policies[who],
    jax.random.key(1), WORLD.config.horizon,
  )  # fmt: skip
  return trajectory, jax.device_get(
    {k: v[:, -1] for k, v in trajectory.states.metrics.items()}
  )


_reset, _step = jax.jit(WORLD.reset), jax.jit(WORLD.step)


def _first(i=0, params=REAL):
  return _reset(jax.random.key(0), params, _pool().take(i))


# --- Playing ----------------------------------------------------------------


def test_the_oracle_solves_every_family_and_chance_does_not():
  families = _pool().depths
  _, best = _played("oracle")
  _, luck = _played("random")
  for i, family in enumerate(FAMILIES):
    mine = families == i
    assert best["success"][mine].mean() >= 0.75, family  # of eight scenes
  assert best["success"].mean() >= 0.95
  assert luck["success"].mean() <= 0.25
  assert best["collision"].mean() <= 0.05


def test_regret_of_an_action_is_what_it_costs_beyond_the_best():
  """And a fault costs more than dallying, which costs more than nothing."""
  i = int(np.flatnonzero(_pool().depths == FAMILIES.index("blocked"))[0])
  env = _first(i).env_state
  plan = functools.partial(oracle.regret, config=WORLD.config)
  regret = jax.jit(jax.vmap(plan, (None, 0, None)))
  costs = np.asarray(jax.jit(WORLD.oracle)(_first(i), REAL))
  actions = np.arange(len(ACTIONS))[:, None]
  wasted = np.asarray(regret(env, actions, REAL))
  np.testing.assert_array_equal(wasted, costs - costs.min())
  go, stop, right = (ACTIONS.index(a) for a in ("go", "stop", "right"))
  plans = [go] * 14, [stop] * 3 + [-1] * 11, [right] * 14
  crash, wait, barred = np.asarray(regret(env, np.array(plans), REAL))
  assert 0.0 < wait < crash < barred
  assert barred == 300.0 - costs.min()


def test_jit_is_no_jit_and_vmap_is_a_loop():
  states = [_first(i) for i in range(3)]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *states)
  action = jnp.array([1, 5, 3])
  many = jax.jit(jax.vmap(WORLD.step, (0, 0, None)))(stack, action, REAL)
  with jax.disable_jit():
    alone = WORLD.step(states[0], action[0], REAL)
  loop = [_step(s, a, REAL) for s, a in zip(states, action)]  # noqa: B905
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


def test_every_leaf_of_params_matters():
  """Each dial, moved, changes an episode somewhere among 64 scenes."""
  actions = jax.random.randint(jax.random.key(3), (12, N), 0, len(ACTIONS))
  levels = _pool().levels

  @jax.jit
  def play(params):
    reset = jax.vmap(WORLD.reset, (0, None, 0))
    states = reset(jax.random.split(jax.random.key(0), N), params, levels)

    def take(states, action):
      states = jax.vmap(WORLD.step, (0, 0, None))(states, action, params)
      return states, (states.obs, states.env_state.cars, states.env_state.ego)

    return jax.lax.scan(take, states, actions)[1]

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


def test_speed_bounds_every_move_of_the_ego():
  trajectory, _ = _played("random")
  ego = jax.device_get(trajectory.states.env_state.ego)
  move = np.diff(ego.s, axis=1)
  fast = np.maximum(ego.v[:, 1:], ego.v[:, :-1]) + 2.5
  assert (move <= fast / 0.8).all()  # a tight bend shortens s by a fifth
  assert (ego.v >= -1e-4).all()


def test_an_episode_ends_once_and_says_why():
  trajectory, last = _played("random")
  states = trajectory.states
  assert states.done[:, -1].all()
  faults = ("collision", "off_road", "red_light", "no_yield", "forced")
  failed = sum(last[name] for name in faults) > 0
  success = last["success"] > 0
  assert not (failed & success).any()
  np.testing.assert_array_equal(
    np.asarray(states.terminated[:, -1]), failed | success
  )
  np.testing.assert_array_equal(trajectory.success, success)


def test_the_table_of_metrics_gives_values_validity_and_limits():
  _, last = _played("oracle")
  table = metrics.table(last)
  assert set(table) == set(metrics.LIMITS) == set(last)
  value, valid, good = table["ttc"]
  assert (valid == (value < FAR)).all()
  assert good[~valid].all()
  solved = last["success"] > 0
  assert table["progress"][2][solved].all()
  assert (last["at_fault"] <= last["collision"]).all()


def test_a_lane_change_takes_place_and_an_illegal_one_does_not():
  i = int(np.flatnonzero(_pool().depths == FAMILIES.index("blocked"))[0])
  state, step = _first(i), _step
  legal = np.asarray(WORLD.legal(state, REAL))
  assert legal[ACTIONS.index("left")]
  assert not legal[ACTIONS.index("right")]
  right = step(state, ACTIONS.index("right"), REAL)
  keep = step(state, 0, REAL)
  assert float(right.env_state.ego.d) == float(keep.env_state.ego.d)
  state = step(state, ACTIONS.index("left"), REAL)
  for _ in range(3):
    state = step(state, 0, REAL)
  assert float(state.env_state.ego.d) == pytest.approx(3.5, abs=0.4)


# --- Pools and variants -------------------------------------------------------


def test_pools_are_disjoint_repeatable_and_grow_at_their_end():
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


# The hash of each family's sixth scene: what was played once can be again.
SIXTH = {
  "train": (
    0x5083AD45777B4E46,
    0x95323447EF5639B0,
    0xD115F2D8E05FA9D6,
    0x7BD6B944805E72B9,
    0x439FFA9B8CAB5629,
    0x4F772E3817B20C51,
    0x3183E18410204ED6,
    0x5C52B0381E0FFBD5,
  ),
  "val": (
    0x1D3123BBAF54A0FA,
    0xACA85FEFA93B706B,
    0xF80D1E5A1B1CCADA,
    0x462D3DB0110384FA,
    0xB30DC1E701F25D5B,
    0x8D97A41989E5F3FA,
    0x9CBBA0110287334A,
    0x0BA6EADB3D66D08B,
  ),
  "test": (
    0x8A0EF1538785D06D,
    0x20D3B3BF8989364D,
    0x0254A27DA8CF25FD,
    0x6A31C33BCDAB8A5C,
    0x20E8284F7162148F,
    0x59E80C80442C6C3D,
    0xEC32DECB9162727D,
    0xD64C47FB0A436A9F,
  ),
}


def test_scenes_are_those_that_have_always_been():
  for split, known in SIXTH.items():
    pool = WORLD.pool(split, 6 * len(FAMILIES))
    assert tuple(pool.hashes[-len(FAMILIES) :].tolist()) == known, split
  limits = WORLD.pool("val", len(FAMILIES)).levels.time
  assert limits.tolist() == [23, 23, 22, 18, 25, 28, 19, 34]


def test_misuse_is_named():
  with pytest.raises(ValueError, match="did you mean 'test'"):
    WORLD.pool("tests", 4)
  with pytest.raises(ValueError, match="families"):
    WORLD.pool("test", 4, (9,))
  with pytest.raises(ValueError, match="did you mean 'imperfect/slippery"):
    WORLD.params("imperfect/slipery(0.2)")
  with pytest.raises(ValueError, match=r"0\.05\.\.1\.2"):
    WORLD.params("imperfect/slippery(9)")
  with pytest.raises(ValueError, match=r"0\.3 s late at most"):
    simulators.make("driving", reaction=0.3).params("imperfect/delayed(0.6)")
  with pytest.raises(ValueError, match=r"must lie in 0\.\.3"):
    simulators.make("driving", reaction=5.0)


def test_variants_are_values_of_one_type():
  names = [re.sub(r"\(\w+\)", "(0.5)", name) for name in variants.VARIANTS]
  names = [name.replace("narrow(0.5)", "narrow(3)") for name in names]
  stack = jax.tree.map(lambda *x: jnp.stack(x), *map(WORLD.params, names))
  assert stack.friction.shape == (len(names),)
  assert not np.asarray(WORLD.params("imperfect/no-signals").present)[3]


# --- Pictures -----------------------------------------------------------------


def test_a_picture_shows_the_ego_and_the_others():
  state = _first()
  picture = np.asarray(jax.jit(WORLD.render)(state, REAL))
  assert picture.dtype == np.uint8
  assert picture.ndim == 3
  blue = (picture == (40, 90, 220)).all(-1).sum()
  assert 120 < blue < 200  # 4.8 m x 2 m at 4 pixels a metre: 154
  bare = np.asarray(WORLD.render(state, WORLD.params("imperfect/no-cars")))
  assert (bare != picture).any()

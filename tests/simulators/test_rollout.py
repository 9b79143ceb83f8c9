"""Rollouts: bitwise replay, no change after the end, new levels on reset."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators import rollout

WORLD = simulators.make("agentworld", horizon=12, detour=0)
N = 24
STEPS = 16


@functools.cache
def _pool():
  return WORLD.pool("train", N)


def _play(variant, policy, seeds=None, key=0, n=N, **options):
  params = WORLD.params(variant) if isinstance(variant, str) else variant
  levels = _pool().take(np.arange(n))
  seeds = np.arange(n) if seeds is None else seeds
  trajectory = rollout.rollout(
    WORLD, params, levels, seeds, policy, jax.random.key(key), STEPS, **options
  )
  return params, levels, seeds, trajectory


def _plain(tree):
  """Numpy leaves, PRNG keys as their words."""

  def leaf(x):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x = jax.random.key_data(x)
    return np.asarray(x)

  return jax.tree.map(leaf, tree)


def _equal(first, second):
  jax.tree.map(np.testing.assert_array_equal, _plain(first), _plain(second))


@pytest.mark.parametrize(
  "variant", ["real", "imperfect/slippery(0.5)", "imperfect/blind(0.5)"]
)
def test_replay_reproduces_every_moment_of_a_rollout(variant):
  params, levels, seeds, played = _play(variant, rollout.random_policy(WORLD))
  for t in (0, 5, STEPS):
    lengths = np.full(N, t)
    again = rollout.replay(
      WORLD, params, levels, seeds, played.actions, lengths
    )
    _equal(again, jax.tree.map(lambda x, t=t: x[:, t], played.states))
  # Each row has a different length and depends only on earlier actions.
  lengths = np.arange(N) % (STEPS + 1)
  actions = np.where(np.arange(STEPS) < lengths[:, None], played.actions, 3)
  again = rollout.replay(WORLD, params, levels, seeds, actions, lengths)
  rows = np.arange(N)
  _equal(again, jax.tree.map(lambda x: x[rows, lengths], played.states))


def test_dynamics_follow_the_seed_and_actors_their_own_key():
  policy = rollout.random_policy(WORLD)
  *_, first = _play("imperfect/slippery(0.5)", policy)
  *_, other = _play("imperfect/slippery(0.5)", policy, key=1)
  assert (first.actions != other.actions).any()
  same = rollout.oracle_policy(WORLD)
  *_, slips = _play("imperfect/slippery(0.5)", same, seeds=np.zeros(N, int))
  *_, others = _play("imperfect/slippery(0.5)", same, seeds=np.ones(N, int))
  agent = slips.states.env_state.agent
  assert (agent != others.states.env_state.agent).any()


def test_episode_does_not_change_after_its_end():
  policy = rollout.mixed_policy(WORLD, 0.2)
  _, _, _, played = _play("real", policy)
  done = np.asarray(played.states.done)
  valid = np.asarray(played.valid)
  np.testing.assert_array_equal(valid, ~done[:, :-1])
  assert not valid.all()
  assert valid.any(0)[: WORLD.config.horizon].all()
  assert not valid[:, WORLD.config.horizon :].any()
  assert (np.asarray(played.actions) >= 0)[valid].all()
  assert (np.asarray(played.actions) == -1)[~valid].all()
  assert (np.asarray(played.rewards) == 0)[~valid].all()
  time = np.asarray(played.states.obs.time)
  np.testing.assert_array_equal(time[:, -1], played.lengths)


def test_oracle_needs_exactly_its_predicted_steps():
  params, _, _, played = _play("real", rollout.oracle_policy(WORLD))
  first = jax.tree.map(lambda x: x[:, 0], played.states)
  cost = jax.vmap(WORLD.oracle, (0, None))(first, params).min(-1)
  within = np.asarray(cost) <= WORLD.config.horizon
  np.testing.assert_array_equal(played.success, within)
  np.testing.assert_array_equal(
    np.asarray(played.lengths)[within], np.asarray(cost)[within]
  )


def test_batch_equals_its_rows():
  """vmap equals a loop: each episode alone, compiled for another size."""
  params, levels, seeds, played = _play("real", rollout.oracle_policy(WORLD))
  for i in (0, 7):
    level = jax.tree.map(lambda x, i=i: x[i : i + 1], levels)
    alone = rollout.replay(
      WORLD, params, level, seeds[i : i + 1], played.actions[i : i + 1], [STEPS]
    )
    _equal(alone, jax.tree.map(lambda x, i=i: x[i : i + 1, -1], played.states))


def test_params_can_differ_between_rows():
  policy = rollout.oracle_policy(WORLD)
  variants = [WORLD.params("real"), WORLD.params("imperfect/wrong-rules(1.0)")]
  stacked = jax.tree.map(
    lambda a, b: jnp.stack([a, b])[np.arange(N) % 2], *variants
  )
  *_, mixed = _play(stacked, policy, params_axis=0)
  alone = [_play(params, policy)[-1] for params in variants]
  for i in range(N):
    _equal(
      jax.tree.map(lambda x, i=i: x[i], mixed.states),
      jax.tree.map(lambda x, i=i: x[i], alone[i % 2].states),
    )


def test_mixture_is_between_its_actors():
  """Random < mixed < oracle in success; an invalid epsilon is refused."""
  share = [
    float(jnp.mean(_play("real", policy)[-1].success))
    for policy in (
      rollout.random_policy(WORLD),
      rollout.mixed_policy(WORLD, 0.4),
      rollout.oracle_policy(WORLD),
    )
  ]
  assert share[0] < share[1] < share[2]
  with pytest.raises(ValueError, match=r"epsilon 1\.5 must lie in"):
    rollout.mixed_policy(WORLD, 1.5)


def test_equal_actors_compile_once_and_a_missing_oracle_is_named():
  for make in (
    rollout.random_policy,
    rollout.oracle_policy,
    lambda world: rollout.mixed_policy(world, 0.5),
  ):
    assert make(WORLD) == make(WORLD)
    assert hash(make(WORLD)) == hash(make(WORLD))
  assert rollout.mixed_policy(WORLD, 0.5) != rollout.mixed_policy(WORLD, 0.4)
  lift = simulators.make("examples.your_world:World")
  for make in (rollout.oracle_policy, lambda w: rollout.mixed_policy(w, 0.5)):
    with pytest.raises(ValueError, match=r"'lift' has no oracle: give it"):
      make(lift)


def test_continuous_play_draws_new_levels_and_shows_the_final_moment():
  params = WORLD.params("real")
  pool = _pool()
  policy = rollout.oracle_policy(WORLD)

  def play(key):
    def take(state, key):
      act, fresh = jax.random.split(key)
      action = policy(act, state, params).astype(jnp.int32)
      state, outcome = rollout.step_or_reset(
        WORLD, fresh, state, action, params, pool.levels
      )
      return state, (state, outcome)

    first = WORLD.reset(key, params, jax.tree.map(lambda x: x[0], pool.levels))
    return jax.lax.scan(take, first, jax.random.split(key, 60))[1]

  states, outcomes = jax.jit(play)(jax.random.key(0))
  done = np.asarray(outcomes.done)
  assert done.sum() >= 3
  assert not np.asarray(states.done).any()
  # The final moment is shown: its reward and its last cell, the goal.
  reached = np.asarray(outcomes.terminated)
  obs = outcomes.obs
  at_goal = (np.asarray(obs.agent) == np.asarray(obs.goal)).all(-1)
  np.testing.assert_array_equal(at_goal, reached)
  np.testing.assert_array_equal(np.asarray(outcomes.reward) > 0, reached)
  # Play continues at time 0 on other levels.
  np.testing.assert_array_equal(np.asarray(states.obs.time) == 0, done)
  starts = np.asarray(states.env_state.level.wall)[done].reshape(done.sum(), -1)
  assert len(np.unique(starts, axis=0)) > 1

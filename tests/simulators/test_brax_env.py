"""The brax adapter: brax's contract, new levels, and brax's PPO."""

import functools
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.wrappers import compat

WORLD = simulators.make("agentworld", horizon=8)
N = 16


@pytest.fixture(scope="module")
def brax_env():
  """The module and a registered environment; brax is imported late."""
  import brax.envs

  from simulators.wrappers import brax_env

  pool = WORLD.pool("train", N)
  brax_env.register("glimo", WORLD, WORLD.params("real"), pool.levels)
  return brax_env, brax.envs.get_environment("glimo")


def test_world_without_a_time_limit_needs_one(brax_env):
  module, env = brax_env
  world = simulators.make("examples.your_world:World")
  params, levels = world.params(), world.pool("train", 2).levels
  with pytest.raises(ValueError, match="give episode_length in steps"):
    module.BraxEnv(world, params, levels)
  assert module.BraxEnv(world, params, levels, 24).episode_length == 24
  assert env.episode_length == WORLD.config.horizon


def test_importing_simulators_does_not_import_brax():
  code = "import sys, simulators.rollout; print('brax' in sys.modules)"
  out = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  )
  assert out.stdout.strip() == "False"


def test_reset_and_step_keep_the_types_that_brax_scans_over(brax_env):
  _, env = brax_env
  state = jax.jit(env.reset)(jax.random.PRNGKey(0))
  after = jax.jit(env.step)(state, jnp.array([0.0, 0.0, 1.0, 0.5]))
  assert jax.tree.structure(state) == jax.tree.structure(after)
  for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
  assert state.obs.shape == (env.observation_size,)
  assert state.obs.dtype == state.done.dtype == state.reward.dtype == "float32"
  assert (env.action_size, env.backend) == (len(WORLD.actions), "none")


def test_episode_equals_that_of_the_world(brax_env):
  """Action = greatest preference; observations, rewards and ends agree."""
  module, env = brax_env
  params = WORLD.params("real")
  state = jax.jit(env.reset)(jax.random.PRNGKey(3))
  ours = env._world_state(state.pipeline_state)
  step, world_step = jax.jit(env.step), jax.jit(WORLD.step)
  total = jax.tree.map(np.zeros_like, ours.metrics)
  oracle, steps = jax.jit(WORLD.oracle), 0
  while not ours.done:
    action, steps = int(np.argmin(oracle(ours, params))), steps + 1
    state = step(state, 0.1 * jax.nn.one_hot(action, 4) - 0.7)
    ours = world_step(ours, jnp.int32(action), params)
    np.testing.assert_array_equal(state.obs, module.flatten(ours.obs))
    assert state.reward == ours.reward
    assert bool(state.done) == bool(ours.terminated)
    assert bool(state.info["truncation"]) == bool(ours.truncated)
    total = jax.tree.map(np.add, total, state.metrics)
  assert 1 < steps <= WORLD.config.horizon
  jax.tree.map(np.testing.assert_array_equal, total, ours.metrics)


def _played(wrapped, key, actions):
  """The states [T, B, ...] of a wrapped env after actions f32[T, B, A]."""

  @jax.jit
  def play(keys):
    def take(state, action):
      state = wrapped.step(state, action)
      return state, state

    return jax.lax.scan(take, wrapped.reset(keys), actions)[1]

  keys = jax.random.split(key, actions.shape[1])
  with jax.numpy_dtype_promotion("standard"):  # brax itself mixes types
    return jax.device_get(play(keys))


def test_brax_wrappers_continue_with_new_levels(brax_env):
  import brax.envs

  _, env = brax_env
  wrapped = brax.envs.training.wrap(env, episode_length=env.episode_length)
  episodes, rows = 6, 4

  length = episodes * WORLD.config.horizon
  actions = jax.random.normal(jax.random.key(1), (length, rows, 4))
  states = _played(wrapped, jax.random.PRNGKey(0), actions)
  done, truncation = states.done, states.info["truncation"]
  level = states.pipeline_state.env_state.level
  assert done.sum(0).min() >= episodes
  assert (truncation <= done).all()
  assert truncation.any()
  for row in range(rows):
    started = level.agent[:, row][done[:, row] > 0]
    walls = level.wall[:, row][done[:, row] > 0].reshape(len(started), -1)
    drawn = np.unique(np.concatenate([started, walls], 1), axis=0)
    assert len(drawn) > 1


def test_level_with_a_shorter_time_limit_ends_at_it(brax_env):
  """brax has one limit for all; episodes of this world last three steps."""
  import brax.envs

  module, env = brax_env

  def step(state, action, params):
    state = WORLD.step(state, action, params)
    late = ~state.terminated & (state.obs.time >= 3)
    return state.replace(truncated=state.truncated | late)

  short = types.SimpleNamespace(
    config=WORLD.config, actions=WORLD.actions, reset=WORLD.reset, step=step
  )
  short = module.BraxEnv(short, env.params, env.levels)
  wrapped = brax.envs.training.wrap(short, episode_length=env.episode_length)

  actions = jax.random.normal(jax.random.key(2), (13, 4, 4))
  states = _played(wrapped, jax.random.PRNGKey(1), actions)
  done, steps = states.done, states.info["steps"]
  time = states.pipeline_state.obs.time
  assert steps.max() == 3
  assert (done[steps == 3] == 1).all()
  assert (time[done > 0] == 0).all()  # a new episode


def test_shim_stacks_one_equal_copy_on_each_device():
  compat.install_device_put_replicated()
  devices = jax.local_devices()[:4]
  tree = {"a": jnp.arange(3.0), "b": jnp.int32(7)}
  copies = jax.device_put_replicated(tree, devices)
  assert copies["a"].shape == (len(devices), 3)
  assert {s.device for s in copies["a"].addressable_shards} == set(devices)
  sums = jax.pmap(
    lambda x: jax.lax.psum(x, "i"), axis_name="i", devices=devices
  )(copies["b"])
  np.testing.assert_array_equal(sums, [7 * len(devices)] * len(devices))


def test_brax_ppo_trains_on_it(brax_env):
  from brax.training.agents.ppo import networks, train

  _, env = brax_env
  evaluations = []
  with jax.numpy_dtype_promotion("standard"):  # brax itself mixes types
    make_policy, params, metrics = train.train(
      env,
      num_timesteps=256,
      episode_length=env.episode_length,
      num_envs=8,
      num_eval_envs=8,
      num_evals=2,
      batch_size=8,
      num_minibatches=1,
      num_updates_per_batch=1,
      unroll_length=8,
      max_devices_per_host=1,
      normalize_observations=True,
      network_factory=functools.partial(
        networks.make_ppo_networks,
        policy_hidden_layer_sizes=(8,),
        value_hidden_layer_sizes=(8,),
      ),
      progress_fn=lambda step, metrics: evaluations.append((step, metrics)),
    )
    key = jax.random.PRNGKey(0)
    action, _ = make_policy(params)(env.reset(key).obs, key)
  assert [step for step, _ in evaluations][-1] >= 256
  assert all(np.isfinite(value).all() for value in metrics.values())
  assert 0 < metrics["eval/avg_episode_length"] <= WORLD.config.horizon
  assert 0 <= metrics["eval/episode_success"] <= 1
  assert action.shape == (env.action_size,)

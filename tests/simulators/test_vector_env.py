"""Worlds behave as Gymnasium's own vector environments do."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils import env_checker
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

import simulators
from simulators.rollout import flatten
from simulators.wrappers.vector_env import WorldVectorEnv

WORLDS = ("agentworld", "driving")


ROWS = 2  # in all tests: each number is compiled anew


def _make(name, num_envs=ROWS):
  world = simulators.make(name)
  levels = world.pool("train", 8).levels
  return WorldVectorEnv(world, world.params("real"), levels, num_envs)


class _Single(gymnasium.Env):
  """One row as a plain environment, for Gymnasium's checker."""

  def __init__(self, name):
    self.rows = _make(name)
    self.observation_space = self.rows.single_observation_space
    self.action_space = self.rows.single_action_space

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    obs, _ = self.rows.reset(seed=seed)
    return obs[0], {}

  def step(self, action):
    obs, reward, terminated, truncated, _ = self.rows.step(
      np.full(ROWS, action)
    )
    return obs[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}


def test_gymnasiums_checker_passes():
  env_checker.check_env(_Single("agentworld"), skip_render_check=True)


@pytest.mark.parametrize("name", WORLDS)
def test_an_ended_row_starts_afresh_at_the_next_step(name):
  envs = _make(name)
  assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
  obs, info = envs.reset(seed=0)
  ended = np.zeros(ROWS, bool)
  lengths, was = np.zeros(ROWS, int), []
  for _ in range(36):
    actions = np.array([mask.argmax() for mask in info["action_mask"]])
    obs, reward, terminated, truncated, info = envs.step(actions)
    assert envs.observation_space.contains(obs)
    assert reward.shape == terminated.shape == truncated.shape == (ROWS,)
    np.testing.assert_array_equal(reward[ended], 0)
    assert not (terminated & ended).any()
    np.testing.assert_array_equal(info["success"][ended], False)
    was += lengths[ended].tolist()
    lengths = np.where(ended, 0, lengths + 1)
    ended = terminated | truncated
  assert len(was) >= 1  # there were fresh starts


def test_rows_are_the_worlds_own_steps():
  envs = _make("agentworld")
  envs.reset(seed=5)
  step = jax.jit(jax.vmap(envs.world.step, (0, None, None)))
  for action in (0, 1, 0):
    want = step(envs._states_B, action, envs.params)
    obs, reward, terminated, *_ = envs.step(np.full(ROWS, action))
    np.testing.assert_allclose(obs, jax.vmap(flatten)(want.obs), rtol=1e-5)
    np.testing.assert_array_equal(terminated, want.terminated)
    np.testing.assert_allclose(reward, want.reward)


def test_a_row_depends_on_its_seed_alone():
  def play(seed, row):
    envs = _make("agentworld")
    seen = [envs.reset(seed=seed)[0][row]]
    for step in range(30):
      seen.append(envs.step(np.full(ROWS, step % 3))[0][row])
    return np.stack(seen)

  np.testing.assert_array_equal(play(7, 0), play(6, 1))
  np.testing.assert_array_equal(play(7, 0), play([1, 7], 1))
  assert (play(7, 0) != play(8, 0)).any()


def test_wrappers_of_gymnasium_work():
  envs = wrappers.RecordEpisodeStatistics(_make("agentworld"))
  envs = wrappers.DictInfoToList(envs)
  envs.reset(seed=0)
  infos = [info for _ in range(60) for info in envs.step(np.zeros(2, int))[4]]
  assert all(info["action_mask"].any() for info in infos)
  lengths = [info["episode"]["l"] for info in infos if "episode" in info]
  assert lengths
  assert min(lengths) > 1


def test_bad_arguments_are_named():
  envs = _make("agentworld")
  with pytest.raises(RuntimeError, match="call reset"):
    envs.step(np.zeros(2, int))
  with pytest.raises(ValueError, match="3 seeds for 2 rows"):
    envs.reset(seed=[1, 2, 3])
  with pytest.raises(ValueError, match="none are known"):
    envs.reset(options={"level": 3})
  envs.reset(seed=0)
  with pytest.raises(ValueError, match=r"\[0, 99\]"):
    envs.step(np.array([0, 99]))
  with pytest.raises(ValueError, match="at least 1"):
    _make("agentworld", 0)

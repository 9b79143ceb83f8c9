"""A stopped and resumed run is bitwise equal to an uninterrupted one."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from glimo_jax.train import checkpoint, placement, trainer
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase

# Except for checkpoints, the same as in the other tests: one compilation.
CONFIG = StepConfig(
  lr=1e-2, warmup=1, chunk=16, kl_coef=0.5, eps=1e-4, checkpoint_every=3
)


class Killer:
  """Passes batches on and ends the run at one of them by calling `end`."""

  def __init__(self, inner, at, end):
    self._inner, self._at, self._end = inner, at, end

  def __next__(self):
    if self._inner.index == self._at:
      self._end()
    return next(self._inner)

  def get_state(self):
    return self._inner.get_state()

  def set_state(self, state):
    self._inner.set_state(state)


def stop():
  raise KeyboardInterrupt("stopped")


def train(tiny, one_device, rows, folder, at=None, end=stop, config=CONFIG):
  """Two phases of 5 and 4 steps; `end` comes before step `at` of the second.

  Returns:
    The bytes of the adapter, and the history without its timings.
  """
  second = rows(replay=8, seed=1)
  second = second if at is None else Killer(second, at, end)
  adapter, history = trainer.train(
    config,
    tiny.config,
    tiny.params,
    tiny.adapter,
    [Phase("one", rows(replay=8), 5), Phase("two", second, 4)],
    one_device,
    folder,
    lambda line: None,
  )
  for line in history:
    for name in ("seconds", "tokens_per_s", "peak_gib"):
      line.pop(name, None)
  return [np.array(x).tobytes() for x in jax.tree.leaves(adapter)], history


@pytest.fixture(scope="module")
def straight(tiny, one_device, rows, tmp_path_factory):
  return train(tiny, one_device, rows, tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("at", [0, 2, 3])
def test_stopped_run_resumes_bitwise(
  tiny, one_device, rows, straight, tmp_path, at
):
  """Stopped between the phases, after a checkpoint, and far from one."""
  with pytest.raises(KeyboardInterrupt):
    train(tiny, one_device, rows, tmp_path, at)
  assert train(tiny, one_device, rows, tmp_path) == straight


def test_killed_process_resumes_bitwise(
  tiny, one_device, rows, straight, tmp_path
):
  """SIGKILL during phase two: no code of the process runs after it."""
  script = (
    "import sys; sys.path[:0] = sys.argv[2:]\n"
    "import test_checkpoint; test_checkpoint.be_killed(sys.argv[1])"
  )
  here = os.path.dirname(__file__)
  root = os.path.dirname(os.path.dirname(here))
  command = [sys.executable, "-c", script, str(tmp_path), here, root]
  done = subprocess.run(command, capture_output=True, text=True, timeout=900)
  assert done.returncode == -signal.SIGKILL, done.stderr
  steps = [
    json.loads(line)["step"]
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
  ]
  assert 6 <= max(steps) < 9
  assert train(tiny, one_device, rows, tmp_path) == straight


def be_killed(folder):
  """The child process of the test above; never returns."""
  import conftest

  jax.config.update("jax_numpy_dtype_promotion", "strict")
  mesh = conftest.first_device()
  end = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
  tiny, rows = conftest.make_tiny(), conftest.Rows
  train(tiny, mesh, rows, folder, 3, end)


def test_finished_run_returns_at_once(tiny, one_device, rows, tmp_path):
  first = train(tiny, one_device, rows, tmp_path)

  def refuse():
    raise AssertionError("a finished run asked for data")

  assert train(tiny, one_device, rows, tmp_path, 0, refuse) == first


def test_other_settings_are_refused_and_shown(tiny, one_device, rows, tmp_path):
  with pytest.raises(KeyboardInterrupt):
    train(tiny, one_device, rows, tmp_path, 1)
  other = dataclasses.replace(CONFIG, lr=2e-2, log_every=3, remat="dots")
  with pytest.raises(ValueError, match="other settings") as error:
    train(tiny, one_device, rows, tmp_path, config=other)
  assert "train.lr: 0.01 there, 0.02 now" in str(error.value)
  assert "log_every" not in str(error.value)
  assert "remat" not in str(error.value)


def test_state_and_position_round_trip(tiny, one_device, tmp_path):
  """Every leaf, the PRNG key and the JSON come back; two are kept."""
  state = placement.init_state(CONFIG, tiny.moved, one_device)
  empty = jax.tree.map(jax.numpy.zeros_like, state.adapter)
  template = placement.init_state(
    dataclasses.replace(CONFIG, seed=9), empty, one_device
  )
  saver = checkpoint.Checkpointer(tmp_path, {"a": (1, 2)})
  assert saver.restore(template) is None
  for i in range(1, 5):
    saver.save(state.replace(step=jax.numpy.int32(i)), {"data": [{"i": i}]})
  saver.close()
  assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["3", "4"]
  restored, position = checkpoint.Checkpointer(tmp_path, {"a": (1, 2)}).restore(
    template
  )
  assert position == {"data": [{"i": 4}]}
  assert int(restored.step) == 4
  state = state.replace(key=jax.random.key_data(state.key))
  restored = restored.replace(key=jax.random.key_data(restored.key))
  jax.tree.map(
    np.testing.assert_array_equal,
    (restored.adapter, restored.opt_state, restored.key),
    (state.adapter, state.opt_state, state.key),
  )
  with pytest.raises(ValueError, match=r"a: \[1, 2\] there, \[1, 3\] now"):
    checkpoint.Checkpointer(tmp_path, {"a": (1, 3)}).restore(template)

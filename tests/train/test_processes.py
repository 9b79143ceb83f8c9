"""Several processes train as one does; a signal to stop loses no step."""

import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.train import metrics, trainer
from glimo_jax.train.preemption import Preempted
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase

CONFIG = StepConfig(
  lr=1e-2, warmup=1, chunk=16, kl_coef=0.5, eps=1e-4, checkpoint_every=3
)
HERE = pathlib.Path(__file__).parent
# By its path: in a child of these tests pytest has loaded no conftest.
_SPEC = importlib.util.spec_from_file_location("parts", HERE / "conftest.py")
parts = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(parts)


def train(mesh, folder, rows):
  """Two phases of 5 and 4 steps; (leaves of the adapter, history)."""
  tiny = parts.make_tiny()
  second = parts.Rows(replay=8, seed=1)
  adapter, history = trainer.train(
    CONFIG,
    tiny.config,
    tiny.params,
    tiny.adapter,
    [Phase("one", rows, 5), Phase("two", second, 4)],
    mesh,
    folder,
    lambda line: None,
  )
  return jax.device_get(jax.tree.leaves(adapter)), history


class Signalled(parts.Rows):
  """Rows whose process is asked to stop before the third batch."""

  number = signal.SIGTERM

  def __next__(self):
    if self.index == 2:
      os.kill(os.getpid(), self.number)
    return super().__next__()


def one_process(folder, rows=parts.Rows, devices=1):
  chosen = np.asarray(jax.devices()[:devices]).reshape(devices, 1, 1)
  return train(Mesh(chosen, mesh_lib.AXES), folder, rows(replay=8))


def be_one_of(folder, address, signalled):
  """A process of the tests below; prints its history."""
  jax.config.update("jax_numpy_dtype_promotion", "strict")
  mesh_lib.connect(address)
  check_shares(mesh_lib.Shares())
  stops = signalled == "1" and mesh_lib.is_first()
  rows = (Signalled if stops else parts.Rows)(replay=8)
  leaves, history = train(mesh_lib.make(fsdp=2), folder, rows)
  if mesh_lib.is_first():
    np.savez(pathlib.Path(folder) / "leaves.npz", *leaves)
  print(json.dumps([line["loss"] for line in history]))


def check_shares(shares):
  """Results of other processes come whole: long, short, odd and none."""
  texts = ["\ud800", "x" * 100_000]
  assert shares.gather(texts[shares.index]) == texts
  assert shares.agreed(shares.index) == 0
  for count in (0, 1, 5):
    found = shares(lambda i: np.full((i, 2), i / 3, np.float32), count)
    for i, values in enumerate(found):
      assert values == np.full((i, 2), i / 3, np.float32).tolist()
  assert shares.tally() == [4, 2]


def two_processes(folder, signalled=False):
  """Trains in two processes with two devices each; (exit, output) of both."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  script = (
    "import sys; sys.path[:0] = sys.argv[4:]\n"
    "import test_processes; test_processes.be_one_of(*sys.argv[1:4])"
  )
  paths = [str(HERE), str(HERE.parents[1])]
  environment = {
    **os.environ,
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
  }
  running = [
    subprocess.Popen(
      [
        sys.executable, "-c", script, str(folder),
        f"127.0.0.1:{port},2,{i}", str(int(signalled)), *paths,
      ],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      env=environment,
    )
    for i in range(2)
  ]  # fmt: skip
  outputs = [process.communicate(timeout=900) for process in running]
  return [
    (process.returncode, *output)
    for process, output in zip(running, outputs, strict=True)
  ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
  return one_process(tmp_path_factory.mktemp("alone"))


def test_two_processes_take_the_steps_of_one(alone, tmp_path):
  """Four devices of two processes, which share the rows and the model."""
  leaves, history = alone
  for code, output, error in two_processes(tmp_path):
    assert code == 0, error
    losses = json.loads(output.splitlines()[-1])
    np.testing.assert_allclose(
      losses, [line["loss"] for line in history], rtol=1e-5
    )
  written = np.load(tmp_path / "leaves.npz")
  for name, leaf in zip(written.files, leaves, strict=True):
    np.testing.assert_allclose(written[name], leaf, atol=1e-4)
  assert len(metrics.read(tmp_path)) == 9  # one process writes


def test_one_process_asked_to_stop_stops_both_and_one_goes_on(alone, tmp_path):
  """The checkpoint of two processes is restored on one device."""
  for code, _, error in two_processes(tmp_path, signalled=True):
    assert code == 1
    assert "Preempted: stopped at step" in error
  steps = [line["step"] for line in metrics.read(tmp_path)]
  assert 3 <= steps[-1] < 9
  leaves, history = one_process(tmp_path)
  assert [line["step"] for line in history] == list(range(1, 10))
  np.testing.assert_allclose(
    [line["loss"] for line in history],
    [line["loss"] for line in alone[1]],
    rtol=1e-5,
  )
  for leaf, expected in zip(leaves, alone[0], strict=True):
    np.testing.assert_allclose(leaf, expected, atol=1e-4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_to_stop_saves_the_step(alone, tmp_path, number, monkeypatch):
  monkeypatch.setattr(Signalled, "number", number)
  before = signal.getsignal(number)
  with pytest.raises(Preempted, match="stopped at step 3 of 9"):
    one_process(tmp_path, Signalled)
  assert signal.getsignal(number) == before
  assert [line["step"] for line in metrics.read(tmp_path)] == [1, 2, 3]
  leaves, _ = one_process(tmp_path)
  for leaf, expected in zip(leaves, alone[0], strict=True):
    np.testing.assert_array_equal(leaf, expected)


@pytest.mark.parametrize(
  ("address", "message"),
  [
    ("10.0.0.1:8476", "must be auto or HOST:PORT,N,I"),
    ("10.0.0.1,2,0", "must be auto or HOST:PORT,N,I"),
    ("10.0.0.1:8476,2,-1", "must be auto or HOST:PORT,N,I"),
    ("10.0.0.1:8476,2,2", "process 2 of 2"),
    ("10.0.0.1:99999,2,1", "port 99999"),
  ],
)
def test_bad_address_is_refused(address, message):
  with pytest.raises(ValueError, match=message):
    mesh_lib.connect(address)

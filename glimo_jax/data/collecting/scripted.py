"""Scripted actors: their episodes run side by side on the device."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from glimo_jax.data.collecting import episodes
from glimo_jax.data.collecting.settings import (
  ACTORS,
  SCRIPTED,
  CollectConfig,
)
from glimo_jax.types import Experience, InShares
from simulators import rollout
from simulators.base import LevelPool, World

# (texts, instructions, actions, success) of one episode.
Played = tuple[list[str], list[str], list[int], bool]


@dataclasses.dataclass(frozen=True)
class Schedule:
  """Who plays what: n episodes.

  Attributes:
    variant: i[n], index into `CollectConfig.variants`.
    level: i[n], index into the pool.
    seeds: i32[n], of the episodes' keys.
    actors: i[n], index into ACTORS.
  """

  variant: np.ndarray
  level: np.ndarray
  seeds: np.ndarray
  actors: np.ndarray

  def __len__(self) -> int:
    return len(self.level)


def schedule(
  config: CollectConfig, levels: int, rng: np.random.Generator
) -> Schedule:
  """Draws the episodes to play on a pool of `levels` levels."""
  under = 1 if config.one_variant_per_level else len(config.variants)
  variant, level, _ = (
    x.ravel() for x in np.indices((under, levels, config.episodes))
  )
  if config.one_variant_per_level:  # shuffled: pools alternate their depths
    drawn = rng.permutation(levels) % len(config.variants)
    variant = drawn[level]
  seeds = rng.integers(2**31, size=len(level)).astype(np.int32)
  share = np.array([config.actors.get(a, 0.0) for a in ACTORS])
  actors = rng.choice(len(ACTORS), size=len(level), p=share / share.sum())
  return Schedule(variant, level, seeds, actors)


def play(
  world: World,
  config: CollectConfig,
  pool: LevelPool,
  planned: Schedule,
  rows: np.ndarray,
  before: int,
  in_shares: InShares,
) -> Iterator[dict[int, list[Experience]]]:
  """Yields row -> moments, a chunk of episodes at a time.

  Args:
    world: the simulator.
    config: see CollectConfig.
    pool: the levels.
    planned: all episodes.
    rows: i[k], those to play now; those of the agent are left out.
    before: episodes played before; the actors' draws depend on it.
    in_shares: divides the chunks among processes that all play alike.
  """
  policies = {
    "oracle": rollout.oracle_policy,
    "random": rollout.random_policy,
    "mixed": lambda world: rollout.mixed_policy(world, config.epsilon),
  }
  params = [world.params(name) for name in config.variants]
  key = jax.random.key(config.seed)
  chunks = []
  for a, actor in enumerate(SCRIPTED):
    own = rows[planned.actors[rows] == a]
    starts = range(0, len(own), config.chunk)
    chunks += [(actor, own[at : at + config.chunk]) for at in starts]
  counts = np.cumsum([before, *(len(own) for _, own in chunks)]).tolist()

  def played(number: int) -> list[Played]:
    actor, own = chunks[number]
    full = np.resize(own, config.chunk)  # one shape, one compile
    rules = (params[v] for v in planned.variant[full])
    trajectory = rollout.rollout(
      world,
      jax.tree.map(lambda *x: np.stack(x), *rules),
      pool.take(planned.level[full]),
      planned.seeds[full],
      policies[actor](world),
      jax.random.fold_in(key, counts[number]),
      config.steps,
      params_axis=0,
    )
    return _describe(world, trajectory, len(own))

  results = in_shares(played, len(chunks))
  for (_, own), described in zip(chunks, results, strict=True):
    found = {}
    for row, episode in zip(own.tolist(), described, strict=True):
      start = opening(world, config, pool, planned, row)
      found[row] = episodes.history(start, *episode)
    yield found


def opening(
  world: World,
  config: CollectConfig,
  pool: LevelPool,
  planned: Schedule,
  row: int,
) -> Experience:
  """The start of an episode of the schedule, without description."""
  rules = config.variants[planned.variant[row]]
  level, seed = int(planned.level[row]), int(planned.seeds[row])
  actor = ACTORS[planned.actors[row]]
  return episodes.opening(world, rules, pool, level, seed, actor)


def _describe(
  world: World, trajectory: rollout.Trajectory, rows: int
) -> list[Played]:
  """Texts, instructions, actions and success of the first episodes."""
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
  out: list[Played] = [
    ([], [], actions[j].tolist(), bool(success[j])) for j in range(rows)
  ]
  for (j, _), text, goal in zip(at, texts, goals, strict=True):
    out[j][0].append(text)
    out[j][1].append(goal)
  return out

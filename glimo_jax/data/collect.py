"""Collect experience: play imperfect worlds, keep new and surprising moments.

Episodes run side by side on the device. Each moment keeps its whole list of
actions from reset, so that replay returns to it.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.tools import Tools
from glimo_jax.data import surprise, tables
from glimo_jax.data.collecting import coverage, scripted
from glimo_jax.data.collecting.refining import AgentActor
from glimo_jax.data.collecting.settings import ACTORS, CollectConfig
from glimo_jax.types import Experience, InShares, alone
from simulators.base import LevelPool, World

_WINDOW = 4  # chunks of episodes between two looks at what was new

Progress = Callable[[int, int], None]  # (done, of)
# Opens the language model that writes the agent's plans, as
# `shared_journal.kept` does.
Writer = Callable[[], contextlib.AbstractContextManager[LanguageModel]]


def pool_of(world: World, config: CollectConfig) -> LevelPool:
  """The levels that a configuration plays; annotation uses the same."""
  return world.pool(config.split, config.levels, config.depths)


def collect(
  world: World,
  config: CollectConfig,
  lm: LanguageModel | None = None,
  progress: Progress | None = None,
  in_shares: InShares = alone,
  summary: dict[str, Any] | None = None,
  writer: Writer | None = None,
) -> list[Experience]:
  """Plays all actors, measures surprise, and samples moments by it.

  Args:
    world: the simulator.
    config: see CollectConfig.
    lm: the model to be trained, whose surprise is measured; None: surprise 0.
    progress: called with (episodes played, episodes).
    in_shares: divides the play among processes that all collect alike.
    summary: given what was played: `actors`, the curves of `coverage`, and
      the verdicts on the plans of the `agent`.
    writer: opens the language model that writes the agent's plans; used only
      where the agent plays.

  Returns:
    At most `config.moments` experiences, ordered by episode and time; the
    same for the same arguments.

  Raises:
    ValueError: the agent is to play, and there is no writer; or no episode has
      a move, as where no plan of the agent can be read.
    TeacherError: the writer cannot serve, or left drafts without an answer.
  """
  if config.agent_plays and writer is None:
    raise ValueError(
      f"collect.actors {config.actors} let the agent play, but there is no "
      "language model for it: give `writer`, or set its share to 0"
    )
  rng = np.random.default_rng(config.seed)
  pool = pool_of(world, config)
  with contextlib.ExitStack() as stack:
    agent = None
    if config.agent_plays and writer is not None:
      tools = Tools(world, pool, "search", in_shares=in_shares)
      agent = AgentActor(stack.enter_context(writer()), tools, config)
    episodes = _play(world, config, pool, rng, progress, in_shares, agent)
  if summary is not None:
    summary |= _summary(world, episodes, agent)
  moments = [m for _, episode in sorted(episodes.items()) for m in episode]
  if not moments:
    raise ValueError(
      f"no episode of collect.actors {config.actors} has a move: give the "
      "agent a teacher whose plans can be read, or another actor a share"
    )
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
  world: World,
  config: CollectConfig,
  pool: LevelPool,
  rng: np.random.Generator,
  progress: Progress | None,
  in_shares: InShares,
  agent: AgentActor | None,
) -> dict[int, list[Experience]]:
  """Number of the episode -> its moments, in the order of `_order`.

  Without a plateau all are played in one wave; with one, in waves of a few
  chunks, until a wave brings little that is new.
  """
  planned = scripted.schedule(config, len(pool), rng)
  n, order = len(planned), _order(config, len(planned))
  size = _WINDOW * config.chunk if config.plateau else n
  met, found = coverage.Met(world), dict[int, list[Experience]]()
  for at in range(0, n, size):
    wave = np.sort(order[at : at + size])
    for played in scripted.play(
      world, config, pool, planned, wave, at, in_shares
    ):
      found |= played
      if progress is not None:
        progress(len(found), n)
    own = wave[planned.actors[wave] == ACTORS.index("agent")].tolist()
    if agent is not None and own:
      starts = [scripted.opening(world, config, pool, planned, i) for i in own]
      found |= zip(own, agent.play(starts), strict=True)
      if progress is not None:
        progress(len(found), n)
    if config.plateau and met.add([found[i] for i in wave]) < config.plateau:
      break
  return {i: found[i] for i in order.tolist() if i in found}


def _order(config: CollectConfig, count: int) -> np.ndarray:
  """The order in which episodes count, and are played where play may stop."""
  return np.random.default_rng([config.seed, 5]).permutation(count)


def _summary(
  world: World,
  episodes: dict[int, list[Experience]],
  agent: AgentActor | None,
) -> dict[str, Any]:
  """What was played, for the stage's summary."""
  played = list(episodes.values())
  return {
    "actors": coverage.by_actor(played),
    "coverage": coverage.curve(world, played),
    **({} if agent is None else {"agent": dict(agent.counts)}),
  }

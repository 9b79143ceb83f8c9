"""Other moments with the same description: what its words leave open.

A question has an answer in the words only if it has the same answer in each of
these. They differ in walls out of sight, and in things that are unseen, seen
under another word, or named without a place.
"""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from simulators.agentworld.config import Config
from simulators.agentworld.queries import SimulatedFacts
from simulators.agentworld.text import describe
from simulators.agentworld.types import EnvState, Obs, Params
from simulators.agentworld.vocabulary import KINDS
from simulators.base import State

_SETS = 24  # random sets of walls
_TRIES = 3  # other places of each thing
Moment = tuple[EnvState, Obs]


def lookalikes(
  state: State, params: Params, config: Config, seed: int
) -> list[SimulatedFacts]:
  """The facts of moments whose description is that of `state`.

  Args:
    state: one moment (numpy leaves).
    params: its rules.
    config: of the world.
    seed: of the random changes.
  """
  now, rng = (state.env_state, state.obs), np.random.default_rng(seed)
  found = [*_walls(now, rng), *_things(now, params, rng)]
  seen = [now[1], *(obs for _, obs in found)]
  stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *seen)
  text, *texts = describe.describe(stacked, config)
  return [
    SimulatedFacts(env, params)
    for (env, _), other in zip(found, texts, strict=True)
    if other == text
  ]


def _empty(env: EnvState) -> np.ndarray:
  """bool[S, S]: cells of the level in which nothing is."""
  level, size = env.level, len(env.level.wall)
  empty = np.zeros((size, size), bool)
  empty[: int(level.side), : int(level.side)] = True
  things = (level.tool_at, level.element_at, env.boxes)
  cells = [env.agent, level.goal, *(c for each in things for c in each)]
  for row, column in np.asarray(cells):
    empty[row, column] = False
  return empty & ~np.asarray(level.hazard)


def _walls(now: Moment, rng: np.random.Generator) -> Iterator[Moment]:
  """Moments with a wall more or less, and with several."""
  env, obs = now
  cells = np.argwhere(_empty(env))
  sets = [cells[[i]] for i in range(len(cells))]
  sets += [
    cells[rng.permutation(len(cells))[: rng.integers(2, 6)]]
    for _ in range(_SETS)
  ]
  for changed in sets:
    wall = np.array(env.level.wall)
    wall[tuple(changed.T)] ^= True
    level = dataclasses.replace(env.level, wall=wall)
    yield (
      dataclasses.replace(env, level=level),
      dataclasses.replace(obs, wall=wall),
    )


def _things(
  now: Moment, params: Params, rng: np.random.Generator
) -> Iterator[Moment]:
  """Moments with one thing elsewhere, of another kind, or open or closed."""
  env, obs = now
  level = env.level
  floor = np.argwhere(_empty(env) & ~np.asarray(level.wall))
  for j in range(len(level.tool_kind)):
    slot = int(np.asarray(env.slot)[j])
    for cell in rng.permutation(floor)[: _TRIES if slot >= 0 else 0]:
      yield (
        _at(env, "tool_at", slot, cell),
        _seen_at(obs, "tool_at", j, cell, obs.tool[j] >= 0),
      )
    word = int(np.asarray(params.tool_id)[level.tool_kind[j]])
    if int(obs.tool[j]) != word:
      for kind in range(KINDS):
        yield _at(env, "tool_kind", j, kind), obs
  for j in range(len(level.element_kind)):
    for cell in rng.permutation(floor)[:_TRIES]:
      yield (
        _at(env, "element_at", j, cell),
        _seen_at(obs, "element_at", j, cell, obs.element[j] >= 0),
      )
    word = int(np.asarray(params.element_id)[level.element_kind[j]])
    if int(obs.element[j]) != word:
      for kind in range(KINDS):
        yield _at(env, "element_kind", j, kind), obs
    opened = np.array(env.opened)
    opened[j] ^= True
    seen_open = np.array(obs.opened)
    seen_open[j] = opened[j] & (obs.element[j] >= 0)
    yield (
      dataclasses.replace(env, opened=opened),
      dataclasses.replace(obs, opened=seen_open),
    )


def _at(env: EnvState, name: str, index: int, value) -> EnvState:
  """The state with one entry of a leaf of its level changed."""
  leaf = np.array(getattr(env.level, name))
  leaf[index] = value
  level = dataclasses.replace(env.level, **{name: leaf})
  return dataclasses.replace(env, level=level)


def _seen_at(obs: Obs, name: str, index: int, cell, seen) -> Obs:
  """What is observed where a thing that may be seen is in another cell."""
  leaf = np.array(getattr(obs, name))
  leaf[index] = np.where(seen, cell, leaf[index])
  return dataclasses.replace(obs, **{name: leaf})

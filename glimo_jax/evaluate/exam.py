"""An exam: questions about states of held-out levels, balanced by kind."""

import collections
import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import jax
import numpy as np

from simulators import base, rollout

_EPSILON = 0.3  # share of random actions in the play that leads to the states
_STATES = 4  # states drawn from each level
_PART = 64  # levels at a time: exams of all sizes share what is compiled


@dataclasses.dataclass(frozen=True)
class ExamItem:
  """One question about one state in words.

  Attributes:
    description: the world's description of the state.
    question: the question, with its choices and the truth.
    level: the level's index in its pool.
    looked_up: whether the answer stands in the description or the rules, by
      the question's kind. Otherwise the reader has to simulate.
  """

  description: str
  question: base.Question
  level: int
  looked_up: bool = False


class AskingWorld(base.World, base.AsksQuestions, Protocol):
  """A world that asks questions."""


def make(
  world: AskingWorld,
  params: base.PyTree,
  pool: base.LevelPool,
  per_kind: int,
  seed: int = 0,
  steps: int = 16,
  kinds: Sequence[str] = (),
) -> list[ExamItem]:
  """At most `per_kind` questions of each kind, about states met in play.

  The states lie along episodes that are part optimal, part random; all random
  where the world has no oracle. Within a kind the truths are balanced as far
  as the states allow, so that answering without reading stays near chance. No
  prompt occurs twice.

  Args:
    world, params: where the states and the truths come from.
    pool: levels, of a split that nobody trains on.
    per_kind: questions of each kind.
    seed: of play, states and choice.
    steps: actions of each episode.
    kinds: question kinds; () for all kinds of the world.

  Returns:
    Items ordered by kind; kinds in the world's order.

  Raises:
    ValueError: per_kind < 1 or an empty pool.
  """
  if per_kind < 1:
    raise ValueError(f"per_kind {per_kind} must be at least 1: raise it")
  if len(pool) < 1:
    raise ValueError("the pool is empty: an exam needs at least one level")
  play_key, ask_key = jax.random.split(jax.random.key(seed))
  rng = np.random.default_rng(seed)
  policy = (
    rollout.mixed_policy(world, _EPSILON)
    if isinstance(world, base.HasOracle)
    else rollout.random_policy(world)
  )
  seeds = rng.integers(2**31, size=len(pool)).astype(np.int32)
  rows, asked = [], []
  for at in range(0, len(pool), _PART):
    members = np.arange(at, min(at + _PART, len(pool)))
    full = np.resize(members, _PART)
    played = rollout.rollout(
      world, params, pool.take(full), seeds[full], policy, play_key, steps,
      first_row=at,
    )  # fmt: skip
    places, times = _pick(np.asarray(played.valid)[: len(members)], rng)
    count = len(places)
    moments = np.resize(np.arange(count), _STATES * _PART)
    keys = jax.random.split(ask_key, _STATES * (at + _PART))[_STATES * at :]
    part = jax.device_get(
      _sample(
        world, keys, params, played.states, places[moments], times[moments]
      )
    )
    rows.append(at + places)
    asked.append(jax.tree.map(lambda x, n=count: x[:n], part))
  rows = np.concatenate(rows)
  questions, obs = jax.tree.map(lambda *x: np.concatenate(x), *asked)
  texts = world.describe(obs)
  asked = world.ask(questions, obs, seed)
  found = collections.defaultdict(list)
  for row, text, row_questions in zip(rows, texts, asked, strict=True):
    for question in row_questions:
      item = ExamItem(text, question, int(row), question.kind in world.lookups)
      found[question.kind].append(item)
  return [
    item
    for kind in world.question_kinds
    if not kinds or kind in kinds
    for item in _balanced(found[kind], per_kind, rng)
  ]


@functools.partial(jax.jit, static_argnames="world")
def _sample(
  world: AskingWorld,
  keys: base.Array,
  params: base.PyTree,
  states: base.State,
  rows: np.ndarray,
  times: np.ndarray,
) -> tuple[base.QuestionArrays, base.PyTree]:
  """A question of each kind about states[rows, times], and their obs."""
  states = jax.tree.map(lambda x: x[rows, times], states)
  sample = jax.vmap(world.sample_questions, in_axes=(0, 0, None))
  return sample(keys, states, params), states.obs


def _pick(
  valid_NxT: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """Rows and times of _STATES moments before the end of each episode.

  An episode of fewer moments repeats some, so that shapes stay the same.
  """
  rows = np.repeat(np.arange(len(valid_NxT)), _STATES)
  times = [
    np.resize(rng.permutation(np.flatnonzero(valid_T)), _STATES)
    for valid_T in valid_NxT
  ]
  return rows, np.concatenate(times)


def _balanced(
  items: list[ExamItem], count: int, rng: np.random.Generator
) -> list[ExamItem]:
  """`count` items drawn at random, truths in turn; no prompt twice."""
  queues = collections.defaultdict(list)
  seen = set()
  for i in rng.permutation(len(items)):
    item = items[i]
    prompt = (item.description, item.question.text)
    if prompt not in seen:
      seen.add(prompt)
      queues[item.question.answer].append(item)
  chosen: list[ExamItem] = []
  order = sorted(queues)
  rng.shuffle(order)
  while len(chosen) < count and any(queues.values()):
    for truth in order:
      if queues[truth] and len(chosen) < count:
        chosen.append(queues[truth].pop())
  return chosen

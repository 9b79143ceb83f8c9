"""Draws questions about a moment, answers them, and puts them in words.

Loops over the kinds of all categories. Arguments are drawn so that each answer
that a moment allows is equally likely. An answer that most moments have is
asked for in a share of the moments only (`Kind.share`, measured on random
drives over the training scenes). A key of `share` may name the first action
before the answer, so that no action tells the answer.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from simulators import asking
from simulators.asking import Kind
from simulators.base import Question, QuestionArrays, State
from simulators.driving.game.moments import moment
from simulators.driving.questions import (
  cause_of_failure,
  counterfactual,
  gap_acceptance,
  history,
  perception,
  planning,
  prediction,
  reachability,
  rules,
  safe_speed,
  time_to_collision,
)
from simulators.driving.questions.forms import ANSWERS, WIDTH
from simulators.driving.text import describing
from simulators.driving.types import ACTIONS, Array, Config, Obs, Params

_CATEGORIES = (
  cause_of_failure, counterfactual, gap_acceptance, history, perception,
  planning, prediction, reachability, rules, safe_speed, time_to_collision,
)  # fmt: skip


KINDS = asking.collect(_CATEGORIES)
LOOKUPS = tuple(kind.name for kind in KINDS.values() if kind.looked_up)


def names(config: Config) -> tuple[str, ...]:
  """The kinds that a world asks, in the order of its arrays; by default all.

  Raises:
    ValueError: `config.kinds` names an unknown kind.
  """
  return asking.chosen(config.kinds, tuple(KINDS)) or tuple(KINDS)


def _options(kind: Kind, args: Array) -> Array:
  """i32[WIDTH]: codes of the answers offered; -1 pads."""
  choices = kind.choices(args)
  return jnp.pad(choices, (0, WIDTH - len(choices)), constant_values=-1)


def _shares(kind: Kind) -> np.ndarray:
  """f32[A + 1, answers]: `share` by first argument (-1: none) and code."""
  table = np.ones((len(ACTIONS) + 1, len(ANSWERS)), np.float32)
  for words, share in kind.share.items():
    *action, answer = words.split()
    row = ACTIONS.index(action[0]) if action else slice(None)
    table[row, ANSWERS.index(answer)] = share
  return table


def sample(
  key: Array, state: State, params: Params, config: Config
) -> QuestionArrays:
  """One question of each kind about one state; vmap for more.

  Args:
    key: PRNG key.
    state: the state asked about; a state that is done allows no question.
    params: the rules that the answers follow.
    config: substeps, and the kinds that are asked.
  """
  now, rows = moment(state, params, config), []
  draw, plans, thin = jax.random.split(key, 3)
  luck = jax.random.gumbel(draw, (len(KINDS), 64))
  asked = jax.random.uniform(thin, (len(KINDS),))
  for name in names(config):
    kind = KINDS[name]
    k = kind.number  # draws of a kind do not depend on what else is asked
    candidates = kind.arguments(jax.random.fold_in(plans, k))
    codes, weights = jax.vmap(lambda args, kind=kind: kind.truth(now, args))(
      candidates
    )
    shares = jnp.asarray(_shares(kind))[candidates[:, 0], codes]
    weights = weights.astype(jnp.float32) * shares
    total = weights @ jax.nn.one_hot(codes, len(ANSWERS))
    share = jnp.log(weights / jnp.maximum(total[codes], 1e-9))
    pick = jnp.argmax(share + luck[k, : len(candidates)])
    enough = jnp.sum(total > 0) >= 1 + kind.two_sided
    enough &= asked[k] < shares[pick]
    options = _options(kind, candidates[pick])
    rows.append(
      QuestionArrays(
        args=candidates[pick],
        answer=jnp.argmax(options == codes[pick]).astype(jnp.int32),
        options=options,
        valid=enough & ~state.done,
      )
    )
  return jax.tree.map(lambda *x: jnp.stack(x), *rows)


def answer(
  state: State, params: Params, kind: Array, args: Array, config: Config
) -> Array:
  """i32[]: the code, index into ANSWERS, of the true answer.

  Args:
    state: the state asked about.
    params: the rules that the answer follows.
    kind: i32[], index into `names(config)`.
    args: i32[ARGS], as in `QuestionArrays.args`.
    config: substeps, and the kinds that are asked.
  """
  now = moment(state, params, config)
  args = jnp.maximum(args, -1)
  codes = [KINDS[name].truth(now, args)[0] for name in names(config)]
  return jnp.stack([jnp.asarray(c, jnp.int32) for c in codes])[kind]


def _answerable(arrays: QuestionArrays, obs: Obs, config: Config) -> np.ndarray:
  """bool[B, K]: the valid questions whose slots stand in the text."""
  valid = np.array(arrays.valid)
  omitted = describing.omitted_slots(obs, config.rendering)
  for k, name in enumerate(names(config)):
    needs = KINDS[name].needs
    if needs is None:
      continue
    for row in np.flatnonzero(valid[:, k]).tolist():
      args = tuple(int(x) for x in arrays.args[row, k])
      valid[row, k] = omitted[row].isdisjoint(needs(args))
  return valid


def ask(
  arrays: QuestionArrays, obs: Obs, seed: int, config: Config
) -> list[list[Question]]:
  """Batched arrays in words; see `asking.ask`.

  Args:
    arrays: numpy leaves [B, K, ...], K kinds.
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the templates.
    config: names the kinds that are asked.
  """
  kinds = names(config)
  return asking.ask(
    dataclasses.replace(arrays, valid=_answerable(arrays, obs, config)),
    [np.asarray(x) for x in (obs.speed, obs.goal, obs.left, obs.car_gap)],
    seed,
    kinds=kinds,
    answers=ANSWERS,
    templates={name: KINDS[name].templates for name in kinds},
    words=lambda row, kind, args: KINDS[kind].gaps(obs, row, args),
  )

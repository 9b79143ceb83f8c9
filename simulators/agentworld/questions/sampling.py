"""Draws questions about a moment, answers them, and puts them in words.

Loops over the kinds of all categories. Arguments are drawn so that each answer
that a moment allows is equally likely. An answer that most moments have, and
that no other argument could change, is asked for in a share of the moments only
(`Kind.share`). In AgentWorld a key of `share` may start with "goal", as in
"goal yes": it then holds only for questions about the goal's cell.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from simulators import asking
from simulators.agentworld import reasoning
from simulators.agentworld.config import Config
from simulators.agentworld.game.moment import Moment, moment
from simulators.agentworld.questions import (
  cause_of_failure,
  counterfactual,
  history,
  measure,
  next_state,
  parts,
  perception,
  plan_validity,
  planning,
  reachability,
  rules,
  spatial_relation,
)
from simulators.agentworld.questions.parts import Names
from simulators.agentworld.text import needs, phrases
from simulators.agentworld.types import Obs, Params
from simulators.agentworld.vocabulary import ANSWERS, COUNTS
from simulators.asking import Kind
from simulators.base import Question, QuestionArrays, State

Array = jax.Array

_CATEGORIES = (
  perception, spatial_relation, rules, next_state, counterfactual,
  reachability, planning, plan_validity, cause_of_failure, history, measure,
)  # fmt: skip
KINDS = asking.collect(_CATEGORIES)
LOOKUPS = tuple(  # grouped by category
  kind.name
  for category in dict.fromkeys(kind.category for kind in KINDS.values())
  for kind in KINDS.values()
  if kind.looked_up and kind.category == category
)


def kinds(config: Config) -> tuple[Kind, ...]:
  """The kinds that a world asks, in the order of its arrays.

  Those that `config.kinds` names; if it is empty, all that its levels allow.

  Raises:
    ValueError: a kind is unknown (gives the nearest), is named twice, or no
      level of the world can be asked about it.
  """
  asked = asking.chosen(config.kinds, tuple(KINDS))
  for name in asked:
    requirement = KINDS[name].requires
    if requirement and not _is_met(requirement, config):
      raise ValueError(
        f"question kind {name!r} is never asked with {requirement.field}="
        f"{getattr(config, requirement.field)}: drop it, or set "
        f"{requirement.field} to {requirement.fix}"
      )
  if asked:
    return tuple(KINDS[name] for name in asked)
  return tuple(
    kind
    for kind in KINDS.values()
    if kind.requires is None or _is_met(kind.requires, config)
  )


def names(config: Config) -> tuple[str, ...]:
  """The names of `kinds(config)`."""
  return tuple(kind.name for kind in kinds(config))


def _is_met(requirement: asking.Requirement, config: Config) -> bool:
  return requirement.holds(getattr(config, requirement.field))


# --- Sampling: numbers only ---------------------------------------------------


def sample(
  key: Array, state: State, params: Params, config: Config
) -> QuestionArrays:
  """One question of each kind about one state; vmap for more.

  Args:
    key: PRNG key.
    state: the state asked about; a state that is done allows no question.
    params: the rules that the answers follow.
    config: names the kinds that are asked.
  """
  now, asked = moment(state, params, config), kinds(config)
  candidates = [kind.arguments(now) for kind in asked]
  codes, weights = zip(
    *(
      jax.vmap(kind.truth, (None, 0))(now, args)
      for kind, args in zip(asked, candidates, strict=True)
    ),
    strict=True,
  )
  codes = [code.astype(jnp.int32) for code in codes]
  weights = [weight.astype(jnp.float32) for weight in weights]
  pick, answers, chance = _draw(key, codes, weights)
  picked = pick + _starts(codes)
  args = jnp.concatenate(candidates)[picked]
  code = jnp.concatenate(codes)[picked]
  width = _width(now)
  options = []
  for k, kind in enumerate(asked):
    offered = kind.choices(now, args[k]).astype(jnp.int32)
    options.append(parts.padded(offered, width))
  options = jnp.stack(options)
  about = [
    kind.about(now, args[k]) if kind.about else jnp.array([], jnp.int32)
    for k, kind in enumerate(asked)
  ]
  most = max(len(codes) for codes in about)
  enough = answers >= 1 + np.array([kind.two_sided for kind in asked])
  of_goal = (args[:, 0] == 0).astype(jnp.int32)
  shares = jnp.asarray(_shares(asked))[np.arange(len(asked)), of_goal, code]
  enough &= chance < shares
  return QuestionArrays(
    args=args,
    answer=jnp.argmax(options == code[:, None], axis=-1).astype(jnp.int32),
    options=options,
    valid=enough & ~state.done,
    about=jnp.stack([parts.padded(codes, most) for codes in about]),
  )


def _width(now: Moment) -> int:
  """Most choices that a question of the world can have."""
  pairs, has_boxes = len(now.element), len(now.place.boxes) > 0
  return max(3 + 2 * pairs + has_boxes + now.has_hazards, len(COUNTS))


def _draw(
  key: Array, codes: list[Array], weights: list[Array]
) -> tuple[Array, Array, Array]:
  """One candidate of each kind, so that each of its answers is equally likely.

  One draw serves all kinds, and each kind sees what it would see alone: a
  separate draw for each takes XLA long to compile.

  Args:
    key: PRNG key.
    codes: for each of K kinds i32[N], the answers of its candidates.
    weights: for each kind f32[N], 0 where a candidate must not be asked.

  Returns:
    pick: i32[K], index of the candidate in its kind.
    answers: i32[K], how many answers were possible.
    chance: f32[K], uniform; for kinds with few candidates independent of pick.
  """
  lengths = [len(code) for code in codes]
  of_kind = np.repeat(np.arange(len(codes)), lengths)
  place = np.full((len(codes), max(lengths)), len(of_kind))  # of a padding
  for k, (start, n) in enumerate(zip(_starts(codes), lengths, strict=True)):
    place[k, :n] = start + np.arange(n)
  code, weight = jnp.concatenate(codes), jnp.concatenate(weights)
  total = jnp.zeros((len(codes), len(ANSWERS)))
  total = total.at[of_kind, code].add(weight)
  share = weight / jnp.maximum(total[of_kind, code], 1e-9)
  logits = jnp.append(jnp.log(share), -jnp.inf)[place]
  noise = jax.vmap(lambda key: jax.random.gumbel(key, place.shape[1:]))(
    jax.random.split(key, len(codes))
  )
  pick, answers = jnp.argmax(logits + noise, -1), jnp.sum(total > 0, -1)
  return pick, answers, jnp.exp(-jnp.exp(-noise[:, -1]))


def _starts(parts: list[Array]) -> np.ndarray:
  """i32[K]: index of the first row of each part in their concatenation."""
  lengths = [0, *(len(part) for part in parts[:-1])]
  return np.cumsum(lengths).astype(np.int32)


def _shares(asked: tuple[Kind, ...]) -> np.ndarray:
  """f32[K, 2, answers]: `share` of each kind; last, of the goal's cell."""
  table = np.ones((len(asked), 2, len(ANSWERS)), np.float32)
  for k, kind in enumerate(asked):
    for words, share in kind.share.items():
      *goal, answer = words.split()
      table[k, 1 if goal else slice(None), ANSWERS.index(answer)] = share
  return table


def answer(
  state: State, params: Params, kind: Array, args: Array, config: Config
) -> Array:
  """i32[]: the code, index into ANSWERS, of the true answer.

  Args:
    state: the moment asked about.
    params: the rules that the answer follows.
    kind: i32[], index into `kinds(config)`.
    args: i32[ARGS], as in `QuestionArrays.args`.
    config: names the kinds that are asked.
  """
  now = moment(state, params, config)
  codes = [each.truth(now, args)[0] for each in kinds(config)]
  return jnp.stack([code.astype(jnp.int32) for code in codes])[kind]


# --- Asking: numbers into words -----------------------------------------------


def ask(
  arrays: QuestionArrays, obs: Obs, seed: int, config: Config
) -> list[list[Question]]:
  """Batched arrays in words; see `asking.ask`.

  Of the valid kinds, asks those that the description decides: see `Kind.needs`.
  Other renderings than `hints` leave nothing out.

  Args:
    arrays: numpy leaves [B, K, ...], K kinds.
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the template and the order of the choices.
    config: names the kinds that are asked; chooses the rendering.
  """
  asked = kinds(config)
  if config.rendering == "hints":
    valid = needs.decided(arrays, obs, asked)
    arrays = dataclasses.replace(arrays, valid=valid)

  def words(row: int, kind: str, args: tuple[int, ...]) -> dict[str, str]:
    moment_names = Names.of(obs, row)
    gaps = KINDS[kind].gaps(args, moment_names)
    return {"aim": moment_names.aim, **gaps}

  return asking.ask(
    arrays,
    [np.asarray(x) for x in (obs.agent, obs.held, obs.opened, obs.time)],
    seed,
    kinds=[kind.name for kind in asked],
    answers=ANSWERS,
    templates={kind.name: kind.templates for kind in asked},
    words=words,
    shuffled=[kind.name for kind in asked if kind.shuffled],
    by_way=[kind.name for kind in asked if kind.by_way],
  )


def work_out(
  text: str,
  rules: str,
  things: Sequence[str],
  question: Question | None = None,
) -> tuple[str, ...]:
  """What follows from the prompt; see `HasSubgoals.work_out`."""
  if not phrases.STARTS.match(text):
    return ()  # a map, or hints
  if question is None:
    return reasoning.weigh_moves(text, rules, (), things)
  works_out = KINDS[question.kind].works_out
  return works_out(text, rules, question.args, things) if works_out else ()

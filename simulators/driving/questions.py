"""Thirty-two kinds of question about a moment in traffic, with their truths.

| kind | category | args | answer |
|---|---|---|---|
| light | perception | - | green, amber, red |
| lane | perception | side | whether there is a lane |
| people | perception | - | whether someone is on the crosswalk |
| beside | spatial relation | side | whether a car is within 10 m there |
| pace | spatial relation | - | whether the car ahead is faster or slower |
| reach | time to collision | - | whether within 5 s at these speeds |
| eased | time to collision | - | whether within 10 s, 4 m/s slower |
| gap | gap acceptance | - | whether a car of the other road comes in 4 s |
| room | gap acceptance | side | whether both gaps there last a second |
| limit | rules | - | whether `faster` aims above the limit |
| rule | rules | - | stop or go, by light and crosswalk |
| way | right of way | - | you or the other, where the roads meet |
| cut_in | right of way | side | whether the one behind must brake hard |
| halt | safe speed | - | whether braking at 4 m/s2 suffices |
| safe | safe speed | - | three, six or ten, braking at 2 m/s2 |
| distance | safe speed | - | whether the distance is too short to react |
| in_time | reachability | - | whether the present speed suffices |
| over | reachability | - | whether `keep` passes the line in 3 s |
| speed_after | next state | action | faster, slower or same in 2 s |
| nearer | next state | - | whether `keep` closes in on the car ahead |
| slows | prediction | - | whether the car ahead is slower in 3 s |
| change | prediction | - | whether the nearest car changes lanes in 3 s |
| harm | counterfactual | action | whether an accident follows in 4 s |
| brake | counterfactual | - | whether `stop` halts before the line |
| plan | plan validity | 3 actions | whether all is well after them |
| cause | cause of failure | 3 actions | car, people, light or road |
| saves | cause of failure | action | whether `stop` avoids its accident |
| better | planning | 2 actions | the better |
| best | planning | - | the one best action |
| did | history | - | the last action, by the aims before and after |
| came | history | - | whether the car ahead has come nearer |
| hit | cause of failure | 3 actions | ahead, left, right, other: the car hit |

A side is 0 for right, 1 for left. Arguments are drawn so that each answer a
moment allows is as likely; an answer that most moments have is asked for in a
share of them (`SHARES`). What was a second ago stands in the question: no text
tells of it. `hit` asks of a recorded drive that has ended in a collision.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from simulators import asking
from simulators.base import Question, QuestionArrays, State
from simulators.driving import phrases, text, truths
from simulators.driving.moments import ACT, ANSWERS, ARGS, moment
from simulators.driving.types import ACTIONS, Array, Config, Obs, Params

KINDS = tuple(phrases.TEMPLATES)
LOOKUPS = ("light", "lane", "people", "beside", "pace", "limit", "rule")
# kind -> answer -> share of the moments with it that it is asked in, so that
# no answer and, where an action stands before it, no action tells the answer.
# Measured on random drives over the training scenes; 1 where nothing stands.
SHARES = {
  "light": {"red": 0.3},
  "lane": {"no": 0.3},
  "people": {"no": 0.5},
  "pace": {"slower": 0.6},
  "in_time": {"yes": 0.5},
  "safe": {"ten": 0.5},
  "rule": {"stop": 0.4},
  "way": {"other": 0.15},
  "speed_after": {
    "stop slower": 0.04, "go faster": 0.05, "faster faster": 0.15,
    "slower slower": 0.15,
  },
  "harm": {
    "keep yes": 0.6, "faster yes": 0.3, "go yes": 0.2, "left yes": 0.2,
    "right yes": 0.6, "slower no": 0.4, "stop no": 0.05,
  },
  "plan": {
    "stop yes": 0.3, "slower yes": 0.6, "left no": 0.5, "faster no": 0.5,
  },
  "cause": {"car": 0.35},
  "slows": {"no": 0.25},
  "change": {"no": 0.12},
  "came": {"yes": 0.4},
}  # fmt: skip
_PLANS = 12  # plans weighed
_TWO_SIDED = ("harm", "plan")  # asked only where either answer could be had


def kinds(config: Config) -> tuple[str, ...]:
  """The kinds that a world asks, in the order of its arrays.

  Those of `config.kinds`; where that is empty, all.

  Raises:
    ValueError: for unknown kinds, each with the nearest known.
  """
  return asking.chosen(config.kinds, KINDS) or KINDS


def _candidates(kind: str, key: Array) -> Array:
  """i32[N, ARGS]: the questions of a kind that are weighed."""
  if kind in ("plan", "cause", "hit"):
    return jax.random.randint(key, (_PLANS, ARGS), 0, len(ACTIONS))
  actions = range(len(ACTIONS))
  rows = {
    **{key: [(0,), (1,)] for key in ("lane", "beside", "cut_in", "room")},
    **{
      key: [(a,) for a in actions] for key in ("speed_after", "harm", "saves")
    },
    "better": list(itertools.permutations(actions, 2)),
  }.get(kind, [()])
  padded = [(*row, *[-1] * (ARGS - len(row))) for row in rows]
  return jnp.array(padded, jnp.int32)


def _options(kind: str, args: Array) -> Array:
  """i32[phrases.WIDTH]: codes of the answers offered; -1 pads."""
  offered = jnp.asarray(phrases.offered(kind))
  if kind == "better":
    offered = ACT + args[:2]
  pad = (0, phrases.WIDTH - len(offered))
  return jnp.pad(offered, pad, constant_values=-1)


def _shares(kind: str) -> np.ndarray:
  """f32[actions + 1, answers]: SHARES by first argument (-1: none) and code."""
  shares = SHARES.get(kind, {})
  table = np.ones((len(ACTIONS) + 1, len(ANSWERS)), np.float32)
  for words, share in shares.items():
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
    state: the moment asked about; nothing can be asked once it is done.
    params: the rules that the answers follow.
    config: substeps, and the kinds that are asked.
  """
  now, rows = moment(state, params, config), []
  draw, plans, thin = jax.random.split(key, 3)
  luck = jax.random.gumbel(draw, (len(KINDS), 64))
  asked = jax.random.uniform(thin, (len(KINDS),))
  for kind in kinds(config):
    k = KINDS.index(kind)  # a kind's luck is its own, whatever else is asked
    candidates = _candidates(kind, jax.random.fold_in(plans, k))
    truth = truths.TRUTHS[kind]
    codes, weights = jax.vmap(
      lambda args, truth=truth: truth(now, args, config)
    )(candidates)
    shares = jnp.asarray(_shares(kind))[candidates[:, 0], codes]
    weights = weights.astype(jnp.float32) * shares
    total = weights @ jax.nn.one_hot(codes, len(ANSWERS))
    share = jnp.log(weights / jnp.maximum(total[codes], 1e-9))
    pick = jnp.argmax(share + luck[k, : len(candidates)])
    enough = jnp.sum(total > 0) >= 1 + (kind in _TWO_SIDED)
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
    state: the moment asked about.
    params: the rules that the answer follows.
    kind: i32[], index into `kinds(config)`.
    args: i32[ARGS], as in `QuestionArrays.args`.
    config: substeps, and the kinds that are asked.
  """
  now = moment(state, params, config)
  args = jnp.maximum(args, -1)
  codes = [truths.TRUTHS[name](now, args, config)[0] for name in kinds(config)]
  return jnp.stack([jnp.asarray(c, jnp.int32) for c in codes])[kind]


def ask(
  arrays: QuestionArrays, obs: Obs, seed: int, config: Config
) -> list[list[Question]]:
  """Batched arrays in words; see `asking.ask`.

  Args:
    arrays: numpy leaves [B, K, ...], K kinds.
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the template.
    config: names the kinds that are asked.
  """
  return asking.ask(
    arrays,
    (obs.speed, obs.goal, obs.left, obs.car_gap),
    seed,
    kinds=kinds(config),
    answers=ANSWERS,
    templates=phrases.TEMPLATES,
    words=functools.partial(_words, obs),
  )


def _words(
  obs: Obs, i: int, kind: str, args: tuple[int, ...]
) -> dict[str, str]:
  """What fills the gaps of a kind's templates."""
  if kind == "did":
    lane = text.WORDS[int(obs.was_lane[i]) + 1]
    return {"aim": text.number(obs.was_target[i], text.SPEEDS), "lane": lane}
  if kind == "came":
    return {"gap": text.number(obs.was_gap[i, _lead(obs, i)], text.DISTANCES)}
  named = [ACTIONS[x] for x in args if x >= 0]
  return {
    "s": "left" if args[0] == 1 else "right",
    "a": named[0] if named else "",
    "b": named[1] if len(named) > 1 else "",
    "plan": " ".join(named),
  }


def _lead(obs: Obs, i: int) -> int:
  """The car seen next ahead in the lane, as `moments.moment` has it."""
  ahead = obs.car_seen[i] & (obs.car_road[i] == 0) & (obs.car_side[i] == 0)
  ahead &= obs.car_gap[i] >= 1.0
  return int(np.argmin(np.where(ahead, obs.car_gap[i], np.inf)))

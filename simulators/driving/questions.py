"""Sixteen kinds of question about a moment in traffic, with their truths.

| kind | category | args | answer |
|---|---|---|---|
| light | perception | - | green, amber, red |
| lane | perception | side | whether there is a lane |
| people | perception | - | whether someone is on the crosswalk |
| beside | spatial relation | side | whether a car is within 10 m there |
| pace | spatial relation | - | whether the car ahead is faster or slower |
| reach | time to collision | - | whether within 5 s at these speeds |
| gap | gap acceptance | - | whether a car of the other road comes in 4 s |
| limit | rules | - | whether `faster` aims above the limit |
| halt | safe speed | - | whether braking at 4 m/s2 suffices |
| in_time | reachability | - | whether the present speed suffices |
| cut_in | right of way | side | whether the one behind must brake hard |
| speed_after | next state | action | faster, slower or same in 2 s |
| harm | counterfactual | action | whether an accident follows in 4 s |
| plan | plan validity | 3 actions | whether all is well after them |
| better | planning | 2 actions | the better |
| best | planning | - | the one best action |

A side is 0 for right, 1 for left. Arguments are drawn so that each answer a
moment allows is as likely.
"""

import itertools
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from simulators.base import Question, QuestionArrays, State
from simulators.driving import truths
from simulators.driving.truths import ANSWERS, ARGS
from simulators.driving.types import ACTIONS, Array, Config, Obs, Params

TEMPLATES = {
  "light": ("what is the light?", "the light is?", "name the light."),
  "lane": ("is there a lane on your {s}?", "can you change {s}?",
           "does a lane lie {s} of yours?"),
  "people": ("is someone on the crosswalk?", "does anyone cross?",
             "are people crossing?"),
  "beside": ("is a car within ten metres on your {s}?",
             "on your {s}, is a car nearer than ten?",
             "is the {s} lane taken within ten metres?"),
  "pace": ("is the car ahead faster or slower?",
           "faster or slower: the car ahead?",
           "how does the car ahead go, faster or slower?"),
  "reach": ("at these speeds, do you hit the car ahead within five seconds?",
            "is the time to collision below five seconds?",
            "do you reach the car ahead in five seconds?"),
  "gap": ("does a car of the other road come within four seconds?",
          "is the gap on the other road below four seconds?",
          "will the other road's next car be here in four seconds?"),
  "limit": ("does faster aim above the limit?",
            "would faster break the limit?", "is faster beyond the limit?"),
  "halt": ("braking at four, do you stand before the line?",
           "can you stop before the line at four m/s2?",
           "is there room to stop, braking at four?"),
  "in_time": ("at this speed, do you come in time?",
              "is your speed enough to be in time?",
              "going on like this, is the goal reached in time?"),
  "cut_in": ("you change {s}. must the car behind there brake hard?",
             "would changing {s} cut a car off?",
             "does going {s} force someone to brake hard?"),
  "speed_after": ("you {a}. are you faster or slower in two seconds?",
                  "after {a} and two seconds, faster, slower or same?",
                  "how is your speed two seconds after {a}?"),
  "harm": ("you {a}, then keep. is there an accident in four seconds?",
           "does {a} and then keep end badly within four seconds?",
           "{a}, then three times keep: does harm follow?"),
  "plan": ("{plan}: is all well after it?", "you go {plan}. are you safe?",
           "do {plan} pass without harm?"),
  "better": ("which is better, {a} or {b}?", "{a} or {b}: which is better?",
             "is {a} or {b} wiser?"),
  "best": ("which action is best?", "what is best now?",
           "what should you do?"),
}  # fmt: skip
KINDS = tuple(TEMPLATES)
_WIDTH = len(ACTIONS)  # answers offered at most
_PLANS = 12
_TWO_SIDED = ("harm", "plan")  # asked only where either answer could be had


def _candidates(kind: str) -> np.ndarray:
  """i32[N, ARGS]: the questions of a kind that are weighed."""
  actions = range(len(ACTIONS))
  rng = np.random.default_rng(0)
  rows = {
    **{key: [(0,), (1,)] for key in ("lane", "beside", "cut_in")},
    **{key: [(a,) for a in actions] for key in ("speed_after", "harm")},
    "plan": rng.integers(len(ACTIONS), size=(_PLANS, 3)).tolist(),
    "better": list(itertools.permutations(actions, 2)),
  }.get(kind, [()])
  return np.array([(*row, *[-1] * (ARGS - len(row))) for row in rows], np.int32)


def _options(kind: str, args: Array) -> Array:
  """i32[_WIDTH]: codes of the answers offered; -1 pads."""
  code = ANSWERS.index
  offered = {
    "light": jnp.arange(3) + code("green"),
    "pace": jnp.array([code("faster"), code("slower")]),
    "speed_after": jnp.array([code("faster"), code("slower"), code("same")]),
    "better": truths.ACT + args[:2],
    "best": truths.ACT + jnp.arange(len(ACTIONS)),
  }.get(kind, jnp.array([truths.YES, truths.NO])).astype(jnp.int32)
  return jnp.pad(offered, (0, _WIDTH - len(offered)), constant_values=-1)


def sample(
  key: Array, state: State, params: Params, config: Config
) -> QuestionArrays:
  """One question of each kind about one state; vmap for more.

  Args:
    key: PRNG key.
    state: the moment asked about; nothing can be asked once it is done.
    params: the rules that the answers follow.
    config: substeps.
  """
  moment, rows = truths.scene(state, params, config), []
  luck = jax.random.gumbel(key, (len(KINDS), 64))
  for k, kind in enumerate(KINDS):
    candidates = jnp.asarray(_candidates(kind))
    truth = truths.TRUTHS[kind]
    codes, weights = jax.vmap(
      lambda args, truth=truth: truth(moment, args, config)
    )(candidates)
    weights = weights.astype(jnp.float32)
    total = weights @ jax.nn.one_hot(codes, len(ANSWERS))
    share = jnp.log(weights / jnp.maximum(total[codes], 1e-9))
    pick = jnp.argmax(share + luck[k, : len(candidates)])
    enough = jnp.sum(total > 0) >= 1 + (kind in _TWO_SIDED)
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
    kind: i32[], index into KINDS.
    args: i32[ARGS], as in `QuestionArrays.args`.
    config: substeps.
  """
  moment = truths.scene(state, params, config)
  args = jnp.maximum(args, -1)
  codes = [truths.TRUTHS[name](moment, args, config)[0] for name in KINDS]
  return jnp.stack([jnp.asarray(c, jnp.int32) for c in codes])[kind]


def ask(arrays: QuestionArrays, obs: Obs, seed: int) -> list[list[Question]]:
  """Batched arrays in words: for each row the questions that can be asked.

  The phrasing depends on the seed, the question and the moment, not on where
  in the batch it stands.

  Args:
    arrays: numpy leaves [B, KINDS, ...].
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the template and the order of two offered actions.
  """
  asked = []
  for i in range(len(arrays.valid)):
    moment = (obs.speed[i], obs.goal[i], obs.left[i], obs.car_gap[i])
    salt = zlib.crc32(b"".join(np.asarray(x).tobytes() for x in moment))
    asked.append(
      [
        _question(arrays, i, k, (seed, salt))
        for k in np.flatnonzero(arrays.valid[i])
      ]
    )
  return asked


def _question(arrays, i: int, k: int, salt: tuple[int, int]) -> Question:
  kind, args = KINDS[k], tuple(int(x) for x in arrays.args[i, k])
  codes = arrays.options[i, k]
  choices = [ANSWERS[code] for code in codes[codes >= 0]]
  rng = np.random.default_rng([*salt, k, *(1 + x for x in args)])
  template = TEMPLATES[kind][rng.integers(len(TEMPLATES[kind]))]
  named = [ACTIONS[x] for x in args if x >= 0]
  words = {
    "s": "left" if args[0] == 1 else "right",
    "a": named[0] if named else "",
    "b": named[1] if len(named) > 1 else "",
    "plan": " ".join(named),
  }
  return Question(
    kind=kind,
    text=template.format(**words),
    choices=tuple(choices),
    answer=ANSWERS[codes[arrays.answer[i, k]]],
    args=args,
  )

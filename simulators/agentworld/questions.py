"""Ten kinds of question about a moment of AgentWorld, with their truths.

| kind | category | args | answer |
|---|---|---|---|
| where | perception | object, axis | up/down or left/right |
| adjacent | perception | move | what is there: wall, nothing, a word |
| nearer | spatial relation | object, object | by rows plus columns |
| which_tool | rules | element word | tool, by what the agent is told |
| bump | next state | move | whether it moves |
| if_held | counterfactual | tool, move | whether it would move |
| reachable | reachability | object | whether by open floor alone |
| optimal_next | planning | - | the one best move |
| plan | plan validity | object, 2-3 moves | whether they end there |
| steps | measure | - | fewest steps to the goal, one..eight |

An object is 0 for the goal, 1 + i for the level's tool i. What *happens* is
answered by `Params.opens`, slipping set aside; `which_tool` alone is answered
by `Params.nominal`. Only what is in sight is asked about. The arguments are
drawn so that each answer a moment allows is equally likely.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from simulators import asking
from simulators.agentworld import truths
from simulators.agentworld.truths import ANSWERS, ARGS
from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  TOOLS,
  Config,
  Obs,
  Params,
)
from simulators.base import Question, QuestionArrays, State

Array = jax.Array

TEMPLATES = {
  "where": (
    "is {x} {one} or {two}?",
    "{one} or {two}: where is {x}?",
    "which way is {x}, {one} or {two}?",
  ),
  "adjacent": (
    "what is one step {d}?",
    "what is next to you {d}?",
    "name what is just {d} of you.",
  ),
  "nearer": (
    "which is nearer, {x} or {y}?",
    "nearer to you: {x} or {y}?",
    "is {x} or {y} less far?",
  ),
  "which_tool": (
    "which tool opens {x}?",
    "what opens {x}?",
    "what do you need for {x}?",
  ),
  "bump": (
    "you go {d}. do you move?",
    "would going {d} move you?",
    "does {d} take you anywhere?",
  ),
  "if_held": (
    "if you held {x}, could you go {d}?",
    "with {x} in hand, could you go {d}?",
    "suppose you had {x}: could you go {d}?",
  ),
  "reachable": (
    "is there an open way to {x}?",
    "can you reach {x} and open nothing?",
    "is {x} reachable as things stand?",
  ),
  "optimal_next": (
    "which move is best?",
    "what is the best move now?",
    "which move leads to the goal soonest?",
  ),
  "plan": (
    "does {plan} lead to {x}?",
    "you go {plan}. are you at {x}?",
    "do the moves {plan} end at {x}?",
  ),
  "steps": (
    "how many steps to the goal?",
    "the goal takes how many moves?",
    "count the fewest steps to the goal.",
  ),
}
KINDS = tuple(TEMPLATES)
CATEGORIES = dict(
  zip(
    KINDS,
    (
      "perception", "perception", "spatial relation", "rules", "next state",
      "counterfactual", "reachability", "planning", "plan validity", "measure",
    ),
    strict=True,
  )
)  # fmt: skip


# --- Sampling: numbers only -------------------------------------------------

# Asked only where either answer could be had: most moments know but one.
_TWO_SIDED = ("reachable", "plan")


def _candidates(kind: str, pairs: int) -> np.ndarray:
  """i32[N, ARGS]: every question of a kind that a level could hold."""
  moves, objects = range(len(ACTIONS)), range(1 + pairs)
  plans = [
    (*plan, -1)[: ARGS - 1]
    for length in (2, 3)
    for plan in itertools.product(moves, repeat=length)
    if all({a, b} not in ({0, 1}, {2, 3}) for a, b in itertools.pairwise(plan))
  ]
  rows = {
    "where": itertools.product(objects, range(2)),
    "adjacent": itertools.product(moves),
    "nearer": itertools.permutations(objects, 2),
    "which_tool": itertools.product(range(len(ELEMENTS))),
    "bump": itertools.product(moves),
    "if_held": itertools.product(range(pairs), moves),
    "reachable": itertools.product(objects),
    "optimal_next": [()],
    "plan": [(target, *plan) for target in objects for plan in plans],
    "steps": [()],
  }[kind]
  return np.array([(*row, *[-1] * (ARGS - len(row))) for row in rows], np.int32)


def _draw(key: Array, codes: Array, weights: Array, both: bool):
  """An index drawn so that each answer is as likely, and whether there is one.

  Args:
    key: PRNG key.
    codes: i32[N], answer of each candidate.
    weights: f32[N], 0 where a candidate must not be asked.
    both: refuse a moment in which only one answer could be had.
  """
  of_code = jax.nn.one_hot(codes, len(ANSWERS))
  total = weights @ of_code
  share = weights / jnp.maximum(total[codes], 1e-9)
  answers = jnp.sum(total > 0)
  return jax.random.categorical(key, jnp.log(share)), answers >= 1 + both


def _options(kind: str, moment: truths.Scene, args: Array, width: int):
  """i32[width]: codes of the answers offered; -1 pads."""
  level, params = moment.level, moment.params
  code = ANSWERS.index
  if kind == "where":
    offered = jnp.where(args[1] == 0, code("up"), code("left")) + jnp.arange(2)
  elif kind == "adjacent":
    elements = truths.ELEMENT + params.element_id[level.element_kind]
    things = jnp.where(moment.present, moment.word, -1)
    elements = jnp.where(moment.seen, elements, -1)
    floor = jnp.array([truths.WALL, truths.NOTHING])
    offered = jnp.concatenate([floor, things, elements])
  elif kind == "nearer":
    offered = moment.word[args[:2]]
  elif kind == "which_tool":
    offered = truths.TOOL + params.tool_id
  elif kind == "optimal_next":
    offered = code("up") + jnp.arange(len(ACTIONS))
  elif kind == "steps":
    offered = code("one") + jnp.arange(len(truths.NUMBERS))
  else:
    offered = jnp.array([truths.YES, truths.NO])
  offered = offered.astype(jnp.int32)
  return jnp.pad(offered, (0, width - len(offered)), constant_values=-1)


def sample(
  key: Array, state: State, params: Params, config: Config
) -> QuestionArrays:
  """One question of each kind about one state; vmap for more.

  Args:
    key: PRNG key.
    state: the moment asked about; nothing can be asked once it is done.
    params: the rules that the answers follow.
    config: not needed: a state tells its own sizes.
  """
  del config
  pairs = state.obs.tool.shape[-1]
  width = max(3 + 2 * pairs, len(truths.NUMBERS))
  moment, rows = truths.scene(state, params), []
  for kind, kind_key in zip(
    KINDS, jax.random.split(key, len(KINDS)), strict=True
  ):
    candidates = jnp.asarray(_candidates(kind, pairs))
    codes, weights = jax.vmap(truths.TRUTHS[kind], (None, 0))(
      moment, candidates
    )
    weights = weights.astype(jnp.float32)
    pick, valid = _draw(kind_key, codes, weights, both=kind in _TWO_SIDED)
    options = _options(kind, moment, candidates[pick], width)
    rows.append(
      QuestionArrays(
        args=candidates[pick],
        answer=jnp.argmax(options == codes[pick]).astype(jnp.int32),
        options=options,
        valid=valid & ~state.done,
      )
    )
  return jax.tree.map(lambda *x: jnp.stack(x), *rows)


def answer(state: State, params: Params, kind: Array, args: Array) -> Array:
  """i32[]: the code, index into ANSWERS, of the true answer.

  Args:
    state: the moment asked about.
    params: the rules that the answer follows.
    kind: i32[], index into KINDS.
    args: i32[ARGS], as in `QuestionArrays.args`.
  """
  moment = truths.scene(state, params)
  codes = [truths.TRUTHS[name](moment, args)[0] for name in KINDS]
  return jnp.stack([code.astype(jnp.int32) for code in codes])[kind]


# --- Asking: numbers into words ---------------------------------------------

_SHUFFLED = ("adjacent", "nearer", "which_tool")  # offers differ by question


def ask(arrays: QuestionArrays, obs: Obs, seed: int) -> list[list[Question]]:
  """Batched arrays in words; see `asking.ask`.

  Args:
    arrays: numpy leaves [B, KINDS, ...].
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the template and the order of the choices.
  """
  return asking.ask(
    arrays,
    (obs.agent, obs.held, obs.opened, obs.time),
    seed,
    kinds=KINDS,
    answers=ANSWERS,
    templates=TEMPLATES,
    words=lambda i, kind, args: _words(kind, args, obs.tool[i]),
    shuffled=_SHUFFLED,
  )


def _words(kind: str, args: tuple[int, ...], tool: np.ndarray) -> dict:
  """What fills the gaps of a kind's templates."""
  names = ("goal", *(TOOLS[word] for word in tool))
  if kind == "where":
    one, two = ACTIONS[2 * args[1] : 2 * args[1] + 2]
    return {"x": names[args[0]], "one": one, "two": two}
  if kind in ("adjacent", "bump"):
    return {"d": ACTIONS[args[0]]}
  if kind == "nearer":
    return {"x": names[args[0]], "y": names[args[1]]}
  if kind == "which_tool":
    return {"x": ELEMENTS[args[0]]}
  if kind == "if_held":
    return {"x": names[1 + args[0]], "d": ACTIONS[args[1]]}
  if kind == "reachable":
    return {"x": names[args[0]]}
  if kind == "plan":
    plan = " ".join(ACTIONS[move] for move in args[1:] if move >= 0)
    return {"x": names[args[0]], "plan": plan}
  return {}

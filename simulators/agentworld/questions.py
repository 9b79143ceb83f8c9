"""Kinds of question about a moment of AgentWorld, with their truths.

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
| steps | measure | - | fewest steps to what is asked, one..eight |
| held | perception | tool | whether it is in hand |
| exits | perception | - | how many moves would move, one..four |
| task | perception | - | reach, take, open, bring or push |
| distance | measure | object | rows plus columns, one..eight |
| apart | spatial relation | object, object | rows plus columns |
| aligned | spatial relation | object, axis | whether in one row, or column |
| relative | spatial relation | object, object, axis | second seen from first |
| which_element | rules | tool word | element, by what the agent is told |
| opens | rules | tool word, element word | whether, by what it is told |
| can_open | rules | element | whether a tool in hand opens it |
| takes | next state | move | whether it takes a tool |
| nears | next state | move, object | whether nearer then |
| next_distance | next state | move, object | rows plus columns then |
| pushes | next state | move | whether it pushes a box |
| deadly | next state | move | whether it ends in a hazard |
| if_open | counterfactual | element, object | whether reachable then |
| helps | counterfactual | tool | whether having it saves steps |
| way_bar | reachability | object | the closed element before it, nothing |
| better | planning | move, move | the better |
| progress | planning | move | whether it is a best move |
| first_tool | planning | - | tool to fetch first, nothing |
| good_start | plan validity | 2 moves | whether they begin a shortest way |
| stopped | plan validity | 3 moves | what stops them: wall, element, nothing |
| why_barred | cause of failure | move | wall, element, box |
| lacking | cause of failure | move | the tool that would let one pass |
| did_move | history | last move | whether it moved one |
| was_distance | history | object, 2-3 past moves | distance before them |
| approached | history | object, 2-3 past moves | whether nearer since |

An object is 0 for the goal, where that is a place, 1 + i for the level's tool
i; an element is its place in the level. What *happens* is answered by
`Params.opens`, slipping set aside; `which_tool`, `which_element` and `opens`
are answered by `Params.nominal`. Only what is in sight, and not taken for
something else, is asked about. The arguments are drawn so that each answer a
moment allows is equally likely.
"""

import jax
import jax.numpy as jnp
import numpy as np

from simulators import asking
from simulators.agentworld import candidates, decided, phrases
from simulators.agentworld.moments import ANSWERS, moment
from simulators.agentworld.templates import CATEGORIES, TEMPLATES
from simulators.agentworld.truths import TRUTHS
from simulators.agentworld.types import Config, Obs, Params
from simulators.base import Question, QuestionArrays, State

Array = jax.Array

KINDS = tuple(TEMPLATES)
LOOKUPS = tuple(
  kind
  for kind, category in CATEGORIES.items()
  if category in ("perception", "spatial relation", "rules")
)
# Asked only where more than one answer could be had: most moments know but
# one, and always the same.
_TWO_SIDED = (
  "plan", "held", "aligned", "can_open", "takes", "nears", "pushes", "deadly",
  "if_open", "helps", "progress", "good_start", "stopped", "why_barred",
  "approached",
)  # fmt: skip
# kind -> answer -> share of the moments with it that it is asked in, where
# most moments have this answer and no argument could bring another; with
# "goal" before it, where it is the goal that is asked about.
SHARES = {
  "first_tool": {"nothing": 0.25},
  "did_move": {"yes": 0.3},
  "reachable": {"goal yes": 0.35},
  "way_bar": {"goal nothing": 0.35},
}


def kinds(config: Config) -> tuple[str, ...]:
  """The kinds that a world asks, in the order of its arrays.

  Those of `config.kinds`; where that is empty, all that its levels allow.

  Raises:
    ValueError: for unknown kinds, each with the nearest known; for kinds named
      twice, and for those that no level of the world can be asked.
  """
  told = asking.chosen(config.kinds, KINDS)
  never = {
    "task": (len(config.goals) == 1, "goals", "two or more"),
    "pushes": (config.boxes == 0, "boxes", "1 or 2"),
    "deadly": (config.hazards == 0, "hazards", "1 or more"),
  }
  idle = {kind: why for kind, (is_so, *why) in never.items() if is_so}
  for kind, (field, fix) in idle.items():
    if kind in told:
      raise ValueError(
        f"question kind {kind!r} is never asked with {field}="
        f"{getattr(config, field)}: drop it, or set {field} to {fix}"
      )
  return told or tuple(kind for kind in KINDS if kind not in idle)


# --- Sampling: numbers only -------------------------------------------------


def _draw(
  key: Array, codes: list[Array], weights: list[Array]
) -> tuple[Array, Array, Array]:
  """One candidate of each kind, so that each of its answers is as likely.

  One draw serves all kinds, of which each sees what it would by itself: a
  draw apiece takes XLA long to compile.

  Args:
    key: PRNG key.
    codes: of each of K kinds i32[N], the answers of its candidates.
    weights: of each kind f32[N], 0 where a candidate must not be asked.

  Returns:
    pick: i32[K], index of the candidate in its kind.
    answers: i32[K], how many answers could be had.
    chance: f32[K], of which kinds of few candidates can make a further draw.
  """
  lengths = [len(code) for code in codes]
  of_kind = np.repeat(np.arange(len(codes)), lengths)
  place = np.full((len(codes), max(lengths)), len(of_kind))  # a pad's
  for k, (first, n) in enumerate(zip(_firsts(codes), lengths, strict=True)):
    place[k, :n] = first + np.arange(n)
  code, weight = jnp.concatenate(codes), jnp.concatenate(weights)
  total = jnp.zeros((len(codes), len(ANSWERS)))
  total = total.at[of_kind, code].add(weight)
  share = weight / jnp.maximum(total[of_kind, code], 1e-9)
  logits = jnp.append(jnp.log(share), -jnp.inf)[place]
  luck = jax.vmap(lambda key: jax.random.gumbel(key, place.shape[1:]))(
    jax.random.split(key, len(codes))
  )
  pick, answers = jnp.argmax(logits + luck, -1), jnp.sum(total > 0, -1)
  return pick, answers, jnp.exp(-jnp.exp(-luck[:, -1]))


def _shares(names: tuple[str, ...]) -> np.ndarray:
  """f32[K, 2, answers]: SHARES, of the goal last; 1 where nothing stands."""
  table = np.ones((len(names), 2, len(ANSWERS)), np.float32)
  for k, kind in enumerate(names):
    for words, share in SHARES.get(kind, {}).items():
      *goal, answer = words.split()
      table[k, 1 if goal else slice(None), ANSWERS.index(answer)] = share
  return table


def _firsts(parts: list[Array]) -> np.ndarray:
  """i32[K]: where each part begins in all of them behind one another."""
  lengths = [0, *(len(part) for part in parts[:-1])]
  return np.cumsum(lengths).astype(np.int32)


def sample(
  key: Array, state: State, params: Params, config: Config
) -> QuestionArrays:
  """One question of each kind about one state; vmap for more.

  Args:
    key: PRNG key.
    state: the moment asked about; nothing can be asked once it is done.
    params: the rules that the answers follow.
    config: names the kinds that are asked.
  """
  now, names = moment(state, params), kinds(config)
  every = [candidates.every(kind, now) for kind in names]
  codes, weights = zip(
    *(
      jax.vmap(TRUTHS[kind], (None, 0))(now, args)
      for kind, args in zip(names, every, strict=True)
    ),
    strict=True,
  )
  codes = [code.astype(jnp.int32) for code in codes]
  weights = [weight.astype(jnp.float32) for weight in weights]
  pick, answers, chance = _draw(key, codes, weights)
  picked = pick + _firsts(codes)
  args = jnp.concatenate(every)[picked]
  code = jnp.concatenate(codes)[picked]
  pairs, boxes = len(now.element), len(now.place.boxes)
  width = phrases.width(pairs, boxes > 0, config.hazards > 0)
  options = []
  for k, kind in enumerate(names):
    offered = phrases.offered(kind, now, args[k], config.hazards > 0)
    pad = (0, width - len(offered))
    options.append(jnp.pad(offered, pad, constant_values=-1))
  options = jnp.stack(options)
  enough = answers >= 1 + np.isin(names, _TWO_SIDED)
  of_goal = (args[:, 0] == 0).astype(jnp.int32)
  shares = jnp.asarray(_shares(names))[np.arange(len(names)), of_goal, code]
  enough &= chance < shares
  return QuestionArrays(
    args=args,
    answer=jnp.argmax(options == code[:, None], axis=-1).astype(jnp.int32),
    options=options,
    valid=enough & ~state.done,
  )


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
  now = moment(state, params)
  codes = [TRUTHS[name](now, args)[0] for name in kinds(config)]
  return jnp.stack([code.astype(jnp.int32) for code in codes])[kind]


# --- Asking: numbers into words ---------------------------------------------


def ask(
  arrays: QuestionArrays, obs: Obs, seed: int, config: Config
) -> list[list[Question]]:
  """Batched arrays in words; see `asking.ask`.

  Of the valid kinds, those whose answer the moment as it is told can decide:
  see `decided`. All of them on a map.

  Args:
    arrays: numpy leaves [B, K, ...], K kinds.
    obs: numpy leaves [B, ...] of the same moments.
    seed: draws the template and the order of the choices.
    config: names the kinds that are asked, and how a moment is told.
  """
  if config.rendering == "words":
    arrays = arrays.replace(valid=decided.valid(arrays, obs, kinds(config)))
  return asking.ask(
    arrays,
    (obs.agent, obs.held, obs.opened, obs.time),
    seed,
    kinds=kinds(config),
    answers=ANSWERS,
    templates=TEMPLATES,
    words=lambda i, kind, args: {
      "aim": phrases.aim(obs.goal_kind[i]),
      **phrases.words(kind, args, obs.tool[i], obs.element[i]),
    },
    shuffled=phrases.SHUFFLED,
  )

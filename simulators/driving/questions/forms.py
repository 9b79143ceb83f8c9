"""What question kinds share: codes of answers, arguments, choices, gaps.

A question is identified by ARGS numbers; -1 pads. A side is 0 for right and 1
for left, an action is an index into ACTIONS.
"""

import itertools
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from simulators.driving.text.words import OTHER_ROADS
from simulators.driving.types import ACTIONS, FAR, Array, Obs

ANSWERS = (
  "yes", "no", "same", "green", "amber", "red", *ACTIONS,
  "you", "other", "car", "three", "six", "ten", "people", "light",
  "road", "ahead",
)  # fmt: skip
CODES = {word: code for code, word in enumerate(ANSWERS)}
YES, NO = CODES["yes"], CODES["no"]
ACT = CODES[ACTIONS[0]]  # the code of action 0; the others follow
ARGS = 3  # numbers that identify a question
WIDTH = len(ACTIONS)  # answers offered at most
MARGIN = 0.3  # relative distance from a border that a question must keep
PLANS = 12  # plans that are considered

# The slots with a distance in the ego's lane and the next ones: lanes to the
# left, and 1 ahead or -1 behind. An argument is an index into them.
PLACES = {
  "ahead": (0, 1), "left ahead": (1, 1), "right ahead": (-1, 1),
  "behind": (0, -1), "left behind": (1, -1), "right behind": (-1, -1),
}  # fmt: skip
# A distance that is within 0.35 of another and 3 m may round to the same word.
APART, APART_LEAST = 0.35, 3.0  # share, m

Truth = tuple[Array, Array]  # code of the answer i32[], sampling weight
Args = tuple[int, ...]


# --- Answers ------------------------------------------------------------------


def yes(truth: Array) -> Array:
  """i32[...]: the code of yes or no."""
  return jnp.where(truth, YES, NO)


def below(value: Array, border: Array, asked: Array) -> Truth:
  """Whether value < border; asked only where it is not near the border."""
  clear = jnp.abs(value - border) > MARGIN * border + 0.5
  return yes(value < border), asked & clear


def choose(words: str) -> Callable[[Array], Array]:
  """Choices that are the same for all arguments: words with spaces between."""
  codes = np.array([CODES[word] for word in words.split()], np.int32)
  return lambda args: jnp.asarray(codes)


yes_or_no = choose("yes no")
any_action = choose(" ".join(ACTIONS))


# --- Arguments ----------------------------------------------------------------


def _table(rows: Iterable[Args]) -> Callable[[Array], Array]:
  """Arguments that do not depend on chance."""
  padded = [(*row, *[-1] * (ARGS - len(row))) for row in rows]
  table = np.array(padded, np.int32)
  return lambda key: jnp.asarray(table)


nothing = _table([()])
each_side = _table([(0,), (1,)])
each_action = _table((action,) for action in range(len(ACTIONS)))
each_pair = _table(itertools.permutations(range(len(ACTIONS)), 2))


each_two_places = _table(itertools.permutations(range(len(PLACES)), 2))


def random_plans(key: Array) -> Array:
  """i32[PLANS, ARGS]: plans of three actions."""
  return jax.random.randint(key, (PLANS, ARGS), 0, len(ACTIONS))


# --- Slots --------------------------------------------------------------------


def occupant(obs: Obs, place: Array) -> tuple[Array, Array]:
  """The nearest car in a place i32[], as the text tells it.

  Returns:
    i32[]: its index; bool[]: there is one.
  """
  sides, ways = jnp.array(list(PLACES.values())).T
  side, way = sides[place], ways[place]
  gap = obs.car_gap * way.astype(jnp.float32)
  least = jnp.where(side == 0, jnp.where(way > 0, 0.0, 1e-6), 1.0)
  there = obs.car_seen & (obs.car_road == 0) & (obs.car_side == side)
  gap = jnp.where(there & (gap >= least), gap, FAR)
  return jnp.argmin(gap), jnp.min(gap) < FAR


def slots_of_places(args: Args) -> tuple[str, ...]:
  """The slots that the first two arguments name."""
  names = tuple(PLACES)
  return names[args[0]], names[args[1]]


def slots_of_side(args: Args) -> tuple[str, ...]:
  """The slots of the lane on a side."""
  side = "left" if args[0] == 1 else "right"
  return tuple(f"{side} {way}" for way in ("beside", "ahead", "behind"))


def slots_of_other_roads(args: Args) -> tuple[str, ...]:
  """The slots of other roads."""
  del args
  return OTHER_ROADS


# --- Gaps of templates --------------------------------------------------------


def no_gaps(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """Templates without a gap."""
  del obs, row, args
  return {}


def name_side(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """{s}: left or right."""
  del obs, row
  return {"s": "left" if args[0] == 1 else "right"}


def name_places(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """{x} and {y}: the slots that the first two arguments name."""
  del obs, row
  return dict(zip("xy", slots_of_places(args), strict=True))


def name_actions(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """{a} and {b}: the first and the second action; {plan}: all of them."""
  del obs, row
  names = [ACTIONS[x] for x in args if x >= 0]
  return {**dict(zip("ab", names, strict=False)), "plan": " ".join(names)}

"""The moment that questions are asked about, and words for what is true of it.

A truth is a function of one moment and of a question's arguments and gives
(code, weight): the answer as an index into ANSWERS, and how gladly it is
asked, 0 where it must not be: where the thing is unseen, or so near to the
border between two answers that the rounded words cannot decide.
"""

import flax.struct
import jax
import jax.numpy as jnp

from simulators.base import State
from simulators.driving import dynamics, oracle
from simulators.driving.types import (
  ACTIONS,
  FAR,
  KEEP,
  Array,
  Cars,
  Config,
  Ego,
  EnvState,
  Meters,
  Obs,
  Params,
)

ANSWERS = (
  "yes", "no", "same", "green", "amber", "red", *ACTIONS,
  "you", "other", "car", "three", "six", "ten", "people", "light",
  "road", "ahead",
)  # fmt: skip
CODES = {word: code for code, word in enumerate(ANSWERS)}
YES, NO = CODES["yes"], CODES["no"]
ACT = CODES[ACTIONS[0]]  # the code of action 0; the others follow
ARGS = 3  # numbers that identify a question; -1 pads
MARGIN = 0.3  # relative distance to a border that may be asked about
LOOK = 6  # decisions that each action is followed for


@flax.struct.dataclass
class Future:
  """What has become of a moment; leaves may lead with decisions or actions."""

  ego: Ego
  cars: Cars
  meters: Meters
  ended: Array  # bool, success or failure; from then on all stands still


@flax.struct.dataclass
class Moment:
  """What the truths of one moment are read from."""

  env: EnvState
  obs: Obs
  params: Params
  cost: Array  # f32[A]
  lead: Array  # i32, the car seen next ahead in the lane
  led: Array  # bool, whether there is one
  futures: Future  # leaves [A, LOOK, ...]: each action, then `keep`

  def after(self, action: Array | int, seconds: int) -> Future:
    """What follows from an action and then `keep`, in all so many seconds."""
    return jax.tree.map(lambda x: x[action, seconds - 1], self.futures)


def moment(state: State, params: Params, config: Config) -> Moment:
  """The moment of one state; vmap for more."""
  obs, env = state.obs, state.env_state
  ahead = obs.car_seen & (obs.car_road == 0) & (obs.car_side == 0)
  ahead &= obs.car_gap >= 1.0
  gap = jnp.where(ahead, obs.car_gap, FAR)
  plans = jnp.full((len(ACTIONS), LOOK), KEEP)
  plans = plans.at[:, 0].set(jnp.arange(len(ACTIONS)))
  return Moment(
    env=env,
    obs=obs,
    params=params,
    cost=oracle.costs(env, params, config),
    lead=jnp.argmin(gap),
    led=jnp.any(ahead),
    futures=jax.vmap(lambda plan: play(env, params, plan, config))(plans),
  )


def play(env: EnvState, params: Params, plan: Array, config: Config) -> Future:
  """What follows from the actions i32[T]; leaves [T, ...], one a decision."""

  def take(env, action):
    new = dynamics.advance(env, action, params, config)
    new = jax.tree.map(lambda a, b: jnp.where(env.ended, a, b), env, new)
    return new, Future(new.ego, new.cars, new.meters, new.ended)

  return jax.lax.scan(take, env, plan)[1]


def yes(truth: Array) -> Array:
  """i32[...]: the code of yes or no."""
  return jnp.where(truth, YES, NO)


def below(value: Array, border: Array, asked: Array) -> tuple[Array, Array]:
  """Whether value < border, asked only clear of the border."""
  clear = jnp.abs(value - border) > MARGIN * border + 0.5
  return yes(value < border), asked & clear

"""How the simulator answers the questions of `questions`.

Each truth is a function of one moment and of a question's arguments and gives
(code, weight): the answer as an index into ANSWERS, and how gladly it is
asked, 0 where it must not be: where the thing is unseen, or so near to the
border between two answers that the rounded words cannot decide. What happens
is found by driving on in the world, what is best by the oracle.
"""

import flax.struct
import jax
import jax.numpy as jnp

from simulators.base import State
from simulators.driving import dynamics, metrics, oracle, traffic
from simulators.driving.types import (
  ACTIONS,
  FAR,
  KEEP,
  Array,
  Config,
  EnvState,
  Obs,
  Params,
)

ANSWERS = ("yes", "no", "same", "green", "amber", "red", *ACTIONS)
YES, NO, SAME, GREEN, ACT = (
  ANSWERS.index(word) for word in ("yes", "no", "same", "green", ACTIONS[0])
)
LEFT_, RIGHT_, FASTER_, SLOWER_ = (
  ANSWERS.index(word) for word in ("left", "right", "faster", "slower")
)
ARGS = 3  # numbers that identify a question; -1 pads
MARGIN = 0.3  # relative distance to a border that may be asked about
BRAKE = 4.0  # m/s2, hard braking by the rules told


@flax.struct.dataclass
class Scene:
  """What the truths of one moment are read from."""

  env: EnvState
  obs: Obs
  params: Params
  cost: Array  # f32[A]
  lead: Array  # i32, the car seen next ahead in the lane
  led: Array  # bool, whether there is one


def scene(state: State, params: Params, config: Config) -> Scene:
  """The scene of one state; vmap for more."""
  obs = state.obs
  ahead = obs.car_seen & (obs.car_road == 0) & (obs.car_side == 0)
  ahead &= obs.car_gap >= 1.0
  gap = jnp.where(ahead, obs.car_gap, FAR)
  return Scene(
    env=state.env_state,
    obs=obs,
    params=params,
    cost=oracle.costs(state.env_state, params, config),
    lead=jnp.argmin(gap),
    led=jnp.any(ahead),
  )


def _yes(truth: Array) -> Array:
  return jnp.where(truth, YES, NO)


def _below(value: Array, border: Array, asked: Array):
  """Whether value < border, asked only clear of the border."""
  clear = jnp.abs(value - border) > MARGIN * border + 0.5
  return _yes(value < border), asked & clear


def _play(moment: Scene, plan: Array, config: Config) -> EnvState:
  """Where the actions i32[T] lead; an episode that is over stands still."""

  def take(env, action):
    new = dynamics.advance(env, action, moment.params, config)
    return jax.tree.map(lambda a, b: jnp.where(env.ended, a, b), env, new), None

  return jax.lax.scan(take, moment.env, plan)[0]


def light(moment: Scene, args: Array, config: Config):
  del args, config
  return GREEN + jnp.maximum(moment.obs.light, 1) - 1, moment.obs.light > 0


def lane(moment: Scene, args: Array, config: Config):
  """Is there a lane to the left (args 1) or right (0)?"""
  del config
  obs = moment.obs
  there = jnp.where(args[0] == 1, obs.lane + 1 < obs.lanes, obs.lane > 0)
  return _yes(there), obs.aims == 0


def beside(moment: Scene, args: Array, config: Config):
  """Is a car within ten metres in the lane to the left or right?"""
  del config
  obs = moment.obs
  side = jnp.where(args[0] == 1, 1, -1)
  mine = obs.car_seen & (obs.car_road == 0) & (obs.car_side == side)
  nearest = jnp.min(jnp.where(mine, jnp.abs(obs.car_gap), FAR))
  there = (obs.lane + side >= 0) & (obs.lane + side < obs.lanes)
  return _below(nearest, jnp.full((), 10.0), there)


def pace(moment: Scene, args: Array, config: Config):
  """Is the car ahead faster or slower?"""
  del args, config
  by = moment.obs.car_speed[moment.lead] - moment.obs.speed
  code = jnp.where(by > 0, FASTER_, SLOWER_)
  return code, moment.led & (jnp.abs(by) > 1.2)


def reach(moment: Scene, args: Array, config: Config):
  """At these speeds, is the car ahead reached within five seconds?"""
  del args, config
  obs, j = moment.obs, moment.lead
  closing = obs.speed - obs.car_speed[j]
  within = obs.car_gap[j] / jnp.maximum(closing, 0.1)
  return _below(within, jnp.full((), 5.0), moment.led & (closing > 1.2))


def limit(moment: Scene, args: Array, config: Config):
  """Does `faster` aim above the limit?"""
  del args, config
  obs = moment.obs
  over = obs.target + dynamics.SPEED_STEP - obs.limit
  return _yes(over > 0), jnp.abs(over) > 0.9


def halt(moment: Scene, args: Array, config: Config):
  """Braking at four m/s2, does one stand before the line or crosswalk?"""
  del args, config
  obs = moment.obs
  line = jnp.where(obs.line > 0, obs.line, obs.walk)
  need = 0.5 * obs.speed**2 / BRAKE
  return _below(need, jnp.maximum(line, 1.0), (line > 1.0) & (obs.speed > 2.0))


def in_time(moment: Scene, args: Array, config: Config):
  """At the present speed, is the goal reached in time?"""
  del args, config
  obs = moment.obs
  takes = obs.goal / jnp.maximum(obs.speed, 0.5)
  asked = (obs.goal < 110.0) & (obs.left > 1.0)
  return _below(takes, obs.left, asked)


def gap(moment: Scene, args: Array, config: Config):
  """Is a car on the other road at the meeting place within four seconds?"""
  del args, config
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  takes = obs.car_gap / jnp.maximum(obs.car_speed, 0.5)
  soonest = jnp.min(jnp.where(other, takes, FAR))
  return _below(soonest, jnp.full((), 4.0), jnp.any(other))


def people(moment: Scene, args: Array, config: Config):
  """Is someone on the crosswalk?"""
  del args, config
  return _yes(jnp.any(moment.obs.walker_seen)), moment.obs.walk > 0


def cut_in(moment: Scene, args: Array, config: Config):
  """Would a change of lane make the one behind there brake hard (2 m/s2)?"""
  del config
  obs, level = moment.obs, moment.env.level
  side = jnp.where(args[0] == 1, 1, -1)
  behind = obs.car_seen & (obs.car_road == 0) & (obs.car_side == side)
  behind &= obs.car_gap < 1.0
  j = jnp.argmin(jnp.where(behind, -obs.car_gap, FAR))
  who = jax.tree.map(
    lambda x: x[j],
    traffic.drivers(level, moment.params, moment.env.time.astype(jnp.float32)),
  )
  space = jnp.maximum(-obs.car_gap[j], 0.1)
  a = traffic.idm(obs.car_speed[j], space, obs.speed, who, moment.params)
  asked = jnp.any(behind) & (jnp.abs(a + 2.0) > 0.8)
  asked &= (obs.lane + side >= 0) & (obs.lane + side < obs.lanes)
  return _yes(a < -2.0), asked


def speed_after(moment: Scene, args: Array, config: Config):
  """After two seconds of an action, is one faster or slower than now?"""
  action = args[0]
  end = _play(moment, jnp.stack([action, KEEP]), config)
  by = end.ego.v - moment.obs.speed
  code = jnp.where(by > 0, FASTER_, SLOWER_)
  clear = (jnp.abs(by) > 1.0) | (jnp.abs(by) < 0.2)
  return jnp.where(jnp.abs(by) < 0.2, SAME, code), clear & ~end.ended


def harm(moment: Scene, args: Array, config: Config):
  """An action, then keep for three seconds: does an accident happen?"""
  end = _play(moment, jnp.stack([args[0], KEEP, KEEP, KEEP]), config)
  legal = dynamics.legal_actions(moment.env)[args[0]]
  return _yes(metrics.failed(end.meters)), legal


def plan(moment: Scene, args: Array, config: Config):
  """Three actions: is all still well after them?"""
  end = _play(moment, args, config)
  return _yes(~metrics.failed(end.meters)), jnp.ones((), bool)


def better(moment: Scene, args: Array, config: Config):
  """Which of two actions is better?"""
  del config
  one, two = moment.cost[args[0]], moment.cost[args[1]]
  legal = dynamics.legal_actions(moment.env)
  asked = legal[args[0]] & legal[args[1]] & (jnp.abs(one - two) >= 1.0)
  return ACT + jnp.where(one < two, args[0], args[1]), asked


def best(moment: Scene, args: Array, config: Config):
  """The one best action."""
  del args, config
  least = jnp.min(moment.cost)
  alone = jnp.sum(moment.cost <= least + 0.3) == 1
  return ACT + jnp.argmin(moment.cost), alone


TRUTHS = {
  "light": light, "lane": lane, "people": people, "beside": beside,
  "pace": pace, "reach": reach, "gap": gap, "limit": limit, "halt": halt,
  "in_time": in_time, "cut_in": cut_in, "speed_after": speed_after,
  "harm": harm, "plan": plan, "better": better, "best": best,
}  # fmt: skip

"""Rules and right of way: who may go, who must stop, and how fast."""

import jax
import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game import traffic, vehicle
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  choose,
  each_side,
  name_side,
  no_gaps,
  nothing,
  slots_of_other_roads,
  slots_of_side,
  yes,
  yes_or_no,
)
from simulators.driving.questions.perception import beside
from simulators.driving.types import FAR, Array


def _limit(moment: Moment, _: Array) -> Truth:
  """Does `faster` aim above the limit?"""
  obs = moment.obs
  over = obs.target + vehicle.SPEED_STEP - obs.limit
  return yes(over > 0), jnp.abs(over) > 0.9


LIMIT = Kind(
  name="limit",
  number=7,
  category="rules",
  templates=(
    "does faster aim above the limit?",
    "would faster break the limit?",
    "is faster beyond the limit?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_limit,
  gaps=no_gaps,
  share={"yes": 0.6},
  looked_up=True,
)


def _rule(moment: Moment, _: Array) -> Truth:
  """Do light and crosswalk demand a stop, or may the ego go?"""
  obs = moment.obs
  stop = (obs.light == 3) | jnp.any(obs.walker_goes != 0)
  asked = ((obs.light > 0) | (obs.walk > 0)) & (obs.light != 2)
  return jnp.where(stop, CODES["stop"], CODES["go"]), asked


RULE = Kind(
  name="rule",
  number=19,
  category="rules",
  templates=(
    "by the rules, do you stop or go ahead?",
    "what do light and crosswalk demand, stop or go?",
    "stop or go: what is the rule here?",
  ),
  arguments=nothing,
  choices=choose("stop go"),
  truth=_rule,
  gaps=no_gaps,
  share={"stop": 0.4},
  looked_up=True,
)


def _way(moment: Moment, _: Array) -> Truth:
  """Who goes first where the roads meet?

  Not the ego if it turns left across an oncoming car, or if its light is red.
  """
  obs = moment.obs
  other = obs.car_seen & (obs.car_road > 0) & (obs.car_gap > 0)
  oncoming = jnp.any(other & (obs.car_road == 1))
  signalled = (obs.light == 1) | (obs.light == 3)
  yields = oncoming | (obs.light == 3)
  code = jnp.where(yields, CODES["other"], CODES["you"])
  return code, jnp.any(other) & (oncoming | signalled)


WAY = Kind(
  name="way",
  number=21,
  category="right of way",
  templates=(
    "where the roads meet, who goes first, you or the other?",
    "you or the other: who has the right of way?",
    "who may go first, the other car or you?",
  ),
  arguments=nothing,
  choices=choose("you other"),
  truth=_way,
  gaps=no_gaps,
  share={"other": 0.1},
  needs=slots_of_other_roads,
)


def _cut_in(moment: Moment, args: Array) -> Truth:
  """Would a lane change make the car behind brake harder than 2 m/s2?"""
  obs, level = moment.obs, moment.env.level
  cars, there = beside(moment, args)
  behind = cars & (obs.car_gap <= -1.0)
  j = jnp.argmin(jnp.where(behind, -obs.car_gap, FAR))
  who = jax.tree.map(
    lambda x: x[j],
    traffic.drivers(level, moment.params, moment.env.time.astype(jnp.float32)),
  )
  space = jnp.maximum(-obs.car_gap[j], 0.1)
  a = traffic.idm(obs.car_speed[j], space, obs.speed, who, moment.params)
  asked = jnp.any(behind) & (jnp.abs(a + 2.0) > 0.8) & there
  return yes(a < -2.0), asked


CUT_IN = Kind(
  name="cut_in",
  number=10,
  category="right of way",
  templates=(
    "you change {s}. must the car behind there brake hard?",
    "would changing {s} cut a car off?",
    "does going {s} force someone to brake hard?",
  ),
  arguments=each_side,
  choices=yes_or_no,
  truth=_cut_in,
  gaps=name_side,
  share={"no": 0.35},
  needs=slots_of_side,
)

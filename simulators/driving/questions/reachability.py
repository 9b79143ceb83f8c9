"""Reachability: does the ego come so far in so much time?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Future, Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  below,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.types import KEEP, Array

SOON = 3  # s ahead
PAST = 1.5  # m; nothing is asked where the ego ends so near to the line


def _in_time(moment: Moment, _: Array) -> Truth:
  """At the present speed, does the ego reach the goal in time?"""
  obs = moment.obs
  takes = obs.goal / jnp.maximum(obs.speed, 0.5)
  asked = (obs.goal < 110.0) & (obs.left > 1.0) & (obs.speed > 3.0)
  return below(takes, obs.left, asked)


IN_TIME = Kind(
  name="in_time",
  number=9,
  category="reachability",
  templates=(
    "at this speed, do you come in time?",
    "is your speed enough to be in time?",
    "going on like this, is the goal reached in time?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_in_time,
  gaps=no_gaps,
  share={"yes": 0.12},
)


def past_line(moment: Moment, end: Future) -> tuple[Array, Array]:
  """Whether the nose is past the line or crosswalk in a future.

  Returns:
    bool[]: past it; bool[]: this may be asked.
  """
  line = moment.line
  beyond = end.ego.s - moment.env.ego.s - line
  asked = (line > 1.0) & (jnp.abs(beyond) > PAST)
  return beyond > 0, asked & ((beyond > 0) | ~end.ended)


def _over(moment: Moment, _: Array) -> Truth:
  """After three seconds of `keep`, is the ego past the line or crosswalk?"""
  past, asked = past_line(moment, moment.after(KEEP, SOON))
  return yes(past), asked & (moment.line < 60.0)


OVER = Kind(
  name="over",
  number=24,
  category="reachability",
  templates=(
    "you keep. are you past the line in three seconds?",
    "does keep take you over the line within three seconds?",
    "three times keep: is the line behind you?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_over,
  gaps=no_gaps,
  share={"no": 0.5},
)


def _switch(moment: Moment, _: Array) -> Truth:
  """At the present speed, does the light change before the ego is there?"""
  obs = moment.obs
  takes = obs.line / jnp.maximum(obs.speed, 0.5)
  asked = (obs.countdown >= 0) & (obs.line > 0) & (obs.speed > 1.5)
  stays, clear = below(takes, obs.countdown, asked)
  return yes(stays != CODES["yes"]), clear


SWITCH = Kind(
  name="switch",
  number=34,
  category="reachability",
  templates=(
    "at this speed, does the light change before you are there?",
    "is the light another one when you reach it at this speed?",
    "going on like this, do you meet another light than this?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_switch,
  gaps=no_gaps,
  share={"no": 0.35},
)

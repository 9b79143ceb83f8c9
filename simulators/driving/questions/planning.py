"""Plan validity and planning: is a plan safe, and which action is best?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game import dynamics, metrics
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  ACT,
  Truth,
  any_action,
  each_pair,
  name_actions,
  no_gaps,
  nothing,
  random_plans,
  yes,
  yes_or_no,
)
from simulators.driving.types import Array


def _plan(moment: Moment, args: Array) -> Truth:
  """Do three actions pass without a fault?"""
  end = moment.play(args)
  return yes(~metrics.failed(end.meters)), jnp.ones((), bool)


PLAN = Kind(
  name="plan",
  number=13,
  category="plan validity",
  templates=(
    "{plan}: is all well after it?",
    "you go {plan}. are you safe?",
    "do {plan} pass without harm?",
  ),
  arguments=random_plans,
  choices=yes_or_no,
  truth=_plan,
  gaps=name_actions,
  share={"stop yes": 0.3, "slower yes": 0.6, "left no": 0.5, "faster no": 0.5},
  two_sided=True,
)


def _better(moment: Moment, args: Array) -> Truth:
  """Which of two actions is better?"""
  one, two = moment.cost[args[0]], moment.cost[args[1]]
  legal = dynamics.legal_actions(moment.env)
  asked = legal[args[0]] & legal[args[1]] & (jnp.abs(one - two) >= 1.0)
  return ACT + jnp.where(one < two, args[0], args[1]), asked


def _both(args: Array) -> Array:
  return ACT + args[:2]


BETTER = Kind(
  name="better",
  number=14,
  category="planning",
  templates=(
    "which is better, {a} or {b}?",
    "{a} or {b}: which is better?",
    "is {a} or {b} wiser?",
  ),
  arguments=each_pair,
  choices=_both,
  truth=_better,
  gaps=name_actions,
)


def _best(moment: Moment, _: Array) -> Truth:
  """Which action is the best one, better than each other by 0.3 s?"""
  least = jnp.min(moment.cost)
  alone = jnp.sum(moment.cost <= least + 0.3) == 1
  return ACT + jnp.argmin(moment.cost), alone


BEST = Kind(
  name="best",
  number=15,
  category="planning",
  templates=(
    "which action is best?",
    "what is best now?",
    "what should you do?",
  ),
  arguments=nothing,
  choices=any_action,
  truth=_best,
  gaps=no_gaps,
)

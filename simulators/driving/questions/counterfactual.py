"""Counterfactual: what would follow from an action?"""

from simulators.asking import Kind
from simulators.driving.game import dynamics, metrics
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  Truth,
  each_action,
  name_actions,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.questions.reachability import past_line
from simulators.driving.types import STOP, Array

HALTING = 6  # s in which the ego comes to a stop


def _harm(moment: Moment, args: Array) -> Truth:
  """An action, then `keep` for three seconds: does an accident happen?"""
  legal = dynamics.legal_actions(moment.env)[args[0]]
  return yes(metrics.failed(moment.after(args[0], 4).meters)), legal


HARM = Kind(
  name="harm",
  number=12,
  category="counterfactual",
  templates=(
    "you {a}, then keep. is there an accident in four seconds?",
    "does {a} and then keep end badly within four seconds?",
    "{a}, then three times keep: does harm follow?",
  ),
  arguments=each_action,
  choices=yes_or_no,
  truth=_harm,
  gaps=name_actions,
  share={
    "keep no": 0.3,
    "keep yes": 0.6,
    "faster yes": 0.5,
    "go yes": 0.6,
    "left yes": 0.2,
    "right yes": 0.24,
    "slower no": 0.4,
    "stop no": 0.05,
  },
  two_sided=True,
)


def _brake(moment: Moment, _: Array) -> Truth:
  """With `stop` now, does the ego halt before the line or crosswalk?"""
  end = moment.after(STOP, HALTING)  # `keep` continues the stop
  past, asked = past_line(moment, end)
  asked &= (moment.obs.speed > 3.0) & (past | (end.ego.v < 0.3))
  return yes(~past), asked & (moment.line < 40.0)


BRAKE = Kind(
  name="brake",
  number=25,
  category="counterfactual",
  templates=(
    "you stop now. do you stand before the line?",
    "does stop, given now, halt you before the line?",
    "is it early enough to stop before the line?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_brake,
  gaps=no_gaps,
  share={"yes": 0.33},
)

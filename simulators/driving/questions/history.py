"""History: what happened in the last second?

A description tells no more of the past than the last decision, so the question
itself tells what was seen a second ago, rounded as in `compact`.
"""

import jax.numpy as jnp
import numpy as np

from simulators.asking import Kind
from simulators.driving.game import vehicle
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  ACT,
  Args,
  Truth,
  any_action,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.text import words
from simulators.driving.types import (
  ACTIONS,
  FASTER,
  GO,
  LEFT,
  RIGHT,
  SLOWER,
  STOP,
  Array,
  Obs,
)


def _did(moment: Moment, _: Array) -> Truth:
  """Which action changed the aims of a second ago to the current aims?

  Asked where the action had its effect, and no other would have led to the
  same aims.
  """
  obs, actions = moment.obs, range(len(ACTIONS))
  change = {LEFT: 1, RIGHT: -1}
  lanes = obs.was_lane + jnp.array([change.get(a, 0) for a in actions])
  step = {FASTER: vehicle.SPEED_STEP, SLOWER: -vehicle.SPEED_STEP}
  targets = obs.was_target + jnp.array([step.get(a, 0.0) for a in actions])
  targets = targets.at[STOP].set(0.0).at[GO].set(obs.limit)
  targets = jnp.clip(targets, 0.0, obs.limit + vehicle.SPEED_STEP)
  alike = (lanes == obs.lane + obs.aims) & (lanes >= 0) & (lanes < obs.lanes)
  alike &= jnp.abs(targets - obs.target) < 1.5  # words tell no finer
  asked = (obs.last >= 0) & alike[obs.last] & (jnp.sum(alike) == 1)
  return ACT + jnp.maximum(obs.last, 0), asked


def _aims(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """{aim} and {lane}: what the ego aimed at a second ago."""
  del args
  names = words.LANES.get(int(obs.lanes[row]), ("only",))
  lane = min(max(int(obs.was_lane[row]), 0), len(names) - 1)
  return {"aim": f"{round(float(obs.was_target[row]))} m/s",
          "lane": names[lane]}  # fmt: skip


DID = Kind(
  name="did",
  number=29,
  category="history",
  templates=(
    "a second ago you aimed at {aim} in the {lane} lane. what did you do?",
    "which action came after the aim {aim}, {lane} lane?",
    "before: aim {aim}, {lane} lane. what was done since?",
  ),
  arguments=nothing,
  choices=any_action,
  truth=_did,
  gaps=_aims,
  looked_up=True,  # the text tells the last decision
)


def _came(moment: Moment, _: Array) -> Truth:
  """Has the car ahead come nearer in the last second?"""
  obs, j = moment.obs, moment.lead
  was, gap = obs.was_gap[j], obs.car_gap[j]
  steps = jnp.asarray(words.DISTANCES, jnp.float32)
  far, near = (jnp.argmin(jnp.abs(steps - x)) for x in (was, gap))
  asked = moment.led & (obs.last >= 0) & obs.was_seen[j] & (was >= 1.0)
  return yes(gap < was), asked & (far != near) & (jnp.abs(gap - was) > 0.5)


def _old_gap(obs: Obs, row: int, args: Args) -> dict[str, str]:
  """{gap}: the distance of the car ahead a second ago."""
  del args
  ahead = obs.car_seen[row] & (obs.car_road[row] == 0)
  ahead &= (obs.car_side[row] == 0) & (obs.car_gap[row] >= 0.0)
  lead = int(np.argmin(np.where(ahead, obs.car_gap[row], np.inf)))
  was = float(obs.was_gap[row, lead])
  return {"gap": f"{min(words.DISTANCES, key=lambda x: abs(x - was))} m"}


CAME = Kind(
  name="came",
  number=30,
  category="history",
  templates=(
    "a second ago the car ahead was {gap} ahead. has it come nearer?",
    "the car ahead, {gap} ahead a second ago: is it nearer now?",
    "is the car ahead nearer than a second ago, when it was {gap} ahead?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_came,
  gaps=_old_gap,
  share={"yes": 0.5},
)

"""Safe speed: which speed and distance still allow a stop?"""

import jax.numpy as jnp

from simulators.asking import Kind
from simulators.driving.game.moments import Moment
from simulators.driving.questions.forms import (
  CODES,
  Truth,
  below,
  choose,
  no_gaps,
  nothing,
  yes,
  yes_or_no,
)
from simulators.driving.types import Array

BRAKE = 4.0  # m/s2, hard braking
REACTION = 1.0  # s
GENTLE = 2.0  # m/s2
# Speeds in m/s as words, and the metres in which 2 m/s2 of braking ends them.
SAFE = (("six", 9.0), ("ten", 25.0))


def _halt(moment: Moment, _: Array) -> Truth:
  """Braking at 2 m/s2, does the ego stop before the line or crosswalk?"""
  line, speed = moment.line, moment.obs.speed
  need = 0.5 * speed**2 / GENTLE
  return below(need, jnp.maximum(line, 1.0), (line > 1.0) & (speed > 2.0))


HALT = Kind(
  name="halt",
  number=8,
  category="safe speed",
  templates=(
    "braking at two m/s2, do you stand before the line?",
    "can you stop before the line at two m/s2?",
    "is there room to stop, braking at two m/s2?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_halt,
  gaps=no_gaps,
  share={"yes": 0.5},
)


def _distance(moment: Moment, _: Array) -> Truth:
  """The car ahead brakes at 4 m/s2, the ego a second later: is there a crash?

  The safe longitudinal distance of Shalev-Shwartz, Shammah, Shashua 2017, "On
  a formal model of safe and scalable self-driving cars", with constant speed
  during the second of reaction. Asked where the car ahead moves, but slower:
  one phrase of the text tells the other cases.
  """
  obs, j = moment.obs, moment.lead
  mine, theirs = obs.speed**2, obs.car_speed[j] ** 2
  need = obs.speed * REACTION + 0.5 * (mine - theirs) / BRAKE
  asked = moment.led & (obs.speed > 2.0) & (obs.car_speed[j] > 0.5)
  asked &= obs.car_speed[j] < obs.speed - 1.0
  short, clear = below(need, obs.car_gap[j], asked)
  return yes(short != CODES["yes"]), clear


DISTANCE = Kind(
  name="distance",
  number=17,
  category="safe speed",
  templates=(
    "the car ahead brakes at four, you a second later. do you hit?",
    "is your distance too short if the car ahead brakes at four?",
    "both brake at four, you a second late: is there a crash?",
  ),
  arguments=nothing,
  choices=yes_or_no,
  truth=_distance,
  gaps=no_gaps,
  share={"no": 0.95},
)


def _safe(moment: Moment, _: Array) -> Truth:
  """The greatest of 3, 6 and 10 m/s that braking at 2 m/s2 can end in time."""
  line, end = moment.line, moment.obs.lane_end
  line = jnp.where(line > 0, line, end)
  code, asked = jnp.full((), CODES["three"]), line > 2.5
  for word, need in SAFE:
    code = jnp.where(line >= need, CODES[word], code)
    asked &= jnp.abs(line - need) > 0.2 * need + 0.5
  return code, asked


SAFE_SPEED = Kind(
  name="safe",
  number=18,
  category="safe speed",
  templates=(
    "braking at two for what lies ahead, how fast may you be at most?",
    "which speed is safe here, braking at two: three, six or ten?",
    "three, six or ten: the top speed to stop in time, braking at two?",
  ),
  arguments=nothing,
  choices=choose("three six ten"),
  truth=_safe,
  gaps=no_gaps,
  share={"ten": 0.5},
)

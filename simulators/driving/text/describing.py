"""Writes numpy observations as short English sentences.

    speed ten aim twelve limit sixteen. lane one of two. goal hundred in
    twenty. light red thirty. truck ahead twenty slower four. car left behind
    ten faster two.

Speeds are in m/s, rounded to two. Distances are in m from bumper to bumper,
rounded on a scale that grows coarser with distance. Times are in s. `aim` is
the speed that the ego aims at.

A car is `ahead`, `behind` or `beside` in the ego's lane, or in the next lane to
the `left` or `right`. It is `slower` or `faster` than the ego by so much, or
`standing`. For an `oncoming` or `crossing` car, the distance runs to the place
where its path meets the ego's. A person at the crosswalk is so many metres
`left` or `right` of the ego's path, and is `going` one way or `waiting`. Lanes
count from the right.

Left out: actors that are unseen, cars two or more lanes away, and all but the
six nearest actors.
"""

import numpy as np

from simulators.driving.text.words import (
  ACROSS,
  DISTANCES,
  LIGHTS,
  SPEEDS,
  TIMES,
  WORDS,
  number,
)
from simulators.driving.types import ACTIONS, Obs, Params

ACTORS = 6  # actors that a description mentions
LIMIT = 70  # tokens of a description
TASKS = (
  "Reach the goal in time: pass slow cars.",
  "Reach the goal; the car ahead may brake hard.",
  "Reach the goal: stop at red, go at green.",
  "Reach the goal: let people cross first.",
  "Leave the ramp before your lane ends.",
  "Turn left; oncoming cars go first.",
  "Pass the standing car by the other lane.",
  "Reach the goal: mind cars, light and people.",
)


def speed_gap(difference: float) -> str:
  """A difference in m/s as words: `slower four`, `faster two` or `same`."""
  if abs(difference) < 1.0:
    return "same"
  word = "faster" if difference > 0 else "slower"
  return f"{word} {number(max(abs(difference), 2.0), SPEEDS)}"


def _car(obs: Obs, i: int, j: int) -> str:
  """The sentence about car j in row i."""
  name = "truck" if obs.truck[i, j] else "car"
  gap, v = obs.car_gap[i, j], obs.car_speed[i, j]
  if obs.car_road[i, j]:
    way = "oncoming" if obs.car_road[i, j] == 1 else "crossing"
    return (
      f"{name} {way} {number(max(gap, 0.0), DISTANCES)} "
      f"speed {number(v, SPEEDS)}"
    )
  side = {0: "", 1: "left ", -1: "right "}[int(obs.car_side[i, j])]
  where = "beside"
  if abs(gap) >= 1.0:
    way = "ahead" if gap > 0 else "behind"
    where = f"{way} {number(abs(gap), DISTANCES)}"
  pace = "standing" if v < 0.5 else speed_gap(float(v - obs.speed[i]))
  return f"{name} {side}{where} {pace}"


def _describe(obs: Obs, i: int) -> str:
  """The description of row i."""
  sentences = [
    f"speed {number(obs.speed[i], SPEEDS)} aim {number(obs.target[i], SPEEDS)}"
    f" limit {number(obs.limit[i], SPEEDS)}"
  ]
  if obs.lanes[i] > 1:
    lane = f"lane {WORDS[int(obs.lane[i]) + 1]} of {WORDS[int(obs.lanes[i])]}"
    aims = int(obs.aims[i])
    sentences.append(
      lane + ("" if not aims else " going left" if aims > 0 else " going right")
    )
  sentences.append(
    f"goal {number(obs.goal[i], DISTANCES)} in {number(obs.left[i], TIMES)}"
  )
  if obs.turn[i]:
    sentences.append(f"turn {'left' if obs.turn[i] > 0 else 'right'}")
  if obs.light[i]:
    line = number(obs.line[i], DISTANCES)
    sentences.append(f"light {LIGHTS[obs.light[i]]} {line}")
  if obs.walk[i] >= 0:
    sentences.append(f"walk {number(obs.walk[i], DISTANCES)}")
  if obs.lane_end[i] >= 0:
    sentences.append(f"end {number(obs.lane_end[i], DISTANCES)}")
  for j in np.flatnonzero(obs.walker_seen[i]).tolist():
    gap = obs.walker_gap[i, j]
    side = "left" if gap > 0 else "right"
    goes = int(obs.walker_goes[i, j])
    does = "going left" if goes > 0 else "going right" if goes else "waiting"
    sentences.append(f"man {side} {number(abs(gap), ACROSS)} {does}")
  cars = [
    j
    for j in np.flatnonzero(obs.car_seen[i]).tolist()
    if abs(obs.car_side[i, j]) < 2
  ]
  cars.sort(key=lambda j: abs(obs.car_gap[i, j]))
  room = ACTORS - int(obs.walker_seen[i].sum())
  for sentence in [_car(obs, i, j) for j in cars[:room]]:
    if _length(sentences) + len(sentence.split()) + 1 > LIMIT:
      break
    sentences.append(sentence)
  return ". ".join(sentences) + "."


def _length(sentences: list[str]) -> int:
  """Tokens: one for each word and full stop, two for the very first word."""
  return 1 + sum(len(s.split()) + 1 for s in sentences)


def describe(obs: Obs) -> list[str]:
  """One short text for each row of a batch.

  Args:
    obs: numpy leaves [B, ...], after one `jax.device_get`.
  """
  return [_describe(obs, i) for i in range(len(obs.speed))]


def instruction(obs: Obs) -> list[str]:
  """The task of each row's scenario family."""
  return [TASKS[int(family)] for family in obs.family]


def rules(params: Params) -> str:
  """The nominal rules and how to answer: the shared prefix of prompts."""
  del params  # a variant changes the dynamics, never the text
  return (
    "You drive a car; each answer lasts one second. Do not hit anything, keep "
    "on the road, stop before a red light, let people cross, keep the limit. "
    "keep: go on. faster, slower: aim at four m/s more or less. go: aim at the "
    "limit. stop: brake. left, right: change lane. "
    f"Answers: {', '.join(ACTIONS)}. Answer with one word."
  )

"""Urban Driving's claims, such as `the truck is 30 m ahead and slower`.

They are about what stands on the road, without the noise of what is seen. A
number of metres is right to a fifth or 2.5 m, as the texts round.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from simulators import claims
from simulators.claims import ClaimKind, Outlook
from simulators.driving.game import sensors
from simulators.driving.text.view import STILL, Neighbour, View, views
from simulators.driving.text.words import LIGHTS, SLOTS
from simulators.driving.types import ACTIONS, EnvState, Params

CLOSE = 10.0  # m; a lane with a car nearer than this is not free
_observe = jax.jit(sensors.observe)
_ACTION = rf"(?P<action>{'|'.join(ACTIONS)})"
_PACE = "slower|faster|as fast|standing"
_FAST = "below|at|above"


def view(outlook: Outlook) -> View:
  """The moment as a driver with perfect eyes perceives it."""
  env: EnvState = outlook.state.env_state
  params: Params = dataclasses.replace(
    outlook.params, noise=np.float32(0), dropout=np.float32(0)
  )
  obs = _observe(env, jnp.full_like(env.chance, 0.5), params)
  (seen,) = views(jax.tree.map(lambda x: np.asarray(x)[None], obs))
  return seen


def pace(car: Neighbour) -> str:
  """How fast a car is beside the ego."""
  if car.speed < STILL:
    return "standing"
  return (
    "as fast" if abs(car.by) < 1.0 else "faster" if car.by > 0 else "slower"
  )


def is_near(said: str, gap: float) -> bool:
  """Whether a number of metres is right."""
  return abs(int(said) - gap) <= max(2.5, 0.2 * gap)


def _car(outlook: Outlook, kind: str, gap: str, slot: str, fast: str) -> bool:
  cars = view(outlook).cars.get(slot, ())
  return bool(cars) and (
    cars[0].kind == kind
    and (not gap or is_near(gap, cars[0].gap))
    and (not fast or pace(cars[0]) == fast)
  )


def _none(outlook: Outlook, slot: str) -> bool:
  return slot not in view(outlook).cars


def _light(outlook: Outlook, colour: str) -> bool:
  return view(outlook).light == colour


def _people(outlook: Outlook, who: str) -> bool:
  return bool(view(outlook).people) == (who == "people are")


def _limit(outlook: Outlook, where: str) -> bool:
  excess = float(outlook.state.env_state.ego.v) - float(
    outlook.state.env_state.level.limit
  )
  return where == (
    "at" if abs(excess) <= 0.5 else "above" if excess > 0 else "below"
  )


def _lane(outlook: Outlook, side: str) -> bool:
  seen = view(outlook)
  lane = seen.lane + (1 if side == "left" else -1)
  cars = [cars[0] for slot, cars in seen.cars.items() if slot.startswith(side)]
  return 0 <= lane < seen.lanes and all(car.gap > CLOSE for car in cars)


def _aim(outlook: Outlook, action: str, what: str) -> bool:
  before, after = (
    float(s.env_state.ego.target) for s in (outlook.state, outlook.then(action))
  )
  change = after - before
  if what == "holds the speed":
    return abs(change) <= 0.1
  return change > 0.1 if what == "speeds up" else change < -0.1


def _changes(outlook: Outlook, action: str, side: str) -> bool:
  before, after = (
    int(s.env_state.ego.lane) for s in (outlook.state, outlook.then(action))
  )
  return after - before == (1 if side == "left" else -1)


def _safe(outlook: Outlook, action: str) -> bool:
  then = outlook.then(action)
  return not bool(then.terminated) or bool(then.metrics["success"] > 0)


KINDS = (
  ClaimKind(
    "car",
    rf"(?:the |a )?(car|truck) is (?:(\d{{1,3}}) m )?({'|'.join(SLOTS)})"
    rf"(?: and ({_PACE}))?",
    _car,
  ),
  ClaimKind("none", rf"nothing is ({'|'.join(SLOTS)})", _none),
  ClaimKind("light", rf"the light is ({'|'.join(LIGHTS[1:])})", _light),
  ClaimKind("people", "(people are|nobody is) at the crosswalk", _people),
  ClaimKind("limit", f"you drive ({_FAST}) the limit", _limit),
  ClaimKind("lane", "the (left|right) lane is free", _lane),
  ClaimKind("aim", rf"{_ACTION} (speeds up|slows down|holds the speed)", _aim),
  ClaimKind("changes", rf"{_ACTION} changes to the (left|right)", _changes),
  ClaimKind("safe", rf"{_ACTION} is safe for a second", _safe),
)
FORMS = (
  "the truck is 30 m ahead and slower", "nothing is behind",
  "the light is red", "people are at the crosswalk", "you drive at the limit",
  "the left lane is free", "slower slows down", "left changes to the left",
  "keep is safe for a second",
)  # fmt: skip


def explain(action: str, outlook: Outlook) -> tuple[str, ...]:
  """True claims about what matters to an action; see `claims.HasClaims`."""
  seen, out = view(outlook), []
  if seen.light:
    out.append(f"the light is {seen.light}")
  if seen.walk is not None:
    who = "people are" if seen.people else "nobody is"
    out.append(f"{who} at the crosswalk")
  out += [
    f"the {cars[0].kind} is {round(cars[0].gap)} m {slot} and {pace(cars[0])}"
    for slot, cars in seen.cars.items()
    if slot in ("ahead", f"{action} ahead", f"{action} behind", "oncoming")
  ]
  if "ahead" not in seen.cars:
    out.append("nothing is ahead")
  out += [
    text
    for text in (
      *(f"you drive {where} the limit" for where in _FAST.split("|")),
      *(f"the {side} lane is free" for side in ("left", "right")
        if side == action),
      *(f"{action} {what}"
        for what in ("speeds up", "slows down", "holds the speed")),
      *(f"{action} changes to the {side}" for side in ("left", "right")),
    )
    if claims.is_true(text, outlook, KINDS)
  ]  # fmt: skip
  return tuple(out)

"""Claims a second time: the function of a kind's name tells whether it holds.

Nothing is unseen or misjudged here, as claims are about what stands there.
"""

import dataclasses

from simulators.claims import Claim
from simulators.driving.reference.descriptions import gap_to, slots
from simulators.driving.reference.game import Game
from simulators.driving.reference.scene import LONG
from simulators.driving.reference.sight import Seen, Sight, look
from simulators.driving.types import ACTIONS

_LIGHTS = ("none", "green", "amber", "red")
_CLOSE = 10.0  # m; a lane with a nearer car is not free


def claims(game: Game, claim: Claim) -> bool:
  """Whether a claim about the moment of a game is true."""
  rule = game.scene.rule | {"noise": 0.0, "dropout": 0.0}
  clear = dataclasses.replace(
    game, scene=dataclasses.replace(game.scene, rule=rule)
  )
  return _HOLDS[claim.kind](clear, look(clear), *claim.words)


def _pace(car: Seen, speed: float) -> str:
  if car.speed < 0.5:
    return "standing"
  by = car.speed - speed
  return "as fast" if -1.0 < by < 1.0 else "slower" if by < 0 else "faster"


def _car(
  game: Game, seen: Sight, kind: str, gap: str, slot: str, fast: str
) -> bool:
  cars = slots(seen).get(slot)
  if not cars:
    return False
  car = cars[0]
  near = not gap or abs(int(gap) - gap_to(car)) <= max(2.5, gap_to(car) / 5)
  return (
    near
    and (car.car.who.size > LONG) == (kind == "truck")
    and fast in ("", _pace(car, game.ego.v))
  )


def _people(game: Game, seen: Sight, who: str) -> bool:
  """Also who waits at the road's edge, before it walks."""
  scene, now = game.scene, float(game.time)
  near = seen.walk is not None and seen.walk < 80.0 and 2 not in scene.missing
  there = near and any(
    walker is not None
    and (person.on or walker[1] * max(now - walker[0], 0.0) <= 1.0)
    for walker, person in zip(scene.walkers, scene.people(now), strict=True)
  )
  return there == (who == "people are")


def _limit(game: Game, seen: Sight, where: str) -> bool:
  by = game.ego.v - game.scene.limit
  return {"below": by < -0.5, "at": abs(by) <= 0.5, "above": by > 0.5}[where]


def _lane(game: Game, seen: Sight, side: str) -> bool:
  lane = seen.lane + {"left": 1, "right": -1}[side]
  near = [
    car
    for slot, cars in slots(seen).items()
    for car in cars[:1]
    if slot.split()[0] == side and gap_to(car) <= _CLOSE
  ]
  return 0 <= lane < game.scene.lanes and not near


def _aim(game: Game, seen: Sight, action: str, what: str) -> bool:
  _, target = game.aims(ACTIONS.index(action))
  by = target - game.ego.target
  return {
    "holds the speed": abs(by) <= 0.1,
    "speeds up": by > 0.1,
    "slows down": by < -0.1,
  }[what]


def _changes(game: Game, seen: Sight, action: str, side: str) -> bool:
  lane, _ = game.aims(ACTIONS.index(action))
  return lane == game.ego.lane + {"left": 1, "right": -1}[side]


_HOLDS = {
  "car": _car,
  "none": lambda game, seen, slot: slot not in slots(seen),
  "light": lambda game, seen, colour: _LIGHTS[seen.light] == colour,
  "people": _people,
  "limit": _limit,
  "lane": _lane,
  "aim": _aim,
  "changes": _changes,
  "safe": lambda game, seen, action: (
    not game.step(ACTIONS.index(action)).failed
  ),
}

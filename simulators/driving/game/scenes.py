"""Scenes of eight families, drawn from one table of ranges under jit.

The table gives for each quantity and family the range that it is drawn from.
There is no branch, so all families compile as one. Distances of line,
crosswalk, ramp and bend run from where the ego starts.

| family | the task | what a careless driver does |
|---|---|---|
| cruise | be at the goal in time past slow cars | stays behind them |
| follow | follow a leader who brakes hard | hits it |
| signal | stop at red, go at green | runs the light |
| pedestrian | let people cross | does not |
| merge | leave a ramp that ends | leaves the road |
| turn | turn left, let oncoming cars go first | cuts in, or is hit |
| blocked | pass a standing car by the other lane | hits it, or stays |
| mixed | leader, light, crosswalk and a bend | any of these |
"""

import jax
import jax.numpy as jnp
import numpy as np

from simulators.driving.game.roads import APPROACH
from simulators.driving.types import (
  FAMILIES,
  FAR,
  PEDESTRIANS,
  Array,
  Config,
  Level,
)

START = 30.0  # m, s of the ego at the start
SHIFTS = ("usual", "layout", "density", "mix")
_F = (FAR, FAR)
# quantity: cruise, follow, signal, pedestrian, merge, turn, blocked, mixed
_TABLE = {
  "limit": ((16, 16), (14, 14), (12, 12), (12, 12),
            (16, 16), (12, 12), (14, 14), (12, 12)),
  "speed": ((11, 14), (10, 12), (8, 11), (8, 11),
            (9, 12), (7, 10), (9, 12), (8, 10)),
  "goal": ((290, 310), (170, 190), (0, 0), (0, 0),
           (0, 0), (0, 0), (0, 0), (0, 0)),
  "time": ((23, 23), (25, 25), (22, 22), (23, 23),
           (25, 25), (28, 28), (19, 19), (34, 34)),
  "lanes": ((2, 3.99), (1, 1), (1, 2.99), (1, 2.99),
            (2, 2), (1, 1), (2, 2), (1, 1)),
  "line": (_F, _F, (50, 80), _F, _F, _F, _F, (38, 44)),
  "red": ((0, 0), (0, 0), (8, 12), (0, 0), (0, 0), (0, 0), (0, 0), (3, 7)),
  "walk": (_F, _F, _F, (40, 65), _F, _F, _F, (60, 66)),
  "ramp": (_F, _F, _F, _F, (30, 50), _F, _F, _F),
  "bend_at": ((80, 150), (60, 90), (150, 160), (120, 130),
              (220, 230), (40, 60), (150, 160), (85, 92)),
  "bend": ((-1/250, 1/250), (-1/250, 1/250), (0, 0), (0, 0),
           (0, 0), (1/12, 1/12), (0, 0), (-1/10, -1/10)),
  "brake_at": (_F, (3, 7), _F, _F, _F, _F, _F, (2, 4)),
  "brake_to": ((0, 0), (0.5, 3), (0, 0), (0, 0),
               (0, 0), (0, 0), (0, 0), (3, 5)),
}  # fmt: skip
# Families whose "goal" is 0: goal = START + the quantity + the number in m.
_AFTER = {
  "signal": ("line", 45.0), "pedestrian": ("walk", 76.0),
  "merge": ("ramp", 170.0), "turn": ("bend_at", 45.0),
  "blocked": ("block", 55.0), "mixed": ("bend_at", 30.0),
}  # fmt: skip
# Cars of a family: road, lane (-1: any, -2: the ego's), range of the first (m
# from the ego, or s on another road), spacing in m, desired speed as a share of
# the limit, share of trucks, count.
_CARS = {
  "cruise": ((0, -2, (22, 40), 45, (0.38, 0.5), 0.5, 2),
             (0, -1, (100, 118), 30, (0.7, 0.9), 0.2, 4)),
  "follow": ((0, 0, (18, 28), 30, (0.85, 0.95), 0.3, 2),
             (0, 0, (-60, -40), 30, (0.8, 0.9), 0.0, 1)),
  "signal": ((2, 0, (10, 50), 22, (0.7, 0.9), 0.2, 4),
             (0, 0, (-50, -30), 30, (0.8, 0.9), 0.0, 1)),
  "pedestrian": ((0, 0, (-50, -30), 30, (0.8, 0.9), 0.0, 1),
                 (0, 0, (90, 120), 40, (0.7, 0.9), 0.2, 2)),
  "merge": ((0, 1, (-70, -50), 30, (0.7, 0.85), 0.2, 7),),
  "turn": ((1, 0, (10, 35), 20, (0.75, 0.85), 0.2, 8),),
  "blocked": ((0, 1, (-60, -40), 26, (0.65, 0.8), 0.2, 6),),
  "mixed": ((0, 0, (18, 26), 30, (0.85, 0.95), 0.2, 2),
            (2, 0, (10, 50), 22, (0.7, 0.9), 0.2, 3)),
}  # fmt: skip
_SLOTS = 8


def _ranges() -> dict[str, np.ndarray]:
  """quantity -> f32[families, 2]."""
  return {k: np.array(rows, np.float32) for k, rows in _TABLE.items()}


def _slots() -> dict[str, np.ndarray]:
  """field -> f32[families, _SLOTS]: `_CARS` car by car."""
  names = ("road", "lane", "low", "high", "step", "wish", "wish_", "truck",
           "there")  # fmt: skip
  out = {name: np.zeros((len(FAMILIES), _SLOTS), np.float32) for name in names}
  for f, family in enumerate(FAMILIES):
    i = 0
    for road, lane, (low, high), step, (wish, wish_), truck, n in _CARS[family]:
      for k in range(n):
        row = (road, lane, low, high, step * k, wish, wish_, truck, 1)
        for name, value in zip(names, row, strict=True):
          out[name][f, i] = value
        i += 1
  return out


def generate(key: Array, family: Array, shift: Array, config: Config) -> Level:
  """One scene; vmap for more.

  Args:
    key: PRNG key.
    family: i32[], index into FAMILIES.
    shift: i32[], index into SHIFTS: usual, tighter bends, denser traffic, or
      a crosswalk where the family has none.
    config: places for cars; a family may leave some empty.
  """
  table, slots = _ranges(), _slots()
  chance = jax.random.uniform(key, (len(table) + 6 * _SLOTS + 16,))
  drawn = {}
  for i, (name, rows) in enumerate(table.items()):
    low, high = jnp.asarray(rows)[family]
    drawn[name] = low + chance[i] * (high - low)
  luck = chance[len(table) : len(table) + 6 * _SLOTS].reshape(6, _SLOTS)
  other = chance[len(table) + 6 * _SLOTS :]
  tight, dense, mixed = shift == 1, shift == 2, shift == 3
  code = FAMILIES.index
  sharp = jnp.abs(drawn["bend"]) > 0.03
  bend = drawn["bend"] * jnp.where(tight, jnp.where(sharp, 1.25, 4.0), 1.0)
  block = 60.0 + 30.0 * other[0]
  after = jnp.zeros(())
  for name, (what, more) in _AFTER.items():
    there = block if what == "block" else drawn[what]
    after = jnp.where(family == code(name), there + more, after)
  goal = START + jnp.where(drawn["goal"] > 0, drawn["goal"], after)
  walk = START + jnp.where(
    mixed & (drawn["walk"] >= FAR), goal - START - 35.0, drawn["walk"]
  )
  lanes = jnp.floor(drawn["lanes"]).astype(jnp.int32)
  lane = jnp.floor(other[1] * lanes.astype(jnp.float32)).astype(jnp.int32)
  first = (family == code("merge")) | (family == code("blocked"))
  lane = jnp.where(first, 0, lane)
  turn = family == code("turn")
  arc = jnp.where(sharp, 0.5 * jnp.pi / jnp.maximum(jnp.abs(bend), 1e-3), 60.0)
  length = jnp.stack([START + drawn["bend_at"], arc, jnp.full((), FAR)])
  line = jnp.where(drawn["line"] < FAR, START + drawn["line"], FAR)
  signalled = line < FAR
  # Cars, slot by slot.
  slot = {name: jnp.asarray(rows)[family] for name, rows in slots.items()}
  road = slot["road"].astype(jnp.int32)
  step = slot["step"] * jnp.where(dense, 0.75, 1.0)
  # One draw moves the whole column, another moves each car a little.
  at = slot["low"] + other[2] * (slot["high"] - slot["low"]) + step
  at = (
    at + luck[0] * jnp.where(dense, 4.0, 8.0) + jnp.where(road == 0, START, 0)
  )
  any_lane = jnp.floor(luck[1] * lanes.astype(jnp.float32)).astype(jnp.int32)
  at_lane = slot["lane"].astype(jnp.int32)
  at_lane = jnp.where(at_lane == -1, any_lane, at_lane)
  at_lane = jnp.where(at_lane == -2, lane, at_lane)
  wish = slot["wish"] + luck[2] * (slot["wish_"] - slot["wish"])
  wish = wish * drawn["limit"]
  size = jnp.where(luck[3] < slot["truck"], 9.0, 4.8)
  there = slot["there"] > 0
  sparse = (luck[4] < 0.2) & (jnp.arange(_SLOTS) > 0) & ~dense
  there &= ~sparse
  # The standing car of `blocked` takes the last place.
  last = (jnp.arange(_SLOTS) == _SLOTS - 1) & (family == code("blocked"))
  road = jnp.where(last, 0, road)
  at = jnp.where(last, START + block, at)
  at_lane = jnp.where(last, 0, at_lane)
  wish = jnp.where(last, 0.0, wish)
  there |= last
  brake = jnp.arange(_SLOTS) == 0
  until = drawn["brake_at"] + 3.0 + 3.0 * other[3]
  braking = jnp.stack(
    [
      jnp.where(brake, drawn["brake_at"], FAR),
      jnp.where(brake, until, FAR),
      jnp.where(brake, drawn["brake_to"], FAR),
    ],
    axis=-1,
  )
  braking = jnp.where(drawn["brake_at"] < FAR, braking, FAR)
  # Pedestrians start so that they are on the road when the ego arrives.
  comes = (walk - START) / (0.8 * drawn["limit"])
  comes = comes + jnp.where(family == code("mixed"), drawn["red"], 0.0)
  people = other[4 : 4 + 3 * PEDESTRIANS].reshape(3, PEDESTRIANS)
  side = jnp.where(people[1] < 0.5, 1.0, -1.0)
  walker = jnp.stack(
    [
      jnp.maximum(comes - 4.0 + 3.0 * people[0], 0.0)
      + jnp.arange(PEDESTRIANS, dtype=jnp.float32) * 2.0,
      1.1 + 0.6 * people[2],
      side,
      jnp.where(
        walk < 0.5 * FAR,
        (jnp.arange(PEDESTRIANS) == 0)
        | ((other[10] < 0.5) & (family != code("mixed"))),
        False,
      ).astype(jnp.float32),
    ],
    axis=-1,
  )
  cycle = 45.0
  pad = (0, config.cars - _SLOTS)
  return Level(
    family=jnp.asarray(family, jnp.int32),
    length=length,
    bend=jnp.stack([jnp.zeros(()), bend, jnp.zeros(())]),
    lanes=lanes,
    limit=drawn["limit"],
    goal=goal,
    time=jnp.floor(drawn["time"]).astype(jnp.int32),
    start=jnp.stack([jnp.full((), START), drawn["speed"]]),
    lane=lane,
    ramp=jnp.where(
      drawn["ramp"] < FAR, START + drawn["ramp"] + jnp.array([0.0, 110.0]), FAR
    ),
    oncoming=jnp.where(turn, length[0] + 8.4 + 150.0, FAR),
    cross=jnp.stack([
      jnp.where(signalled, line + 12.0, FAR),
      jnp.where(other[11] < 0.5, 1.0, -1.0),
    ]),
    stop=jnp.stack([
      line,
      jnp.full((), FAR),
      jnp.where(signalled, APPROACH - 12.0, FAR),
    ]),
    signal=jnp.stack(
      [jnp.full((), 14.0), jnp.full((), cycle), cycle - drawn["red"]]
    ),
    walk=jnp.where(walk < 0.5 * FAR, walk, FAR),
    walker=walker,
    road=jnp.pad(road, pad),
    at=jnp.pad(at, pad, constant_values=-FAR),
    at_lane=jnp.pad(at_lane, pad),
    speed=jnp.pad(wish * 0.95, pad),
    wish=jnp.pad(wish, pad),
    size=jnp.pad(size, pad, constant_values=4.8),
    driver=jnp.pad(luck[5] * 1.6 - 0.8, pad),
    there=jnp.pad(there, pad),
    braking=jnp.pad(braking, (pad, (0, 0)), constant_values=FAR),
  )  # fmt: skip

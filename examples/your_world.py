"""A world of your own: a lift brings a passenger to the right floor.

  python -m launch.pipeline --config=configs/your_world.py --workdir=runs/your_world

It has no oracle: labels come from `simulators.search`. See docs/your_world.md.
"""  # noqa: E501

import dataclasses
import itertools
import re
import zlib
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from simulators import base, fields
from simulators.base import Array, LevelPool, State

FLOORS = 8
HORIZON = 24  # steps
OPEN = 2  # index of the action "open"
PHASES = ("waits on floor {}", "is in the lift", "has left the lift")
# Split -> last digits of the hashes of its levels: no level is in two splits.
DIGITS = {"train": (0, 1, 2, 3, 4, 5), "val": (6, 7), "test": (8, 9)}


@flax.struct.dataclass
class Params:
  stuck: Array  # f32[], probability that the lift does not move


@flax.struct.dataclass
class Obs:  # also a level: the first observation of an episode
  floor: Array  # i32[], floor of the lift
  waiting: Array  # i32[], floor of the passenger
  wanted: Array  # i32[], floor that the passenger wants to go to
  phase: Array  # i32[], index into PHASES


@dataclasses.dataclass(frozen=True)
class World(base.World):
  """A lift with one passenger; see `rules`."""

  name = "lift"
  actions = ("up", "down", "open")
  splits = tuple(DIGITS)

  def variants(self) -> tuple[str, ...]:
    return ("real", "imperfect/stuck(p)")

  def params(self, variant: str = "real") -> Params:
    match = re.fullmatch(r"imperfect/stuck\((0|1|0?\.\d+)\)", variant)
    if not match and variant != "real":
      raise ValueError(fields.unknown("variant", variant, self.variants()))
    return Params(stuck=jnp.float32(match[1] if match else 0))

  def pool(
    self, split: str, size: int, depths: Sequence[int] | None = None
  ) -> LevelPool:
    self.depths(split, depths)  # refuses any but (0,)
    floors = itertools.product(range(FLOORS), repeat=3)
    levels = np.array([(*x, 0) for x in floors if x[1] != x[2]], np.int32)
    levels = np.random.default_rng(0).permutation(levels)
    hashes = np.array([zlib.crc32(level) for level in levels], np.uint64)
    rows = np.flatnonzero(np.isin(hashes % 10, DIGITS[split]))
    if not 1 <= size <= len(rows):
      raise ValueError(f"{size} levels of {split}: ask for 1 to {len(rows)}")
    levels, hashes = Obs(*levels[rows[:size]].T), hashes[rows[:size]]
    return LevelPool(split, levels, hashes, np.zeros(size, np.int32))

  def reset(self, key: Array, params: Params, level: Obs) -> State:
    return _state(key, jnp.int32(0), level)

  def step(self, state: State, action: Array, params: Params) -> State:
    obs = state.obs
    key, chance = jax.random.split(state.env_state["key"])
    stuck = jax.random.bernoulli(chance, params.stuck)
    move = jnp.where(stuck, 0, jnp.array([1, -1, 0])[action])
    floor = jnp.clip(obs.floor + move, 0, FLOORS - 1)
    passes = jnp.where(obs.phase == 0, obs.floor == obs.waiting, obs.phase == 1)
    phase = obs.phase + jnp.where(passes & (action == OPEN), 1, 0)
    obs = dataclasses.replace(obs, floor=floor, phase=phase)
    return _state(key, state.env_state["time"] + 1, obs)

  def legal(self, state: State, params: Params) -> Array:
    return jnp.array([state.obs.floor < FLOORS - 1, state.obs.floor > 0, True])

  def describe(self, obs: Obs) -> list[str]:
    rows = zip(obs.floor, obs.waiting, obs.wanted, obs.phase, strict=True)
    return [
      f"The lift is on floor {floor}. The passenger wants to go to floor "
      f"{wanted} and {PHASES[phase].format(waiting)}."
      for floor, waiting, wanted, phase in rows
    ]

  def instruction(self, obs: Obs) -> list[str]:
    return [f"Bring the passenger to floor {floor}." for floor in obs.wanted]

  def rules(self, params: Params) -> str:
    return (
      f"You control a lift between floor 0 and floor {FLOORS - 1}. up and down "
      "move it by one floor. open opens its door: a passenger who waits on "
      "this floor gets in, a passenger in the lift gets out. If they get out "
      "on a wrong floor, you fail. Moves: up, down, open. Answer with one word."
    )

  def parse(self, text: str) -> int | None:
    named = set(re.findall("[a-z]+", text.lower())) & set(self.actions)
    return self.actions.index(named.pop()) if len(named) == 1 else None


def _state(key: Array, time: Array, obs: Obs) -> State:
  ended = obs.phase == 2
  success = (ended & (obs.floor == obs.wanted)).astype(jnp.float32)
  late = ~ended & (time >= HORIZON)
  hidden = {"key": key, "time": time, "obs": obs}
  return State(hidden, obs, success, ended, late, {"success": success})

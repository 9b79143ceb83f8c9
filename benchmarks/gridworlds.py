"""AgentWorld compared with XLand-MiniGrid and NAVIX: random play, in one run.

All use jit + vmap + scan, uniform random actions and automatic reset, without
text. Every leaf of the observation, the reward and the end are summed, so that
nothing is optimised away. Simulators take turns, and the medians at the same N
are compared.

| | grid | observation | a new episode |
|---|---|---|---|
| AgentWorld | 9x9, 4 pairs, depth 2 | the whole level | drawn from a pool |
| XLand R1-9x9 | 9x9 | 5x5 before the agent | generated |
| NAVIX DoorKey-8x8 | 8x8 | the whole grid | generated |

The time limit is that of XLand. At the N of the ratios AgentWorld also runs
with different rules in each environment, and with a box, hazards and all goals.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

import simulators
from benchmarks import common
from simulators import rollout
from simulators.agentworld.vocabulary import GOALS
from simulators.base import PyTree, World

Array = jax.Array

STEPS = {1: 4096, 64: 1024, 1024: 128, 8192: 16}  # N -> steps of one run
OURS, OWN = "AgentWorld 9x9", "AgentWorld 9x9, own params"
RICH = "AgentWorld 9x9, box"
COMPARED = 1024  # the N of the ratios
POOL = 1024  # levels that episodes are drawn from
_SIDES = {"size": 9, "sides": (9,), "larger": (), "horizon": 243}
_DEPTHS = {"pairs": 4, "deeper": (3,)}
_RICH = {"boxes": 1, "hazards": 4, "goals": GOALS, "deeper": ()}
VARIANTS = (
  "real", "imperfect/swapped(1)", "imperfect/wrong-rules(0.5)",
  "imperfect/slippery(0.2)", "imperfect/blind(0.2)",
)  # fmt: skip


class Game(NamedTuple):
  """A batched world for the comparison.

  Attributes:
    actions: number of actions.
    data: arguments of `start` and `step`: rules and levels.
    start: (keys [n], data) -> states.
    step: (keys [n], states, actions i32[n], data) -> (states, seen).
  """

  actions: int
  data: PyTree
  start: Callable
  step: Callable


# --- The sides --------------------------------------------------------------


def agentworld(world: World, params: PyTree, pool: PyTree, axis=None) -> Game:
  """Ours; with `axis=0`, `params` holds one value for each environment."""

  def start(keys, data):
    fresh = functools.partial(rollout.fresh_episode, world)
    return jax.vmap(fresh, (0, axis, None))(keys, *data)

  def step(keys, states, actions, data):
    onward = functools.partial(rollout.step_or_reset, world)
    states, outcome = jax.vmap(onward, (0, 0, 0, axis, None))(
      keys, states, actions, *data
    )
    return states, (outcome.obs, outcome.reward, outcome.done)

  return Game(len(world.actions), (params, pool), start, step)


def xland_r1() -> Game:
  """XLand-MiniGrid with its auto-reset, which draws a new level."""
  import xminigrid
  from xminigrid.wrappers import GymAutoResetWrapper

  env, params = xminigrid.make("XLand-MiniGrid-R1-9x9")
  env = GymAutoResetWrapper(env)

  def start(keys, data):
    return jax.vmap(lambda key: env.reset(params, key))(keys)

  def step(keys, states, actions, data):
    states = jax.vmap(lambda s, a: env.step(params, s, a))(states, actions)
    return states, (states.observation, states.reward, states.last())

  return Game(env.num_actions(params), (), start, step)


def navix_doorkey() -> Game:
  """NAVIX, whose step starts a new episode after the end of one."""
  import navix

  env = navix.make("Navix-DoorKey-8x8-v0")

  def start(keys, data):
    return jax.vmap(env.reset)(keys)

  def step(keys, states, actions, data):
    states = jax.vmap(env.step)(states, actions)
    return states, (states.observation, states.reward, states.is_done())

  return Game(len(env.action_set), (), start, step)


PEERS = {"XLand-MiniGrid R1-9x9": ("xminigrid", xland_r1),
         "NAVIX DoorKey-8x8": ("navix", navix_doorkey)}  # fmt: skip


def _on_device(levels: PyTree) -> PyTree:
  return jax.tree.map(jnp.asarray, levels)


# --- The race ---------------------------------------------------------------


def _total(seen: PyTree) -> Array:
  """f32[]: the sum of all numbers."""
  return sum(jnp.sum(x.astype(jnp.float32)) for x in jax.tree.leaves(seen))


def race(game: Game, n: int) -> Callable:
  """A call that plays STEPS[n] steps in each of n environments."""

  def play(states, key, data):
    def take(states, key):
      act, reset = jax.random.split(key)
      actions = jax.random.randint(act, (n,), 0, game.actions)
      keys = jax.random.split(reset, n)
      states, seen = game.step(keys, states, actions, data)
      return states, _total(seen)

    return jax.lax.scan(take, states, jax.random.split(key, STEPS[n]))

  play = jax.jit(play)
  keys = jax.random.split(jax.random.key(0), n)
  states = jax.jit(game.start)(keys, game.data)
  return lambda: jax.block_until_ready(
    play(states, jax.random.key(1), game.data)
  )


def texts(world: World, game: Game, n: int) -> Callable:
  """A call that fetches n observations and describes them in words."""
  keys = jax.random.split(jax.random.key(2), n)
  obs = jax.jit(game.start)(keys, game.data).obs
  return lambda: world.describe(jax.device_get(obs))


def run(peers: bool) -> tuple[list[common.Row], dict[str, float]]:
  """The table and the ratios."""
  world = simulators.make("agentworld", **_SIDES, **_DEPTHS)
  rich = simulators.make("agentworld", **_SIDES, **_RICH)
  pool = _on_device(world.pool("train", POOL, (2,)).levels)
  real = world.params("real")
  sides = {OURS: agentworld(world, real, pool)}
  if peers:
    for name, (package, make) in PEERS.items():
      try:
        sides[name] = make()
      except ImportError:
        common.missing(package)
  rules = [world.params(v) for v in VARIANTS]
  each = jax.tree.map(
    lambda *x: jnp.stack([x[i % len(x)] for i in range(COMPARED)]), *rules
  )
  rows, rates = [], {}
  for n in STEPS:
    racers = dict(sides)
    if n == COMPARED:
      racers[OWN] = agentworld(world, each, pool, axis=0)
      few = _on_device(rich.pool("train", 32, (2,)).levels)
      racers[RICH] = agentworld(rich, real, few)
    seconds = common.median_seconds(
      {name: race(game, n) for name, game in racers.items()}
    )
    for name, s in seconds.items():
      rates[name, n] = n * STEPS[n] / s
      rows.append(common.Row(name, n, rates[name, n]))
  text_seconds = common.median_seconds(
    {COMPARED: texts(world, sides[OURS], COMPARED)}
  )
  rows.append(
    common.Row(OURS, COMPARED, COMPARED / text_seconds[COMPARED], "texts")
  )
  ours = rates[OURS, COMPARED]
  ratios = {"agentworld_params_overhead": ours / rates[OWN, COMPARED] - 1.0}
  others = [rates[name, COMPARED] for name in sides if name != OURS]
  if others:
    ratios["agentworld_vs_best_peer_n1024"] = ours / max(others)
  return rows, ratios

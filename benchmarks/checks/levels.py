"""Do AgentWorld's levels have the promised depth, and is its oracle exact?

  python -m benchmarks.checks.levels [--levels=100000] [--searched=10000]

Draws levels of every split of four worlds, follows the oracle in each and
counts those that end in success with the promised number of opened elements. No
hash may be in two splits of a world. For some levels the oracle's costs at the
start are compared with the breadth-first search of `reference`, in plain
Python.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

import simulators
from benchmarks import common
from simulators.agentworld import reference
from simulators.agentworld.game.pools import SPLITS
from simulators.agentworld.vocabulary import GOALS

_WIDE = {
  "size": 9, "pairs": 4, "hazards": 4, "goals": GOALS[:4], "sides": (6, 8),
  "larger": (9,), "deeper": (3,), "horizon": 60,
}  # fmt: skip
_LARGE = {
  "size": 13, "pairs": 5, "hazards": 6, "goals": GOALS[:4], "sides": (9, 11),
  "larger": (13,), "deeper": (4,), "horizon": 120,
}  # fmt: skip
_BOXES = {"boxes": 1, "hazards": 3, "goals": GOALS, "horizon": 40}
# World -> (fields of its Config, share of the levels, levels walked at a time).
WORLDS = {
  "small": ({}, 0.8, 256),
  "wide": (_WIDE, 0.17, 64),
  "boxes": (_BOXES, 0.02, 16),
  "large": (_LARGE, 0.01, 8),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """Result for the levels of one world.

  Attributes:
    world: its name in WORLDS.
    levels: drawn, over all splits.
    kept: of these, solved by the oracle with the promised depth.
    in_two_splits: hashes that two splits share.
    searched: levels whose start was also searched breadth first.
    equal: of these, with the same costs by the oracle.
  """

  world: str
  levels: int
  kept: int
  in_two_splits: int
  searched: int
  equal: int


def walk(world):
  """(levels, params) -> (success, opened, costs at the start) along the oracle.

  One batch of levels; shapes [n], [n] and [n, A].
  """

  def one(level, params):
    table = world.solve(level, params)
    first = world.reset(jax.random.key(0), params, level)
    start = world.lookup(table, first, params)

    def step(state):
      action = jnp.argmin(world.lookup(table, state, params))
      return world.step(state, action.astype(jnp.int32), params)

    last = jax.lax.while_loop(lambda state: ~state.done, step, first)
    return last.metrics["success"], last.metrics["opened"], start

  return jax.jit(jax.vmap(one, (0, None)))


def check(name: str, levels: int, searched: int) -> Row:
  """Counts the levels of a world with the promised depth; see the module."""
  fields, _, batch = WORLDS[name]
  world = simulators.make("agentworld", **fields)
  params, run = world.params(), walk(world)
  kept = drawn = equal = compared = 0
  hashes = {}
  per_split, to_search = -(-levels // len(SPLITS)), -(-searched // len(SPLITS))
  for split in SPLITS:
    pool = world.pool(split, -(-per_split // batch) * batch)
    hashes[split] = set(pool.hashes.tolist())
    label, left = f"{name}, {split}", to_search
    for rows in tqdm.tqdm(np.arange(len(pool)).reshape(-1, batch), label):
      some = pool.take(rows)
      success, opened, costs = jax.device_get(run(some, params))
      good = (success > 0) & (opened == pool.depths[rows])
      drawn, kept = drawn + len(rows), kept + int(good.sum())
      for i in range(min(batch, left)):
        level = jax.tree.map(lambda x, i=i: x[i], some)
        expected = reference.Game.from_level(level, params).costs()
        compared, equal = compared + 1, equal + (tuple(costs[i]) == expected)
      left -= min(batch, left)
  shared = sum(
    len(hashes[a] & hashes[b]) for a, b in itertools.combinations(SPLITS, 2)
  )
  return Row(name, drawn, kept, shared, compared, equal)


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--levels", type=int, default=100_000)
  flags.add_argument("--searched", type=int, default=10_000)
  flags.add_argument("--worlds", nargs="*", default=list(WORLDS))
  args = flags.parse_args()
  rows = []
  for name in args.worlds:
    share = WORLDS[name][1]
    levels, searched = (round(share * n) for n in (args.levels, args.searched))
    rows.append(check(name, levels, searched))
  columns = [field.name for field in dataclasses.fields(Row)]
  print(" ".join(f"{column:>14}" for column in columns))
  for row in rows:
    print(" ".join(f"{value:>14}" for value in dataclasses.astuple(row)))
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()

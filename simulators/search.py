"""Labels without an oracle: a search by simulation.

It needs `step` and `legal` only, so every world has it:

1. Shooting: from each root state and under each first action, `width` random
   walks of `depth` steps.
2. Hindsight: each visited state gets the length of the shortest way from it to
   a success, over all walks from the same root; walks that meet share their
   results. A table holds the best action for each visited state.
3. Verification: the table is played in the simulator from the root under each
   first action. A cost is the number of steps to success of this play or of
   the shortest walk; it is inf if none succeeded. Every finite cost comes from
   a simulated play.

All walks of one root use the same randomness, from the root's key. In a noisy
world a cost holds for one outcome of the noise; it is not the expected cost.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from simulators.base import Array, PyTree, State, World

BUCKETS = 1 << 16  # size of a root's table; states that collide lose labels
SWEEPS = 4  # backward passes over the walks
BATCH = 32  # roots searched at a time
PERSISTENCE = 0.5  # probability of repeating an action that changed the state
# Fields of a hidden state that are ignored when two states are compared; a
# world adds its own by `World.memories`.
IGNORED = frozenset({"key", "time", "level"})


# (buckets, actions, won, live) of all walks from one root, see `_shoot`.
Walks = tuple[Array, Array, Array, Array]


@flax.struct.dataclass
class Found:
  """The result of a search, verified by replay.

  Attributes:
    cost: f32[n, A], steps to success by way of each action, including it; an
      upper bound of the least number of steps, inf where nothing was found.
    plans: i32[n, A, depth], the actions of those `cost` steps; -1 pads.
  """

  cost: Array
  plans: Array


def search_labels(
  world: World,
  params: PyTree,
  states: State,
  key: Array,
  width: int,
  depth: int,
  params_axis: int | None = None,
) -> Array:
  """f32[n, A]: `search(...).cost`."""
  return search(world, params, states, key, width, depth, params_axis).cost


@functools.partial(
  jax.jit, static_argnames=("world", "width", "depth", "params_axis")
)
def search(
  world: World,
  params: PyTree,
  states: State,
  key: Array,
  width: int,
  depth: int,
  params_axis: int | None = None,
) -> Found:
  """Searches for ways to success from each of n states.

  A success is a terminated step with a reward. The time limit of the episode
  is ignored.

  Args:
    world: the simulator, static, as are `width`, `depth` and `params_axis`.
    params: the rules to search under, shared or (with `params_axis=0`) one
      value a state.
    states: leaves [n, ...].
    key: PRNG key.
    width: number of walks for each state and first action.
    depth: steps of a walk; the longest plan.
    params_axis: None or 0.

  Raises:
    ValueError: width or depth below 1.
  """
  if width < 1 or depth < 1:
    raise ValueError(
      f"width {width} and depth {depth} must be at least 1: raise them, a "
      "search without walks finds nothing"
    )

  shared = params_axis is None

  def one(root: tuple[State, Array, PyTree]) -> Found:
    state, key, own = root
    rules = params if shared else own
    walks = _shoot(world, rules, state, key, width, depth)
    table = _hindsight(*walks)
    played = _play(world, rules, state, table, depth)
    walked = _shortest(walks, len(world.actions))
    return jax.tree.map(
      lambda a, b: jnp.where(_beside(played.cost <= walked.cost, a), a, b),
      played,
      walked,
    )

  n = jax.tree.leaves(states)[0].shape[0]
  roots = (states, jax.random.split(key, n), None if shared else params)
  batch = min(BATCH, n)
  rows = jnp.arange(-(-n // batch) * batch) % n  # whole batches: one compile
  roots = jax.tree.map(lambda x: x[rows], roots)
  found = jax.lax.map(one, roots, batch_size=batch)
  return jax.tree.map(lambda x: x[:n], found)


def _won(state: State) -> Array:
  """bool[]: whether the last step was a success."""
  return state.terminated & (state.reward > 0)


def _salt(path: str, size: int) -> np.ndarray:
  """uint32[size]: odd factors that depend on the path alone."""
  seed = np.frombuffer(path.encode(), np.uint8)
  draw = np.random.default_rng(seed).integers(1 << 31, size=size)
  return (2 * draw + 1).astype(np.uint32)


def _bucket(world: World, state: State) -> Array:
  """i32[]: a hash of the state, below BUCKETS."""
  same = IGNORED | set(world.memories)
  total = jnp.zeros((), jnp.uint32)
  for path, leaf in jax.tree_util.tree_leaves_with_path(state.env_state):
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    if same & set(name.split(".")):
      continue
    if leaf.dtype == jnp.float32:  # close values count as equal
      leaf = jnp.round(leaf * 8.0).astype(jnp.int32)
    words = leaf.astype(jnp.uint32).reshape(-1)
    total += jnp.sum(words * jnp.asarray(_salt(name, words.size)))
  total = (total ^ (total >> 16)) * jnp.uint32(0x45D9F3B)
  return ((total ^ (total >> 16)) % BUCKETS).astype(jnp.int32)


def _shoot(
  world: World, params: PyTree, root: State, key: Array, width: int, depth: int
) -> Walks:
  """Walks from one root, `width` under each first action.

  A walk whose state changed repeats its action with probability PERSISTENCE.
  Otherwise it takes any legal action; after a step without change, another one
  where possible.

  Returns:
    buckets: i32[depth + 1, R], the states of each walk.
    actions: i32[depth, R].
    won: bool[depth, R], whether the step succeeded.
    live: bool[depth, R], whether the step was taken.
  """
  count = len(world.actions)
  first = jnp.repeat(jnp.arange(count), width)

  def take(carry: tuple, key: Array) -> tuple[tuple, tuple]:
    state, action, here, over = carry
    new = world.step(state, action, params)
    there = _bucket(world, new)
    moved = there != here
    choose, persist = jax.random.split(key)
    allowed = world.legal(new, params)
    turned = allowed & (moved | (jnp.arange(count) != action))
    allowed = jnp.where(jnp.any(turned), turned, allowed)
    any_way = jax.random.categorical(choose, jnp.where(allowed, 0.0, -jnp.inf))
    on = moved & allowed[action]
    on &= jax.random.uniform(persist) < PERSISTENCE
    after = jnp.where(on, action, any_way)
    carry = (new, after, there, over | new.terminated)
    return carry, (there, action, _won(new) & ~over, ~over)

  def walk(action: Array, key: Array) -> tuple:
    start = (root, action, _bucket(world, root), root.terminated)
    return jax.lax.scan(take, start, jax.random.split(key, depth))[1]

  keys = jax.random.split(key, count * width)
  there, actions, won, live = jax.vmap(walk, out_axes=1)(first, keys)
  start = jnp.full((1, count * width), _bucket(world, root))
  return jnp.concatenate([start, there]), actions, won, live


def _hindsight(
  buckets: Array, actions: Array, won: Array, live: Array
) -> Array:
  """i32[BUCKETS]: the best action in each bucket; -1 where none succeeded.

  Bellman's equation over the steps of the walks, last steps first. Cost and
  action are one number, cost * 1024 + action, so that a minimum over walks that
  meet keeps the two together.
  """
  far = jnp.int32(1 << 20)

  def back(table: Array, step: tuple) -> tuple[Array, None]:
    here, there, action, won, live = step
    onward = jnp.where(won, 0, table[there] // 1024)
    entry = (jnp.minimum(1 + onward, far // 1024) * 1024) + action
    entry = jnp.where(live & (entry < far), entry, far)
    return table.at[here].min(entry), None

  def sweep(_: Array, table: Array) -> Array:
    steps = (buckets[:-1], buckets[1:], actions, won, live)
    return jax.lax.scan(back, table, steps, reverse=True)[0]

  table = jax.lax.fori_loop(0, SWEEPS, sweep, jnp.full(BUCKETS, far))
  return jnp.where(table < far, table % 1024, -1)


def _shortest(walks: Walks, count: int) -> Found:
  """The shortest walk to a success under each first action."""
  _, actions, won, _ = walks
  depth = len(won)
  won = won.reshape(depth, count, -1)
  steps = jnp.where(won.any(0), 1 + jnp.argmax(won, axis=0), depth + 1)
  best = jnp.argmin(steps, axis=-1)[:, None]  # [A, 1]
  steps = jnp.take_along_axis(steps, best, axis=-1)[:, 0]
  actions = actions.reshape(depth, count, -1)
  plan = jnp.take_along_axis(actions, best[None], axis=-1)[..., 0].T
  found = steps <= depth
  taken = found[:, None] & (jnp.arange(depth) < steps[:, None])
  return Found(
    cost=jnp.where(found, steps.astype(jnp.float32), jnp.inf),
    plans=jnp.where(taken, plan, -1),
  )


def _beside(mask: Array, like: Array) -> Array:
  """`mask` [A] with trailing axes to broadcast against `like`."""
  return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))


def _play(
  world: World, params: PyTree, root: State, table: Array, depth: int
) -> Found:
  """Plays the table from the root under each first action."""

  def play(first: Array) -> tuple[Array, Array]:
    def take(carry: tuple, _: None) -> tuple[tuple, tuple]:
      state, action, over = carry
      lost = over | (action < 0)
      new = world.step(state, jnp.maximum(action, 0), params)
      won = _won(new) & ~lost
      after = table[_bucket(world, new)]
      taken = jnp.where(lost, -1, action)
      return (new, after, lost | new.terminated), (taken, won)

    start = (root, first, root.terminated)
    _, (plan, won) = jax.lax.scan(take, start, None, length=depth)
    steps = 1.0 + jnp.argmax(won).astype(jnp.float32)
    cost = jnp.where(jnp.any(won), steps, jnp.inf)
    return cost, jnp.where(jnp.any(won), plan, -1)

  cost, plans = jax.vmap(play)(jnp.arange(len(world.actions)))
  return Found(cost=cost, plans=plans)

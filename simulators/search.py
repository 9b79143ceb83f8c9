"""Labels without an oracle: the simulator itself searches.

What any world of a user's own has, for it asks for `reset` and `step` alone:

1. Shooting: from each state and under each first action, `width` random
   walks of `depth` steps, all at once.
2. Hindsight: every state that a walk came by is worth what the shortest way
   from it to a success took, on any walk from the same root; walks that meet
   share what they found. The table holds the best action met in each state.
3. Verification: the table is played in the simulator from the root under each
   first action. A cost is the number of steps to success that this took, or
   that the shortest walk took; where none succeeded it is inf. Nothing that
   was not played is told.

The walks of one root see one and the same chance, its own key's: in a noisy
world a cost is what is possible, not what is to be expected.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from simulators.base import PyTree, State, World

Array = jax.Array

BUCKETS = 1 << 16  # of a root's table; two states in one bucket cost labels
SWEEPS = 4  # backward passes over the walks
BATCH = 32  # roots searched at a time
PERSISTENCE = 0.5  # probability that a walk that moved goes on the same way
# Fields of any hidden state that do not make it another situation; a world
# names its own beside them, `World.memories`.
SAME = frozenset({"key", "time", "level"})


@flax.struct.dataclass
class Found:
  """What a search found, replay-verified.

  Attributes:
    cost: f32[n, A], steps to success after each action, counting it; an upper
      bound of the oracle's cost, inf where nothing was found.
    plans: i32[n, A, depth], the actions that take `cost` steps; -1 pads.
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
) -> Array:
  """f32[n, A]: `search(...).cost`."""
  return search(world, params, states, key, width, depth).cost


@functools.partial(jax.jit, static_argnames=("world", "width", "depth"))
def search(
  world: World,
  params: PyTree,
  states: State,
  key: Array,
  width: int,
  depth: int,
) -> Found:
  """Searches ways to success from each of n states.

  A success is a terminated step with a reward. The time limit of the episode
  is set aside, as the oracle does.

  Args:
    world: the simulator, static, as are `width` and `depth`.
    params: the rules to search under.
    states: leaves [n, ...].
    key: PRNG key.
    width: walks for each state and first action.
    depth: steps of a walk, and of a plan at most.

  Raises:
    ValueError: width or depth below 1.
  """
  if width < 1 or depth < 1:
    raise ValueError(
      f"width {width} and depth {depth} must be at least 1: a search without "
      "walks finds nothing"
    )

  def one(root: tuple[State, Array]) -> Found:
    state, key = root
    walks = _shoot(world, params, state, key, width, depth)
    table = _hindsight(*walks)
    played = _play(world, params, state, table, depth)
    walked = _shortest(walks, len(world.actions))
    return jax.tree.map(
      lambda a, b: jnp.where(_beside(played.cost <= walked.cost, a), a, b),
      played,
      walked,
    )

  n = jax.tree.leaves(states)[0].shape[0]
  roots = (states, jax.random.split(key, n))
  batch = min(BATCH, n)
  rows = jnp.arange(-(-n // batch) * batch) % n  # whole batches: one compile
  roots = jax.tree.map(lambda x: x[rows], roots)
  found = jax.lax.map(one, roots, batch_size=batch)
  return jax.tree.map(lambda x: x[:n], found)


def _won(state: State) -> Array:
  return state.terminated & (state.reward > 0)


def _salt(path: str, size: int) -> np.ndarray:
  """uint32[size]: odd factors, the same for a path in every process."""
  seed = np.frombuffer(path.encode(), np.uint8)
  draw = np.random.default_rng(seed).integers(1 << 31, size=size)
  return (2 * draw + 1).astype(np.uint32)


def _bucket(world: World, state: State) -> Array:
  """i32[]: a hash of the situation below BUCKETS."""
  same = SAME | set(getattr(world, "memories", ()))
  total = jnp.zeros((), jnp.uint32)
  for path, leaf in jax.tree_util.tree_leaves_with_path(state.env_state):
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    if same & set(name.split(".")):
      continue
    if leaf.dtype == jnp.float32:  # near values are the same situation
      leaf = jnp.round(leaf * 8.0).astype(jnp.int32)
    words = leaf.astype(jnp.uint32).reshape(-1)
    total += jnp.sum(words * jnp.asarray(_salt(name, words.size)))
  total = (total ^ (total >> 16)) * jnp.uint32(0x45D9F3B)
  return ((total ^ (total >> 16)) % BUCKETS).astype(jnp.int32)


def _shoot(world, params, root: State, key: Array, width: int, depth: int):
  """Walks from one root, `width` under each first action.

  A walk that moved goes on the same way with probability PERSISTENCE, one
  that did not turns; else any action that is legal.

  Returns:
    buckets: i32[depth + 1, R], where each walk was.
    actions: i32[depth, R].
    won: bool[depth, R], whether the step succeeded.
    live: bool[depth, R], whether the step was taken.
  """
  count = len(world.actions)
  first = jnp.repeat(jnp.arange(count), width)

  def take(carry, key):
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

  def walk(action, key):
    start = (root, action, _bucket(world, root), root.terminated)
    return jax.lax.scan(take, start, jax.random.split(key, depth))[1]

  keys = jax.random.split(key, count * width)
  there, actions, won, live = jax.vmap(walk, out_axes=1)(first, keys)
  start = jnp.full((1, count * width), _bucket(world, root))
  return jnp.concatenate([start, there]), actions, won, live


def _hindsight(buckets, actions, won, live) -> Array:
  """i32[BUCKETS]: best action met in each bucket; -1 where none succeeded.

  Bellman's equation over the steps that were walked, last steps first. Cost
  and action are one number, cost * 1024 + action, so that a minimum over
  walks that meet keeps the two together.
  """
  far = jnp.int32(1 << 20)

  def back(table, step):
    here, there, action, won, live = step
    onward = jnp.where(won, 0, table[there] // 1024)
    told = (jnp.minimum(1 + onward, far // 1024) * 1024) + action
    told = jnp.where(live & (told < far), told, far)
    return table.at[here].min(told), None

  def sweep(_, table):
    steps = (buckets[:-1], buckets[1:], actions, won, live)
    return jax.lax.scan(back, table, steps, reverse=True)[0]

  table = jax.lax.fori_loop(0, SWEEPS, sweep, jnp.full(BUCKETS, far))
  return jnp.where(table < far, table % 1024, -1)


def _shortest(walks, count: int) -> Found:
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


def _play(world, params, root: State, table: Array, depth: int) -> Found:
  """Plays the table from the root under each first action."""

  def play(first):
    def take(carry, _):
      state, action, over = carry
      lost = over | (action < 0)
      new = world.step(state, jnp.maximum(action, 0), params)
      won = _won(new) & ~lost
      after = table[_bucket(world, new)]
      told = jnp.where(lost, -1, action)
      return (new, after, lost | new.terminated), (told, won)

    start = (root, first, root.terminated)
    _, (plan, won) = jax.lax.scan(take, start, None, length=depth)
    steps = 1.0 + jnp.argmax(won).astype(jnp.float32)
    cost = jnp.where(jnp.any(won), steps, jnp.inf)
    return cost, jnp.where(jnp.any(won), plan, -1)

  cost, plans = jax.vmap(play)(jnp.arange(len(world.actions)))
  return Found(cost=cost, plans=plans)

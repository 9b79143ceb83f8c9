"""The dynamics of AgentWorld; every leaf of Params has an effect."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld import variants
from simulators.agentworld.vocabulary import GOALS, KINDS

STEPS = 16


@pytest.fixture(scope="module")
def play(world):
  """play(params, levels, actions, params_axis) -> states [STEPS + 1, n]."""

  def run(keys, params, levels, actions, axis):
    def step(state, action):
      state = jax.vmap(world.step, (0, 0, axis))(state, action, params)
      return state, state

    first = jax.vmap(world.reset, (0, axis, 0))(keys, params, levels)
    _, rest = jax.lax.scan(step, first, actions)
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)

  run = jax.jit(run, static_argnums=4)

  def play(params, levels, actions, axis=None, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(levels.side))
    return run(keys, params, levels, actions, axis)

  return play


@pytest.fixture(scope="module")
def moves(walk, world, pool):
  """i32[STEPS, 12]: actions of a noisy expert on the first twelve levels."""
  return walk(world.params(), pool.levels, chance=0.2)[1][:STEPS, :12]


@pytest.fixture(scope="module")
def rich_moves(walk, world, rich):
  """The same on the first twelve levels with boxes, hazards and goals."""
  return walk(world.params(), rich.levels, chance=0.2)[1][:STEPS, :12]


def _numbers(states):
  """All leaves of states but the keys, on the host."""
  return jax.device_get(
    states.replace(env_state=states.env_state.replace(key=None))
  )


def _equal(one, two):
  jax.tree.map(np.testing.assert_array_equal, one, two)


def _same(one, two) -> bool:
  pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
  return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("plain", [True, False])
def test_jit_and_vmap_change_nothing(
  world, pool, rich, play, moves, rich_moves, plain
):
  """For plain levels and for those with boxes, hazards and goals."""
  params = world.params("imperfect/slippery(0.3)").replace(
    dropout=jnp.float32(0.3)
  )
  pool, moves = (pool, moves) if plain else (rich, rich_moves)
  batched = _numbers(play(params, pool.take(np.arange(12)), moves))
  keys = jax.random.split(jax.random.key(0), 12)
  with jax.disable_jit():
    for n in (0, 7):
      state = world.reset(keys[n], params, pool.take(n))
      for t in range(4):
        at = jax.tree.map(lambda x, t=t, n=n: x[t, n], batched)
        _equal(_numbers(state), at)
        state = world.step(state, moves[t, n], params)


def test_batched_oracle_and_questions_equal_single_ones(world, pool):
  """The oracle and the questions, batched and one at a time."""
  params, n = world.params(), 4
  keys = jax.random.split(jax.random.key(0), n)
  levels = pool.take(np.arange(n))
  states = jax.vmap(world.reset, (0, None, 0))(keys, params, levels)

  def know(key, state):
    return world.oracle(state, params), world.sample_questions(
      key, state, params
    )

  batched = jax.jit(jax.vmap(know))(keys, states)
  alone = jax.jit(know)
  for i in range(n):
    row = jax.tree.map(lambda x, i=i: x[i], (states, batched))
    _equal(jax.device_get(alone(keys[i], row[0])), jax.device_get(row[1]))


@pytest.mark.parametrize(
  ("leaf", "variant"),
  [
    ("tool_id", "imperfect/swapped(0)"),
    ("element_id", "imperfect/swapped(0)"),
    ("opens", "imperfect/wrong-rules(0.25)"),
    ("slip", "imperfect/slippery(0.5)"),
    ("failure", "imperfect/failing(0.5)"),
    ("dropout", "imperfect/blind(0.5)"),
    ("misread", "imperfect/misread(0.5)"),
    ("hazardous", "imperfect/no-hazards"),
    ("one_hand", "imperfect/many-hands"),
    ("nominal", None),
  ],
)
def test_every_leaf_of_params_has_an_effect(
  world, rich, play, rich_moves, leaf, variant
):
  """Each leaf, taken alone from another world, changes the observations."""
  real, levels = world.params(), rich.take(np.arange(12))
  other = real.nominal[::-1] if variant is None else None
  other = getattr(world.params(variant), leaf) if variant else other
  changed = play(real.replace(**{leaf: other}), levels, rich_moves)
  plain = play(real, levels, rich_moves)
  assert not _same(plain.obs, changed.obs)


def test_every_leaf_is_covered_by_the_test_above(world):
  assert set(vars(world.params())) == {
    "tool_id", "element_id", "opens", "nominal", "hazardous", "slip",
    "failure", "dropout", "misread", "one_hand",
  }  # fmt: skip


def test_stacked_params_equal_each_alone(world, rich, play, rich_moves):
  """Every variant, and all chances at once."""
  names = ("real", "imperfect/swapped(2)", "imperfect/slippery(0.5)")
  names += ("imperfect/blind(0.5)", "imperfect/wrong-rules(1)")
  names += ("imperfect/failing(0.5)", "imperfect/misread(0.5)")
  names += ("imperfect/no-hazards", "imperfect/many-hands")
  half = jnp.float32(0.5)
  rules = [world.params(name) for name in names]
  rules.append(
    rules[1].replace(slip=half, failure=half, dropout=half, misread=half)
  )
  assert {name.partition("(")[0] for name in names} == {
    name.partition("(")[0] for name in world.variants()
  }
  stacked = jax.tree.map(lambda *x: jnp.stack(x), *rules)
  levels = rich.take(np.arange(len(rules)))
  actions = rich_moves[:, : len(rules)]
  together = _numbers(play(stacked, levels, actions, 0))
  for n, params in enumerate(rules):
    alone = _numbers(play(params, levels, actions))
    one, two = (
      jax.tree.map(lambda x, n=n: x[:, n], states)
      for states in (alone, together)
    )
    _equal(one, two)


def _floor(world, **things):
  """A 7x7 floor with nothing but `things` on it, as a level."""
  nowhere = np.full((3, 2), -1)
  level = (
    world.pool("test", 1)
    .take(0)
    .replace(
      wall=np.zeros((7, 7), bool),
      hazard=np.zeros((7, 7), bool),
      agent=np.array([3, 3]),
      goal=np.array([0, 0]),
      tool_at=nowhere,
      element_at=nowhere,
      box_at=nowhere[:2],
    )
  )
  return level.replace(**things)


UP, DOWN, LEFT, RIGHT = range(4)


@pytest.fixture(scope="module")
def go(world):
  """go(level, actions, variant) -> the states after each action."""
  step = jax.jit(world.step)

  def go(level, actions, variant="real"):
    params = world.params(variant)
    state = world.reset(jax.random.key(0), params, level)
    states = []
    for action in actions:
      state = step(state, jnp.int32(action), params)
      states.append(jax.device_get(state))
    return states

  return go


AWAY = [-1, -1]


@pytest.mark.parametrize(
  ("variant", "held", "cells"),
  [
    (
      "real",
      [[0], [1], [1], [0]],
      [[3, 5], [3, 5], [3, 5], [3, 5]],
    ),
    (
      "imperfect/many-hands",
      [[0], [0, 1], [0, 1], [0, 1]],
      [[3, 5], AWAY, AWAY, AWAY],
    ),
  ],
)
def test_taking_a_tool_puts_down_the_one_in_hand(
  world, go, variant, held, cells
):
  """To and fro between two tools; the empty slot changes nothing."""
  level = _floor(world, tool_at=np.array([[3, 4], [3, 5], [-1, -1]]))
  states = go(level, [RIGHT, RIGHT, LEFT, RIGHT], variant)
  for state, now, cell in zip(states, held, cells, strict=True):
    assert np.flatnonzero(state.obs.held).tolist() == now
    lying = [i for i in (0, 1) if i not in now]
    for i in now:  # a tool in hand lies nowhere
      assert state.obs.tool_at[i].tolist() == AWAY
    for i in lying:
      assert state.obs.tool_at[i].tolist() == cell


def test_world_of_many_hands_has_no_variant_with_one(world):
  free = simulators.make("agentworld", one_hand=False)
  for name in ("real", "imperfect/blind(0.1)", "imperfect/many-hands"):
    assert not free.params(name).one_hand
  assert world.params("real").one_hand
  assert not world.params("imperfect/many-hands").one_hand
  hold = "You hold one tool"
  assert hold in world.rules(world.params("real"))
  assert hold in world.rules(world.params("imperfect/many-hands"))
  assert hold not in free.rules(free.params("real"))


def test_element_stays_open_without_its_tool(world, go):
  """The tree is opened, then the ax is put down for another tool."""
  level = _floor(
    world,
    tool_kind=np.array([0, 1, 2]),
    element_kind=np.array([0, 1, 2]),
    tool_at=np.array([[3, 4], [3, 2], [-1, -1]]),
    element_at=np.array([[3, 5], [-1, -1], [-1, -1]]),
  )
  to_and_fro = [RIGHT, RIGHT, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT]
  states = go(level, to_and_fro)
  env = [state.env_state for state in states]
  assert [bool(e.opened[0]) for e in env] == [False] + [True] * 7
  assert env[4].held.tolist() == [False, True, False]
  assert states[4].obs.tool_at[0].tolist() == [3, 2]
  assert env[-1].agent.tolist() == [3, 5]  # without the ax


def test_box_is_pushed_until_something_is_behind_it(world, go):
  level = _floor(world, box_at=np.array([[2, 3], [-1, -1]]))
  states = go(level, [UP, UP, UP, RIGHT])
  boxes = [state.env_state.boxes[0].tolist() for state in states]
  assert boxes == [[1, 3], [0, 3], [0, 3], [0, 3]]
  agents = [state.env_state.agent.tolist() for state in states]
  assert agents == [[2, 3], [1, 3], [1, 3], [1, 4]]


@pytest.mark.parametrize("behind", ["wall", "hazard", "box", "element"])
def test_obstacles_stop_a_box(world, go, behind):
  there = np.zeros((7, 7), bool)
  there[1, 3] = True
  element = np.full((3, 2), -1)
  element[1] = (1, 3)
  level = _floor(
    world,
    box_at=np.array([[2, 3], [1, 3] if behind == "box" else AWAY]),
    **{
      "wall": {"wall": there},
      "hazard": {"hazard": there},
      "box": {},
      "element": {"element_at": element},
    }[behind],
  )
  assert not go(level, [UP])[0].obs.moved
  gone = "imperfect/no-hazards" if behind == "hazard" else None
  if gone:
    assert go(level, [UP], gone)[0].obs.moved


def test_hazard_ends_the_episode_without_reward(world, go):
  hazard = np.zeros((7, 7), bool)
  hazard[2, 3] = True
  level = _floor(world, hazard=hazard)
  state = go(level, [UP])[0]
  assert state.terminated
  assert state.reward == 0.0
  assert not go(level, [UP], "imperfect/no-hazards")[0].terminated
  assert not go(level, [DOWN])[0].terminated


@pytest.mark.parametrize(
  ("goal", "actions"),
  [
    ("reach", [UP, UP]),
    ("take", [RIGHT]),
    ("open", [RIGHT, LEFT, LEFT]),
    ("bring", [UP, UP, DOWN, DOWN, RIGHT, UP, UP, LEFT]),
    ("push", [LEFT, UP, UP, UP, RIGHT, DOWN]),
  ],
)
def test_each_goal_ends_the_episode_when_achieved(world, go, goal, actions):
  """The tool is right, its element left, and the goal two cells up."""
  level = _floor(
    world,
    goal_kind=np.int32(GOALS.index(goal)),
    goal_thing=np.int32(0),
    goal=np.array([1, 3]) if goal != "push" else np.array([2, 3]),
    tool_at=np.array([[3, 4], [-1, -1], [-1, -1]]),
    element_at=np.array([[3, 2], [-1, -1], [-1, -1]]),
    box_at=np.array([[1, 3] if goal == "push" else [6, 6], [-1, -1]]),
    element_kind=np.array([0, 1, 2]),
    tool_kind=np.array([0, 1, 2]),
  )
  if goal == "push":
    level = level.replace(element_at=np.full((3, 2), -1))
  states = go(level, actions)
  assert [bool(s.terminated) for s in states] == [False] * (len(states) - 1) + [
    True
  ]
  assert states[-1].reward == 1.0


def test_failed_action_does_nothing(world, rich, play, moves):
  levels = rich.take(np.arange(12))
  idle = _numbers(play(world.params("imperfect/failing(1)"), levels, moves))
  start = idle.env_state
  for name in ("agent", "held", "opened", "boxes"):
    leaf = getattr(start, name)
    assert (leaf == leaf[:1]).all()
  assert (start.time[-1] == STEPS).all()


def test_misread_thing_has_the_word_of_another_kind(world, rich, play, moves):
  """At chance 1 only the words of tools in hand are right."""
  levels = rich.take(np.arange(12))
  real = world.params()
  clear = _numbers(play(real, levels, moves))
  wrong = _numbers(play(world.params("imperfect/misread(1)"), levels, moves))
  _equal(clear.env_state, wrong.env_state)
  same = clear.obs.tool == wrong.obs.tool
  np.testing.assert_array_equal(same, clear.obs.held)
  assert (clear.obs.element != wrong.obs.element).all()
  needed = np.asarray(real.tool_id)[wrong.obs.element]
  np.testing.assert_array_equal(
    wrong.obs.needs, needed
  )  # as the rules state for the word


def test_state_remembers_its_last_steps(world, pool, play, moves):
  env = _numbers(
    play(world.params(), pool.take(np.arange(12)), moves)
  ).env_state
  assert (env.tried[0] == -1).all()
  for back in range(3):
    now = env.tried[1 + back :, :, back]
    np.testing.assert_array_equal(now, moves[: len(now)])
    then = env.trail[1 + back :, :, back]
    np.testing.assert_array_equal(then, env.agent[: len(then)])


@pytest.mark.parametrize("one_hand", [True, False])
def test_tools_and_opened_elements_stay_so(world, pool, play, moves, one_hand):
  """One hand holds one tool at most; many hands drop none."""
  params = world.params("imperfect/slippery(0.5)").replace(
    one_hand=jnp.asarray(one_hand)
  )
  env = _numbers(play(params, pool.take(np.arange(12)), moves)).env_state
  if one_hand:
    assert env.held.sum(-1).max() == 1
    assert (env.held.any(-1)[1:] >= env.held.any(-1)[:-1]).all()
    assert (env.held[1:] < env.held[:-1]).any()  # some tools are put down
  else:
    assert (env.held[1:] >= env.held[:-1]).all()
    assert env.held.sum(-1).max() > 1
  assert (env.opened[1:] >= env.opened[:-1]).all()
  assert env.held[-1].any()
  assert env.opened[-1].any()
  steps = np.abs(np.diff(env.agent, axis=0)).sum(-1)
  assert steps.max() == 1
  row, column = np.moveaxis(env.agent, -1, 0)
  for t, n in np.ndindex(row.shape):
    assert not env.level.wall[t, n, row[t, n], column[t, n]]


def test_chosen_action_has_no_effect_at_slip_1(world, pool, play, moves):
  """With slip 1 the chosen action has no effect; with 0 chance has none."""
  levels = pool.take(np.arange(12))
  for variant, choice in (("slippery(1)", False), ("slippery(0)", True)):
    params = world.params(f"imperfect/{variant}")
    one, two = (
      _numbers(play(params, levels, actions))
      for actions in (moves, (moves + 1) % 4)
    )
    assert _same(one, two) != choice
    other = _numbers(play(params, levels, moves, seed=1))
    assert _same(one, other) == choice


def test_slip_frequency_equals_the_parameter(world, pool):
  """A slip goes in any of four directions: 3/4 of p go in another one."""
  params = world.params("imperfect/slippery(0.4)")
  wide = pool.take(0).replace(
    wall=np.zeros((7, 7), bool),
    agent=np.array([3, 3]),
    element_at=np.zeros((3, 2), int),
  )

  def moved(key):
    state = world.step(world.reset(key, params, wide), jnp.int32(0), params)
    return state.env_state.agent[0] == 2

  keys = jax.random.split(jax.random.key(0), 4000)
  share = float(jnp.mean(jax.jit(jax.vmap(moved))(keys)))
  assert abs(share - (1 - 0.4 * 3 / 4)) < 4 * (0.3 * 0.7 / 4000) ** 0.5


def test_blindness_hides_things_and_changes_nothing(world, pool, play, moves):
  levels = pool.take(np.arange(12))
  clear = play(world.params(), levels, moves)
  blind = play(world.params("imperfect/blind(1)"), levels, moves)
  _equal(_numbers(clear).env_state, _numbers(blind).env_state)
  np.testing.assert_array_equal(blind.obs.tool >= 0, blind.obs.held)
  assert (blind.obs.element == -1).all()
  assert (blind.obs.needs == -1).all()
  assert (blind.obs.element_at == -1).all()
  assert (clear.obs.element >= 0).all()
  half = play(world.params("imperfect/blind(0.5)"), levels, moves)
  seen = np.asarray(half.obs.element) >= 0
  assert 0.4 < seen.mean() < 0.6
  assert (seen[1:] != seen[:-1]).any()  # drawn again at every step


def test_wrong_rules_are_not_in_the_text(world):
  real = world.params()
  for share, wrong in ((0.0, 0), (0.1, 2), (0.5, 4), (1.0, 8)):
    params = world.params(f"imperfect/wrong-rules({share})")
    opens = np.asarray(params.opens)
    _equal(params.nominal, real.nominal)
    assert (opens.sum(0) == 1).all()
    assert (opens.sum(1) == 1).all()
    assert KINDS - np.trace(opens) == wrong


def test_swapped_worlds_share_no_word_with_the_real_one(world):
  real = world.params()
  seen = set()
  for k in range(4):
    params = world.params(f"imperfect/swapped({k})")
    for leaf in ("tool_id", "element_id"):
      words = np.asarray(getattr(params, leaf)).tolist()
      assert len(set(words)) == KINDS
      assert not set(words) & set(np.asarray(getattr(real, leaf)).tolist())
      seen.add(tuple(words))
  assert len(seen) == 8


def test_episode_ends_at_the_goal_or_at_the_horizon(pool):
  world = simulators.make("agentworld", horizon=3)
  params, level = world.params(), pool.take(0)
  state = world.reset(jax.random.key(0), params, level)
  step = jax.jit(world.step)
  for t in range(1, 4):  # up, down, up: at most one cell from the start
    state = step(state, jnp.int32(1 - t % 2), params)
    assert bool(state.truncated) == (t == 3)
    assert not state.terminated
  near = level.replace(goal=np.asarray(level.agent))
  state = world.reset(jax.random.key(0), params, near)
  assert bool(state.terminated)
  assert not state.truncated
  assert float(state.reward) == 1.0


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("rael", "did you mean 'real'"),
    ("imperfect/swaped(1)", r"did you mean 'imperfect/swapped\(k\)'"),
    ("imperfect/swapped(-1)", "whole number"),
    ("imperfect/blind", "needs a number in 0..1"),
    ("imperfect/slippery(1.5)", "needs a number in 0..1"),
    ("real(1)", "Known: real, imperfect"),
  ],
)
def test_unknown_variant_names_the_nearest(name, message):
  with pytest.raises(ValueError, match=message):
    variants.parse(name)


def test_unknown_world_or_field_names_the_nearest():
  with pytest.raises(ValueError, match="did you mean 'agentworld'"):
    simulators.make("agentwrold")
  with pytest.raises(ValueError, match="did you mean 'horizon'"):
    simulators.make("agentworld", horizont=3)
  with pytest.raises(ValueError, match="give it as int"):
    simulators.make("agentworld", size="large")
  with pytest.raises(ValueError, match="give it as int"):
    simulators.make("agentworld", boxes=True)


def test_picture_shows_changes(world, pool, walk):
  params = world.params()
  states, _ = walk(params, pool.levels, chance=0.0)
  states = jax.tree.map(lambda x: x[:13, :3], states)
  draw = jax.jit(jax.vmap(jax.vmap(world.render, (0, None)), (0, None)))
  pictures = np.asarray(draw(states, params))
  assert pictures.shape == (13, 3, 9 * 16, 8 * 16, 3)
  assert pictures.dtype == np.uint8
  moved = np.asarray(states.obs.moved)[1:]
  changed = (pictures[1:] != pictures[:-1]).any((2, 3, 4))
  np.testing.assert_array_equal(changed, moved)

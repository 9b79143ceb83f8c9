"""The contract of `simulators.base` as checks, for any world.

Each `check_...` states one property of a `Case`: a world with a few short
episodes. The checks share them, so that each world compiles little.
"""

import dataclasses
import functools
import itertools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulators import base, rollout, search

N = 16  # levels played
POOL = 8  # levels of each split
ROWS = 6  # moments that are described, questioned and replayed

# Arguments of variants under test: "imperfect/narrow(w)" with w = 3;
# other arguments are 1.
ARGUMENTS = {"w": 3}


@dataclasses.dataclass
class Case:
  """A world with random play.

  Attributes:
    world: the world under test.
    steps: no episode lasts longer.
    eager: whether to step also without jit; slow in a large world.
    exact: whether an oracle's cost is the number of steps to success.
  """

  world: Any
  steps: int
  eager: bool = True
  exact: bool = True

  @functools.cached_property
  def rules(self) -> dict[str, base.PyTree]:
    """The params of all variants, by name."""
    names = [
      re.sub(r"\((\w+)\)$", lambda m: f"({ARGUMENTS.get(m[1], 1)})", variant)
      for variant in self.world.variants()
    ]
    return {name: self.world.params(name) for name in names}

  @functools.cached_property
  def levels(self) -> base.PyTree:
    return self.world.pool("train", N).levels

  @functools.cached_property
  def played(self) -> rollout.Trajectory:
    """Random episodes in `real`, leaves [N, steps + 1, ...]."""
    return self._play(rollout.random_policy(self.world))

  def _play(self, actor: rollout.Policy) -> rollout.Trajectory:
    params, seeds = self.rules["real"], np.arange(N)
    return rollout.rollout(
      self.world, params, self.levels, seeds, actor, jax.random.key(0),
      self.steps,
    )  # fmt: skip

  @functools.cached_property
  def by_oracle(self) -> rollout.Trajectory:
    return self._play(rollout.oracle_policy(self.world))

  @functools.cached_property
  def moments(self) -> base.State:
    """The start and the middle of some episodes, leaves [ROWS, ...]."""
    rows = np.arange(ROWS) // 2
    times = np.asarray(self.played.lengths)[rows] // 2 * (np.arange(ROWS) % 2)
    return jax.tree.map(lambda x: x[rows, times], self.played.states)

  @functools.cached_property
  def obs(self) -> base.PyTree:
    return jax.device_get(self.moments.obs)

  @functools.cached_property
  def arrays(self) -> base.QuestionArrays:
    keys = jax.random.split(jax.random.key(1), ROWS)
    sample = jax.jit(jax.vmap(self.world.sample_questions, (0, 0, None)))
    return jax.device_get(sample(keys, self.moments, self.rules["real"]))

  @functools.cached_property
  def asked(self) -> list[list[base.Question]]:
    return self.world.ask(self.arrays, self.obs, 0)


def _plain(tree: base.PyTree) -> base.PyTree:
  """Numpy leaves, PRNG keys as their words."""

  def leaf(x):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x = jax.random.key_data(x)
    return np.asarray(x)

  return jax.tree.map(leaf, tree)


def _equal(first: base.PyTree, second: base.PyTree, close: bool = False):
  """Equal leaves; with `close`, floats to rounding."""

  def leaf(a, b):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if close and np.issubdtype(a.dtype, np.floating):
      np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    else:
      np.testing.assert_array_equal(a, b)

  jax.tree.map(leaf, _plain(first), _plain(second))


# --- Rules and levels ---------------------------------------------------------


def check_variants_are_values_of_one_type(case: Case):
  real, *others = case.rules.values()
  assert next(iter(case.rules)) == "real"
  for leaf in jax.tree.leaves(real):
    assert isinstance(leaf, jax.Array | np.ndarray)
  for params in others:
    assert jax.tree.structure(params) == jax.tree.structure(real)
    for a, b in zip(*map(jax.tree.leaves, (params, real)), strict=True):
      assert (a.shape, a.dtype) == (b.shape, b.dtype)
  with pytest.raises(ValueError, match="real"):
    case.world.params("no such rules")


def check_pools_repeat_and_splits_are_disjoint(case: Case):
  hashes = {}
  for split in case.world.splits:
    pool, again = (case.world.pool(split, POOL) for _ in range(2))
    _equal(pool.levels, again.levels)
    np.testing.assert_array_equal(pool.hashes, again.hashes)
    assert pool.split == split
    assert len(pool) == POOL
    assert pool.hashes.dtype == np.uint64
    assert set(pool.depths.tolist()) <= set(case.world.depths(split))
    assert {len(x) for x in jax.tree.leaves(pool.levels)} == {POOL}
    hashes[split] = set(pool.hashes.tolist())
  assert {"train", "val", "test"} <= set(hashes)
  for one, other in itertools.combinations(hashes, 2):
    assert not hashes[one] & hashes[other], (one, other)
  for make in (case.world.pool, lambda split, _: case.world.depths(split)):
    with pytest.raises(ValueError, match="nowhere"):
      make("nowhere", 1)
  with pytest.raises(ValueError, match="0"):
    case.world.pool("train", 0)


# --- Playing ------------------------------------------------------------------


def check_replay_reproduces_the_states(case: Case):
  """reset and step are pure; a batch of another size gives the same states."""
  rows = np.arange(ROWS)
  lengths = np.asarray(case.played.lengths)[rows] // 2
  again = rollout.replay(
    case.world,
    case.rules["real"],
    jax.tree.map(lambda x: x[rows], case.levels),
    rows,
    np.asarray(case.played.actions)[rows],
    lengths,
  )
  there = jax.tree.map(lambda x: x[rows, lengths], case.played.states)
  _equal(again, there, close=True)


def check_batch_equals_its_rows_with_and_without_jit(case: Case):
  """vmap equals a loop, and jit equals no jit."""
  level = jax.tree.map(lambda x: x[0], case.levels)
  action = jnp.int32(case.played.actions[0, 0])
  params, key = case.rules["real"], jax.random.key(0)

  def start(key, action, params, level):
    first = case.world.reset(key, params, level)
    return first, case.world.step(first, action, params)

  for run in (jax.jit(start), start)[: 2 if case.eager else 1]:
    for t, state in enumerate(run(key, action, params, level)):
      there = jax.tree.map(lambda x, t=t: x[0, t], case.played.states)
      _equal(state, there, close=True)


def check_legal_gives_one_flag_for_each_action(case: Case):
  legal = jax.vmap(case.world.legal, (0, None))(
    case.moments, case.rules["real"]
  )
  assert (legal.shape, legal.dtype) == ((ROWS, len(case.world.actions)), bool)
  assert np.asarray(legal).any(-1).all()


def check_episodes_end_and_stay_ended(case: Case):
  done = np.asarray(case.played.states.done)
  assert done[:, -1].all(), "some episodes do not end: raise `steps`?"
  assert not done[:, 0].any()
  assert (np.diff(done.astype(int)) >= 0).all()
  both = case.played.states.terminated & case.played.states.truncated
  assert not np.asarray(both).any()
  ends = np.asarray(case.played.lengths)
  final = jax.tree.map(lambda x: x[np.arange(N), ends], case.played.states.obs)
  _equal(final, jax.tree.map(lambda x: x[:, -1], case.played.states.obs))


def check_success_is_a_rewarded_termination(case: Case):
  played = [case.played]
  if isinstance(case.world, base.HasOracle) and case.exact:
    played.append(case.by_oracle)
  success = np.concatenate(
    [np.asarray(x.states.metrics["success"][:, -1]) for x in played]
  )
  rewarded = np.concatenate([np.asarray(x.success) for x in played])
  np.testing.assert_array_equal(success > 0, rewarded)
  assert rewarded.any() or not isinstance(case.world, base.HasOracle)
  assert not rewarded.all()
  before = np.asarray(case.played.states.metrics["success"][:, 0])
  assert (before == 0).all()


def check_metrics_hold_all_measures(case: Case):
  metrics = case.played.states.metrics
  for name in ("success", *case.world.measures):
    assert metrics[name].dtype == jnp.float32, name
    assert metrics[name].shape == (N, case.steps + 1), name
    assert np.isfinite(metrics[name]).all(), name
  assert "success" not in case.world.measures


def check_search_plans_succeed(case: Case):
  """Labels need no oracle: plans of a search succeed in replay."""
  if isinstance(case.world, base.HasOracle):
    return  # test_search.py compares the two
  first = jax.tree.map(lambda x: x[:, 0], case.played.states)
  found = search.search(
    case.world, case.rules["real"], first, jax.random.key(2), 128, case.steps
  )
  cost = np.asarray(found.cost).min(1)
  best = np.asarray(found.cost).argmin(1)
  rows = np.flatnonzero(np.isfinite(cost))
  assert len(rows) > N / 2
  end = rollout.replay(
    case.world,
    case.rules["real"],
    jax.tree.map(lambda x: x[rows], case.levels),
    rows,
    np.maximum(np.asarray(found.plans)[rows, best[rows]], 0),
    cost[rows].astype(int),
  )
  assert np.asarray(end.terminated).all()
  assert (np.asarray(end.reward) > 0).all()
  assert (np.asarray(end.metrics["success"]) > 0).all()
  assert np.asarray(case.played.success).mean() < len(rows) / N


# --- Words --------------------------------------------------------------------


def check_texts_of_actions_and_moments(case: Case):
  world, params = case.world, case.rules["real"]
  for i, action in enumerate(world.actions):
    assert world.parse(action) == world.parse(f" {action}.\n") == i
    assert action in world.rules(params)
  assert world.parse("") is world.parse("nothing of the kind") is None
  for to_texts in (world.describe, world.instruction):
    texts = to_texts(case.obs)
    assert len(texts) == ROWS
    assert all(isinstance(text, str) and text for text in texts)
    for i, text in enumerate(texts):  # a row does not depend on others
      alone = jax.tree.map(lambda x, i=i: x[i : i + 1], case.obs)
      assert to_texts(alone) == [text]
  assert len(set(world.describe(case.obs))) > 1


# --- Optional parts -----------------------------------------------------------


def check_oracle_costs_lead_to_success(case: Case):
  if not isinstance(case.world, base.HasOracle):
    with pytest.raises(ValueError, match="no oracle"):
      rollout.oracle_policy(case.world)
    return
  params = case.rules["real"]
  rows = ROWS if case.exact else 1  # a slow oracle is called once
  states = jax.tree.map(lambda x: x[:rows], case.moments)
  costs = jax.jit(jax.vmap(case.world.oracle, (0, None)))(states, params)
  assert costs.shape == (rows, len(case.world.actions))
  assert costs.dtype == jnp.float32
  assert not np.isnan(costs).any()
  assert np.isfinite(costs).any(-1).all()
  if case.exact:
    first = jax.tree.map(lambda x: x[:, 0], case.by_oracle.states)
    costs = jax.vmap(case.world.oracle, (0, None))(first, params)
    reachable = np.asarray(costs).min(-1) <= case.steps
    np.testing.assert_array_equal(case.by_oracle.success, reachable)


def check_answers_equal_those_of_the_questions(case: Case):
  if not isinstance(case.world, base.AsksQuestions):
    return
  world, kinds = case.world, list(case.world.question_kinds)
  assert isinstance(world.lookups, tuple)
  assert case.arrays.valid.shape == (ROWS, len(kinds))
  assert sum(map(len, case.asked)) >= ROWS
  answer = jax.vmap(world.answer, (None, None, 0, 0))
  answer = jax.jit(jax.vmap(answer, (0, None, None, 0)))
  numbers = np.arange(len(kinds), dtype=np.int32)
  params = case.rules["real"]
  codes = np.asarray(answer(case.moments, params, numbers, case.arrays.args))
  for row, questions in enumerate(case.asked):
    for question in questions:
      k = kinds.index(question.kind)
      assert case.arrays.valid[row, k]
      assert question.code == codes[row, k], question
      assert question.answer in question.choices
      assert len(set(question.choices)) == len(question.choices) > 1
      assert question.args == tuple(case.arrays.args[row, k].tolist())


def check_the_reference_gives_the_same_answers(case: Case):
  if not isinstance(case.world, base.HasReference):
    return
  assert isinstance(case.world, base.AsksQuestions)
  reference, params = case.world.reference, jax.device_get(case.rules["real"])
  hidden = jax.device_get(case.moments.env_state)
  for row, questions in enumerate(case.asked):
    one = jax.tree.map(
      lambda x, row=row: x[row] if isinstance(x, np.ndarray) else x, hidden
    )
    game = reference.Game.from_state(one, params, case.world.config)
    for q in questions:
      assert reference.answer(game, q.kind, q.args) == q.code, q


def check_descriptions_can_be_parsed(case: Case):
  if not isinstance(case.world, base.ParsesDescriptions):
    return
  texts = case.world.describe(case.obs)
  found = [case.world.parse_description(text) for text in texts]
  assert all(isinstance(data, dict) and data for data in found)
  rules = case.world.rules(case.rules["real"])
  for text, data in zip(texts, found, strict=True):
    assert set(data) <= set(case.world.parse_description(text, rules))
  for (a, parsed), (b, other) in itertools.pairwise(
    zip(texts, found, strict=True)
  ):
    assert (a == b) == (parsed == other)


def check_scripted_readers_know_the_texts_alone(case: Case):
  if not isinstance(case.world, base.HasScript):
    return
  rules = case.world.rules(case.rules["real"])
  texts, rows = case.world.describe(case.obs), range(ROWS)
  scores, again = (
    np.asarray(case.world.script(rules).scores(texts, rows)) for _ in range(2)
  )
  assert scores.shape == (ROWS, len(case.world.actions))
  assert np.isfinite(scores).any(1).all()
  np.testing.assert_array_equal(scores, again)


def check_subgoals_are_named_where_there_is_a_way(case: Case):
  if not isinstance(case.world, base.HasSubgoals):
    return
  find = jax.jit(jax.vmap(case.world.chain, (0, None)))
  found = np.asarray(find(case.moments, case.rules["real"]))
  texts = case.world.describe(case.obs)
  assert found.ndim == 2
  assert len(found) == ROWS
  assert (found >= 0).any()
  for chain, text in zip(found, texts, strict=True):
    chain = chain[chain >= 0]
    assert (chain < len(case.world.subgoals)).all()
    named = base.subgoals_in(text, case.world.subgoals)
    assert {case.world.subgoals[index] for index in chain} <= {*named}


def check_pictures_are_rgb(case: Case):
  if not isinstance(case.world, base.Renders):
    return
  state = jax.tree.map(lambda x: x[0], case.moments)
  picture = jax.jit(case.world.render)(state, case.rules["real"])
  assert picture.dtype == jnp.uint8
  assert (picture.ndim, picture.shape[-1]) == (3, 3)
  assert len(np.unique(picture)) > 1


CHECKS = {
  name.removeprefix("check_"): check
  for name, check in list(globals().items())
  if name.startswith("check_")
}

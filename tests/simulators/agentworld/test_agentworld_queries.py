"""Queries have the same answers by both paths, and only decided ones count."""

import dataclasses
import itertools
import json
import re

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout
from simulators.agentworld.queries import LANGUAGE
from simulators.agentworld.reference import Game
from simulators.agentworld.vocabulary import ACTIONS
from simulators.queries import answering, forms, reading, wording
from simulators.queries.language import QueryError, Undefined

VARIANTS = ("imperfect/swapped(0)", "imperfect/wrong-rules(1)")


def _moments(world, variant, count, seed):
  """(state, params) after random moves, with numpy leaves."""
  params, rng = world.params(variant), np.random.default_rng(seed)
  pool = world.pool("train", count, (0, 1))
  actions = rng.integers(4, size=(count, 16)).astype(np.int32)
  lengths = rng.integers(0, 17, count).astype(np.int32)
  state = rollout.replay(
    world,
    jax.tree.map(lambda x: np.stack([x] * count), params),
    pool.take(np.arange(count)),
    np.arange(count, dtype=np.int32),
    actions,
    lengths,
    0,
  )
  state, params = jax.device_get((state, params))
  return [
    (jax.tree.map(lambda x, i=i: x[i] if isinstance(x, np.ndarray) else x,
                  state), params)
    for i in range(count)
  ]  # fmt: skip


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=6, sides=(6,), hazards=1, boxes=1)


@pytest.fixture(scope="module")
def moments(world):
  return [m for v in VARIANTS for m in _moments(world, v, 24, 0)]


def _value(facts, name, words):
  try:
    return facts.value(name, words)
  except Undefined:
    return None


def test_every_primitive_is_the_same_by_both_paths(world, moments):
  seen = {p.name: set() for p in LANGUAGE.primitives}
  rng = np.random.default_rng(2)
  for state, params in moments:
    env = state.env_state  # with elements that random moves would not open
    opened = env.opened | (rng.random(len(env.opened)) < 0.3)
    env = dataclasses.replace(env, opened=opened)
    ours = world.facts(dataclasses.replace(state, env_state=env), params)
    game = Game.from_state(env, params, world.config)
    theirs = world.reference.facts(game)
    tools, elements = ours.members("tools"), ours.members("elements")
    assert tools == theirs.members("tools")
    assert elements == theirs.members("elements")
    words = {
      "tool": (*tools, "apple"),
      "element": (*elements, "vine"),
      "action": ACTIONS,
      "place": ("you", "goal", "package", *tools, *elements),
    }
    for primitive in LANGUAGE.primitives:
      for args in itertools.product(*(words[t] for t in primitive.takes)):
        value = _value(ours, primitive.name, args)
        assert value == _value(theirs, primitive.name, args), (primitive, args)
        seen[primitive.name].add(value)
  assert all(len(values) >= 2 for values in seen.values()), seen


def test_moves_lead_to_the_same_facts_by_both_paths(world, moments):
  rng, ended, played = np.random.default_rng(1), 0, 0
  for state, params in moments:
    ours = world.facts(state, params)
    theirs = world.reference.facts(
      Game.from_state(state.env_state, params, world.config)
    )
    for _ in range(4):
      moves = tuple(ACTIONS[a] for a in rng.integers(4, size=3))
      try:
        one = ours.after(moves)
      except Undefined:
        with pytest.raises(Undefined):
          theirs.after(moves)
        ended += 1
        continue
      other, played = theirs.after(moves), played + 1
      for name, words in (
        ("distance", ("you", "goal")),
        *(("free", (move,)) for move in ACTIONS),
        *(("holds", (tool,)) for tool in one.members("tools")),
        *(("is_open", (e,)) for e in one.members("elements")),
      ):
        assert _value(one, name, words) == _value(other, name, words)
  assert played > 20
  assert ended


def test_lookalikes_share_the_text_and_differ_in_what_it_does_not_say(world):
  all_moments = _moments(world, "imperfect/swapped(0)", 8, 3)
  state, params = next(m for m in all_moments if not m[0].done)
  others = world.lookalikes(state, params, 0)
  assert len(others) > 10
  (text,) = world.describe(jax.tree.map(lambda x: x[None], state.obs))
  walls = {np.asarray(other.env.level.wall).tobytes() for other in others}
  assert len(walls) > 5
  for other in others[:8]:
    obs = dataclasses.replace(state.obs, wall=other.env.level.wall)
    assert world.describe(jax.tree.map(lambda x: x[None], obs)) == [text]
  now = world.facts(state, params)
  for name, words in (
    ("distance", ("you", "goal")),
    ("free", ("up",)),
    ("free", ("left",)),
  ):
    assert {other.value(name, words) for other in others} == {
      now.value(name, words)
    }


def test_unseen_things_and_walls_out_of_sight_are_open(world):
  for state, params in _moments(world, "imperfect/swapped(0)", 8, 4):
    tool = world.facts(state, params).tools[0]
    if state.env_state.slot[0] < 0:
      continue
    unseen = dataclasses.replace(
      state.obs,
      tool=np.where(np.arange(len(state.obs.tool)) == 0, -1, state.obs.tool),
    )
    hidden = dataclasses.replace(state, obs=unseen)
    answers = {
      _value(other, "distance", ("you", tool))
      for other in world.lookalikes(hidden, params, 0)
    }
    assert len(answers) > 1
    return
  raise AssertionError("no moment with a tool that lies")


# --- The language -------------------------------------------------------------


def q(op, *args):
  return {"op": op, "args": list(args)}


def parse(data):
  return reading.parse(json.dumps(data), LANGUAGE)


IT = q("distance", "you", "it")
GOOD = {
  "distance": q("distance", "you", "goal"),
  "count": q("count", "tools", q("reachable", "it")),
  "argmin": q("argmin", "tools", IT),
  "nested": q("distance", q("argmin", "tools", IT), "goal"),
  "after": q("after", ["up", "left"], q("free", "up")),
  "compare": q(
    "compare", q("distance", "you", "ax"), q("distance", "you", "goal")
  ),
  "opener": q("opener", q("argmax", "elements", IT)),
}  # fmt: skip


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_queries_round_trip_and_are_told_in_words(data):
  query = parse(data)
  assert reading.parse(forms.canonical(query), LANGUAGE) == query
  words = wording.in_words(query, LANGUAGE)
  assert words.endswith("?")
  assert "{" not in words
  assert "ax" not in re.findall(r"\w+", forms.shape(query, LANGUAGE))


def test_order_that_does_not_matter_makes_one_query():
  a, b = q("distance", "you", "goal"), q("distance", "goal", "you")
  assert parse(a) == parse(b)
  other = q("distance", "you", "ax")
  assert parse(q("compare", a, other)) == parse(q("compare", other, b))
  once = q("after", ["up", "left"], q("free", "up"))
  assert parse(once) == parse(
    q("after", ["up"], q("after", ["left"], q("free", "up")))
  )
  assert parse(a) != parse(other)
  assert forms.shape(parse(a), LANGUAGE) == "distance(place, place)"


def test_ties_have_no_answer(world, moments):
  tie = parse(q("argmin", "tools", IT))
  answers = set()
  for state, params in moments:
    facts = world.facts(state, params)
    try:
      answer = answering.answer(tie, facts, LANGUAGE)
      assert answer in answering.choices(tie, facts, LANGUAGE)
      answers.add(answer)
    except Undefined as error:
      answers.add(str(error)[:7])
  assert len(answers) > 2


deep = q("free", "up")
for _ in range(6):
  deep = q("after", ["up"], deep)
BAD = {
  "no JSON": ("distance(you, goal)", "is no JSON"),
  "brackets": ("[" * 1990, "no JSON|no query"),
  "long": ('"' + "a" * 3000 + '"', "too long"),
  "a list": ("[1]", "is no query"),
  "another key": ('{"op": "free", "args": ["up"], "x": 1}', "is no query"),
  "unknown": (json.dumps(q("distanse", "you", "goal")), "'distance'"),
  "op no word": (json.dumps(q(["free"], "up")), "is unknown"),
  "code": (json.dumps(q("__import__('os')", "up")), "is unknown"),
  "too few": (json.dumps(q("distance", "you")), "list of 2"),
  "type": (json.dumps(q("holds", "tree")), "is no tool"),
  "inner type": (json.dumps(q("holds", q("opens", "ax", "tree"))), "gives"),
  "number": (json.dumps(q("free", 3)), "is no action"),
  "null": (json.dumps(q("free", None)), "is no action"),
  "it alone": (json.dumps(IT), "'?it'?.* is no place|is no place"),
  "no it": (json.dumps(q("count", "tools", q("holds", "ax"))), "not name"),
  "group": (json.dumps(q("count", "walls", q("holds", "it"))), "use one of"),
  "group type": (json.dumps(q("count", "tools", q("is_open", "it"))), "no ele"),
  "groups": (
    json.dumps(q("count", "tools", q("holds", q("argmin", "tools", IT)))),
    "within another",
  ),
  "deep": (json.dumps(deep), "at most 4"),
  "moves": (json.dumps(q("after", ["up"] * 4, q("free", "up"))), "1 to 3"),
  "move": (json.dumps(q("after", ["jump"], q("free", "up"))), "no action"),
  "tokens": (json.dumps(q("holds", "ax<|im_end|>")), "is no tool"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_no_query_is_refused_with_the_fix(text, message):
  with pytest.raises(QueryError, match=message) as error:
    reading.parse(text, LANGUAGE)
  assert len(str(error.value)) < 400

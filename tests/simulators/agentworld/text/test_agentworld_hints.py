"""Hints are true, and the way that they work out is the cheapest."""

import collections
import hashlib

import jax
import numpy as np
import pytest

from simulators.agentworld.config import Config
from simulators.agentworld.text.describe import describe
from simulators.agentworld.text.read import parse_description
from simulators.agentworld.text.rules import INSTRUCTION, instruction
from simulators.agentworld.vocabulary import ACTIONS, ELEMENTS, TOOLS
from tests.simulators.agentworld.arranged import by_hand

CONFIG = Config(rendering="hints")
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


@pytest.fixture(scope="module")
def seen(world, pool, large, walk):
  """About 2,000 moments: (obs on the host, states), leaves [rows, ...]."""
  params, rows = world.params("imperfect/swapped(1)"), []
  for levels in (pool, large):
    states, _ = walk(params, levels.levels, chance=0.4)
    going = ~np.cumsum(states.terminated, axis=0, dtype=bool)
    rows.append(jax.tree.map(lambda x, going=going: x[going], states))
  states = jax.tree.map(lambda *x: jax.numpy.concatenate(x), *rows)
  return jax.device_get(states.obs), states, params


@pytest.fixture(scope="module")
def texts(seen):
  descriptions = describe(seen[0], CONFIG)
  return descriptions, [parse_description(d) for d in descriptions]


def test_known_moment_in_words():
  """A corridor with a tree, made by hand."""
  wall = np.ones((7, 7), bool)
  for cell in ((4, 2), (3, 2), (2, 2), (1, 2), (1, 3), (1, 4), (4, 3), (5, 2)):
    wall[cell] = False
  obs = by_hand(
    wall=wall,
    agent=(4, 2),
    goal=(1, 4),
    tools={"ax": (5, 2), "key": (2, 2), "pole": (0, 0)},
    held=("pole",),
    elements={"tree": (3, 2), "door": (4, 3), "pit": (6, 6)},
    needs=("ax", "key", "pole"),
    opened=(),
  )
  assert describe(obs, CONFIG) == [
    "blocked up left right. beside up tree down ax right door. goal three up "
    "two right past tree up needs ax. ax down. key two up past tree. door "
    "right. holding pole."
  ]
  assert parse_description(describe(obs, CONFIG)[0]) == {
    "task": None,
    "blocked": ["up", "left", "right"],
    "danger": [],
    "boxes": [],
    "goal": {"offset": (-3, 2), "past": "tree"},
    "elements": {
      "tree": _bar((-1, 0), "ax"),
      "door": _bar((0, 1), None),
    },
    "tools": {
      "ax": {"offset": (1, 0), "past": None},
      "key": {"offset": (-2, 0), "past": "tree"},
    },
    "holding": ["pole"],
  }
  through = obs.replace(opened=np.array([[True, False, False]]))
  assert (
    "goal three up two right past tree up open" in describe(through, CONFIG)[0]
  )


def _bar(offset, needs):
  return {"offset": offset, "needs": needs, "open": False, "past": None}


def test_texts_of_plain_levels_are_unchanged(texts):
  """Results of the control arm hold only if its texts keep their bytes."""
  digest = hashlib.sha256("\n".join(texts[0]).encode()).hexdigest()
  assert digest == (
    "5df3c49a8164c381a9e2694703af3318adb22da06f2c5633c36794c0aff0dd32"
  )


def test_parsed_descriptions_equal_the_observation(seen, texts):
  obs, descriptions = seen[0], texts[0]
  assert len(descriptions) > 1000
  for i, parsed in enumerate(texts[1]):
    agent = obs.agent[i]
    assert parsed["goal"]["offset"] == tuple(obs.goal[i] - agent)
    lying = {
      TOOLS[word]: tuple(at - agent)
      for word, at, held in zip(
        obs.tool[i], obs.tool_at[i], obs.held[i], strict=True
      )
      if not held
    }
    assert set(parsed["tools"]) == set(lying)
    for word, tool in parsed["tools"].items():
      assert tool["offset"] in (lying[word], None)
      assert tool["offset"] or tool["past"]
    held = [TOOLS[word] for word in obs.tool[i][obs.held[i]]]
    assert parsed["holding"] == held
    for word, element in parsed["elements"].items():
      j = obs.element[i].tolist().index(ELEMENTS.index(word))
      assert element["offset"] == tuple(obs.element_at[i, j] - agent)
      assert element["open"] == obs.opened[i, j]
      assert element["needs"] in (None, TOOLS[obs.needs[i, j]])
    beside = {
      ELEMENTS[word]
      for word, at in zip(obs.element[i], obs.element_at[i], strict=True)
      if np.abs(at - agent).sum() == 1
    }
    passed = {thing["past"] for thing in parsed["tools"].values()}
    passed |= {parsed["goal"]["past"]}
    assert set(parsed["elements"]) - {None} == (beside | passed) - {None}
    for word in passed - {None}:
      element = parsed["elements"][word]
      assert element["open"] != bool(element["needs"])


def test_beside_repeats_what_is_one_step_away(texts):
  """The direction comes first; omitted where a text would be too long."""
  left_out = 0
  for words, parsed in zip(*texts, strict=True):
    sentences = words.removesuffix(".").split(". ")
    things = [*parsed["tools"].items(), ("goal", parsed["goal"])]
    near = {
      name: word
      for word, thing in [*things, *parsed["elements"].items()]
      for name, move in zip(ACTIONS, MOVES, strict=True)
      if thing["offset"] == move
    }
    pairs = [f" {a} {near[a]}" for a in ACTIONS if a in near]
    again = [s for s in sentences if s.startswith("beside")]
    if again or not pairs:
      assert again == ["beside" + "".join(pairs)][: bool(pairs)]
    else:
      left_out += 1
      cost = 2 * len(pairs) + 2
      assert len(words.split()) + words.count(".") + 1 + cost > 40
  assert 0 < left_out < len(texts[0]) / 20


def test_blocked_actions_do_not_move(world, seen, texts):
  """Where the stated rules hold, stepping agrees with the text."""
  _, states, params = seen
  step = jax.jit(jax.vmap(world.step, (0, None, None)))
  for action, name in enumerate(ACTIONS):
    moved = np.asarray(step(states, action, params).obs.moved)
    blocked = np.array([name in parsed["blocked"] for parsed in texts[1]])
    np.testing.assert_array_equal(moved, ~blocked)


def test_past_names_the_blocking_element(seen, texts):
  """Nothing is past a closed element if there is an open path, and opening
  the named element alone gives a path."""
  obs = seen[0]
  closed_ways = 0
  for i in range(0, len(obs.agent), 7):
    parsed = texts[1][i]
    closed = {
      tuple(at): ELEMENTS[word]
      for word, at, opened in zip(
        obs.element[i], obs.element_at[i], obs.opened[i], strict=True
      )
      if not opened
    }
    floor = _flood(obs, i, set(closed))
    past = parsed["goal"]["past"]
    open_way = tuple(obs.goal[i]) in floor
    shut = past in closed.values()
    if past and not shut and not open_way:
      # An open element on the way is named, with a closed one behind it.
      assert any(
        ELEMENTS[word] == past and opened and tuple(at) in floor
        for word, at, opened in zip(
          obs.element[i], obs.element_at[i], obs.opened[i], strict=True
        )
      )
      continue
    assert shut != open_way
    closed_ways += shut
    if shut:
      gate = next(cell for cell, word in closed.items() if word == past)
      assert any(_next(gate, move) in floor for move in MOVES)
  assert closed_ways > 20


def _next(cell, move):
  return cell[0] + move[0], cell[1] + move[1]


def _flood(obs, i, closed):
  start = tuple(obs.agent[i])
  wet, queue = {start}, collections.deque([start])
  while queue:
    here = queue.popleft()
    for move in MOVES:
      cell = _next(here, move)
      inside = all(0 <= x < obs.side[i] for x in cell)
      if inside and not obs.wall[i][cell] and cell not in closed | wet:
        wet.add(cell)
        queue.append(cell)
  return wet


def test_text_of_a_row_does_not_depend_on_the_batch(seen, texts):
  for i in (0, 17, 400):
    alone = jax.tree.map(lambda x, i=i: x[i : i + 1], seen[0])
    assert describe(alone, CONFIG) == [texts[0][i]]
  assert instruction(seen[0]) == [INSTRUCTION] * len(texts[0])


def test_texts_are_short(texts):
  """Words and full stops are one token each, the first at most two."""
  length = np.array([len(d.split()) + d.count(".") + 1 for d in texts[0]])
  assert length.max() <= 42
  assert np.mean(length > 40) < 0.002


def test_unseen_things_are_not_mentioned(world, pool, walk):
  params = world.params("imperfect/blind(1)")
  states, _ = walk(params, pool.levels, chance=0.2)
  obs = jax.tree.map(lambda x: np.asarray(x)[9], states.obs)
  for parsed in map(parse_description, describe(obs, CONFIG)):
    assert parsed["elements"] == {}
    assert parsed["tools"] == {}
    assert parsed["goal"]["past"] is None


@pytest.mark.parametrize(
  "wrong",
  [
    "",
    "goal three",
    "ax two left needs key.",
    "goal up. hello.",
    "blocked fish.",
    "holding up.",
    "beside left. goal up.",
    "beside left hill. goal up.",
  ],
)
def test_text_of_another_format_is_refused(wrong):
  with pytest.raises(ValueError, match="cannot read"):
    parse_description(wrong)

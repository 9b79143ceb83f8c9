"""Texts of what is perceived: both styles say the same, and can be read."""

import dataclasses

import jax
import numpy as np
import pytest

import simulators
from simulators import rollout
from simulators.agentworld.config import Config
from simulators.agentworld.text import phrases
from simulators.agentworld.text.describe import describe
from simulators.agentworld.text.read import parse, parse_description
from simulators.agentworld.text.rules import read_needs
from simulators.agentworld.text.scene import YOURS
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  GOALS,
  TOOLS,
)
from tests.simulators.agentworld.arranged import (
  WORLDS,
  arrange,
  by_hand,
  look,
  named_rooms,
)

STYLES = ("plain", "compact")
ROWS = 300  # moments of each arranged world
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def write(obs, style, sight=1):
  return describe(obs, Config(rendering=style, sight=sight))


@pytest.fixture(scope="module", params=range(len(WORLDS)))
def moments(request):
  """An `Obs` with boxes, hazards and goals; things unseen in every third."""
  obs = jax.device_get(look(*arrange(WORLDS[request.param], ROWS)))[0]
  rng = np.random.default_rng(0)
  last = rng.integers(-1, 4, ROWS)
  blind = (np.arange(ROWS) % 3 == 0)[:, None]
  lost = (rng.random((2, *obs.tool.shape)) < 0.5) & blind
  tool, element = lost[0] & ~obs.held, lost[1]
  return dataclasses.replace(
    obs,
    last=last,
    moved=(last >= 0) & (rng.random(ROWS) < 0.5),
    tool=np.where(tool, -1, obs.tool),
    tool_at=np.where(tool[..., None], -1, obs.tool_at),
    element=np.where(element, -1, obs.element),
    element_at=np.where(element[..., None], -1, obs.element_at),
    opened=obs.opened & ~element,
  )


def facts(obs, i, sight=1):
  """What a text of row i says, as `parse_description` returns it."""
  here, rooms = obs.agent[i], named_rooms(obs, i)
  around = rooms(here)
  mine = around[0] if len(around) == 1 else None

  def cell(there):
    return int(there[0] - here[0]), int(there[1] - here[1])

  def thing(there):
    names = rooms(there)
    yours = [YOURS] * (mine in names)
    return {
      "offset": cell(there),
      "rooms": yours + [name for name in names if name != mine],
    }

  kind, word = GOALS[obs.goal_kind[i]], obs.goal_word[i]
  of = {"open": ELEMENTS[word], "push": BOX}.get(kind, TOOLS[word])
  pairs = range(obs.tool.shape[1])
  moves = zip(ACTIONS, MOVES, strict=True)
  side = len(obs.wall[i])
  shut = [
    cell(obs.element_at[i, k])
    for k in pairs
    if obs.element[i, k] >= 0 and not obs.opened[i, k]
  ]

  def is_wall(at):
    return not (min(at) >= 0 and max(at) < side) or obs.wall[i][tuple(at)]

  def free(at):
    """Moves from a cell that no wall stops, and where they lead."""
    steps = {a: at + np.array(m) for a, m in zip(ACTIONS, MOVES, strict=True)}
    return {a: to for a, to in steps.items() if not is_wall(to)}

  onward = {
    a: [b for b, end in free(to).items() if not np.array_equal(end, here)]
    for a, to in free(here).items()
  }
  return {
    "task": None if kind == "reach" else {kind: of},
    "limit": int(obs.limit[i]),
    "holding": [TOOLS[obs.tool[i, k]] for k in pairs if obs.held[i, k]],
    "between": around if len(around) > 1 else [],
    "walls": [a for a, move in moves if is_wall(here + np.array(move))],
    "shut": [a for a, move in zip(ACTIONS, MOVES, strict=True) if move in shut],
    "onward": onward if sight == 2 else {},
    "last": None
    if obs.last[i] < 0
    else {"move": ACTIONS[obs.last[i]], "moved": bool(obs.moved[i])},
    "goal": None if kind in ("take", "open") else thing(obs.goal[i]),
    "tools": {
      TOOLS[obs.tool[i, k]]: thing(obs.tool_at[i, k])
      for k in pairs
      if obs.tool[i, k] >= 0 and not obs.held[i, k]
    },
    "elements": {
      ELEMENTS[obs.element[i, k]]: thing(obs.element_at[i, k])
      | {"open": bool(obs.opened[i, k])}
      for k in pairs
      if obs.element[i, k] >= 0
    },
    "boxes": sorted(cell(box) for box in obs.boxes[i]),
    "hazards": sorted(cell(h) for h in np.argwhere(obs.hazard[i])),
  }


def _sorted(parsed):
  """The order of boxes and hazards does not matter."""
  lists = {name: sorted(parsed[name]) for name in ("boxes", "hazards")}
  return parsed | lists


@pytest.mark.parametrize("sight", [1, 2])
@pytest.mark.parametrize("style", STYLES)
def test_text_says_what_the_observation_holds(moments, style, sight):
  for i, text in enumerate(write(moments, style, sight)):
    assert _sorted(parse_description(text)) == facts(moments, i, sight), text


def test_both_styles_say_the_same_in_play(world, pool, walk):
  """Moments of noisy play, with swaps of tools and open doors."""
  states, _ = walk(world.params(), pool.levels, chance=0.5)
  going = ~np.cumsum(states.terminated, axis=0, dtype=bool)
  some = jax.tree.map(lambda x: np.asarray(x)[going], states.obs)
  plain, compact = (write(some, style) for style in STYLES)
  assert len(plain) > 400
  between = 0
  for i, (one, other) in enumerate(zip(plain, compact, strict=True)):
    parsed = parse_description(one)
    assert parsed == parse_description(other)
    assert _sorted(parsed) == facts(some, i)
    between += bool(parsed["between"])
  assert between > 10


@pytest.mark.parametrize("style", STYLES)
def test_weighed_moves_do_what_is_said(world, pool, walk, style):
  """A move leads somewhere, nearer or not, if the world carries it out."""
  params = world.params("real")
  states, _ = jax.device_get(walk(params, pool.levels))
  live = np.argwhere(~np.asarray(states.done[1:-1], bool))[::7]
  before = states.obs.agent[tuple(live.T)]
  states = jax.tree.map(lambda x: x[1:][tuple(live.T)], states)
  texts, rules = write(states.obs, style), world.rules(params)
  step = jax.jit(jax.vmap(world.step, (0, None, None)))
  after = [jax.device_get(step(states, a, params)) for a in range(4)]
  far = np.abs(states.obs.agent - states.obs.goal).sum(-1)
  nearer = shut = undone = 0
  for i, text in enumerate(texts):
    seen = phrases.read(text)
    sentences = world.work_out(text, rules, ("goal",))
    weighed = {said.split()[0]: said.split() for said in sentences}
    for move, cell, then in zip(ACTIONS, MOVES, after, strict=True):
      moved = (then.obs.agent[i] != states.obs.agent[i]).any()
      moved |= (then.obs.opened[i] != states.obs.opened[i]).any()
      said = weighed[move]
      open_move = moved and cell not in seen["hazards"]
      assert ("nearer" in said or "away" in said) == open_move
      stopped = move in weighed["shut"]
      assert stopped == (not moved and move not in seen["walls"])
      shut += stopped
      came = (states.obs.agent[i] + cell == before[i]).all()
      back = move in weighed.get("back", ())
      assert back == came
      undone += back
      if not open_move or not seen["goal"]:
        continue
      aim = states.obs.goal[i] - states.obs.agent[i] - cell
      leads = np.abs(aim).sum() < far[i]
      assert ("nearer" in said) == leads
      assert (move in weighed["next"]) == leads
      nearer += leads
  assert min(nearer, shut, undone) > 10


def test_each_fact_has_one_sentence_and_the_nearest_comes_first(moments):
  for style in STYLES:
    for text in write(moments, style):
      parsed = phrases.read(text)
      things = [*parsed["tools"].values(), *parsed["elements"].values()]
      count = len(things) + len(parsed["boxes"]) + len(parsed["hazards"])
      count += sum(
        bool(parsed[name])
        for name in ("between", "walls", "shut", "last", "goal")
      )
      told = 1 + (style == "plain" or bool(parsed["holding"]))
      told += style == "compact" and parsed["task"] is not None
      assert len(text.split(". ")) == count + told
      for name in ("tools", "elements"):
        far = [
          sum(map(abs, thing["offset"])) for thing in parsed[name].values()
        ]
        assert far == sorted(far)
      far = [sum(map(abs, cell)) for cell in parsed["boxes"]]
      assert far == sorted(far)


def _hall(agent, **changes):
  """Two rooms with a tree between them; the ax is in hand."""
  wall = np.ones((5, 5), bool)
  wall[:3] = False
  wall[[0, 2], 2] = True
  things = {
    "tools": {"ax": (0, 0), "key": (2, 1), "pick": (0, 3)},
    "elements": {"tree": (1, 2), "door": (2, 4)},
    "held": ("ax",), "needs": ("ax", "key"), "opened": (),
  }  # fmt: skip
  return by_hand(wall=wall, agent=agent, goal=(0, 4), **(things | changes))


def test_known_moment_in_plain_and_compact():
  obs = _hall((1, 0))
  assert write(obs, "plain") == [
    "Reach the goal in 12 moves. You hold the ax. A wall is left. The goal is "
    "one up, four right in room B. The key is one down, one right. The pick is "
    "one up, three right in room B. The tree is two right between your room "
    "and room B. The door is one down, four right in room B."
  ]
  assert write(obs, "compact") == [
    "moves 12. hold ax. wall left. goal one up four right in B. key one down "
    "one right. pick one up three right in B. tree two right to B. door one "
    "down four right in B."
  ]


def test_closed_things_beside_are_told_whatever_is_in_hand():
  obs = _hall((1, 1))  # the ax is in hand
  assert (
    "You hold the ax. A closed thing is right. The" in write(obs, "plain")[0]
  )
  assert "hold ax. shut right. goal" in write(obs, "compact")[0]


def test_known_moment_in_a_door_after_a_move():
  obs = _hall((1, 2), opened=("tree",), held=()).replace(
    last=np.array([3]), moved=np.array([True])
  )
  plain, compact = (write(obs, style)[0] for style in STYLES)
  assert plain.startswith(
    "Reach the goal in 12 moves. You hold nothing. You stand between room A "
    "and room B. Walls are up and down. You went right. The goal is one up, "
    "two right in room B."
  )
  assert "The open tree is here between room A and room B." in plain
  assert compact.startswith(
    "moves 12. door A B. wall up down. went right. goal one up two right in B."
  )
  assert "open tree here joins A B." in compact
  assert "closed" not in plain
  stuck = obs.replace(moved=np.array([False]))
  assert "You could not go right." in write(stuck, "plain")[0]
  assert "stuck right." in write(stuck, "compact")[0]


@pytest.mark.parametrize(("style", "most"), [("plain", 115), ("compact", 70)])
def test_texts_of_the_default_world_are_short(usual, val, smollm2, style, most):
  """In tokens of SmolLM2, along random play."""
  params = usual.params("imperfect/swapped(1)")
  played = rollout.rollout(
    usual, params, val.levels, np.arange(64), rollout.random_policy(usual),
    jax.random.key(0), 16,
  )  # fmt: skip
  some = np.zeros((64, 17), bool)
  some[:, ::4] = True
  some = jax.tree.map(lambda x: np.asarray(x)[some], played.states.obs)
  lengths = [len(smollm2[2].encode(text)) for text in write(some, style)]
  assert max(lengths) <= most


def test_text_of_a_row_does_not_depend_on_the_batch(moments):
  for style in STYLES:
    texts = write(moments, style)
    for i in (0, 17, 200):
      alone = jax.tree.map(lambda x, i=i: x[i : i + 1], moments)
      assert write(alone, style) == [texts[i]]


# --- Rules and answers --------------------------------------------------------


def test_rules_state_the_nominal_pairs(world):
  rules = world.rules(world.params("imperfect/wrong-rules(1)"))
  assert rules == world.rules(world.params("real"))
  assert "tree needs ax, door needs key" in rules
  swapped = world.rules(world.params("imperfect/swapped(0)"))
  assert not {"ax", "tree", "key", "door"} & set(swapped.split())


@pytest.mark.parametrize("style", STYLES)
def test_needs_of_elements_come_from_the_rules_alone(style):
  world = simulators.make("agentworld", rendering=style)
  rules = world.rules(world.params())
  text = write(_hall((1, 0)), style)[0]
  elements = world.parse_description(text, rules)["elements"]
  assert {word: it["needs"] for word, it in elements.items()} == {
    "tree": "ax", "door": "key",
  }  # fmt: skip
  without = world.parse_description(text)["elements"]
  assert not any("needs" in it for it in without.values())
  assert len(read_needs(rules)) == 8
  assert not read_needs("Walk to the goal.")


def test_rules_are_short(world):
  for variant in ("real", "imperfect/swapped(2)"):
    rules = world.rules(world.params(variant))
    marks = sum(rules.count(mark) for mark in ".,:")
    assert len(rules.split()) + marks <= 90


@pytest.mark.parametrize(
  ("answer", "action"),
  [
    ("up", 0),
    ("Move up.", 0),
    ("I go UP", 0),
    ("Answer: left", 2),
    ("down, down!", 1),
    ("**right**", 3),
    ("_left_", 2),
    ("up or down", None),
    ("upward", None),
    ("up1", None),
    ("", None),
    ("north", None),
    ("the leftmost", None),
    ("Pick up the key.", None),
    ("All right, I go down", 1),
    ("I turn up right now: left", 2),
  ],
)
def test_parse(answer, action):
  assert parse(answer) == action


@pytest.mark.parametrize(
  "wrong",
  [
    "Reach the goal in 12 moves. You hold a key.",
    "Reach the goal in 12 moves. The hill is here.",
    "Reach the goal in 12 moves. The key is up.",
    "Open the key in 3 moves. Walls are fish.",
    "moves 12. hold hill.",
    "moves 12. goal up.",
    "moves 12. ax one up at B.",
    "moves 12. wall.",
  ],
)
def test_text_of_another_format_is_refused(wrong):
  with pytest.raises(ValueError, match="cannot read"):
    parse_description(wrong)

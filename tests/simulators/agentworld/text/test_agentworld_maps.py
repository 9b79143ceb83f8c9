"""Boxes, hazards and tasks, as hints and as a map, at sizes up to 13."""

import dataclasses
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulators.agentworld import render, variants
from simulators.agentworld.config import Config
from simulators.agentworld.game import levels
from simulators.agentworld.text import maps, rules, words
from simulators.agentworld.text.describe import describe
from simulators.agentworld.text.read import parse_description
from simulators.agentworld.types import Place
from simulators.agentworld.vocabulary import (
  ACTIONS,
  BOX,
  ELEMENTS,
  GOALS,
  NOTHING,
  NUMBERS,
  TOOLS,
)
from tests.simulators.agentworld.arranged import (
  PARAMS,
  WORLDS,
  arrange,
  look,
  state_of,
)

ROWS = 2500  # moments of each world: 10,000 in each rendering


@pytest.fixture(scope="module", params=WORLDS, ids=lambda c: f"size{c.size}")
def moment(request):
  """(config, obs, moves) of one world, numpy leaves [ROWS, ...]."""
  config = request.param
  return config, *jax.device_get(look(*arrange(config, ROWS)))


def render_texts(obs, config, rendering):
  config = dataclasses.replace(config, rendering=rendering)
  return describe(obs, config)


def check(obs, i, moves, parsed, rendering):
  """The parsed text equals the observation; a map contains all of it."""
  agent, is_map = obs.agent[i], rendering == "map"
  kind, word = GOALS[obs.goal_kind[i]], obs.goal_word[i]

  def cells(of):
    return sorted(tuple(cell - agent) for cell in of)

  asked = {
    "reach": None,
    "take": {"take": TOOLS[word]},
    "open": {"open": ELEMENTS[word]},
    "bring": {"bring": TOOLS[word]},
    "push": {"push": BOX},
  }
  assert parsed["task"] == asked[kind]
  if kind in ("take", "open"):
    assert parsed["goal"] is None
  else:
    assert parsed["goal"]["offset"] == tuple(obs.goal[i] - agent)
  assert parsed["blocked"] == [
    name for name, moved in zip(ACTIONS, moves[i], strict=True) if not moved
  ]
  hazards = cells(np.argwhere(obs.hazard[i]))
  assert set(parsed["danger"]) - {"here"} == {
    name
    for name, delta in zip(ACTIONS, words.DELTAS, strict=True)
    if delta in hazards and name not in parsed["blocked"]
  }
  assert ("here" in parsed["danger"]) == ((0, 0) in hazards)
  assert parsed["holding"] == [TOOLS[w] for w in obs.tool[i][obs.held[i]]]
  lying = {
    TOOLS[w]: tuple(at - agent)
    for w, at in zip(obs.tool[i], obs.tool_at[i], strict=True)
    if w not in obs.tool[i][obs.held[i]]
  }
  for name, tool in parsed["tools"].items():
    assert tool["offset"] == lying[name] or (tool["past"] and not is_map)
  for name, element in parsed["elements"].items():
    j = obs.element[i].tolist().index(ELEMENTS.index(name))
    needs = None if obs.opened[i, j] else TOOLS[obs.needs[i, j]]
    assert element["offset"] == tuple(obs.element_at[i, j] - agent)
    assert element["open"] == obs.opened[i, j]
    assert element["needs"] in ([needs] if is_map else [None, needs])
  boxes = cells(obs.boxes[i])
  if is_map:
    side = obs.side[i]
    assert set(parsed["tools"]) == set(lying)
    assert set(parsed["elements"]) == {ELEMENTS[w] for w in obs.element[i]}
    assert sorted(parsed["boxes"]) == boxes
    walls = np.argwhere(obs.wall[i, :side, :side])
    assert sorted(parsed["walls"]) == cells(walls)
    assert sorted(parsed["hazards"]) == [h for h in hazards if h != (0, 0)]
  elif kind == "push":
    assert sorted(parsed["boxes"]) == boxes
  else:
    assert set(parsed["boxes"]) <= set(boxes)
  if kind == "take" and not is_map and asked[kind]["take"] in lying:
    assert parsed["tools"][TOOLS[word]]["offset"] == lying[TOOLS[word]]
  if kind == "open":
    assert ELEMENTS[word] in parsed["elements"]


@pytest.mark.parametrize("rendering", ["map", "hints"])
def test_parsed_descriptions_equal_the_observation(moment, rendering):
  """Includes `blocked` and `danger`, which the dynamics decide."""
  config, obs, moves = moment
  for i, text in enumerate(render_texts(obs, config, rendering)):
    parsed = parse_description(text)
    check(obs, i, moves, parsed, rendering)


def _small_and_wide():
  """Start moments of generated levels: (obs of size 7, obs of size 9)."""
  for size in (7, 9):
    config = Config(size=size, boxes=1, hazards=4, goals=GOALS)
    n = 4096
    depths = jnp.arange(n) % (2 + (size > 7))
    draw = jax.vmap(levels.generate, (0, 0, None, None))
    level, ok, _ = jax.jit(draw, static_argnums=3)(
      jax.random.split(jax.random.key(0), n), depths, jnp.int32(size), config
    )
    level = jax.tree.map(lambda x, ok=ok: np.asarray(x)[ok], level)
    closed = np.zeros(level.tool_kind.shape, bool)
    slots = np.broadcast_to(np.arange(3, dtype=np.int32), closed.shape)
    place = Place(level.agent, slots, closed, level.box_at)
    yield config, jax.device_get(look(level, place)[0])


def test_texts_are_short(smollm2):
  """Tokens of SmolLM2: 40 up to side 7, 60 above; a map has more."""
  count = lambda texts: np.array([len(smollm2[2].encode(t)) for t in texts])  # noqa: E731
  for (config, obs), most, most_map in zip(
    _small_and_wide(), (40, 60), (60, 72), strict=True
  ):
    assert len(obs.agent) > 100
    lengths = count(render_texts(obs, config, "hints"))
    assert lengths.max() <= most
    assert count(render_texts(obs, config, "map")).max() <= most_map


def test_words_are_one_token_and_not_object_names(smollm2):
  encode = smollm2[2].encode
  terms = {BOX, NOTHING, "task", "take", "bring", "push", "danger"}
  terms |= {"blocked", "beside", "needs"}
  for word in (terms | {*NUMBERS}) - {"zero"}:
    assert len(encode(" " + word)) == 1, word
    assert word not in TOOLS + ELEMENTS
  assert len(encode(BOX)) == 1


def test_known_moment_as_hints_and_as_a_map():
  wall = np.zeros((5, 5), bool)
  wall[1, :4] = True
  level, _ = jax.tree.map(
    lambda x: x[0], arrange(Config(size=5, boxes=1, hazards=1), 1)
  )
  at = lambda *cells: np.array(cells, np.int32)  # noqa: E731
  hazard = np.zeros((5, 5), bool)
  hazard[3, 2] = True
  level = level.replace(
    wall=wall, hazard=hazard, side=np.int32(5), goal=at(0, 2),
    goal_kind=np.int32(GOALS.index("bring")), goal_thing=np.int32(1),
    tool_kind=at(0, 1, 2), tool_at=at((4, 0), (0, 0), (4, 4)),
    element_kind=at(0, 1, 2), element_at=at((1, 4), (3, 0), (0, 4)),
  )  # fmt: skip
  place = Place(
    agent=at(2, 2),
    slot=at(0, 1, -1),
    opened=np.array([False, False, True]),
    boxes=at((2, 1)),
  )
  rows = jax.tree.map(lambda x: np.asarray(x)[None], (level, place))
  obs = jax.device_get(look(*rows)[0])
  tree, door, _ = (ELEMENTS[w] for w in obs.element[0])
  ax, key, pick = (TOOLS[w] for w in obs.tool[0])
  rock = ELEMENTS[obs.element[0, 2]]
  assert render_texts(obs, WORLDS[0], "hints") == [
    f"task bring {key}. blocked up. danger down. goal two up past {tree} up "
    f"two right needs {ax}. {BOX} left. {key} past {tree}. "
    f"{ax} two down two left. holding {pick}."
  ]
  assert render_texts(obs, WORLDS[0], "map") == [
    f"task bring {key}. a {ax} b {key} A {tree} B {door} {rock} two up two "
    f"right open. holding {pick}.\nb *\n####A\n $@\nB !\na"
  ]


def test_instructions_and_rules_mention_what_the_world_has(moment):
  config, obs, _ = moment
  for i, text in enumerate(rules.instruction(obs)):
    kind, word = GOALS[obs.goal_kind[i]], obs.goal_word[i]
    names = ELEMENTS if kind == "open" else TOOLS
    assert (names[word] in text.rstrip(".").split()) == (
      kind in ("take", "open", "bring")
    )
  stated = rules.rules(PARAMS, config)
  assert (BOX in stated) == bool(config.boxes)
  assert ("danger" in stated) == bool(config.hazards)
  for kind in GOALS[1:]:
    assert (f"{kind} a" in stated) == (kind in config.goals)
  drawn = rules.rules(PARAMS, dataclasses.replace(config, rendering="map"))
  assert ("map" in drawn, "map" in stated) == (True, False)


def test_example_in_the_docstring_can_be_read():
  lines = maps.__doc__.splitlines()
  start = next(i for i, line in enumerate(lines) if "task bring" in line)
  drawn = textwrap.dedent("\n".join(lines[start : start + 6]))
  parsed = parse_description(drawn)
  assert parsed["tools"] == {
    "ax": {"offset": (-1, -3), "past": None},
    "key": {"offset": (1, 0), "past": None},
  }
  assert {w: e["needs"] for w, e in parsed["elements"].items()} == {
    "tree": "ax", "door": "pick",
  }  # fmt: skip


@pytest.mark.parametrize(
  "wrong",
  [
    "task eat key.", "task open key.", "danger.", "package.",
    "nothing.\n##", "a key.\n@", "hello.\n@",
  ],
)  # fmt: skip
def test_text_of_another_format_is_refused(wrong):
  with pytest.raises(ValueError, match="cannot read"):
    parse_description(wrong)


def test_picture_shows_boxes_hazards_and_goals():
  level, place = arrange(WORLDS[0], 40)
  draw = jax.jit(
    jax.vmap(lambda level, place, params: render.render(
      state_of(level, place), params
    ), (0, 0, None))
  )  # fmt: skip
  pictures = np.asarray(draw(level, place, PARAMS))
  assert pictures.shape == (40, 6 * render.CELL, 5 * render.CELL, 3)
  safe = np.asarray(draw(level, place, variants.parse("imperfect/no-hazards")))
  reach = level.replace(goal_kind=0 * level.goal_kind)
  plain = np.asarray(draw(reach, place, PARAMS))

  def changed(other, i):
    cells = (pictures[i] != other[i]).any(-1)
    cells = cells.reshape(6, render.CELL, 5, render.CELL).any((1, 3))
    return {tuple(cell) for cell in np.argwhere(cells).tolist()}

  for i in range(40):
    hazards = {tuple(cell) for cell in np.argwhere(level.hazard[i]).tolist()}
    assert changed(safe, i) == hazards
    kind, thing = GOALS[level.goal_kind[i]], level.goal_thing[i]
    boxes = {tuple(cell) for cell in place.boxes[i].tolist()}
    slot = place.slot[i, thing]
    tool = (5, thing) if slot < 0 else level.tool_at[i, slot]
    goal = {tuple(level.goal[i].tolist())}
    marked = {
      "reach": set(),
      "take": {tuple(map(int, tool))},
      "open": goal,
      "bring": {tuple(map(int, tool))},
      "push": boxes,
    }[kind]
    assert marked - goal <= changed(plain, i) <= marked | goal


def test_colours_of_different_kinds_are_distinguishable():
  """By CIE 1976 of sRGB, in which a just noticeable difference is 2.3."""
  kinds = [tuple(colour) for colour in render._KIND.tolist()]
  others = [render._BOX, render._HAZARD, render._WALL, render._AGENT]
  colours = [*kinds, *others]
  rgb = np.array([*colours, render._FLOOR, render._POCKET]) / 255
  light = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
  xyz = light @ np.array([
    [0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]
  ])  # fmt: skip
  f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
  lab = np.stack(
    [116 * f[:, 1], 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1
  )
  apart = np.linalg.norm(lab[:, None] - lab, axis=-1)
  np.fill_diagonal(apart, np.inf)
  assert len(set(kinds)) == 8
  assert apart[: len(kinds)].min() > 30
  assert apart[len(kinds) : len(kinds) + 2].min() > 30  # boxes and hazards

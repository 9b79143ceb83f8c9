"""Questions that the text would not answer, or would answer wrongly."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld.game.moment import moment
from simulators.agentworld.questions.parts import ARGS
from simulators.agentworld.questions.sampling import KINDS
from simulators.agentworld.types import Level
from simulators.agentworld.vocabulary import ANSWERS, GOALS
from simulators.base import QuestionArrays

WORLD = simulators.make("agentworld", size=5)
HINTS = simulators.make("agentworld", size=5, rendering="hints")
RISKY = simulators.make("agentworld", size=5, hazards=1)
PARAMS = WORLD.params()
ASKED = ("first_tool", "reachable", "way_bar")
AX, KEY, PICK = range(3)  # each opens the element of its number
NOWHERE = (-1, -1)


@functools.partial(jax.jit, static_argnums=4)
def look(level, held, opened, shown, world):
  """{kind: (word's code, weight)} at the start of a level, about its goal."""
  state = world.reset(jax.random.key(0), PARAMS, level)
  slot = jnp.where(held, -1, jnp.arange(3, dtype=jnp.int32))
  env = state.env_state.replace(slot=slot, opened=opened)
  obs = state.obs.replace(
    held=held,
    opened=opened,
    tool=jnp.where(
      held | (level.tool_at[:, 0] >= 0), PARAMS.tool_id[level.tool_kind], -1
    ),
    element=jnp.where(shown, state.obs.element, -1),
  )
  now = moment(state.replace(env_state=env, obs=obs), PARAMS, world.config)
  args = jnp.zeros(ARGS, jnp.int32)
  return {kind: KINDS[kind].truth(now, args) for kind in ASKED}


def corridor(
  tools=(), elements=(), goal="reach", thing=0, held=(), opened=(), unseen=(),
  hazards=(), world=WORLD,
):  # fmt: skip
  """Answers in a row of five, the agent on the left, the goal on the right.

  Args:
    tools, elements: the column of each of the three; None for nowhere.
    goal, thing: what is asked for.
    held, opened, unseen: numbers of tools, and of elements.
    hazards: columns.
    world: that asks.

  Returns:
    kind -> the word, None where it is not asked.
  """
  wall = np.ones((5, 5), bool)
  wall[0] = False

  def cells(columns):
    columns = [*columns, *[None] * (3 - len(columns))]
    return np.array([NOWHERE if c is None else (0, c) for c in columns])

  def flags(numbers):
    return np.isin(np.arange(3), numbers)

  hazard = np.zeros((5, 5), bool)
  hazard[0, list(hazards)] = True
  level = Level(
    wall=wall, hazard=hazard, agent=np.array([0, 0]),
    goal=np.array([0, 4]), goal_kind=np.int32(GOALS.index(goal)),
    goal_thing=np.int32(thing), tool_kind=np.arange(3, dtype=np.int32),
    tool_at=cells(tools), element_kind=np.arange(3, dtype=np.int32),
    element_at=cells(elements), box_at=np.zeros((0, 2), int), side=np.int32(5),
    depth=np.int32(0), limit=np.int32(40),
  )  # fmt: skip
  level = jax.tree.map(
    lambda x: x.astype(np.int32) if x.dtype == int else x, level
  )
  answers = look(level, flags(held), flags(opened), ~flags(unseen), world)
  return {
    kind: ANSWERS[code] if float(weight) > 0 else None
    for kind, (code, weight) in answers.items()
  }


@pytest.mark.parametrize(
  ("level", "word"),
  [
    ({"tools": (1,), "elements": (2,)}, "ax"),  # although it costs no detour
    (
      {"tools": (2, 1), "elements": (3,)},
      None,
    ),  # the key or the ax can be first
    ({"tools": (1,), "elements": (None, 3)}, None),  # no solution
    ({"tools": (2,), "goal": "bring"}, None),  # open floor, and still a tool
    # The key on the way makes the hand put down the ax.
    ({"tools": (2, 3), "goal": "bring", "held": (AX,)}, None),
    ({"tools": (2,)}, "nothing"),
    ({"held": (AX, KEY, PICK)}, None),  # no other choice exists
  ],
)
def test_first_tool_is_on_every_shortest_path(level, word):
  assert corridor(**level)["first_tool"] == word


def test_paths_with_unseen_elements_are_not_asked_about():
  bar = {"tools": (1,), "elements": (2,)}
  seen, blind = corridor(**bar), corridor(**bar, unseen=(AX,))
  assert (seen["reachable"], seen["way_bar"]) == ("no", "tree")
  assert (blind["reachable"], blind["way_bar"]) == (None, None)


def test_things_past_an_open_and_a_closed_element():
  """Hints mention only the first of them; other texts mention both."""
  both = {"tools": (None, 0), "elements": (1, 3)}
  expected = {HINTS: (None, None), WORLD: ("no", "door")}
  for world, half_open in expected.items():
    closed = corridor(**both, world=world)
    open_ = corridor(**both, opened=(AX,), world=world)
    through = corridor(**both, opened=(AX, KEY), world=world)
    assert (closed["reachable"], closed["way_bar"]) == ("no", None)
    assert (open_["reachable"], open_["way_bar"]) == half_open
    assert (through["reachable"], through["way_bar"]) == ("yes", "nothing")


def test_ways_across_a_hazard_are_not_asked_about():
  """Rooms, which the text names, are not divided by hazards."""
  safe = corridor(tools=(1,), world=RISKY)
  risky = corridor(tools=(1,), hazards=(2,), world=RISKY)
  assert (safe["reachable"], safe["way_bar"]) == ("yes", "nothing")
  assert (risky["reachable"], risky["way_bar"]) == (None, None)


def test_steps_count_to_success_for_goals_other_than_reach():
  """For these the goal is an ordinary cell, or there is none."""
  world = simulators.make("agentworld", kinds=("steps", "good_start"))
  n = len(GOALS)
  flags, words = np.zeros((n, 3), bool), np.zeros((n, 3), int)
  obs = types.SimpleNamespace(
    agent=np.zeros((n, 2), int), held=flags, opened=flags,
    time=np.zeros(n, int), tool=words, element=words, goal_kind=np.arange(n),
  )  # fmt: skip
  asked = QuestionArrays(
    args=np.tile([0, 0, -1, -1], (n, 2, 1)), answer=np.zeros((n, 2), int),
    options=np.tile([0, 1], (n, 2, 1)), valid=np.ones((n, 2), bool),
  )  # fmt: skip
  texts = [
    " ".join(
      q.text for seed in range(9) for q in world.ask(asked, obs, seed)[i]
    )
    for i in range(n)
  ]
  assert ["the goal" in text for text in texts] == [True, *[False] * (n - 1)]
  assert ["success" in text for text in texts] == [False, *[True] * (n - 1)]

"""The second path: plain Python equals JAX and puzzles solved by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld import reference
from simulators.agentworld.reference import Game
from simulators.agentworld.vocabulary import ANSWERS, BOX, HAZARD

WORLD = simulators.make("agentworld", detour=0)
WIDE = simulators.make(
  "agentworld", size=5, boxes=1, hazards=2, walls=2, sides=(5,), larger=(),
  detour=0, goals=("reach", "take", "open", "bring", "push"),
)  # fmt: skip
LEVELS = 24
STEPS = 16

UP, DOWN, LEFT, RIGHT = range(4)


def _corridor(**changes) -> Game:
  """A row of five: agent, ax, floor, tree, goal."""
  fields = {
    "size": 5,
    "walls": frozenset((r, c) for r in (1, 2, 3, 4) for c in range(5)),
    "goal": (0, 4),
    "tools": (0,),
    "lying": ((0, 1),),
    "elements": (((0, 3), 0),),
    "opens": frozenset({(0, 0)}),
    "nominal": frozenset({(0, 0)}),
    "tool_words": ("ax", "key"),
    "element_words": ("tree", "door"),
    "agent": (0, 0),
  }
  return Game(**(fields | changes))


def _row(tree, i):
  return jax.tree.map(lambda x: x[i], tree)


@functools.cache
def _pool(world, count):
  return world.pool("train", count)


@pytest.mark.parametrize(
  ("world", "variant"),
  [
    (WORLD, "real"),
    (WORLD, "imperfect/swapped(1)"),
    (WORLD, "imperfect/wrong-rules(0.5)"),
    (WORLD, "imperfect/many-hands"),
    (WIDE, "real"),
    (WIDE, "imperfect/no-hazards"),
  ],
)
def test_steps_and_optimal_actions_equal_the_jax_rules(world, variant):
  params, count = world.params(variant), LEVELS if world is WORLD else 16
  levels = _pool(world, count).take(np.arange(count))
  actions = jax.random.randint(jax.random.key(3), (count, STEPS), 0, 4)

  def walk(level, actions):
    table = world.solve(level, params)

    def take(state, action):
      new = world.step(state, action, params)
      new = jax.tree.map(
        lambda old, new: jnp.where(state.terminated, old, new), state, new
      )
      return new, (new, world.lookup(table, new, params))

    first = world.reset(jax.random.key(0), params, level)
    return jax.lax.scan(take, first, actions)[1]

  states, costs = jax.device_get(jax.jit(jax.vmap(walk))(levels, actions))
  failed = 0
  for i in range(count):
    game = Game.from_level(_row(levels, i), params)
    for t in range(STEPS):
      game = game.step(int(actions[i, t]))
      env = _row(states.env_state, (i, t))
      assert game == Game.from_state(env, params)
      over = game.done or game.failed
      assert over == states.terminated[i, t]
      assert game.done == (states.reward[i, t] > 0)
      if t % 4 == 0 and not over:
        np.testing.assert_array_equal(game.costs(), costs[i, t])
    failed += game.failed
  assert (failed > 0) == (world is WIDE and variant == "real")


def test_taken_tool_opens_the_way_and_its_steps_count():
  game = _corridor()
  assert game.costs() == (5.0, 5.0, 5.0, 4.0)
  assert game.optimal() == (RIGHT,)
  for _ in range(4):
    game = game.step(RIGHT)
  assert game.done
  assert game.held == game.opened == {0}
  assert game.step(LEFT) == game


@pytest.mark.parametrize("one_hand", [True, False])
def test_one_hand_puts_its_tool_down_in_the_slot_of_the_next(one_hand):
  """Agent, ax, key, tree, goal: the key makes the one hand drop the ax."""
  game = _corridor(tools=(0, 1), lying=((0, 1), (0, 2)), one_hand=one_hand)
  game = game.step(RIGHT).step(RIGHT)
  if not one_hand:
    assert (game.held, game.lying) == ({0, 1}, (None, None))
    assert game.costs()[RIGHT] == 2.0
    return
  assert (game.held, game.lying) == ({1}, ((0, 2), None))
  assert game.step(RIGHT) == game  # the tree needs the ax
  assert game.costs()[LEFT] == 4.0  # to the empty slot, back: the ax is taken
  back = game.step(LEFT)
  assert back.lying == game.lying
  assert back.step(RIGHT).lying == (None, (0, 2))


def test_element_bars_the_way_without_its_tool():
  game = _corridor(opens=frozenset({(1, 0)}), agent=(0, 2))
  assert game.step(RIGHT) == game
  assert game.optimal() == ()


@pytest.mark.parametrize(
  ("kind", "args", "word"),
  [
    ("where", (0, 1), "right"),
    ("adjacent", (RIGHT,), "ax"),
    ("adjacent", (UP,), "wall"),
    ("nearer", (0, 1), "ax"),
    ("which_tool", (0,), "ax"),
    ("bump", (RIGHT,), "yes"),
    ("bump", (LEFT,), "no"),
    ("if_held", (0, RIGHT), "yes"),
    ("reachable", (1,), "yes"),
    ("reachable", (0,), "no"),
    ("optimal_next", (), "right"),
    ("plan", (1, RIGHT, RIGHT, LEFT), "yes"),
    ("plan", (0, RIGHT, RIGHT, RIGHT), "no"),
    ("steps", (), "four"),
    ("held", (0,), "no"),
    ("exits", (), "one"),
    ("task", (), "reach"),
    ("distance", (0,), "four"),
    ("apart", (0, 1), "three"),
    ("aligned", (1, 0), "yes"),
    ("aligned", (1, 1), "no"),
    ("relative", (0, 1, 1), "left"),
    ("which_element", (0,), "tree"),
    ("opens", (0, 0), "yes"),
    ("opens", (1, 0), "no"),
    ("can_open", (0,), "no"),
    ("takes", (RIGHT,), "yes"),
    ("nears", (RIGHT, 0), "yes"),
    ("nears", (LEFT, 0), "no"),
    ("next_distance", (RIGHT, 0), "three"),
    ("next_distance", (UP, 0), "four"),
    ("deadly", (RIGHT,), "no"),
    ("pushes", (RIGHT,), "no"),
    ("if_open", (0, 0), "yes"),
    ("helps", (0,), "no"),
    ("way_bar", (0,), "tree"),
    ("way_bar", (1,), "nothing"),
    ("better", (UP, RIGHT), "right"),
    ("progress", (RIGHT,), "yes"),
    ("progress", (DOWN,), "no"),
    ("first_tool", (), "ax"),
    ("good_start", (RIGHT, RIGHT), "yes"),
    ("good_start", (UP, RIGHT), "no"),
    ("stopped", (RIGHT, RIGHT, RIGHT), "nothing"),
    ("stopped", (DOWN, RIGHT, RIGHT), "wall"),
    ("why_barred", (DOWN,), "wall"),
    ("did_move", (UP,), "no"),
    ("did_move", (RIGHT,), "yes"),
    ("was_distance", (0, RIGHT, RIGHT, -1), "six"),
    ("was_distance", (0, LEFT + 4, RIGHT, -1), "five"),
    ("approached", (0, RIGHT, RIGHT, -1), "yes"),
    ("approached", (0, LEFT, LEFT, -1), "no"),
  ],
)
def test_answers_in_a_corridor(kind, args, word):
  assert _answer(_corridor(), kind, args) == word


def _answer(game: Game, kind: str, args) -> str:
  return ANSWERS[reference.answer(game, kind, args)]


def test_tool_of_a_closed_element_is_lacking_before_it():
  """The ax is behind the agent: at the tree it must be fetched first."""
  game = _corridor(agent=(0, 2))
  assert _answer(game, "lacking", (RIGHT,)) == "ax"
  assert _answer(game, "why_barred", (RIGHT,)) == "tree"
  assert _answer(game, "stopped", (RIGHT, UP, UP)) == "tree"
  assert _answer(game, "helps", (0,)) == "yes"
  assert _answer(game, "first_tool", ()) == "ax"
  assert game.optimal() == (LEFT,)


def test_box_is_pushed_onto_floor_and_blocks_otherwise():
  game = _corridor(tools=(), lying=(), elements=(), boxes=((0, 1),))
  assert _answer(game, "pushes", (RIGHT,)) == "yes"
  assert _answer(game, "adjacent", (RIGHT,)) == BOX
  assert _answer(game, "reachable", (0,)) == "no"
  for _ in range(3):
    game = game.step(RIGHT)
  assert (game.agent, game.boxes) == ((0, 3), ((0, 4),))
  assert _answer(game, "pushes", (RIGHT,)) == "no"
  assert _answer(game, "why_barred", (RIGHT,)) == BOX
  assert game.optimal() == ()
  hazard = _corridor(
    tools=(), lying=(), boxes=((0, 1),), hazards=frozenset({(0, 2)})
  )
  assert hazard.step(RIGHT) == hazard


def test_hazard_ends_the_game_without_success():
  game = _corridor(elements=(), hazards=frozenset({(0, 2)}), agent=(0, 1))
  assert _answer(game, "deadly", (RIGHT,)) == "yes"
  assert _answer(game, "adjacent", (RIGHT,)) == HAZARD
  assert game.optimal() == ()
  lost = game.step(RIGHT)
  assert lost.failed
  assert not lost.done
  assert lost.step(RIGHT) == lost


@pytest.mark.parametrize(
  ("task", "changes", "steps"),
  [
    ("take", {}, 1),
    ("open", {}, 3),
    ("bring", {}, 4),
    ("push", {"elements": (), "boxes": ((0, 2),)}, 3),
  ],
)
def test_achieving_the_goal_ends_the_game(task, changes, steps):
  game = _corridor(task=task, **changes)
  assert _answer(game, "task", ()) == task
  for left in range(steps, 0, -1):
    assert min(game.costs()) == left
    assert not game.done
    game = game.step(RIGHT)
  assert game.done


def test_question_without_a_single_answer_is_refused():
  with pytest.raises(ValueError, match=r"where\(0, 0\) has no single answer"):
    reference.answer(_corridor(), "where", (0, 0))
  with pytest.raises(ValueError, match="'whence' is unknown"):
    reference.answer(_corridor(), "whence", ())

"""The second path: plain Python against JAX, and against puzzles by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.agentworld import reference
from simulators.agentworld.reference import Game

WORLD = simulators.make("agentworld")
LEVELS = 48
STEPS = 16

UP, DOWN, LEFT, RIGHT = range(4)


def _corridor(**changes) -> Game:
  """A row of five: agent, ax, floor, tree, goal."""
  fields = {
    "size": 5,
    "walls": frozenset((r, c) for r in (1, 2, 3, 4) for c in range(5)),
    "goal": (0, 4),
    "tools": (((0, 1), 0),),
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


@pytest.mark.parametrize(
  "variant", ["real", "imperfect/swapped(1)", "imperfect/wrong-rules(0.5)"]
)
def test_steps_and_optimal_actions_equal_the_jax_rules(variant):
  params = WORLD.params(variant)
  levels = WORLD.pool("val", LEVELS).take(np.arange(LEVELS))
  actions = jax.random.randint(jax.random.key(3), (LEVELS, STEPS), 0, 4)

  def walk(level, actions):
    def take(state, action):
      new = WORLD.step(state, action, params)
      new = jax.tree.map(
        lambda old, new: jnp.where(state.done, old, new), state, new
      )
      return new, (new, WORLD.oracle(new, params))

    first = WORLD.reset(jax.random.key(0), params, level)
    return jax.lax.scan(take, first, actions)[1]

  states, costs = jax.device_get(jax.jit(jax.vmap(walk))(levels, actions))
  for i in range(LEVELS):
    game = Game.from_level(_row(levels, i), params)
    for t in range(STEPS):
      game = game.step(int(actions[i, t]))
      env = _row(states.env_state, (i, t))
      assert game == Game.from_state(env, params)
      if t % 4 == 0 and not game.done:
        np.testing.assert_array_equal(game.bfs(), costs[i, t])


def test_a_tool_taken_opens_the_way_and_counts_its_steps():
  game = _corridor()
  assert game.bfs() == (5.0, 5.0, 5.0, 4.0)
  assert game.optimal() == (RIGHT,)
  for _ in range(4):
    game = game.step(RIGHT)
  assert game.done
  assert game.held == game.opened == {0}
  assert game.step(LEFT) == game


def test_without_a_tool_that_opens_it_an_element_bars_the_way():
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
  ],
)
def test_answers_read_off_a_corridor(kind, args, word):
  code = reference.answer(_corridor(), kind, args)
  assert reference.questions.ANSWERS[code] == word


def test_a_question_without_a_single_answer_is_refused():
  with pytest.raises(ValueError, match=r"where\(0, 0\) has no single answer"):
    reference.answer(_corridor(), "where", (0, 0))

"""What follows from a description, against worked examples and the world."""

import jax
import numpy as np
import pytest

from simulators.agentworld import reasoning
from simulators.agentworld.text import phrases
from simulators.agentworld.text.describe import describe

TEXT = (
  "moves 9. wall left. up then down right. down then none. right then right."
  " went up. goal two up one right. key one down. ax one down three left in B."
  " tree one up two left to B."
)


def test_a_move_back_and_what_follows_a_move_are_weighed():
  assert reasoning.weigh_moves(TEXT, "", (), ["goal"]) == (
    "next goal up right",
    "shut nothing",
    "back down",
    "up nearer then right",
    "down away back then none",
    "left wall",
    "right nearer then away",
  )
  to_key = reasoning.weigh_moves(TEXT, "", (), ["key"])
  assert to_key[0] == "next key down"
  assert to_key[4] == "down nearer back"
  unseen = reasoning.weigh_moves(TEXT, "", (), ["bridge"])
  assert unseen[0] == "next nothing"
  assert not any("nearer" in sentence for sentence in unseen)


def test_what_stops_a_move_is_named():
  text = "moves 9. hold key. goal two up. gate one up to A. danger one left."
  rules = "AgentWorld. Compact. gate needs key."
  held = reasoning.weigh_moves(text, rules, (), ["goal"])
  assert held == (
    "next goal up", "shut nothing",
    "up nearer", "down away", "left danger", "right away",
  )  # fmt: skip
  empty = reasoning.weigh_moves(text.replace("hold key. ", ""), rules, (), [])
  assert empty[:3] == ("next nothing", "shut up", "up gate shut")


def test_steps_are_added():
  assert reasoning.add_steps(TEXT, "", (), ["goal", "key", "cat"]) == (
    "goal two plus one is three",
    "key one",
  )
  assert reasoning.add_way(TEXT, "", (), ["key", "goal"]) == (
    "key one",
    "goal three plus one is four",
    "way one plus four is five",
  )
  assert reasoning.add_way(TEXT, "", (), ["goal"]) == (
    "goal two plus one is three",
  )
  assert not reasoning.add_way(TEXT, "", (), ["cat", "goal"])


def test_an_axis_is_compared_and_a_plan_followed():
  args = (0, 1, 1)
  assert reasoning.compare_axis(TEXT, "", args, ["tree", "ax"]) == (
    "ax three left",
    "tree two left",
  )
  up, down, left, right = range(4)
  plan = reasoning.add_moves(TEXT, "", (0, up, right, up), ["goal"])
  assert plan == ("up right up is two up one right",)
  assert reasoning.add_moves(TEXT, "", (0, up, down, -1), ["goal"]) == (
    "up down is here",
  )
  assert reasoning.add_moves(TEXT, "", (0, left, up, right), ["goal"]) == (
    "left stops",
    "up right is one up one right",
  )


@pytest.mark.parametrize("kind", ["distance", "nearer", "relative", "plan"])
def test_what_is_worked_out_decides_the_answer(world, pool, walk, kind):
  """In random moments the answer follows from the sentences alone."""
  params = world.params("real")
  states, _ = jax.device_get(walk(params, pool.levels))
  live = np.argwhere(~np.asarray(states.done[:-1], bool))
  states = jax.tree.map(lambda x: x[tuple(live[::5].T)], states)
  texts = describe(states.obs, world.config)
  rules, told = world.rules(params), 0
  keys = jax.random.split(jax.random.key(0), len(texts))
  ask = jax.jit(jax.vmap(world.sample_questions, (0, 0, None)))
  asked = world.ask(jax.device_get(ask(keys, states, params)), states.obs, 0)
  for text, questions in zip(texts, asked, strict=True):
    for question in questions:
      if question.kind == kind:
        said = world.work_out(text, rules, question.about, question)
        assert _answer(kind, said, question, text) == question.answer
        told += 1
  assert told > 10


def _answer(kind, said, question, text):
  """The answer to a question, read from what was worked out."""
  words = [sentence.split() for sentence in said]
  if kind == "distance":
    return words[0][-1]
  if kind == "nearer":
    return min(words, key=lambda w: phrases.NUMBERS.index(w[-1]))[0]
  if kind == "relative":
    (_, here, move), (_, there, _) = words
    if phrases.NUMBERS.index(there) > phrases.NUMBERS.index(here):
      return move
    return next(choice for choice in question.choices if choice != move)
  seen, thing = phrases.read(text), question.about[0]
  it = seen["goal"] if thing == "goal" else seen["tools"][thing]
  ends = said[-1].split(" is ")[1]
  return "yes" if ends == phrases.offset(it["offset"]) else "no"

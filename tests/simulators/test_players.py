"""What players say before they act: sentences of the text, word for word."""

import pytest

from simulators import base, players

PLAIN = "Reach the goal in 9 moves. The open door is one up. The key is two up."
COMPACT = "moves 9. task bring key. open door one up. key two up. goal here."


@pytest.mark.parametrize(
  ("text", "word", "sentence"),
  [
    (PLAIN, "key", "The key is two up"),
    (PLAIN, "door", "The open door is one up"),
    (COMPACT, "key", "key two up"),  # not the task
    (COMPACT, "goal", "goal here"),
    ("key two up\ngoal here", "key", "key two up"),
    (COMPACT, "do", "do"),  # only whole words
    ("a key", "key", "key"),
  ],
)
def test_a_subgoal_is_said_in_the_words_of_the_text(text, word, sentence):
  assert players.sentence_of(text, word) == sentence


RULES = "Walk to the goal. Open with its tool: tree needs ax, door needs key."
LYING = (
  "moves 9. goal two up in B. door one up to B. ax one left. key two right."
)
HELD = "moves 9. hold key. goal two up in B. door one up to B. ax one left."


@pytest.mark.parametrize(
  ("text", "things", "said"),
  [
    (LYING, ("goal",), "goal two up in B"),
    (
      LYING,
      ("key", "door", "goal"),
      "goal two up in B. door one up to B. door needs key. key two right",
    ),
    (
      HELD,
      ("door", "goal"),
      "goal two up in B. door one up to B. door needs key. hold key",
    ),
    (LYING, (), ""),
  ],
)
def test_rationale_goes_from_the_end_of_the_way_to_what_comes_next(
  text, things, said
):
  assert base.rationale(RULES, text, things) == said
  turn = base.with_rationale(said, "up")
  assert turn == (f"{said}. up" if said else "up")


def test_ending_is_said_last():
  def said(*ending):
    return base.rationale(RULES, LYING, ("key", "goal"), ending)

  assert said() == "goal two up in B. key two right"
  assert said("up away", "left wall") == said() + ". up away. left wall"


def test_a_question_is_not_quoted():
  text = "goal two up in B. goal takes how many moves?"
  assert base.rationale("", text, ("goal",)) == "goal two up in B"


def test_rationale_in_plain_sentences():
  text = (
    "Reach the goal in 9 moves. You hold the key. The goal is two up in room "
    "B. The door is one up between your room and room B."
  )
  assert base.rationale(RULES, text, ("door", "goal")) == (
    "The goal is two up in room B. The door is one up between your room and "
    "room B. door needs key. You hold the key"
  )

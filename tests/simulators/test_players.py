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
  assert base.reasoned(text, word, "up") == f"{sentence}. up"


def test_no_subgoal_leaves_the_action_alone():
  assert base.reasoned(PLAIN, "", "up") == "up"

"""Every instruction tells a right answer from a wrong one."""

import pytest

from glimo_jax.data import texts
from glimo_jax.evaluate import language
from glimo_jax.evaluate.retention.instructions import INSTRUCTIONS

# The start of a prompt -> an answer that does as asked, one that does not.
ANSWERS = {
  "Describe the desert": ("It is dry and hot.", "It is dry. It is hot."),
  "Say something nice": ("They sing. They glow!", "They sing."),
  "What is a harbour?": ("A place for ships.", "one two " * 6),
  "What is a comet?": ("A ball of ice.", "one two " * 9),
  "Describe a tiger": ("one two " * 9, "It is big."),
  "Answer with one word": ("Black.", "It is black."),
  "Answer only yes or no": ("No.", "It is a mammal."),
  "Name a fruit": ("BANANA", "Banana"),
  "Tell me where cows": ("ON A FARM.", "On a farm."),
  "name a metal": ("iron", "Iron"),
  "List three rivers": ("- Nile\n- Rhine\n- Po", "- Nile\n- Rhine"),
  "Give me a numbered list of three": ("1. tea\n2. milk\n3. juice", "1. tea"),
  "Give me a numbered list of four": (
    "Here:\n1) skiing\n2) curling\n3) luge\n4) hockey",
    "1. skiing\n2. curling\n3. luge",
  ),
  "Name four vegetables": (
    "Leek, kale, beet, carrot.", "Leek, kale and beet, carrot",
  ),
  "Name three tools": ("saw, plane, hammer", "Sure:\nsaw, plane, hammer"),
  "Write two lines": ("It blows\nall night", "It blows"),
  "Describe a mountain hut": ("Imagine a stove.", "A stove."),
  "Why is honey": ("The short answer is sugar.", "Sugar."),
  "Write a sentence about clocks": ("They tell the time.", "They tick."),
  "Write a short sentence": ("Owls are silent.", "Owls fly."),
  "Use the word bridge": ("A bridge is a bridge.", "They build a bridge."),
  "Put your whole answer": ('"Hail!"', "Hail!"),
  "Describe a ball": (
    '```json\n{"colour": "red", "size": "big"}\n```', '{"colour": "red"}',
  ),
  "How many days": ("7", "There are 7 days."),
}  # fmt: skip


@pytest.mark.parametrize("task", INSTRUCTIONS, ids=lambda t: t.prompt[:24])
def test_check_tells_right_from_wrong(task):
  ((right, wrong),) = [
    pair for start, pair in ANSWERS.items() if task.prompt.startswith(start)
  ]
  assert task.holds(right)
  assert not task.holds(wrong)
  assert not task.holds("")


def test_instructions_are_many_and_not_trained_on():
  prompts = [task.prompt for task in INSTRUCTIONS]
  assert len(set(prompts)) == len(prompts) >= 24
  pools = [p for name in ("chats", "openings") for p in texts.prompts(name)]
  language.check_apart("\n".join(pools), {"instructions": "\n".join(prompts)})
